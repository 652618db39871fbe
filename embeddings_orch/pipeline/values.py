"""What a step says of its work: plain values, and tables and pictures for those who can show them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import pyarrow as pa
from pydantic import JsonValue

from embeddings_orch.media.passed_over import PassedOver
from embeddings_orch.policy.secrets import redact

CellType: TypeAlias = Literal["string", "int", "float", "bool"]
Cell: TypeAlias = str | int | float | bool


@dataclass(frozen=True)
class TableValue:
    """Some rows, each with the columns named."""

    columns: Mapping[str, CellType]
    rows: Sequence[Mapping[str, Cell]]


@dataclass(frozen=True)
class SchemaValue:
    """The columns of the table that was written."""

    schema: pa.Schema


@dataclass(frozen=True)
class PictureValue:
    """A picture, drawn where somebody shows it.

    Attributes:
        draw: the encoded JPEG or PNG; None where there is nothing to see.
    """

    title: str
    draw: Callable[[], bytes | None]


@dataclass(frozen=True)
class MarkdownValue:
    """A report, written where somebody shows it."""

    write: Callable[[], str]


Value: TypeAlias = JsonValue | TableValue | SchemaValue | PictureValue | MarkdownValue


def hide_secrets(metadata: Mapping[str, Value]) -> dict[str, Value]:
    """The same values without secrets."""
    return {name: _hide_secrets(value) for name, value in metadata.items()}


def _hide_secrets(value: Value) -> Value:
    match value:
        case MarkdownValue(write=write):
            return MarkdownValue(lambda: redact(write()))
        case TableValue(columns=columns, rows=rows):
            return TableValue(columns, [{name: _hide_in_cell(cell) for name, cell in row.items()} for row in rows])
        case SchemaValue() | PictureValue():
            return value
    return _hide_in(value)


def _hide_in_cell(cell: Cell) -> Cell:
    return redact(cell) if isinstance(cell, str) else cell


def _hide_in(value: JsonValue) -> JsonValue:
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, dict):
        return {name: _hide_in(item) for name, item in value.items()}
    return [_hide_in(item) for item in value] if isinstance(value, list) else value


def list_items(rows: Iterable[tuple[str, str]], total: int) -> TableValue:
    """Items and reasons; the last row says how many more there are than these."""
    listed = [{"item": item, "reason": reason} for item, reason in rows]
    if total > len(listed):
        listed.append({"item": f"and {total - len(listed):,} more", "reason": ""})
    return TableValue({"item": "string", "reason": "string"}, listed)


def list_kinds(kinds: Iterable[PassedOver]) -> TableValue:
    """The kinds of files that were passed over, a row each."""
    columns: dict[str, CellType] = {"kind": "string", "count": "int", "examples": "string", "advice": "string"}
    return TableValue(columns, [kind.to_row() for kind in kinds])


def plain(metadata: Mapping[str, Value]) -> dict[str, object]:
    """What of it a table or a JSON object can hold: plain values, and the rows of tables."""
    values: dict[str, object] = {}
    for name, value in metadata.items():
        if isinstance(value, TableValue):
            values[name] = [dict(row) for row in value.rows]
        elif not isinstance(value, SchemaValue | PictureValue | MarkdownValue):
            values[name] = value
    return values
