"""Methods that take the fields of a class as their arguments."""

import asyncio
import inspect

import pytest

from embeddings_orch.search import Index
from embeddings_orch.search.arguments import takes
from embeddings_orch.search.request import Request


class Asked:
    def __init__(self, words, *, limit=10):
        if limit < 1:
            raise ValueError("limit")
        self.words, self.limit = words, limit


class Finder:
    @takes(Asked)
    def find(self, asked):
        """Find."""
        return asked.words * asked.limit

    @takes(Asked)
    async def find_later(self, asked):
        return asked.words * asked.limit


def test_the_arguments_are_those_of_the_class():
    assert Finder().find("a", limit=3) == "aaa"
    assert str(inspect.signature(Finder.find)) == "(self, words, *, limit=10)"
    assert Finder.find.__doc__ == "Find."


def test_a_coroutine_stays_one_and_fails_when_it_is_awaited():
    assert inspect.iscoroutinefunction(Finder.find_later)
    assert asyncio.run(Finder().find_later("a", limit=2)) == "aa"
    wrong = Finder().find_later("a", limit=0)
    with pytest.raises(ValueError, match="limit"):
        asyncio.run(wrong)


def test_a_wrong_name_is_refused():
    with pytest.raises(TypeError, match="unexpected keyword argument 'limits'"):
        Finder().find("a", limits=3)


def test_a_search_takes_what_a_request_has():
    for method in (Index.search, Index.asearch):
        assert list(inspect.signature(method).parameters) == ["self", *inspect.signature(Request).parameters]


def test_columns_may_come_from_anywhere():
    assert Request(text="a", columns=(name for name in ["x", "y"])).asked_embeddings == ("x", "y")
