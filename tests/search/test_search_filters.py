"""Filters with parameters: every value comes back as itself, and none becomes SQL."""

from datetime import UTC, date, datetime, timedelta, timezone

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from embeddings_orch.errors import EmbeddingsOrchError
from embeddings_orch.search.filters import bind
from embeddings_orch.store import Store

NASTY = [
    *("", "'", "''", "a dog's", "' OR 1=1 --", "'; DROP TABLE x; --", "\\", "\\'", "a\\' OR true --", '"', "`", "``"),
    *(
        ":name",
        "-- x",
        "/* x",
        "*/",
        "%",
        "_",
        "\n",
        "\r\n",
        "\x00",
        "é ü 🐕",
        "ﬁ",
        "\u2019",
        "\u02bc",
        "NULL",
        "$1",
        "?",
    ),
]


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Selects ids from a Lance table by a filter."""
    rows = pa.table(
        {
            "id": [f"i{number}" for number in range(len(NASTY))],
            "caption": NASTY,
            "n": pa.array(range(len(NASTY)), pa.int64()),
            "f": pa.array([number / 7 for number in range(len(NASTY))], pa.float64()),
            "b": [number % 2 == 0 for number in range(len(NASTY))],
            "d": [date(2024, 1, 1) + timedelta(number) for number in range(len(NASTY))],
            "at": pa.array(
                [datetime(2024, 1, 1, 12, 30, 0, 5, UTC) + timedelta(number) for number in range(len(NASTY))],
                pa.timestamp("us", tz="UTC"),
            ),
        }
    )
    store = Store(str(tmp_path_factory.mktemp("filters")))
    opened = store.create("rows", rows.schema)
    opened.add(rows)

    def ids(where, **params):
        query = opened.search().where(bind(where, params, rows.schema)).select(["id"])
        return query.to_arrow()["id"].to_pylist()

    return ids


@pytest.mark.parametrize("number", range(len(NASTY)), ids=[ascii(text) for text in NASTY])
def test_a_text_finds_itself_and_nothing_else(table, number):
    assert table("caption = :text", text=NASTY[number]) == [f"i{number}"]
    assert table("caption IN :texts", texts=[NASTY[number], "not there"]) == [f"i{number}"]
    assert len(table("caption <> :text", text=NASTY[number])) == len(NASTY) - 1


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=12))
def test_no_text_reaches_more_rows_than_it_says(table, text):
    expected = [f"i{NASTY.index(text)}"] if text in NASTY else []
    assert table("caption = :text", text=text) == expected
    assert table("n = 3 AND caption = :text", text=text) == [one for one in expected if one == "i3"]


@pytest.mark.parametrize(
    ("where", "params", "expected"),
    [
        ("n = :x", {"x": 3}, ["i3"]),
        ("n = :x", {"x": np.int64(3)}, ["i3"]),
        ("n < :x + 2", {"x": -1}, ["i0"]),
        ("n -:x = 1 ", {"x": -1}, ["i0"]),
        ("f = :x", {"x": 3 / 7}, ["i3"]),
        ("f < :x", {"x": 1e-7}, ["i0"]),
        ("f > :x AND n < 1", {"x": -1.5e300}, ["i0"]),
        ("f = :x", {"x": np.float64(1 / 7)}, ["i1"]),
        ("b = :x AND n < 4", {"x": True}, ["i0", "i2"]),
        ("b = :x AND n < 4", {"x": np.False_}, ["i1", "i3"]),
        ("caption = :x", {"x": None}, []),
        ("caption IS NOT :x AND n < 2", {"x": None}, ["i0", "i1"]),
        ("d = :x", {"x": date(2024, 1, 3)}, ["i2"]),
        ("d IN :x", {"x": [date(2024, 1, 3), date(2024, 1, 5)]}, ["i2", "i4"]),
        ("at = :x", {"x": datetime(2024, 1, 3, 12, 30, 0, 5, UTC)}, ["i2"]),
        ("at = :x", {"x": datetime(2024, 1, 3, 12, 30, 0, 5)}, ["i2"]),
        ("at = :x", {"x": datetime(2024, 1, 3, 14, 30, 0, 5, timezone(timedelta(hours=2)))}, ["i2"]),
        ("n IN :x", {"x": [1, -5, 3]}, ["i1", "i3"]),
        ("n IN :x", {"x": (4,)}, ["i4"]),
        ("n NOT IN :x AND n < 4", {"x": {1, 2}}, ["i0", "i3"]),
        ("caption LIKE :x", {"x": "%dog%"}, ["i3"]),
        ("caption = ':x' OR n = :y", {"y": 1}, ["i1"]),
        ('`n` = :x AND "n" = :x', {"x": 5}, ["i5"]),
        ("n::string = :x", {"x": "3"}, ["i3"]),
        ("n = :one OR n = :one_more", {"one": 1, "one_more": 2}, ["i1", "i2"]),
    ],
)
def test_values_of_every_type_mean_themselves(table, where, params, expected):
    assert table(where, **params) == expected


@pytest.mark.parametrize(
    ("where", "params", "message"),
    [
        ("n = :x", {}, "the filter's :x has no value in params"),
        ("n = :widht", {"width": 1}, "the filter's :widht has no value in params; did you mean 'width'"),
        ("n = 1", {"x": 1}, "params has x, which the filter does not use: n = 1"),
        ("n = ':x'", {"x": 1}, "params has x, which the filter does not use"),
        (None, {"x": 1}, r"there are params \(x\) and no filter"),
        ("n = :x -- and more", {"x": 1}, "a filter with params takes no comment"),
        ("n = :x /* and more */", {"x": 1}, "a filter with params takes no comment"),
        ("caption = 'open AND n = :x", {"x": 1}, "a quote that is not closed"),
        ("n = :x", {"x": float("nan")}, "the filter's :x is nan, which SQL has no number for"),
        ("n = :x", {"x": 10**80}, "the filter's :x is a number of more than 76 digits"),
        ("n IN :x", {"x": []}, "the filter's :x is an empty list"),
        ("n IN :x", {"x": [[1]]}, "the filter's :x is a list of lists"),
        ("n = :x", {"x": {"a": 1}}, "the filter's :x is dict; give a str"),
        ("n = :x", {"x": np.ones((2, 2))}, "the filter's :x is ndarray; give a str"),
        ("n = :x", {"x": "\ud83d"}, "half of a surrogate pair"),
    ],
)
def test_what_cannot_be_put_into_a_filter_is_said(where, params, message):
    with pytest.raises(EmbeddingsOrchError, match=message):
        bind(where, params)


def test_a_filter_without_parameters_stays_as_it_is():
    for where in (None, "caption = 'a -- b' AND n::int = 3 -- what a user writes", "caption = 'it''s'"):
        assert bind(where) == where


def test_a_text_of_a_class_of_its_own_is_taken_by_its_characters():
    class Sly(str):
        def replace(self, *_):
            return "x' OR true --"

        def __str__(self):
            return "x' OR true --"

    assert bind("caption = :x", {"x": Sly("a'b")}) == "caption = 'a''b'"


def test_search_takes_parameters(gallery, right):
    gallery.captions["p004.png"]["caption"] = "it's 100% red"
    gallery.write_captions()
    gallery.run()
    found = right.opened(gallery).search("x", where="caption LIKE :c", params={"c": "it's 100%"})
    assert [hit.id for hit in found] == ["p004.png"]
