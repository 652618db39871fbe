"""What requests add up to, over all batches of an embed step: an outage, or a request that can never be right."""

from __future__ import annotations

import threading

from embeddings_orch.embedding.fate import PartState, Settled, Suspect
from embeddings_orch.embedding.outcome import Prepared
from embeddings_orch.errors import ItemError, TerminalError, TransientError, UnavailableError
from embeddings_orch.models.base import EmbedderConfig

_LEAST = 3
"""Items that a server fails on, each alone: fewer may be bad ones, as many are an outage where nothing is answered."""

_REFUSED = 5
"""Inputs that are refused, each alone, before anything succeeds: from then on the request is the problem."""


class Tally:
    """Counts what became of requests, for any number of threads.

    Attributes:
        answers: requests that were answered.
        answered: a content that was embedded; None until there is one.
        largest: how many items fit into memory; None until a batch did not.
    """

    def __init__(self, config: EmbedderConfig) -> None:
        self._attempts = config.retry.max_retries + 1
        # As many may fail together as are under way together.
        self._most = max(_LEAST, config.concurrency)
        self._lock = threading.Lock()
        self.answers = 0
        self.answered: Prepared | None = None
        self.largest: int | None = None
        self._unanswered = 0  # in a row
        self._suspected = 0  # in a row
        self._refused = 0

    def count_answer(self) -> None:
        """A request was answered."""
        with self._lock:
            self.answers += 1
            self._unanswered = self._suspected = 0

    def count_too_large(self, items: int) -> None:
        """A batch of so many items did not fit into memory: the next ones are smaller."""
        with self._lock:
            # Another thread may have found a smaller one meanwhile.
            self.largest = min(self.largest or items, (items + 1) // 2)

    def count(self, state: PartState) -> None:
        """What became of a part that was sent; answers are counted by `count_answer`.

        Raises:
            UnavailableError: nothing was answered at all, or nothing for several batches in a row.
            TerminalError: so many items were refused before anything was answered that the request is wrong.
        """
        match state:
            case Settled(verdict="unanswered", error=TransientError() as error):
                self._count_unanswered(error)
            case Settled(verdict="refused", error=ItemError() as error):
                self._count_refused(error)

    def _count_unanswered(self, error: TransientError) -> None:
        with self._lock:
            self._unanswered += 1
            answers, in_a_row = self.answers, self._unanswered
        if not answers:
            raise self._unavailable(error) from error
        if in_a_row > self._most:
            raise UnavailableError(
                f"{in_a_row} requests in a row had no answer within their retries; what was embedded before is "
                f"kept: {error}"
            ) from error

    def _count_refused(self, error: ItemError) -> None:
        with self._lock:
            self._refused += 1
            hopeless = not self.answers and self._refused >= _REFUSED
        if hopeless:
            raise TerminalError(f"every one of {_REFUSED} inputs was refused, so the request is wrong: {error}")

    def count_suspects(self, suspect: Suspect) -> None:
        """A server failed on several items, each alone, and answered nothing else meanwhile.

        Raises:
            UnavailableError: they are too many to be all bad.
        """
        error = suspect.error
        with self._lock:
            self._suspected += suspect.items
            answers, outage = self.answers, self._suspected >= _LEAST
        if outage and answers:
            raise UnavailableError(f"the server fails on everything; what was embedded is kept: {error}") from error
        if outage:
            raise self._unavailable(error) from error

    def _unavailable(self, error: TransientError) -> UnavailableError:
        times = "once" if self._attempts == 1 else f"{self._attempts} times"
        return UnavailableError(f"no request succeeded, though the request was tried {times}: {error}")
