"""When single failures add up to the end of a run."""

from typing import ClassVar

import pytest

from embeddings_orch.embedding.verdicts import Doubts, Verdicts
from embeddings_orch.errors import ItemError, SuspectError, TerminalError, TransientError, UnavailableError
from embeddings_orch.models.base import EmbedderConfig
from embeddings_orch.models.content import Failure


class Config(EmbedderConfig):
    provider: ClassVar[str] = "any"


def verdicts(**settings):
    return Verdicts(Config(**settings))


DOWN = TransientError("HTTP 503: down")
BAD = ItemError("HTTP 400: no", certain=False)


def test_a_first_batch_without_any_answer_is_the_end_and_says_how_often_it_was_tried():
    with pytest.raises(UnavailableError, match="no request succeeded, though the request was tried 8 times: HTTP 503"):
        verdicts().count_unanswered(DOWN)
    with pytest.raises(UnavailableError, match="was tried once: HTTP 503"):
        verdicts(retry={"max_retries": 0}).count_unanswered(DOWN)


@pytest.mark.parametrize(("concurrency", "most"), [(1, 3), (8, 8)])
def test_as_many_may_fail_in_a_row_as_are_under_way_together(concurrency, most):
    counts = verdicts(concurrency=concurrency)
    counts.count_answer()
    for _ in range(most):
        counts.count_unanswered(DOWN)
    with pytest.raises(UnavailableError, match=f"{most + 1} requests in a row had no answer.*HTTP 503: down"):
        counts.count_unanswered(DOWN)


def test_an_answer_ends_the_row():
    counts = verdicts()
    for _ in range(50):
        counts.count_answer()
        counts.count_unanswered(DOWN)


def test_three_suspects_without_any_answer_are_an_outage():
    counts = verdicts()
    suspect = SuspectError("HTTP 500: broken")
    counts.count_suspects(suspect, 2)
    with pytest.raises(UnavailableError, match="no request succeeded, though .* 8 times: HTTP 500: broken"):
        counts.count_suspects(suspect, 1)


def test_three_suspects_since_the_last_answer_are_an_outage():
    counts = verdicts()
    suspect = SuspectError("HTTP 500: broken")
    counts.count_suspects(suspect, 2)
    counts.count_answer()
    counts.count_suspects(suspect, 2)
    with pytest.raises(UnavailableError, match="fails on everything; what was embedded is kept: HTTP 500: broken"):
        counts.count_suspects(suspect, 1)


def test_five_doubtful_refusals_before_any_answer_are_a_wrong_request():
    counts = verdicts()
    for _ in range(4):
        counts.count_refusal(BAD)
    with pytest.raises(TerminalError, match="every one of 5 inputs was refused, so the request is wrong: HTTP 400: no"):
        counts.count_refusal(BAD)


def test_certain_refusals_and_those_after_an_answer_end_nothing():
    counts = verdicts()
    for _ in range(50):
        counts.count_refusal(ItemError("too long"))
    counts.count_answer()
    for _ in range(50):
        counts.count_refusal(BAD)


def test_doubts_are_settled_by_what_else_was_answered():
    counts = verdicts()
    doubts = Doubts(0, refused=[Failure("a", "a", "400")], suspects=[Failure("b", "b", "500")])
    kinds = [(one.key, one.kind) for one in counts.settle(doubts)]
    assert kinds == [("a", "transient"), ("b", "transient")]
    counts.count_answer()
    assert [(one.key, one.kind) for one in counts.settle(doubts)] == [("a", "item"), ("b", "item")]
    # Nothing was answered since the batch began: the server may have gone down meanwhile.
    doubts.successes = 1
    assert [(one.key, one.kind) for one in counts.settle(doubts)] == [("a", "item"), ("b", "transient")]
