from __future__ import annotations

import math

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embeddings_orch.errors import SourceError
from embeddings_orch.media.catalog.columns import Cells, check_name, convert_column, make_column


def column(values, *, untyped=True, pinned=None):
    return make_column("c", [Cells(range(len(values)), values, untyped)], len(values), where="f.csv", pinned=pinned)


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
    found, _ = make_column("c", parts, 4, where="f.csv")
    assert found.to_pylist() == ["5", None, "01", None]
    parts = [Cells([2], ["1"], True), Cells([0], [5], False)]
    assert make_column("c", parts, 3, where="f.csv")[0].to_pylist() == [5, None, 1]


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


@pytest.mark.parametrize("value", [{"a": 1}, [{"a": 1}], [[1]]])
def test_objects_and_nested_lists_are_refused(value):
    with pytest.raises(SourceError, match=r"f\.csv: the column 'c' holds"):
        column([value], untyped=False)


@pytest.mark.parametrize("name", ["year", "Year", "a_1", "caption_en"])
def test_a_plain_name_is_fine(name):
    check_name(name, "f.csv")


@pytest.mark.parametrize("name", ["id", "Text", "size", "_x", "1a", "a b", "a-b", "a.b", "\u00e4", "", "a`b", "a\n"])
def test_other_names_are_refused_with_the_file(name):
    with pytest.raises(SourceError, match=r"^f\.csv: "):
        check_name(name, "f.csv")


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (pa.array(["a"], pa.large_string()), pa.large_string()),
        (pa.array(["a"]).dictionary_encode(), pa.large_string()),
        (pa.array([None], pa.null()), pa.large_string()),
        (pa.array([1], pa.int8()), pa.int8()),
        (pa.array([1.0], pa.float16()), pa.float32()),
        (pa.array(["a"], pa.string_view()), pa.large_string()),
        (pa.array([1], pa.timestamp("ns", "UTC")), pa.timestamp("us", "UTC")),
        (pa.array([1], pa.timestamp("ms", "America/New_York")), pa.timestamp("us", "UTC")),
        (pa.array([1], pa.timestamp("ms")), pa.timestamp("us")),
        (pa.array([[1]], pa.large_list(pa.int32())), pa.list_(pa.int32())),
    ],
)
def test_columns_with_types_keep_their_values(values, kind):
    chunked = pa.chunked_array([values])
    found = convert_column("c", chunked, "f.parquet")
    assert found.type == kind


@pytest.mark.parametrize("values", [pa.array([{"a": 1}]), pa.array([b"x"]), pa.array([[[1]]])])
def test_columns_of_other_types_are_refused(values):
    with pytest.raises(SourceError, match=r"f\.parquet: the column 'c' holds"):
        convert_column("c", pa.chunked_array([values]), "f.parquet")
