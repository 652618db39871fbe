"""Requests as full as the limits allow, in order, with nothing lost."""

from dataclasses import dataclass
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from embeddings_orch.policy.packing import Limits, Packer, pack


@dataclass(frozen=True)
class Weight:
    tokens: int = 0
    size: int = 0


weights = st.lists(st.builds(Weight, st.integers(0, 50), st.integers(0, 50)), max_size=60)
limits = st.builds(
    Limits, st.integers(1, 10), st.one_of(st.none(), st.integers(1, 100)), st.one_of(st.none(), st.integers(1, 100))
)


def total(items, what):
    return sum(getattr(item, what) for item in items)


def fits(items, limits):
    return (
        len(items) <= limits.items
        and (limits.tokens is None or total(items, "tokens") <= limits.tokens)
        and (limits.size is None or total(items, "size") <= limits.size)
    )


@given(weights, limits)
def test_requests_hold_every_item_once_and_in_order(items, limits):
    requests = list(pack(items, limits))
    assert [item for request in requests for item in request] == items
    assert all(requests)


@given(weights, limits)
def test_a_request_is_within_the_limits_or_one_item_that_no_request_can_hold(items, limits):
    for request in pack(items, limits):
        assert fits(request, limits) or len(request) == 1


@given(weights, limits)
def test_a_request_could_not_have_held_the_next_item_as_well(items, limits):
    requests = list(pack(items, limits))
    for request, following in pairwise(requests):
        assert not fits([*request, following[0]], limits)


def test_an_item_over_a_limit_stands_alone():
    small, large = Weight(tokens=1), Weight(tokens=99)
    assert list(pack([small, large, small, small], Limits(10, tokens=5))) == [[small], [large], [small, small]]


def test_bytes_count_as_tokens_do():
    item = Weight(size=4)
    assert [len(request) for request in pack([item] * 5, Limits(10, size=8))] == [2, 2, 1]


def test_a_full_request_is_handed_out_at_once():
    packer = Packer(Limits(2))
    assert list(packer.add(Weight())) == []
    assert list(packer.add(Weight())) == [[Weight(), Weight()]]
    assert packer.rest() == []
