"""The fate of one batch: what becomes of each part of it, from being packed to being settled.

Nothing here asks a provider, waits or locks: `embeddings_orch.embedding.step` does what `Fate.next` says, and tells
what came of it. A part of a batch is in one of five states:

=========  ================================  ===========================================================
state      what happens                      state then
=========  ================================  ===========================================================
packed     it is cut to what fits            sent; the rest stays packed
sent       answered                          settled: embedded
sent       too large, several items          packed, for smaller requests
sent       refused or failed, several items  bisecting
sent       refused, one item                 settled: failed, or refused where the request may be at fault
sent       failed, one item                  waiting; settled: suspect where it had waited already
sent       unanswered                        settled: unanswered
bisecting  at once                           two halves, sent one after the other
waiting    others were answered meanwhile    sent once more
waiting    nothing is answered               sent once more, patiently; the others wait for what becomes of it
=========  ================================  ===========================================================

What the states of all batches add up to, an outage or a request that can never be right, is `Tally`'s to say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from embeddings_orch.embedding.outcome import Prepared
from embeddings_orch.errors import BatchTooLargeError, ItemError, ProviderError, SuspectError, TransientError
from embeddings_orch.models.content import Failure

SILENCE = 8
"""Items that a server failed on, each alone, without any answer meanwhile: then it is waited for."""

Verdict = Literal["embedded", "failed", "refused", "suspect", "unanswered"]


@dataclass(frozen=True)
class Packed:
    """Items that are to be cut into requests."""

    items: tuple[Prepared, ...]


@dataclass(frozen=True)
class Sent:
    """Items of one request.

    Attributes:
        half: they come of bisecting.
        again: they waited for it, after the server had failed on them.
        patience: how often what may be the item's fault is tried again.
    """

    items: tuple[Prepared, ...]
    half: bool = False
    again: bool = False
    patience: int = 0


@dataclass(frozen=True)
class Bisecting:
    """Items of which at least one is the problem."""

    items: tuple[Prepared, ...]


@dataclass(frozen=True)
class Waiting:
    """One item that the server failed on."""

    items: tuple[Prepared, ...]
    error: SuspectError


@dataclass(frozen=True)
class Settled:
    """Items whose fate is known, but for what the other batches tell (`Fate.failures`)."""

    items: tuple[Prepared, ...]
    verdict: Verdict
    error: ProviderError | None = None


PartState = Packed | Sent | Bisecting | Waiting | Settled

Response = ProviderError | None
"""What came of a request: an error, or None where it was answered."""


def advance(part: Sent, event: Response) -> PartState:
    """The state of a part that was sent, by what came of it."""
    alone = len(part.items) == 1
    match event:
        case None:
            return Settled(part.items, "embedded")
        case BatchTooLargeError() if not alone:
            return Packed(part.items)
        case ItemError() | SuspectError() if not alone:
            return Bisecting(part.items)
        case ItemError():
            return Settled(part.items, "failed" if event.certain else "refused", event)
        case SuspectError():
            return Settled(part.items, "suspect", event) if part.again else Waiting(part.items, event)
        case TransientError():
            return Settled(part.items, "unanswered", event)
    raise event


@dataclass(frozen=True)
class Cut:
    """To do: cut these items to what one request may hold, and tell `Fate.cut`."""

    items: tuple[Prepared, ...]


@dataclass(frozen=True)
class Send:
    """To do: send this part, and tell `Fate.place`.

    Attributes:
        after: the failure that it waited for, None where it goes for the first time.
        patient: wait before.
    """

    part: Sent
    after: SuspectError | None = None
    patient: bool = False


@dataclass(frozen=True)
class Probe:
    """To do: ask whether the server still answers what it has answered before, and tell `Fate.note_probe`."""


@dataclass(frozen=True)
class Suspect:
    """To do: count so many items, on all of which the server failed while it answered nothing else."""

    error: SuspectError
    items: int


Action = Cut | Send | Probe | Suspect


@dataclass
class _Review:
    """What waited is tried again, one after the other.

    Attributes:
        answered: whether anything else is answered; None while that is not known.
    """

    rest: list[Waiting]
    answered: bool | None
    patience: int = 0
    silent: SuspectError | None = None


@dataclass
class Fate:
    """The parts of one batch.

    Args:
        batch: what is to be embedded.
        answers: requests that had been answered before, in all batches.
        max_retries: of the policy.
    """

    batch: Sequence[Prepared]
    answers: int
    max_retries: int
    settled: list[Settled] = field(default_factory=list)
    _agenda: list[Packed | Sent] = field(default_factory=list)
    _waiting: list[Waiting] = field(default_factory=list)
    _review: _Review | None = None
    _bisected: bool = False

    def __post_init__(self) -> None:
        self._agenda = [Packed(tuple(self.batch))] if self.batch else []

    def next(self, answers: int) -> Action | None:
        """What to do next; None where all parts are settled.

        Args:
            answers: requests that were answered by now, in all batches.
        """
        if self._review is None and self._waiting:
            # What bisecting finds goes on and on where a server is down; whole requests are each worth their own.
            silent = len(self._waiting) >= SILENCE and answers == self.answers and self._bisected
            if silent or not self._agenda:
                self._review = _Review(self._waiting, True if answers > self.answers else None)
                self._waiting = []
        if self._review is not None:
            return self._next_in_review(self._review, answers)
        match self._agenda[-1:]:
            case [Packed(items)]:
                return Cut(items)
            case [Sent() as part]:
                return Send(part)
        return None

    def _next_in_review(self, review: _Review, answers: int) -> Action | None:
        if review.answered is None:
            return Probe()
        while review.silent is None and review.rest:
            waiting = review.rest[0]
            if self._most(waiting.error) >= 1:
                part = Sent(waiting.items, again=True, patience=review.patience)
                return Send(part, after=waiting.error, patient=not review.answered)
            self._suspect(review, Settled(waiting.items, "suspect", waiting.error))
        self._review = None
        if review.silent is None:
            return self.next(answers)
        # The others would have no answer either: the next run tries them.
        self.settled += [Settled(waiting.items, "suspect", waiting.error) for waiting in review.rest]
        return Suspect(review.silent, 1 + len(review.rest))

    def _most(self, error: SuspectError) -> int:
        return self.max_retries if error.max_retries is None else min(self.max_retries, error.max_retries)

    def _suspect(self, review: _Review, settled: Settled) -> None:
        assert isinstance(settled.error, SuspectError)
        self.settled.append(settled)
        review.rest.pop(0)
        if not review.answered:
            review.silent = settled.error

    def cut(self, items: Sequence[Prepared]) -> None:
        """The first packed items are one request."""
        packed = self._agenda.pop()
        if rest := packed.items[len(items) :]:
            self._agenda.append(Packed(rest))
        self._agenda.append(Sent(tuple(items)))

    def note_probe(self, answered: bool) -> None:
        """Whether the server still answers."""
        assert self._review is not None
        self._review.answered = answered
        self._review.patience = 0 if answered else max(0, self.max_retries - 1)

    def place(self, state: PartState, answers: int) -> None:
        """The state of the part that was sent, and how many requests were answered by now."""
        if self._review is not None:
            if isinstance(state, Settled) and state.verdict == "suspect":
                self._suspect(self._review, state)
                return
            self._review.rest.pop(0)
            self._review.answered, self._review.patience = answers > self.answers, 0
        else:
            part = self._agenda.pop()
            self._bisected = isinstance(part, Sent) and part.half
        match state:
            case Packed():
                self._agenda.append(state)
            case Bisecting(items):
                middle = len(items) // 2
                self._agenda += [Sent(items[middle:], half=True), Sent(items[:middle], half=True)]
            case Waiting():
                self._waiting.append(state)
            case Settled():
                self.settled.append(state)

    def failures(self, answers: int) -> list[Failure]:
        """What has no vector, as it is known now: in doubt, an item is the problem only where others were answered.

        Args:
            answers: requests that were answered by now, in all batches.
        """
        in_doubt = [Settled(waiting.items, "suspect", waiting.error) for waiting in self._waiting]
        # A server that fails may have been well before: of what it failed on counts the time since.
        certain = {"failed": True, "refused": answers > 0, "suspect": answers > self.answers, "unanswered": False}
        return [
            Failure(item.key, item.uri, str(part.error), "item" if certain[part.verdict] else "transient")
            for part in (*self.settled, *in_doubt)
            if part.verdict != "embedded"
            for item in part.items
        ]
