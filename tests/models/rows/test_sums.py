"""The digest of a set: a sum modulo 2**256."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embeddings_orch.models.rows.sums import EMPTY, sum_digests

DIGESTS = st.lists(st.one_of(st.binary(min_size=32, max_size=32), st.just(b"\xff" * 32)), max_size=40)


def _array(digests):
    return pa.array(digests, pa.binary(32))


def _expected(digests):
    return (sum(int.from_bytes(digest, "big") for digest in digests) % 2**256).to_bytes(32, "big")


@given(DIGESTS)
def test_it_is_the_sum_of_the_numbers(digests):
    assert sum_digests(_array(digests)) == _expected(digests)


@given(DIGESTS, st.randoms(use_true_random=False))
def test_the_order_and_the_chunks_do_not_matter(digests, random):
    shuffled = random.sample(digests, len(digests))
    cut = random.randint(0, len(digests))
    chunks = pa.chunked_array([_array(shuffled[:cut]), _array(shuffled[cut:])], pa.binary(32))
    assert sum_digests(chunks) == sum_digests(_array(digests))


@given(DIGESTS, st.integers(0, 40), st.integers(0, 40))
def test_of_a_slice_only_its_own_rows_count(digests, start, length):
    assert sum_digests(_array(digests).slice(min(start, len(digests)), length)) == _expected(
        digests[start : start + length]
    )


def test_more_rows_than_are_added_up_at_once():
    digests = pa.concat_arrays([_array([b"\xff" * 32]), _array([b"\x01" * 32] * 1_048_577)])
    assert sum_digests(digests) == _expected([b"\xff" * 32] + [b"\x01" * 32] * 1_048_577)


def test_of_nothing_it_is_zeros():
    assert sum_digests(_array([])) == sum_digests(pa.chunked_array([], pa.binary(32))) == EMPTY == b"\0" * 32


@pytest.mark.parametrize("digests", [pa.array(["a"]), pa.array([None], pa.binary(32)), pa.array([b"a"], pa.binary())])
def test_anything_else_is_an_error(digests):
    with pytest.raises(TypeError, match="binary"):
        sum_digests(digests)
