"""A change of models as a page: what items are near to before and after, with pictures, in Markdown."""

from __future__ import annotations

import base64
import io
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import pyarrow as pa
from PIL import Image, ImageOps

from embeddings_orch.media.catalog.diff import MEDIA
from embeddings_orch.pipeline.checks.model_change import ColumnChange, Compared, ModelChange, model_label
from embeddings_orch.pipeline.context import Pipeline
from embeddings_orch.pipeline.embeddings.preview import thumbnail
from embeddings_orch.store.base import in_list

SHOWN = 5
"""Neighbours that are shown of each item."""

LARGEST = 240_000
"""Most characters of pictures in a report; Dagster keeps it in its event log."""

_TILE, _FRAME = 46, 3
_WORDS = 24
_COMMON, _OTHER = (30, 150, 80), (222, 226, 232)


def change_report(
    pipeline: Pipeline,
    change: ModelChange,
    *,
    largest: int = LARGEST,
    seconds: float = 5.0,
    clock: Callable[[], float] = time.monotonic,
) -> str:
    """Draw the sampled items of a change and their nearest before and after, as Markdown with pictures in it.

    Args:
        pipeline: whose change.
        change: the change.
        largest: characters of pictures after which items are shown by their ids.
        seconds: after which no more pictures are read; items are shown by their ids then.
        clock: seconds, monotonic.
    """
    started = clock()
    sheet = _Sheet(pipeline, largest, lambda: clock() - started < seconds)
    sections = [_section(sheet, change, column) for column in change.columns]
    for names, what in ((change.new, "new"), (change.gone, "gone")):
        sections += [f"**{_plain(name)}** is {what}: there is nothing to compare it with." for name in names]
    return "\n\n".join([*sections, "\n".join(sheet.definitions.values())]).strip()


@dataclass
class _Sheet:
    """The pictures of a report; each is defined once and referred to by a short name.

    Attributes:
        definitions: Markdown's link reference definitions, by item and whether its picture is framed as common.
    """

    pipeline: Pipeline
    largest: int
    in_time: Callable[[], bool]
    definitions: dict[tuple[str, bool], str] = field(default_factory=dict)
    size: int = 0

    def cell(self, item: str, content: _Shown | None, common: bool) -> str:
        """An item in a table's cell: its picture, its words or its id."""
        if content is not None and content.text is not None:
            return _mark(_short(content.text), common)
        key = (item, common)
        if key not in self.definitions and not (content is not None and self._define(key, content.uri)):
            return _mark(_short(item), common)
        name = list(self.definitions).index(key)
        return f"![{_plain(item)}][t{name}]"

    def _define(self, key: tuple[str, bool], uri: str) -> bool:
        if self.size > self.largest or not self.in_time():
            return False
        picture = thumbnail(self.pipeline, uri, _TILE)
        if picture is None:
            return False
        item, common = key
        encoded = base64.b64encode(_frame(picture, common)).decode()
        title = item.replace("\\", "\\\\").replace('"', '\\"')
        title = " ".join(f"{title}{' (nearest in both)' if common else ''}".split())
        line = f'[t{len(self.definitions)}]: data:image/jpeg;base64,{encoded} "{title}"'
        self.size += len(line)
        self.definitions[key] = line
        return True


@dataclass(frozen=True)
class _Shown:
    """What of an item is shown: its words where the model reads text, else the picture at its uri."""

    uri: str
    text: str | None


def _section(sheet: _Sheet, change: ModelChange, column: ColumnChange) -> str:
    picked = [*column.least, *column.spread]
    ids = {item for compared in picked for item in (compared.item, *compared.before[:SHOWN], *compared.after[:SHOWN])}
    contents = _load_shown(sheet.pipeline, change, column, ids)
    name = _plain(column.after.column)
    if column.before.column != column.after.column:
        name += f" (was {_plain(column.before.column)})"
    what = f"the {len(column.least)} items that keep least"
    if column.spread:
        what += f", then {len(column.spread)} evenly spread over the others"
    lines = [
        f"**{name}**: {_plain(model_label(column.before))} → {_plain(model_label(column.after))}",
        "",
        f"An item keeps **{column.overlap:.0%}** of its {column.nearest} nearest on average "
        f"({column.items:,} items sampled).",
        f"Below are {what}, with their {min(SHOWN, column.nearest)} nearest. "
        f"Framed in green, or bold: among the {column.nearest} nearest of both.",
        "",
        f"| item | published now ({_plain(change.published.id)}) | this generation ({_plain(change.generation.id)}) "
        "| keeps |",
        "| --- | --- | --- | --- |",
    ]
    lines += [_row(sheet, compared, contents) for compared in picked]
    return "\n".join(lines)


def _row(sheet: _Sheet, compared: Compared, contents: dict[str, _Shown]) -> str:
    def cells(items: Iterable[str]) -> str:
        told = [(item, sheet.cell(item, contents.get(item), item in compared.common)) for item in items]
        # Pictures stand close; words need something between them.
        pictures = all(text.startswith("![") for _, text in told)
        return (" " if pictures else " · ").join(text for _, text in told)

    query = sheet.cell(compared.item, contents.get(compared.item), False)
    share = f"{len(compared.common)} of {len(compared.before)}"
    return f"| {query} | {cells(compared.before[:SHOWN])} | {cells(compared.after[:SHOWN])} | {share} |"


def _load_shown(pipeline: Pipeline, change: ModelChange, column: ColumnChange, ids: Iterable[str]) -> dict[str, _Shown]:
    table, version = pipeline.store.index(change.generation.table), change.generation.version
    # Of several inputs the item itself, where it is one of them, else the heaviest.
    names = column.after.inputs.names
    used = MEDIA if MEDIA in names or not names else names[0]
    columns = list(dict.fromkeys(["id", "uri", "modality", "content_hash", "text", *([] if used == MEDIA else [used])]))
    batches = list(table.scan(version, columns, where=in_list("id", sorted(ids))))
    contents: dict[str, _Shown] = {}
    for row in (row for batch in batches for row in pipeline.absolute(pa.table(batch)).to_pylist()):
        text = row[used] if used != MEDIA else row["text"] if row["modality"] == "text" else None
        contents[row["id"]] = _Shown(row["uri"], None if text is None else str(text))
    return contents


def _frame(picture: Image.Image, common: bool) -> bytes:
    """A JPEG of one size for all items; what is common to both sides has a thick green frame."""
    square = ImageOps.pad(picture.convert("RGB"), (_TILE, _TILE), color=(255, 255, 255))
    width = _FRAME if common else 1
    framed = ImageOps.expand(square, _FRAME - width, (255, 255, 255))
    framed = ImageOps.expand(framed, width, _COMMON if common else _OTHER)
    encoded = io.BytesIO()
    framed.save(encoded, "JPEG", quality=80, optimize=True)
    return encoded.getvalue()


def _mark(text: str, common: bool) -> str:
    return f"**{text}**" if common else text


def _short(text: str) -> str:
    text = " ".join(text.split())
    return _plain(text if len(text) <= _WORDS else f"{text[: _WORDS - 1].rstrip()}…")


def _plain(text: str) -> str:
    """A text that Markdown shows as it is, in a table's cell too."""
    return re.sub(r"([\\`*_{}\[\]<>()#+!|~&:])", r"\\\1", " ".join(text.split()))
