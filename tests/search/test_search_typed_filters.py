"""Filters speak the column's type: each finds the rows that a filter in plain Python finds."""

import json
from datetime import UTC, date, datetime, time
from decimal import Decimal
from uuid import UUID
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embeddings_orch.errors import EmbeddingsOrchError
from embeddings_orch.search.filters import bind
from embeddings_orch.server.gate.answers import to_json
from embeddings_orch.server.shared.filtering import check_filter
from embeddings_orch.store import Store
from typed_tables import COLUMNS, conditions, typed_table

ROWS = 60


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    """A LanceDB table of all types."""
    rows = typed_table(COLUMNS, ROWS)
    made = Store(str(tmp_path_factory.mktemp("typed"))).create("rows", rows.schema)
    made.add(rows)
    return made


@pytest.fixture(scope="module")
def rows():
    return typed_table(COLUMNS, ROWS).to_pylist()


@pytest.fixture(scope="module")
def ids(opened):
    """The ids of the rows that a filter finds."""
    schema = opened.schema

    def ids(where, **params):
        query = opened.search().where(bind(where, params, schema)).select(["id"]).limit(ROWS)
        return query.to_arrow()["id"].to_pylist()

    return ids


ONE = conditions(COLUMNS)


@settings(deadline=None, max_examples=150)
@given(ONE)
def test_a_typed_filter_agrees_with_plain_python(ids, rows, condition):
    assert ids(condition.where, **condition.params) == [row["id"] for row in rows if condition.keep(row)]


@settings(deadline=None, max_examples=60)
@given(ONE)
def test_the_same_filter_as_json_has_it_agrees(ids, rows, condition):
    params = json.loads(to_json(condition.params))
    if any(value is None for value in params.values()) or "null" in json.dumps(params):
        return  # JSON has no infinity
    check_filter(condition.where, params)
    assert ids(condition.where, **params) == [row["id"] for row in rows if condition.keep(row)]


@settings(deadline=None, max_examples=40)
@given(conditions(COLUMNS, "p"), conditions(COLUMNS, "q"), st.sampled_from(["AND", "OR"]))
def test_conditions_within_each_other_agree(ids, rows, first, second, joined):
    def keep(row):
        answers = [first.keep(row), second.keep(row)]
        return all(answers) if joined == "AND" else any(answers)

    where = f"(({first.where}) {joined} ({second.where}))"
    assert ids(where, **first.params, **second.params) == [row["id"] for row in rows if keep(row)]


BERLIN = ZoneInfo("Europe/Berlin")


@pytest.fixture(scope="module")
def few(tmp_path_factory):
    """The ids of the rows of a small table that a filter finds, in one text."""
    rows = pa.table(
        {
            "id": ["a", "b", "c", "d", "e"],
            "ID": ["v", "w", "x", "y", "z"],
            "i8": pa.array([-128, 0, 20, 21, None], pa.int8()),
            "i32": pa.array([2**31 - 1, 1, -1, 20, 5], pa.int32()),
            "i64": pa.array([-(2**63), 2**53 + 1, 2**63 - 1, 0, None], pa.int64()),
            "price": pa.array([Decimal("19.99"), Decimal("20.5"), Decimal(0), None, Decimal(-1)], pa.decimal128(9, 2)),
            "score": pa.array([0.5, float("nan"), float("inf"), None, -0.0], pa.float64()),
            "day": pa.array([date(2024, 5, 1), date(2024, 5, 2), date(1, 1, 1), date(9999, 12, 31), None]),
            "taken": pa.array(
                [datetime(2024, 10, 27, 0, 30), datetime(2024, 10, 27, 1, 30), datetime(2024, 5, 1), None, None],
                pa.timestamp("us", "UTC"),
            ),
            "at": pa.array([time(12, 30), time(0), time(23, 59), None, time(12, 31)], pa.time64("us")),
            "tags": pa.array([["x", "y"], ["x"], [], None, ["it's"]], pa.list_(pa.string())),
            "days": pa.array([[date(2024, 5, 1)], [], [], None, []], pa.list_(pa.date32())),
            "meta": pa.array(
                [{"size": size, "a b": f"m{size}"} for size in (1, 2, 3, 4)] + [None],
                pa.struct([("size", pa.int16()), ("a b", pa.string())]),
            ),
            "uuid": [str(UUID(int=place)) for place in range(5)],
            "Groß": pa.array([1, 2, 3, 4, 5], pa.int32()),
        }
    )
    opened = Store(str(tmp_path_factory.mktemp("few"))).create("few", rows.schema)
    opened.add(rows)

    def find(where, **params):
        query = opened.search().where(bind(where, params, rows.schema)).select(["id"])
        return "".join(query.to_arrow()["id"].to_pylist())

    return find


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ("i8 > 20.5", "d"),
        ("20.5 < i8", "d"),
        ("i8 < 1000", "abcd"),
        ("NOT i8 < 1000", ""),
        ("i8 IN (20, 20.5, 1000)", "c"),
        ("i8 NOT IN (20.5)", "abcd"),
        ("i8 BETWEEN 19.5 AND 1e9", "cd"),
        ("i8 = '21'", "d"),
        ("i8 BETWEEN i32 AND 300", "cd"),
        ("(i8) > (20.5)", "d"),
        ("i8 BETWEEN (19.5) AND (1e9)", "cd"),
        ("-i8 > 100", "a"),
        ("i8 + i32 > 0", "abcd"),
        ("i8 * 2 > 41.5", "d"),
        ("i64 = -9223372036854775808", "a"),
        ("i64 > 9007199254740992.5", "bc"),
        ("coalesce(i64, 0) = 9007199254740992.0", ""),
        ("coalesce(i8, 0) > 20.5", "d"),
        ("((coalesce((i8), 0)) > (20.5))", "d"),
        ("price = 19.99", "a"),
        ("price IN (20.5, 0, 0.001)", "bc"),
        ("price < 19.991", "ace"),
        ("coalesce(price, 0.005) = 0.005", "d"),
        ("score > 0", "ac"),
        ("score >= 0 AND score < 1e400", "ae"),
        ("abs(score) > 0.1", "ac"),
        ("score + i32 > 0", "ace"),
        ("score / 2 < 0.3", "ae"),
        ("score > i8", "ac"),
        ("NOT score > i8", "b"),
        ("score <= i32 - 1", "ae"),
        ("score = score", "ace"),
        ("score <> score", "b"),
        ("-score = score", "e"),
        ("score NOT IN (score, 5)", "b"),
        ("score BETWEEN i8 AND 1e9", "a"),
        ("score NOT BETWEEN i8 AND 1e9", "bc"),
        ("day > '2024-05-01'", "bd"),
        ("day < timestamp '2024-05-01T00:00:00.000001Z'", "ac"),
        ("day = '2024-05-01T02:00:00+02:00'", "a"),
        ("taken = '2024-05-01'", "c"),
        ("day < taken", "abc"),
        ("coalesce(day, '2024-05-01') = date '2024-05-01'", "ae"),
        ("date_trunc('day', taken) = '2024-10-27'", "ab"),
        ("at = '12:30'", "a"),
        ("at > time '12:30:00'", "ce"),
        ("array_has(tags, 'x')", "ab"),
        ("array_has(days, '2024-05-01')", "a"),
        ("array_has(days, '2024-05-01T12:00:00')", ""),
        ("array_has_any(tags, ['y', 'it''s'])", "ae"),
        ("meta.size > 2.5", "cd"),
        ("meta['a b'] = 'm2'", "b"),
        ("""meta."a b" IN ('m1', 'm9')""", "a"),
        ("length(id) < 1.5", "abcde"),
        ("ID = 'v'", "a"),
        ("\"id\" = 'a' AND \"ID\" = 'v'", "a"),
        ("groß > 4.5", "e"),
        ("`Groß` > 4.5", "e"),
    ],
)
def test_what_a_filter_says_itself_has_the_type_of_the_column(few, where, found):
    assert few(where) == found


@pytest.mark.parametrize(
    ("where", "value", "found"),
    [
        ("taken >= :p", datetime(2024, 10, 27, 2, 30, tzinfo=BERLIN), "ab"),
        ("taken >= :p", datetime(2024, 10, 27, 2, 30, tzinfo=BERLIN, fold=1), "b"),
        ("taken = :p", pd.Timestamp("2024-10-27T00:30"), "a"),
        ("taken = :p", pd.Timestamp("2024-10-27T02:30+02:00"), "a"),
        ("taken = :p", np.datetime64("2024-05-01"), "c"),
        ("taken IS :p", pd.NaT, "de"),
        ("taken IS :p", pd.NA, "de"),
        ("taken IN :p", pd.to_datetime(["2024-05-01", "2030-01-01"]).to_numpy(), "c"),
        ("day = :p", pa.scalar(date(2024, 5, 2)), "b"),
        ("at = :p", time(12, 31), "e"),
        ("i8 IN :p", np.array([20, 21]), "cd"),
        ("i8 IN :p", pa.array([20, None]), "c"),
        ("i8 IN (:p, 21)", 20, "cd"),
        ("array_has(tags, :p)", "it's", "e"),
        ("array_has_any(tags, :p)", ["y", "it's"], "ae"),
        ("array_has_all(tags, :p)", ["x", "y"], "a"),
        ("coalesce(i8, 0) = :p", np.float32(20), "c"),
        ("nullif(i8, :p) IS NULL", 21, "de"),
        (":p = uuid", UUID(int=3), "d"),
        ("price = :p", Decimal("20.500"), "b"),
        ("price > :p", float("-inf"), "abce"),
        ("score < :p", float("inf"), "ae"),
        ("meta.size = :p", 3, "c"),
    ],
)
def test_a_parameter_has_the_type_of_what_it_is_compared_with(few, where, value, found):
    assert few(where, p=value) == found


@pytest.mark.parametrize(
    ("where", "params", "message"),
    [
        ("i8 > :p", {"p": "x"}, "the filter's :p is compared with int8; give a number"),
        ("i8 > 'x'", {}, "the filter's 'x' is compared with int8; give a number"),
        ("i8 = true", {}, "the filter's true is compared with int8; give a number"),
        ("id = 20", {}, "the filter's 20 is compared with a text; give a text: '20'"),
        (
            "day = 'today'",
            {},
            r"compared with date32\[day\]; give a date, or a text like '2024-05-01' \(in: day = 'today'\)",
        ),
        ("taken > 1714521600", {}, "give a datetime or a date, or a text like '2024-05-01T12:00:00Z'"),
        ("at = :p", {"p": time(12, 30, tzinfo=UTC)}, "give a time without a zone, or a text like '12:30'"),
        ("taken = '2024-05-01T00:00:00.0000001'", {}, "has a part of a microsecond; round it"),
        ("taken = :p", {"p": pd.Timestamp(1)}, "has a part of a microsecond"),
        ("taken = :p", {"p": np.datetime64(1, "ns")}, "has a part of a microsecond"),
        ("taken > :p", {"p": datetime(1, 1, 1, tzinfo=BERLIN)}, "beyond the years 1 to 9999 in UTC"),
        ("score = :p", {"p": float("nan")}, r"is nan, which SQL has no number for; isnan\(column\) finds it"),
        ("tags = 'x'", {}, r"compared with a list; ask for what it has: array_has\(column, 'x'\)"),
        ("meta = 'x'", {}, "compared with a struct; name one of its fields: size, a b"),
        ("i8 = :p", {"p": [1, 2]}, "the filter's :p is a list, which goes with IN"),
        ("widht = 1", {}, "names widht, which is not there; did you mean id"),
        ("groß_ = 1", {}, 'did you mean "Groß"'),
        ('id = "a"', {}, r"names a, which is not there \(a text stands in single quotes\)"),
        ("meta.siz = 1", {}, "names siz, which is not there; did you mean size"),
        ("i8.x = 1", {}, "names x of i8, which is int8 and has no fields"),
        ("iD = 'a'", {}, 'names "iD", which is not there; did you mean id or "ID"'),
    ],
)
def test_what_cannot_be_compared_is_said(few, where, params, message):
    with pytest.raises(EmbeddingsOrchError, match=message):
        few(where, **params)


def test_a_long_filter_is_read_and_a_deep_one_is_left_to_lancedb(few):
    assert few(" OR ".join(f"i8 = {place}.0 AND id <> '{place}'" for place in range(100))) == "bcd"
    schema = pa.schema({"i8": pa.int8()})
    assert bind("i8 > 0.5 AND " * 5_000 + "i8 > 0.5", schema=schema).count(">= 1") == 5_001
    for deep in (
        "(" * 500 + "i8 > 1" + ")" * 500,
        "- " * 500 + "i8 > 1",
        "NOT " * 500 + "i8 > 1",
        "i8" + " + 1" * 500 + " > 1",
    ):
        assert bind(deep, schema=schema) == deep
