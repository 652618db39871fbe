"""The items that the rows of a table are, each with what it is told of."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from embeddings_orch.media.base import Problem
from embeddings_orch.media.decoding.kinds import KINDS, kind_of
from embeddings_orch.media.passed_over import advise
from embeddings_orch.media.sources.files import File
from embeddings_orch.media.sources.records import CellTexts, Records
from embeddings_orch.media.sources.uris import local_file
from embeddings_orch.models.rows.cells import is_blank


@dataclass(frozen=True)
class Roles:
    """The columns that are not the user's own, by their names in the file.

    Attributes:
        excluded: columns that are as if they were not there.
    """

    id: str
    uri: str
    text: str
    caption: str
    excluded: Collection[str] = ()


@dataclass(frozen=True)
class RowItem:
    """The item of one row."""

    id: str
    row: int
    text: str | None
    caption: str | None
    file: File | None


@dataclass
class TableRows:
    """The items of a table, and the rows that are none."""

    items: list[RowItem] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def list_rows(records: Records, roles: Roles, folder: Path) -> TableRows:
    """The items of a table, in its order.

    Args:
        records: the table.
        roles: its columns.
        folder: that relative paths are in.
    """
    listing = TableRows()
    seen: dict[str, int] = {}
    columns = _Columns(records, roles)
    for row in range(len(records.numbers)):
        try:
            item = columns.item(row, folder)
            if item.id in seen:
                first = records.where(seen[item.id])
                raise ValueError(f"the id {item.id!r} was given before, in {first}; the first one counts")
        except ValueError as error:
            listing.problems.append(Problem(records.where(row), str(error)))
            continue
        seen[item.id] = row
        listing.items.append(item)
        listing.problems += [Problem(records.where(row), why) for why in columns.wrong(row)]
    return listing


class _Columns:
    """The texts of the columns that say what an item is."""

    def __init__(self, records: Records, roles: Roles) -> None:
        self._roles = roles
        names = (roles.id, roles.uri, roles.text, roles.caption)
        nothing = CellTexts([None] * len(records.numbers))
        self._ids, self._uris, self._texts, self._captions = (
            nothing if name in roles.excluded else records.texts(name) for name in names
        )

    def item(self, row: int, folder: Path) -> RowItem:
        """The item of a row.

        Raises:
            ValueError: it is none.
        """
        key, uri = _need(self._ids, row), _need(self._uris, row)
        text, caption = _said(self._texts, row), _said(self._captions, row)
        if key is None:
            raise ValueError(f"it has no {self._roles.id!r}")
        file = None if uri is None else _file(key, uri, folder)
        if file is None and text is None:
            _need(self._texts, row)
            raise ValueError(f"it has neither {self._roles.uri!r} nor {self._roles.text!r}")
        return RowItem(key, row, text, caption, file)

    def wrong(self, row: int) -> list[str]:
        """What else is wrong with a row that is an item."""
        if not (self._texts.wrong or self._captions.wrong):
            return []
        reasons = (self._texts.wrong.get(row), self._captions.wrong.get(row))
        return [why for why in dict.fromkeys(reasons) if why is not None]


def _need(column: CellTexts, row: int) -> str | None:
    if why := column.wrong.get(row):
        raise ValueError(why)
    return column.texts[row]


def _said(column: CellTexts, row: int) -> str | None:
    text = column.texts[row]
    return None if text is None or is_blank(text) else text


def _file(key: str, uri: str, folder: Path) -> File:
    path = local_file(uri, folder)
    kind = kind_of(path)
    if kind is None:
        raise ValueError(f"{uri}: {advise(path)}; the extension is none of {', '.join(sorted(KINDS))}")
    return File(key, path, kind.modality)
