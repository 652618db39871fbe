"""The columns of a catalog: the user's with their types, and all of them put together.

The type of a column without types of its own (CSV, JSON) is the first of these that every value fits: bool, int,
float, list, string. Objects, and lists that hold lists or objects, are JSON texts. CSV cells fit bool as ``true`` and
``false`` in any case; int and float as plain decimal numbers without leading zeros or plus sign, of no more digits
than the type holds exactly; so a single ``00123`` keeps a column text. An empty cell is null and fits all. One cell
that fits less changes the type of its column; ``types`` in the source's settings pins it, and then that cell alone is
null and a problem.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pyarrow as pa

from embeddings_orch.errors import SourceError
from embeddings_orch.media.base import CATALOG_SCHEMA
from embeddings_orch.models.rows.cells import cell_text
from embeddings_orch.models.rows.notes import STAT_COLUMN
from embeddings_orch.plugins import suggestion

ColumnType = Literal["bool", "int", "float", "string"]

_ARROW: dict[str, pa.DataType] = {
    "bool": pa.bool_(),
    "int": pa.int64(),
    "float": pa.float64(),
    "string": pa.large_string(),
}
_CELLS = {
    "bool": re.compile(r"true|false", re.IGNORECASE),
    "int": re.compile(r"-?(?:0|[1-9][0-9]{0,18})"),
    "float": re.compile(r"-?(?:0|[1-9][0-9]{0,14})(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,2})?"),
}
_INT64_MIN, _INT64_MAX = -(2**63), 2**63 - 1


@dataclass(frozen=True)
class Cells:
    """Some values of one column.

    Attributes:
        positions: the rows of the catalog that they belong to.
        untyped: they come from a CSV.
    """

    positions: Sequence[int]
    values: Sequence[Any]
    untyped: bool


def check_pinned(types: Iterable[str], columns: Iterable[str], where: str) -> None:
    """Refuse types of columns that do not exist.

    Raises:
        SourceError: with the column.
    """
    names = set(columns)
    for name in types:
        if name not in names:
            raise SourceError(
                f"{where}: `types` names the column {name!r}, which there is not{suggestion(name, names)}"
            )


def make_column(parts: Sequence[Cells], size: int, *, pinned: ColumnType | None = None) -> tuple[pa.Array, list[int]]:
    """One column of the catalog, null where no part has a value.

    Returns:
        The column, and the positions whose values do not fit the pinned type; they are null.
    """
    kind = pinned or _kind(parts)
    misfits: list[int] = []
    values: list[Any] = [None] * size
    for part in parts:
        for position, value in zip(part.positions, part.values, strict=True):
            if value is None:
                continue
            if pinned and not _all_fit([value], kind, part.untyped):
                misfits.append(position)
                continue
            values[position] = value if part.untyped and kind == "string" else _convert(value, kind)
    if kind == "list":
        inner = _kind([Cells((), [item for value in values if value for item in value], untyped=False)])
        values = [value and [item if item is None else _convert(item, inner) for item in value] for value in values]
        return pa.array(values, pa.list_(pa.string() if inner == "string" else _ARROW[inner])), misfits
    return pa.array(values, _ARROW[kind]), misfits


def catalog_table(columns: Mapping[str, Any], user_columns: Mapping[str, Any], stats: Sequence[str]) -> pa.Table:
    """A catalog from the columns of `CATALOG_SCHEMA`, the user's own and `STAT_COLUMN`, sorted by id."""
    fields = [*CATALOG_SCHEMA, *(pa.field(name, values.type) for name, values in user_columns.items())]
    arrays = [_array(columns[field.name], field.type) for field in CATALOG_SCHEMA]
    arrays += [*user_columns.values(), pa.array(stats, pa.string())]
    # Not a field at a time: each would be a copy of all before it, and there may be thousands.
    schema = pa.schema([*fields, pa.field(STAT_COLUMN, pa.string())])
    return pa.table(arrays, schema=schema).sort_by("id").combine_chunks()


def _array(values: Any, kind: pa.DataType) -> Any:
    return values.cast(kind) if isinstance(values, pa.Array | pa.ChunkedArray) else pa.array(values, kind)


def _kind(parts: Sequence[Cells]) -> str:
    present = [([value for value in part.values if value is not None], part.untyped) for part in parts]
    if any(values for values, _ in present):
        for kind in ("bool", "int", "float", "list"):
            if all(_all_fit(values, kind, untyped) for values, untyped in present):
                return kind
    return "string"


def _all_fit(values: Sequence[Any], kind: str, untyped: bool) -> bool:
    if kind == "string":
        return True
    if not untyped:
        return all(_fits(value, kind) for value in values)
    pattern = _CELLS.get(kind)
    if pattern is None or not all(map(pattern.fullmatch, values)):
        return not values
    return kind != "int" or all(_INT64_MIN <= int(value) <= _INT64_MAX for value in values)


def _fits(value: Any, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "bool"
    if isinstance(value, int):
        return (kind == "int" and _INT64_MIN <= value <= _INT64_MAX) or (kind == "float" and abs(value) <= 2**53)
    return (kind == "float" and isinstance(value, float)) or (kind == "list" and _is_plain_list(value))


def _is_plain_list(value: Any) -> bool:
    return isinstance(value, list) and not any(isinstance(item, list | dict) for item in value)


def _convert(value: Any, kind: str) -> Any:
    if kind == "bool":
        return value if isinstance(value, bool) else value.lower() == "true"
    if kind == "int":
        return int(value)
    if kind == "float":
        return float(value)
    return value if kind == "list" else cell_text(value)
