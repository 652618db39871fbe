"""Tables of any columns that a file can have, with filters of them."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

from any_columns import TEXT, TYPED, WHOLE, Kept, json_text, or_null, whole
from embeddings_orch.media.catalog.names import refusal
from typed_tables import Condition, conditions


def _like(name: str, like: str, more: st.SearchStrategy[Any], rows: list[Any], **options: Any) -> Kept:
    return Kept(replace(TYPED[like], name=name, rows=[*rows, None]), more, typed=False, **options)


def _is_cell(value: float) -> bool:
    """Whether a CSV says it as a number: without a long exponent, and with few digits before the point."""
    return value == 0 or 1e-99 < abs(value) < 1e15


_CELL_FLOATS = st.floats(allow_nan=False, allow_infinity=False).filter(_is_cell)
CSV_KINDS = [
    _like("number", "ID", WHOLE, [0, -1, 2**63 - 1, -(2**63)]),
    _like("share", "it's", _CELL_FLOATS, [0.5, -0.0, 5.0, 1e-98, 0.1, 99999999999999.9]),
    _like("yes", "and", st.booleans(), [True, False]),
    _like(
        "words of it", "caption", TEXT.map(lambda text: f"a{text}"), [*map("a{}".format, TYPED["caption"].rows[:-1])]
    ),
    _like("empty", "caption", st.just(""), [""], out=lambda _: None),
]
"""Columns of a CSV: its cells are what Python writes."""

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | TEXT,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXT, inner, max_size=2),
    max_leaves=4,
)
JSON_KINDS = [
    _like("number", "ID", WHOLE, [0, -1, 2**63 - 1, -(2**63)]),
    _like("share", "it's", st.floats(), [0.5, -0.0, 5.0, 5e-324, math.inf, -math.inf, math.nan]),
    _like("yes", "and", st.booleans(), [True, False]),
    _like("words of it", "caption", TEXT, TYPED["caption"].rows[:-1]),
    whole("tags", pa.list_(pa.string()), st.lists(or_null(TEXT), max_size=3), [[], ["x", None]]),
    whole("numbers", pa.list_(pa.int64()), st.lists(WHOLE, min_size=1, max_size=3), [[1, None], [2**63 - 1]]),
    whole("shares", pa.list_(pa.float64()), st.lists(st.floats(), min_size=1, max_size=3), [[0.5, math.nan, None]]),
    whole("object", pa.string(), st.dictionaries(TEXT, _JSON, max_size=3), [{}, {"b": 1, "a": [None]}], out=json_text),
    whole(
        "nested",
        pa.string(),
        st.lists(st.lists(_JSON), max_size=2).map(lambda one: [[], *one]),
        [[[]], [[1], [2]]],
        out=json_text,
    ),
]
"""Columns of JSON Lines."""


@dataclass(frozen=True)
class UserTable:
    """What a user has.

    Attributes:
        columns: of the table, each with a name of its own.
        values: by the column's name, in the user's terms.
        conditions: filters of its columns.
    """

    columns: list[Kept]
    values: dict[str, list[Any]]
    conditions: list[Condition]

    @property
    def size(self) -> int:
        """Rows."""
        return len(next(iter(self.values.values())))


NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters=".`\0"), min_size=1, max_size=6).filter(
    lambda name: not refusal(name) and name not in ("toy", "uri")
)
"""Names that a catalog can have."""


def ends(kinds: list[Kept]) -> UserTable:
    """A table of all kinds of columns with the values at their ends."""
    size = max(len(kept.column.rows) for kept in kinds)
    values = {
        kept.column.name: [kept.column.rows[row % len(kept.column.rows)] for row in range(size)] for kept in kinds
    }
    return UserTable(kinds, values, [])


def user_tables(kinds: list[Kept]) -> st.SearchStrategy[UserTable]:
    """Tables of some columns and some rows; half of the values are at the ends of their types."""
    return st.lists(st.sampled_from(kinds), min_size=1, max_size=6, unique_by=lambda kept: kept.column.name).flatmap(
        _named
    )


def _named(kinds: list[Kept]) -> st.SearchStrategy[UserTable]:
    names = st.tuples(*(st.one_of(st.just(kept.column.name), NAMES) for kept in kinds))
    return names.filter(lambda chosen: len(set(chosen)) == len(chosen)).flatmap(
        lambda chosen: _filled(
            [replace(kept, column=replace(kept.column, name=name)) for kept, name in zip(kinds, chosen, strict=True)]
        )
    )


def _filled(kinds: list[Kept]) -> st.SearchStrategy[UserTable]:
    compared = [kept.column for kept in kinds if kept.compared]
    filters = st.lists(conditions(compared), max_size=5) if compared else st.just([])
    columns = st.integers(1, 5).flatmap(
        lambda size: st.fixed_dictionaries({kept.column.name: kept.some(size) for kept in kinds})
    )
    return st.builds(UserTable, st.just(kinds), columns, filters)
