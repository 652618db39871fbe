from __future__ import annotations

import math

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embeddings_orch.media.catalog.columns import Cells, make_column


def column(values, *, untyped=True, pinned=None):
    return make_column([Cells(range(len(values)), values, untyped)], len(values), pinned=pinned)


@pytest.mark.parametrize(
    ("cells", "kind", "values"),
    [
        (["1", "-2", None], pa.int64(), [1, -2, None]),
        (["1", "2.5", "1e3"], pa.float64(), [1.0, 2.5, 1000.0]),
        (["true", "False", None], pa.bool_(), [True, False, None]),
        (["00123", "124"], pa.large_string(), ["00123", "124"]),
        (["+1", "2"], pa.large_string(), ["+1", "2"]),
        (["1", "x"], pa.large_string(), ["1", "x"]),
        (["1", "true"], pa.large_string(), ["1", "true"]),
        (["nan", "1.5"], pa.large_string(), ["nan", "1.5"]),
        (["9223372036854775807"], pa.int64(), [2**63 - 1]),
        (["9223372036854775808"], pa.large_string(), ["9223372036854775808"]),
        (["12345678901234567890.5"], pa.large_string(), ["12345678901234567890.5"]),
        (["2024-01-31"], pa.large_string(), ["2024-01-31"]),
        (["0x10", "1_000"], pa.large_string(), ["0x10", "1_000"]),
        (["\u0661"], pa.large_string(), ["\u0661"]),
        ([None, None], pa.large_string(), [None, None]),
        ([], pa.large_string(), []),
    ],
)
def test_the_type_of_csv_cells(cells, kind, values):
    found, misfits = column(cells)
    assert (found.type, found.to_pylist(), misfits) == (kind, values, [])


@pytest.mark.parametrize(
    ("cells", "kind", "values"),
    [
        ([1, 2, None], pa.int64(), [1, 2, None]),
        ([1, 2.5], pa.float64(), [1.0, 2.5]),
        ([True, False], pa.bool_(), [True, False]),
        (["1", "2"], pa.large_string(), ["1", "2"]),
        ([1, "x", True, 1.5], pa.large_string(), ["1", "x", "true", "1.5"]),
        ([2**63, 1], pa.large_string(), [str(2**63), "1"]),
        ([2**53 + 1, 0.5], pa.large_string(), [str(2**53 + 1), "0.5"]),
        ([["a"], [], None], pa.list_(pa.string()), [["a"], [], None]),
        ([[1], [2.5, None]], pa.list_(pa.float64()), [[1.0], [2.5, None]]),
        ([[1], "x"], pa.large_string(), ["[1]", "x"]),
    ],
)
def test_the_type_of_json_values(cells, kind, values):
    found, misfits = column(cells, untyped=False)
    assert (found.type, found.to_pylist(), misfits) == (kind, values, [])


def test_cells_of_several_files_take_one_type():
    parts = [Cells([2], ["01"], True), Cells([0], [5], False)]
    found, _ = make_column(parts, 4)
    assert found.to_pylist() == ["5", None, "01", None]
    parts = [Cells([2], ["1"], True), Cells([0], [5], False)]
    assert make_column(parts, 3)[0].to_pylist() == [5, None, 1]


@given(st.lists(st.one_of(st.none(), st.from_regex(r"-?[0-9]{1,20}(\.[0-9]{1,3})?", fullmatch=True))))
def test_a_number_means_what_its_cell_says(cells):
    found, _ = column(cells)
    for cell, value in zip(cells, found.to_pylist(), strict=True):
        if isinstance(value, int):
            assert str(value) == cell or (cell, value) == ("-0", 0)
        elif isinstance(value, float):
            assert value == float(cell)
            assert math.isfinite(value)
        else:
            assert value == cell


def test_a_pinned_type_makes_other_cells_null():
    found, misfits = column(["1", "x", None, "2"], pinned="int")
    assert (found.to_pylist(), misfits) == ([1, None, None, 2], [1])
    assert column(["1", "2"], pinned="string")[0].to_pylist() == ["1", "2"]
    assert column(["1", "2"], pinned="float")[0].type == pa.float64()


@pytest.mark.parametrize(
    ("value", "text"),
    [({"b": 1.0, "a": None}, '{"a":null,"b":1}'), ([{"a": 1}], '[{"a":1}]'), ([[1], []], "[[1],[]]"), ({}, "{}")],
    ids=str,
)
def test_objects_and_nested_lists_are_json_texts(value, text):
    found, misfits = column([value, ["a"], None], untyped=False)
    assert (found.type, found.to_pylist(), misfits) == (pa.large_string(), [text, '["a"]', None], [])
