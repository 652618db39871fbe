"""Long lists of floats in a catalog: their digests, and how they are read."""

import math
import time

import numpy as np
import pyarrow as pa
import pytest

from embeddings_orch.models.rows.lists import number_lists
from embeddings_orch.models.rows.tags import digest_texts

LONG, FLOAT = 64, pa.float32()


def lists(values, kind=FLOAT):
    return pa.chunked_array([pa.array(values, pa.list_(kind))])


def same(one, other):
    return digest_texts(one).to_pylist() == digest_texts(other).to_pylist()


def test_equal_lists_have_equal_texts_whatever_their_type_and_chunks():
    rows = np.random.default_rng(0).standard_normal((5, LONG)).astype(np.float32).tolist()
    one = lists([rows[0], None, *rows[1:]])
    assert same(one, lists([rows[0], None, *rows[1:]], pa.float64()))
    assert same(one, pa.chunked_array([one.chunk(0).slice(0, 2), one.chunk(0).slice(2)]))
    assert same(one, one.cast(pa.large_list(pa.float32())))
    assert same(lists(rows), lists(rows).cast(pa.list_(pa.float32(), LONG)))
    assert digest_texts(one.slice(2)).to_pylist() == digest_texts(one).to_pylist()[2:]
    assert len(set(digest_texts(one).to_pylist())) == 6


@pytest.mark.parametrize("length", [2, LONG - 1, LONG, LONG + 1])
def test_zeros_and_nans_are_one_each_and_a_null_is_none_of_them(length):
    rest = [0.5] * (length - 1)
    texts = digest_texts(lists([[first, *rest] for first in (0.0, -0.0, math.nan, -math.nan, None, 1.0)])).to_pylist()
    assert texts[0] == texts[1]
    assert texts[2] == texts[3]
    assert len(set(texts)) == 4


def test_lists_are_read_as_arrays_and_what_is_not_whole_as_none():
    rows = [[1.0, 2.5], None, [], [1e300], [None, 1.0]]
    found = list(number_lists(lists(rows, pa.float64()), np.float32))
    assert [one if one is None else one.tolist() for one in found] == [[1.0, 2.5], None, [], [math.inf], None]
    assert [one.tolist() for one in number_lists(lists([[1, 2]], pa.int64()), np.float32)] == [[1.0, 2.0]]


def test_many_vectors_take_no_time():
    numbers = np.random.default_rng(0).standard_normal((5000, 512))
    column = pa.chunked_array(
        [pa.FixedSizeListArray.from_arrays(pa.array(numbers.ravel()), 512).cast(pa.list_(pa.float64()))]
    )
    started = time.process_time()
    assert len(set(digest_texts(column).to_pylist())) == 5000
    assert time.process_time() - started < 1
