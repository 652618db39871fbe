"""When single failures add up to one that ends the run: an outage, or a request that can never be right."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace

from embeddings_orch.embedder import EmbedderConfig
from embeddings_orch.errors import ItemError, SuspectError, TerminalError, TransientError, UnavailableError
from embeddings_orch.outcome import Failure

_LEAST = 3
_REFUSED = 5
"""Inputs that are refused, each alone, before anything succeeds: from then on the request is the problem."""


@dataclass
class Doubts:
    """Items of one batch that failed alone, and yet may not be the problem.

    Attributes:
        refused: by a server that may mean the request.
        suspects: on which the server failed.
    """

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
        self._refused = 0

    def answered(self) -> None:
        """A request succeeded."""
        with self._lock:
            self.successes += 1
            self._unanswered = 0

    def unanswered(self, error: TransientError) -> None:
        """A batch, or one suspected item, had no answer within all its retries.

        Raises:
            UnavailableError: nothing was answered at all, or nothing for several batches in a row.
        """
        with self._lock:
            self._unanswered += 1
            suspect, successes, in_a_row = isinstance(error, SuspectError), self.successes, self._unanswered
        if not successes and (not suspect or in_a_row >= _LEAST):
            times = "once" if self._attempts == 1 else f"{self._attempts} times"
            tried = "" if suspect else f", though the request was tried {times}"
            raise UnavailableError(f"no request succeeded{tried}: {error}") from error
        if in_a_row > self._most:
            raise UnavailableError(
                f"{in_a_row} requests in a row had no answer within their retries; what was embedded before is "
                f"kept: {error}"
            ) from error

    def refused(self, error: ItemError) -> None:
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

    def settled(self, doubts: Doubts, successes: int) -> list[Failure]:
        """What is in doubt as failures: an item is the problem only where others were answered.

        Args:
            doubts: of one batch.
            successes: as counted before the batch.
        """
        settled = []
        for failures, cleared in (
            (doubts.refused, self.successes > 0),
            # A server that fails may have been well before: what counts is the time since.
            (doubts.suspects, self.successes > successes),
        ):
            settled += failures if cleared else [replace(one, kind="transient") for one in failures]
        return settled
