"""Captions and other columns for the files of a folder, by the convention of Hugging Face's ImageFolder.

Each folder may have a metadata file, ``metadata.csv`` or ``metadata.jsonl``. Its column ``file_name`` names
the files, relative to the folder that it stands in.
"""

from __future__ import annotations

import os
import posixpath
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

import pyarrow as pa

from embeddings_orch.errors import SourceError
from embeddings_orch.media.base import Problem
from embeddings_orch.media.catalog.choice import ColumnChoice, FileColumns, name_columns
from embeddings_orch.media.catalog.columns import Cells, ColumnType, check_pinned, make_column
from embeddings_orch.media.sources.reading import FORMATS, read_records
from embeddings_orch.media.sources.records import Records
from embeddings_orch.plugins import suggestion

FILE_NAME = "file_name"
OWN_TEXTS = ("caption", "text")
"""Columns that are the catalog's, not the user's."""


@dataclass
class Metadata:
    """What the metadata files say, in the order of the ids that were asked for."""

    columns: dict[str, pa.Array] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def metadata_names(name: str) -> frozenset[str]:
    """The file names that are metadata: the one given, as CSV and as JSON Lines."""
    stem = PurePosixPath(name).stem
    return frozenset({name, f"{stem}.csv", f"{stem}.jsonl"}) if name else frozenset()


def read_metadata(
    root: Path,
    paths: Sequence[str],
    ids: Sequence[str],
    *,
    types: Mapping[str, ColumnType],
    choice: ColumnChoice,
) -> Metadata:
    """Read all metadata files of a folder.

    Args:
        root: the folder.
        paths: its metadata files, relative to it.
        ids: the items of the catalog.
        types: of columns whose type is not to be told from their values.
        choice: the columns that are kept, and their names.

    Raises:
        SourceError: a file is malformed, or lacks ``file_name``; a setting names a column that there is not.
    """
    metadata = Metadata()
    rows = _Rows(root, ids, metadata.problems)
    parts: dict[str, list[Cells]] = {}
    files: dict[str, str] = {}
    places: dict[str, int] = {}
    twice: dict[str, str] = {}
    ordered = sorted(paths, key=lambda path: (path.count("/"), path))
    for folder, count in Counter(posixpath.dirname(path) for path in ordered).items():
        if count > 1:
            raise SourceError(f"{root / folder} has {count} metadata files; keep one of them")
    for path in ordered:
        records = _records(root / path)
        metadata.problems += [replace(problem, hides=None) for problem in records.problems]
        resolved, positions = rows.resolve(records, posixpath.dirname(path))
        for place, name in enumerate(records.columns, 1):
            if name != FILE_NAME:
                values = records.values(name)
                cells = Cells(positions, [values[row] for row in resolved], records.untyped)
                parts.setdefault(name, []).append(cells)
                files.setdefault(name, records.name)
                places.setdefault(name, place)
                twice |= {name: records.twice[name]} if name in records.twice else {}
    check_pinned(types, parts, str(root))
    names = name_columns(FileColumns(places, twice, OWN_TEXTS), choice, str(root))
    metadata.problems += [names.problem(name, files[name]) for name in names.reasons]
    for name, cells_of in parts.items():
        pinned: ColumnType | None = "string" if name in OWN_TEXTS else types.get(name)
        new = names.names.get(name, name if name in OWN_TEXTS and name not in choice.exclude else None)
        if new is not None:
            column, misfits = make_column(cells_of, len(ids), pinned=pinned)
            metadata.columns[new] = column
            metadata.problems += [Problem(ids[row], f"its {name!r} is not of type {pinned}") for row in misfits]
    return metadata


def _records(path: Path) -> Records:
    records = read_records(path, FORMATS[path.suffix.lower()])
    if records.cut:
        # What comes after is not known, and captions that are missing would be taken for removed.
        last = records.problems[-1]
        raise SourceError(f"{last.where}: {last.reason}; the file ends there, as if it were cut off")
    records.check_rows()
    if FILE_NAME not in records.columns and records.numbers:
        hint = suggestion(FILE_NAME, records.columns)
        raise SourceError(f"{path} has no column {FILE_NAME!r}, which names the file of each row{hint}")
    return records


class _Rows:
    """Finds the item of each metadata row."""

    def __init__(self, root: Path, ids: Sequence[str], problems: list[Problem]) -> None:
        self._root = root
        self._position = {key: position for position, key in enumerate(ids)}
        # macOS writes names decomposed, most editors write them composed.
        composed = ((unicodedata.normalize("NFC", key), key) for key in ids if not key.isascii())
        self._composed = dict(composed)
        self._seen: dict[str, str] = {}
        self._problems = problems
        self._loose: dict[str, str] | None = None

    def resolve(self, records: Records, folder: str) -> tuple[list[int], list[int]]:
        """The rows that speak of an item, and the items' positions."""
        rows: list[int] = []
        positions: list[int] = []
        for row, file_name in enumerate(records.texts(FILE_NAME).texts):
            if file_name is None:
                self._problems.append(Problem(records.where(row), f"it has no {FILE_NAME}"))
                continue
            item = posixpath.normpath(posixpath.join(folder, file_name))
            if item not in self._position:
                item = self._composed.get(unicodedata.normalize("NFC", item), item)
            if item in self._seen:
                reason = f"{file_name!r} was described before, in {self._seen[item]}"
                self._problems.append(Problem(records.where(row), reason))
            elif item in self._position:
                rows.append(row)
                positions.append(self._position[item])
                self._seen[item] = records.where(row)
            elif not self._exists(item):
                missing = f"there is no file {file_name!r} in the folder{self._near(item)}"
                self._problems.append(Problem(records.where(row), missing))
        return rows, positions

    def _near(self, item: str) -> str:
        """A file whose name differs in case, blanks or the kind of slash alone."""
        if self._loose is None:
            self._loose = {_loose(key): key for key in self._position}
        near = self._loose.get(_loose(item))
        return f"; did you mean {near!r}?" if near else ""

    def _exists(self, item: str) -> bool:
        # A file that the patterns leave out may well be described.
        return not item.startswith(("/", "../")) and os.path.lexists(self._root / item)


def _loose(name: str) -> str:
    parts = unicodedata.normalize("NFC", name).casefold().replace("\\", "/").split("/")
    return "/".join(part.strip() for part in parts if part != ".")
