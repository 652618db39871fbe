"""A cell's one text, for ids, paths, captions and what a model reads."""

from __future__ import annotations

import math
import sys
from datetime import date, datetime, time, timedelta
from decimal import Decimal

import pyarrow as pa
import pytest

from embeddings_orch.models.rows.cells import cell_text, cell_texts, is_blank, without_blanks
from embeddings_orch.models.rows.jsonable import to_jsonable


@pytest.mark.parametrize(
    ("values", "text"),
    [
        (pa.array(["käse"]), "käse"),
        (pa.array(["käse"], pa.large_string()), "käse"),
        (pa.array(["käse"], pa.string_view()), "käse"),
        (pa.array(["käse"]).dictionary_encode(), "käse"),
        (pa.array(["käse".encode()]), "käse"),
        (pa.array(["käse".encode()], pa.large_binary()), "käse"),
        (pa.array(["käse".encode()], pa.binary_view()), "käse"),
        (pa.array(["käse".encode()]).dictionary_encode(), "käse"),
        (pa.array([b"abc"], pa.binary(3)), "abc"),
        (pa.array([b"\xff"]), None),
        (pa.array([7], pa.uint8()), "7"),
        (pa.array([2**64 - 1], pa.uint64()), "18446744073709551615"),
        (pa.array([7.0]), "7"),
        (pa.array([7.0], pa.float16()), "7"),
        (pa.array([-0.0]), "0"),
        (pa.array([0.5], pa.float32()), "0.5"),
        (pa.array([math.nan]), None),
        (pa.array([Decimal("7.00")]), "7"),
        (pa.array([Decimal("1.50")]), "1.5"),
        (pa.array([Decimal("0.0000001")]), "0.0000001"),
        (pa.array([Decimal("1200")], pa.decimal128(5, -2)), "1200"),
        (pa.array([Decimal("0.00")]), "0"),
        (pa.array([True]), "true"),
        (pa.array([date(2026, 1, 2)]), "2026-01-02"),
        (pa.array([date(2026, 1, 2)], pa.date64()), "2026-01-02"),
        (pa.array([datetime(2026, 1, 2, 3, 4)]), "2026-01-02T03:04:00"),
        (pa.array([time(1, 2, 3)]), "01:02:03"),
        (pa.array([timedelta(days=1, seconds=2.5)]), "P1DT2.5S"),
        (pa.array([["a", None]]), '["a",null]'),
        (pa.array([{"b": 1.0, "a": [b"\xff"]}]), '{"a":["/w=="],"b":1}'),
        (pa.array([[math.nan]]), "[null]"),
    ],
    ids=str,
)
def test_every_type_has_one_text(values, text):
    nothing = pa.nulls(1, values.type)
    assert cell_texts(pa.chunked_array([values, nothing])).to_pylist() == [text, None]
    assert cell_text(values[0].as_py()) == text


def test_texts_and_other_bytes_stand_side_by_side():
    texts = cell_texts(pa.chunked_array([pa.array([b"a", b"\xff", None, b""])]))
    assert (texts.type, texts.to_pylist()) == (pa.large_string(), ["a", None, None, ""])


def test_a_number_has_one_text_whatever_its_type():
    assert {cell_text(value) for value in (7, 7.0, Decimal(7), Decimal("7.00"), Decimal("7E0"))} == {"7"}
    assert cell_text(2.0**53 - 1) == str(2**53 - 1)
    assert cell_text(math.inf) == "inf"


@pytest.mark.parametrize(
    ("value", "json"),
    [
        (b"\x00\xff", "AP8="),
        (timedelta(minutes=90), "PT1H30M"),
        (timedelta(0), "PT0S"),
        (timedelta(microseconds=-1), "-PT0.000001S"),
        (timedelta(days=800), "P800D"),
        (Decimal("1.50"), "1.50"),
        (Decimal("1E-7"), "0.0000001"),
        (Decimal("NaN"), None),
        (math.inf, None),
        ({"a": (1, date(2026, 1, 2))}, {"a": [1, "2026-01-02"]}),
    ],
    ids=str,
)
def test_values_as_json(value, json):
    assert to_jsonable(value) == json


def test_a_column_and_a_text_are_blank_by_the_same_signs():
    signs = [chr(code) for code in range(sys.maxunicode + 1) if not 0xD800 <= code < 0xE000]
    kept = without_blanks(pa.array([*signs, "", " \t", " x"], pa.large_string()))
    assert kept.to_pylist() == [None if is_blank(text) else text for text in [*signs, "", " \t", " x"]]
