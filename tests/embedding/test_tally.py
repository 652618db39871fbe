"""When single failures add up to the end of a run."""

from typing import ClassVar

import pytest

from embeddings_orch.embedding.fate import Settled, Suspect
from embeddings_orch.embedding.tally import Tally
from embeddings_orch.errors import ItemError, SuspectError, TerminalError, TransientError, UnavailableError
from embeddings_orch.models.base import EmbedderConfig


class Config(EmbedderConfig):
    provider: ClassVar[str] = "any"


def make_tally(**settings):
    return Tally(Config(**settings))


DOWN = TransientError("HTTP 503: down")
BAD = ItemError("HTTP 400: no", certain=False)
UNANSWERED = Settled((), "unanswered", DOWN)
REFUSED = Settled((), "refused", BAD)


def test_a_first_batch_without_any_answer_is_the_end_and_says_how_often_it_was_tried():
    with pytest.raises(UnavailableError, match="no request succeeded, though the request was tried 8 times: HTTP 503"):
        make_tally().count(UNANSWERED)
    with pytest.raises(UnavailableError, match="was tried once: HTTP 503"):
        make_tally(retry={"max_retries": 0}).count(UNANSWERED)


@pytest.mark.parametrize(("concurrency", "most"), [(1, 3), (8, 8)])
def test_as_many_may_fail_in_a_row_as_are_under_way_together(concurrency, most):
    counts = make_tally(concurrency=concurrency)
    counts.count_answer()
    for _ in range(most):
        counts.count(UNANSWERED)
    with pytest.raises(UnavailableError, match=f"{most + 1} requests in a row had no answer.*HTTP 503: down"):
        counts.count(UNANSWERED)


def test_an_answer_ends_the_row():
    counts = make_tally()
    for _ in range(50):
        counts.count_answer()
        counts.count(UNANSWERED)


def test_three_suspects_without_any_answer_are_an_outage():
    counts = make_tally()
    suspect = SuspectError("HTTP 500: broken")
    counts.count_suspects(Suspect(suspect, 2))
    with pytest.raises(UnavailableError, match="no request succeeded, though .* 8 times: HTTP 500: broken"):
        counts.count_suspects(Suspect(suspect, 1))


def test_three_suspects_since_the_last_answer_are_an_outage():
    counts = make_tally()
    suspect = SuspectError("HTTP 500: broken")
    counts.count_suspects(Suspect(suspect, 2))
    counts.count_answer()
    counts.count_suspects(Suspect(suspect, 2))
    with pytest.raises(UnavailableError, match="fails on everything; what was embedded is kept: HTTP 500: broken"):
        counts.count_suspects(Suspect(suspect, 1))


def test_five_doubtful_refusals_before_any_answer_are_a_wrong_request():
    counts = make_tally()
    for _ in range(4):
        counts.count(REFUSED)
    with pytest.raises(TerminalError, match="every one of 5 inputs was refused, so the request is wrong: HTTP 400: no"):
        counts.count(REFUSED)


def test_certain_refusals_and_those_after_an_answer_end_nothing():
    counts = make_tally()
    for _ in range(50):
        counts.count(Settled((), "failed", ItemError("too long")))
    counts.count_answer()
    for _ in range(50):
        counts.count(REFUSED)
