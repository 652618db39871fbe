"""Columns of lists, objects and maps, within each other, and with them of all types."""

from __future__ import annotations

import math
from datetime import UTC, date

import pyarrow as pa
from hypothesis import strategies as st

from any_columns import SCALARS, TEXT, WHOLE, json_text, or_null, whole

_DEEP_KIND = pa.struct(
    [
        ("a b", pa.int8()),
        ("größe", pa.list_(pa.field("item", pa.string()))),
        ("ID", pa.struct([("x", pa.float32()), ("y", pa.timestamp("s", "Europe/Berlin"))])),
        ("nothing", pa.null()),
        ("half", pa.float16()),
        ("bytes", pa.binary(2)),
        ("word", pa.dictionary(pa.int8(), pa.string())),
        ("day", pa.date64()),
        ("price", pa.decimal128(9, 2)),
        ("many", pa.large_list(pa.uint64())),
    ]
)
_DEEP = st.fixed_dictionaries(
    {
        "a b": or_null(st.integers(-128, 127)),
        "größe": or_null(st.lists(or_null(TEXT), max_size=3)),
        "ID": or_null(
            st.fixed_dictionaries(
                {
                    "x": or_null(st.floats(width=32)),
                    "y": or_null(st.datetimes(timezones=st.just(UTC)).map(lambda at: at.replace(microsecond=0))),
                }
            )
        ),
        "nothing": st.none(),
        "half": or_null(st.floats(width=16)),
        "bytes": or_null(st.binary(min_size=2, max_size=2)),
        "word": or_null(TEXT),
        "day": or_null(st.dates()),
        "price": or_null(st.decimals(-99_999, 99_999, places=2)),
        "many": or_null(st.lists(or_null(st.integers(0, 2**64 - 1)), max_size=3)),
    }
)
_PAIRS = st.lists(st.tuples(TEXT, or_null(st.integers(-9, 9))), max_size=3, unique_by=lambda pair: pair[0])
_POINT = pa.struct([("x", pa.int64()), ("y", pa.string())])
_POINTS = st.fixed_dictionaries({"x": or_null(WHOLE), "y": or_null(TEXT)})

KINDS = [
    *SCALARS,
    whole("tags", pa.list_(pa.string()), st.lists(or_null(TEXT), max_size=3), [[], [None], ["", "x"]]),
    whole("numbers", pa.list_(pa.int64()), st.lists(or_null(WHOLE), max_size=3), [[], [2**63 - 1, None, -(2**63)]]),
    whole(
        "large list", pa.large_list(pa.float64()), st.lists(or_null(st.floats()), max_size=3), [[], [math.nan, -0.0]]
    ),
    whole(
        "pair",
        pa.list_(pa.float32(), 2),
        st.lists(or_null(st.floats(width=32)), min_size=2, max_size=2),
        [[math.nan, None], [1.5, -0.0]],
    ),
    whole("pair of texts", pa.list_(pa.string(), 2), st.lists(or_null(TEXT), min_size=2, max_size=2), [["", None]]),
    whole(
        "nested",
        pa.list_(pa.list_(pa.int16())),
        st.lists(or_null(st.lists(or_null(st.integers(-9, 9)), max_size=2)), max_size=3),
        [[], [[]], [None, [None]], [[1], [2, 3]]],
    ),
    whole("point", _POINT, _POINTS, [{"x": None, "y": None}, {"x": 2**63 - 1, "y": ""}]),
    whole(
        "points", pa.list_(_POINT), st.lists(or_null(_POINTS), max_size=3), [[], [None], [{"x": 1, "y": None}, None]]
    ),
    whole("object", _DEEP_KIND, _DEEP, []),
    whole("objects", pa.list_(_DEEP_KIND), st.lists(or_null(_DEEP), max_size=2), [[], [None]]),
    whole("list by views", pa.list_view(pa.int64()), st.lists(or_null(WHOLE), max_size=3), [[], [None, 1]]),
    whole("large list by views", pa.large_list_view(pa.string()), st.lists(or_null(TEXT), max_size=3), [[], [None]]),
    whole("nothings", pa.list_(pa.null()), st.lists(st.none(), max_size=3), [[], [None]]),
    whole("days", pa.list_(pa.date32()), st.lists(or_null(st.dates()), max_size=3), [[date.min, date.max]]),
    whole(
        "words", pa.list_(pa.dictionary(pa.int8(), pa.string())), st.lists(or_null(TEXT), max_size=3), [[], ["x", None]]
    ),
    whole(
        "odd fields",
        pa.struct(
            [("a.b", pa.int64()), ("a`b", pa.string()), ("*", pa.bool_()), ("id", pa.int8()), ("_rowid", pa.int8())]
        ),
        st.fixed_dictionaries(
            {"a.b": or_null(WHOLE), "a`b": or_null(TEXT), "*": st.booleans(), "id": st.just(1), "_rowid": st.none()}
        ),
        [],
    ),
    whole(
        "map",
        pa.map_(pa.string(), pa.int64()),
        _PAIRS,
        [[], [("", None)]],
        out=lambda pairs: json_text(dict(pairs)),
        told=True,
    ),
    whole(
        "maps",
        pa.list_(pa.map_(pa.string(), pa.int64())),
        st.lists(or_null(_PAIRS), max_size=2),
        [[], [[]]],
        out=lambda maps: json_text([one if one is None else dict(one) for one in maps]),
        told=True,
    ),
]
"""Columns of all types that Parquet has."""
