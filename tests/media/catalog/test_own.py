"""Columns of a source that has them as Arrow."""

import pyarrow as pa
import pytest

from embeddings_orch.errors import SourceError
from embeddings_orch.media import ColumnChoice, keep_columns

TABLE = pa.table(
    [pa.array([1, 2]), pa.array(["x", "y"]), pa.array([3, 4]), pa.array([0, 2**62], pa.timestamp("ms"))],
    names=["a.b", "_digest", "a.b", "at"],
)


def test_no_column_is_refused():
    own = keep_columns(TABLE, ColumnChoice(), "db")
    assert {name: column.to_pylist()[0] for name, column in own.columns.items() if name != "at"} == {
        "a_b": 1,
        "digest": "x",
        "a_b_2": 3,
    }
    assert own.columns["at"].null_count == 1
    assert [problem.where for problem in own.problems] == ["db", "db", "db", "db, row 2"]
    assert own.problems[-1].reason == "its 'at' is no time that can be kept"


def test_a_choice_counts():
    choice = ColumnChoice(exclude=("at",), rename={"a.b": "one", "a.b_2": "two"})
    own = keep_columns(TABLE, choice, "db")
    assert (list(own.columns), len(own.problems)) == (["one", "digest", "two"], 1)
    with pytest.raises(SourceError, match="db: `columns.include` names the column 'b'"):
        keep_columns(TABLE, ColumnChoice(include=("b",)), "db")
