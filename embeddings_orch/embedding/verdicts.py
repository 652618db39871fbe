"""When single failures add up to one that ends the run: an outage, or a request that can never be right."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace

from embeddings_orch.embedding.outcome import Prepared
from embeddings_orch.errors import ItemError, SuspectError, TerminalError, TransientError, UnavailableError
from embeddings_orch.models.base import EmbedderConfig
from embeddings_orch.models.content import Failure

_LEAST = 3
"""Items that a server fails on, each alone: fewer may be bad ones, as many are an outage where nothing is answered."""
_REFUSED = 5
"""Inputs that are refused, each alone, before anything succeeds: from then on the request is the problem."""


@dataclass
class Doubts:
    """Items of one batch that failed alone, and yet may not be the problem.

    Attributes:
        successes: requests that had succeeded before the batch.
        refused: by a server that may mean the request.
        waiting: on which the server failed once, to be tried again.
        suspects: on which it failed again.
    """

    successes: int = 0
    waiting: list[tuple[Prepared, SuspectError]] = field(default_factory=list)
    refused: list[Failure] = field(default_factory=list)
    suspects: list[Failure] = field(default_factory=list)


class Verdicts:
    """Counts what became of requests, over the threads of one embed step."""

    def __init__(self, config: EmbedderConfig) -> None:
        self._attempts = config.retry.max_retries + 1
        # As many may fail together as are under way together.
        self._most = max(_LEAST, config.concurrency)
        self._lock = threading.Lock()
        self.successes = 0
        self._unanswered = 0  # in a row
        self._suspected = 0  # in a row
        self._refused = 0

    def count_answer(self) -> None:
        """A request succeeded."""
        with self._lock:
            self.successes += 1
            self._unanswered = self._suspected = 0

    def count_unanswered(self, error: TransientError) -> None:
        """A batch had no answer within all its retries.

        Raises:
            UnavailableError: nothing was answered at all, or nothing for several batches in a row.
        """
        with self._lock:
            self._unanswered += 1
            successes, in_a_row = self.successes, self._unanswered
        if not successes:
            raise self._unavailable(error) from error
        if in_a_row > self._most:
            raise UnavailableError(
                f"{in_a_row} requests in a row had no answer within their retries; what was embedded before is "
                f"kept: {error}"
            ) from error

    def count_suspects(self, error: SuspectError, items: int) -> None:
        """A server failed on so many items, each alone, and answered nothing else meanwhile.

        Raises:
            UnavailableError: they are too many to be all bad.
        """
        with self._lock:
            self._suspected += items
            successes, outage = self.successes, self._suspected >= _LEAST
        if outage and successes:
            raise UnavailableError(f"the server fails on everything; what was embedded is kept: {error}") from error
        if outage:
            raise self._unavailable(error) from error

    def _unavailable(self, error: TransientError) -> UnavailableError:
        times = "once" if self._attempts == 1 else f"{self._attempts} times"
        return UnavailableError(f"no request succeeded, though the request was tried {times}: {error}")

    def answers_since(self, doubts: Doubts) -> bool:
        """Whether anything was answered since a batch began."""
        return self.successes > doubts.successes

    def count_refusal(self, error: ItemError) -> None:
        """One item alone was refused.

        Raises:
            TerminalError: it is not certain that the items are the problem, and no request has succeeded yet.
        """
        if error.certain:
            return
        with self._lock:
            self._refused += 1
            hopeless = not self.successes and self._refused >= _REFUSED
        if hopeless:
            raise TerminalError(f"every one of {_REFUSED} inputs was refused, so the request is wrong: {error}")

    def settle(self, doubts: Doubts) -> list[Failure]:
        """What of a batch is in doubt, as failures: an item is the problem only where others were answered."""
        doubts.suspects += [Failure(item.key, item.uri, str(error)) for item, error in doubts.waiting]
        settled = []
        for failures, cleared in (
            (doubts.refused, self.successes > 0),
            # A server that fails may have been well before: what counts is the time since.
            (doubts.suspects, self.answers_since(doubts)),
        ):
            settled += failures if cleared else [replace(failure, kind="transient") for failure in failures]
        return settled
