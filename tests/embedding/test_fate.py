"""The fate of a batch, as a table: what is sent, and what becomes of every item, by what a server does."""

from __future__ import annotations

import ast
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from embeddings_orch.embedding import fate as fates
from embeddings_orch.embedding.fate import (
    SILENCE,
    Bisecting,
    Cut,
    Fate,
    Packed,
    Probe,
    Send,
    Sent,
    Settled,
    Suspect,
    Waiting,
    advance,
)
from embeddings_orch.embedding.outcome import Prepared
from embeddings_orch.errors import (
    BatchTooLargeError,
    BudgetError,
    CancelledError,
    ItemError,
    ResponseError,
    SuspectError,
    TransientError,
    UnavailableError,
)

ONE, TWO = ((Prepared(b"a", "/a", "text", "a"),), tuple(Prepared(str(n).encode(), f"/{n}", "text", n) for n in "ab"))
POISON = ItemError("cannot be read")
DOUBTFUL = ItemError("HTTP 400", certain=False)
FAILED = SuspectError("HTTP 500")
STORM = TransientError("HTTP 429")
TOO_LARGE = BatchTooLargeError("out of memory")


# One part: its state, by what came of it


@pytest.mark.parametrize(
    ("part", "event", "state"),
    [
        (Sent(ONE), None, Settled(ONE, "embedded")),
        (Sent(TWO), None, Settled(TWO, "embedded")),
        (Sent(TWO), TOO_LARGE, Packed(TWO)),
        (Sent(TWO), POISON, Bisecting(TWO)),
        (Sent(TWO), DOUBTFUL, Bisecting(TWO)),
        (Sent(TWO), FAILED, Bisecting(TWO)),
        (Sent(ONE), POISON, Settled(ONE, "failed", POISON)),
        (Sent(ONE), DOUBTFUL, Settled(ONE, "refused", DOUBTFUL)),
        (Sent(ONE), FAILED, Waiting(ONE, FAILED)),
        (Sent(ONE, again=True), FAILED, Settled(ONE, "suspect", FAILED)),
        (Sent(ONE), STORM, Settled(ONE, "unanswered", STORM)),
        (Sent(TWO), STORM, Settled(TWO, "unanswered", STORM)),
    ],
)
def test_the_state_of_a_part_that_was_sent(part, event, state):
    assert advance(part, event) == state


@pytest.mark.parametrize("error", [BudgetError("$1"), CancelledError("stopped"), UnavailableError("down"), TOO_LARGE])
def test_what_ends_the_run_is_no_state_of_one_item(error):
    with pytest.raises(type(error)):
        advance(Sent(ONE), error)


# A batch


@dataclass
class Run:
    """What a batch made of a server's behaviour."""

    sent: list[int] = field(default_factory=list)
    patience: list[int] = field(default_factory=list)
    patient: int = 0
    probes: int = 0
    outages: list[int] = field(default_factory=list)
    answers: int = 0

    def carry(self, count, behave, *, fits=64, max_retries=7, healthy=False):
        """Do what the fate says; ``behave`` gives the error of a request of some items, or None.

        ``healthy``: whether the server answers what it has answered before.
        """
        batch = [Prepared(str(number).encode(), f"/{number}", "text", number) for number in range(count)]
        fate = Fate(batch, self.answers, max_retries)
        while (action := fate.next(self.answers)) is not None:
            match action:
                case Cut(items):
                    fate.cut(items[:fits])
                case Send(part, _, patient):
                    self.sent.append(len(part.items))
                    self.patient += patient
                    self.patience += [part.patience] if part.again else []
                    event = behave([item.content for item in part.items], len(self.sent))
                    if isinstance(event, BatchTooLargeError):
                        fits = min(fits, (len(part.items) + 1) // 2)
                    self.answers += event is None
                    fate.place(advance(part, event), self.answers)
                case Probe():
                    self.probes += 1
                    self.answers += healthy
                    fate.note_probe(healthy)
                case Suspect(_, items):
                    self.outages.append(items)
        settled = [item.key for part in fate.settled for item in part.items]
        assert Counter(settled) == Counter(item.key for item in batch), "an item was lost, or settled twice"
        kinds = Counter(failure.kind for failure in fate.failures(self.answers))
        return {
            "embedded": sum(len(part.items) for part in fate.settled if part.verdict == "embedded"),
            "item": kinds["item"],
            "transient": kinds["transient"],
        }


def always(event):
    return lambda items, number: event


def bad(event, *numbers):
    """A server that gives an error for requests that hold one of some items."""
    return lambda items, number: event if set(items) & set(numbers) else None


def until(last, event):
    """A server that gives an error for its first requests."""
    return lambda items, number: event if number <= last else None


def larger_than(most, event):
    return lambda items, number: event if len(items) > most else None


@pytest.mark.parametrize(
    ("count", "behave", "options", "embedded", "item", "transient", "sent"),
    [
        pytest.param(0, always(None), {}, 0, 0, 0, [], id="nothing"),
        pytest.param(1, always(None), {}, 1, 0, 0, [1], id="one item"),
        pytest.param(1000, always(None), {"fits": 256}, 1000, 0, 0, [256, 256, 256, 232], id="a thousand items"),
        pytest.param(1, always(POISON), {}, 0, 1, 0, [1], id="one item, poisoned"),
        pytest.param(8, bad(POISON, 2), {}, 7, 1, 0, [8, 4, 2, 2, 1, 1, 4], id="poison"),
        pytest.param(4, always(POISON), {}, 0, 4, 0, [4, 2, 1, 1, 2, 1, 1], id="all poisoned"),
        pytest.param(2, always(DOUBTFUL), {}, 0, 0, 2, [2, 1, 1], id="refused, and nothing answered"),
        pytest.param(2, bad(DOUBTFUL, 0), {}, 1, 1, 0, [2, 1, 1], id="refused, where others are answered"),
        pytest.param(4, bad(FAILED, 0), {}, 3, 1, 0, [4, 2, 1, 1, 2, 1], id="500 on one item"),
        pytest.param(4, until(1, FAILED), {}, 4, 0, 0, [4, 2, 2], id="one 500"),
        pytest.param(4, until(4, FAILED), {}, 4, 0, 0, [4, 2, 1, 1, 2, 1, 1], id="500s that pass"),
        pytest.param(2, always(FAILED), {}, 0, 0, 2, [2, 1, 1, 1], id="500s on everything"),
        pytest.param(3, bad(FAILED, 0, 1, 2), {"healthy": True}, 0, 3, 0, [3, 1, 2, 1, 1, 1, 1, 1], id="all suspect"),
        pytest.param(2, bad(FAILED, 0), {"max_retries": 0}, 1, 1, 0, [2, 1, 1], id="500 without retries"),
        pytest.param(4, always(STORM), {}, 0, 0, 4, [4], id="429 storm, retries used up"),
        pytest.param(8, until(1, STORM), {"fits": 4}, 4, 0, 4, [4, 4], id="one request without an answer"),
        pytest.param(4, always(ResponseError("cut off")), {}, 0, 0, 4, [4], id="answers that cannot be used"),
        pytest.param(8, larger_than(2, TOO_LARGE), {}, 8, 0, 0, [8, 4, 2, 2, 2, 2], id="out of memory"),
        pytest.param(3, larger_than(1, TOO_LARGE), {}, 3, 0, 0, [3, 2, 1, 1, 1], id="out of memory, odd"),
    ],
)
def test_what_becomes_of_every_item(count, behave, options, embedded, item, transient, sent):
    run = Run()
    assert run.carry(count, behave, **options) == {"embedded": embedded, "item": item, "transient": transient}
    assert run.sent == sent


def test_a_server_that_fails_on_everything_is_asked_once_more_and_not_for_every_item():
    run = Run()
    assert run.carry(64, always(FAILED)) == {"embedded": 0, "item": 0, "transient": 64}
    # The eight that failed first are an outage of eight; so it goes on, and the run ends by the tally.
    assert run.outages[0] == SILENCE
    assert run.patient == len(run.outages)
    assert run.probes == len(run.outages)


def test_where_others_are_answered_what_failed_waits_for_all_of_them_and_nobody_is_probed():
    run = Run()
    assert run.carry(32, bad(FAILED, *range(22, 32)))["item"] == 10
    assert run.sent[-10:] == [1] * 10
    assert (run.probes, run.patient, set(run.patience)) == (0, 0, {0})


def test_requests_of_one_item_are_all_sent_before_what_failed_is_asked_for_again():
    run = Run()
    assert run.carry(16, bad(FAILED, *range(8)), fits=1) == {"embedded": 8, "item": 8, "transient": 0}
    assert run.sent == [1] * 24
    assert (run.probes, run.outages) == (0, [])


def test_a_silent_server_is_waited_for_until_it_answers_one_item():
    run = Run()
    assert run.carry(3, until(4, FAILED))["embedded"] == 3
    assert run.sent == [3, 1, 2, 1, 1, 1, 1]
    assert (run.probes, run.patient, run.patience) == (0, 0, [0, 0])
    run = Run()
    assert run.carry(3, until(5, FAILED))["embedded"] == 3
    assert (run.probes, run.patient, run.patience) == (1, 1, [6, 0, 0])


def test_a_thousand_poisoned_items_among_good_ones_are_found_by_few_requests():
    run = Run()
    poisoned = range(0, 1000, 100)
    assert run.carry(1000, bad(POISON, *poisoned), fits=1000)["item"] == 10
    assert len(run.sent) < 10 * 2 * 11


@pytest.mark.parametrize("ended_by", [BudgetError("$1"), CancelledError("stopped")])
def test_what_is_settled_when_a_run_ends_is_told_and_the_rest_is_left_to_the_next(ended_by):
    batch = [Prepared(str(number).encode(), f"/{number}", "text", number) for number in range(4)]
    fate = Fate(batch, 0, 7)
    fate.cut(fate.next(0).items)
    fate.place(advance(fate.next(0).part, POISON), 0)
    fate.place(advance(fate.next(0).part, None), 1)
    fate.place(advance(fate.next(1).part, POISON), 1)
    fate.place(advance(fate.next(1).part, POISON), 1)
    with pytest.raises(type(ended_by)):
        advance(fate.next(1).part, ended_by)
    assert [failure.key for failure in fate.failures(1)] == [b"2"]


def test_what_is_in_doubt_is_settled_by_what_else_was_answered():
    fate = Fate([*ONE, *TWO[1:]], 0, 7)
    fate.settled = [Settled(ONE, "refused", DOUBTFUL), Settled(TWO[1:], "suspect", FAILED)]
    assert [failure.kind for failure in fate.failures(0)] == ["transient", "transient"]
    assert [failure.kind for failure in fate.failures(1)] == ["item", "item"]
    # Nothing was answered since the batch began: the server may have gone down meanwhile.
    fate.answers = 1
    assert [failure.kind for failure in fate.failures(1)] == ["item", "transient"]


def test_a_fate_asks_nobody_and_waits_for_nothing():
    tree = ast.parse(Path(fates.__file__).read_text(encoding="utf-8"))
    assert not any(isinstance(node, ast.Import) for node in ast.walk(tree))
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert imported == {
        "__future__",
        "collections.abc",
        "dataclasses",
        "typing",
        "embeddings_orch.embedding.outcome",
        "embeddings_orch.errors",
        "embeddings_orch.models.content",
    }
