"""The embed step: one batch in, vectors and failures out. Picklable, so that any runner can carry it.

It alone packs, retries, halves, bisects, checks, counts and normalises; embedders only embed.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from embeddings_orch.embedding.outcome import Outcome, Prepared, StoppedError, Usage
from embeddings_orch.embedding.requester import Requester
from embeddings_orch.embedding.verdicts import Doubts, Verdicts
from embeddings_orch.errors import (
    BatchTooLargeError,
    ItemError,
    ProviderError,
    SuspectError,
    TerminalError,
    TransientError,
)
from embeddings_orch.models.base import Batch, Embedder, EmbedderConfig, embedder_for
from embeddings_orch.models.content import Failure, Item, Modality, Side, Vectors
from embeddings_orch.policy.packing import Limits, pack
from embeddings_orch.policy.retry import jitter

_SILENCE = 8
"""Items that a server failed on, each alone, without any answer meanwhile: then it is waited for."""


class EmbedStep:
    """Embeds batches with one embedder, which it makes when the first one comes.

    Args:
        config: of the embedder.
        side: what the contents are: documents, or queries for them.
        clock: seconds, monotonic.
        sleep: waits so many seconds; by default until `cancel` at the latest.
        uniform: a random number between two.
    """

    def __init__(
        self,
        config: EmbedderConfig,
        *,
        side: Side = "document",
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] | None = None,
        uniform: Callable[[float, float], float] = jitter,
    ) -> None:
        self.config = config
        self.side: Side = side
        self._clock, self._sleep, self._uniform = clock, sleep, uniform
        self._largest: int | None = None  # set once a batch did not fit into memory
        self._start()

    def _start(self) -> None:
        """What belongs to this process."""
        self._lock = threading.Lock()
        self._embedder: Embedder[Any] | None = None
        self._requester = Requester(self.config, self._clock, self._sleep, self._uniform)
        self._verdicts = Verdicts(self.config)
        self._answered: Prepared | None = None  # one that the provider has embedded

    def __getstate__(self) -> dict[str, Any]:
        names = ("config", "side", "_clock", "_sleep", "_uniform", "_largest")
        return {name: getattr(self, name) for name in names}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._start()

    @property
    def embedder(self) -> Embedder[Any]:
        """The embedder, made on first use."""
        # The decode threads ask first, all at once: one of them makes it, so that a model is loaded once.
        with self._lock:
            if self._embedder is None:
                embedder = embedder_for(self.config)
                self._requester.dimensions = self._requester.dimensions or embedder.dimensions()
                self._embedder = embedder
            return self._embedder

    def limits(self, modality: Modality) -> Limits:
        """What one request may hold, by provider, config and the memory there is."""
        limits = self.embedder.limits(modality)
        items = min(limits.items, self._largest or limits.items)
        return Limits(items, limits.tokens, limits.size)

    @property
    def spent(self) -> float:
        """US dollars that the requests so far did cost, by the config's prices."""
        return self._requester.budget.spent

    def stop_at_terminal_errors(self) -> None:
        """From the first terminal error on make no request any more, for a run in which no other could succeed."""
        self._requester.stop_at_terminal_errors()

    def cancel(self) -> None:
        """Make no request any more: what waits to try again stops waiting, what comes later is refused."""
        self._requester.cancel()

    def close(self) -> None:
        """Release the embedder; a later batch makes a new one."""
        with self._lock:
            embedder, self._embedder = self._embedder, None
        if embedder is not None:
            embedder.close()

    def prepare(self, item: Item) -> Prepared | Failure:
        """Decode one item, in any thread; a content that cannot be decoded becomes a failure."""
        embedder = self.embedder
        if item.modality not in embedder.modalities:
            reads = ", ".join(sorted(embedder.modalities))
            return Failure(item.key, item.uri, f"{self.config.provider} reads {reads}, not {item.modality}")
        if not item.content:
            return Failure(item.key, item.uri, "empty")
        try:
            content = embedder.prepare(item)
            tokens = embedder.tokens(item.modality, content)
        except ItemError as error:
            return Failure(item.key, item.uri, str(error))
        except ProviderError:
            raise
        except (ImportError, NameError, AttributeError, TypeError) as error:
            # The code is wrong, not the content: remembering it as a failure would outlive the mend.
            raise TerminalError(f"{self.config.provider}: {type(error).__name__}: {error} ({item.uri})") from error
        except MemoryError:
            return Failure(item.key, item.uri, "too large for the memory that is left", "transient")
        except Exception as error:
            return Failure(item.key, item.uri, f"{type(error).__name__}: {error}")
        size = len(content) if isinstance(content, bytes | str) else 0
        return Prepared(item.key, item.uri, item.modality, content, tokens, size)

    def __call__(self, batch: Sequence[Prepared]) -> Outcome:
        """Embed one batch of one modality and side.

        Raises:
            TerminalError: nothing can succeed any more; a `StoppedError` carries what this batch gave before.
        """
        outcome = Outcome()
        doubts = Doubts(self._verdicts.successes)
        try:
            if batch:
                self._embed(batch, outcome, doubts)
                self._ask_again(outcome, doubts)
        except TerminalError as error:
            # While others were answered, these were not.
            outcome.failures += self._verdicts.settle(doubts)
            if not outcome.keys and not outcome.failures:
                raise
            raise StoppedError(error, outcome) from error
        outcome.failures += self._verdicts.settle(doubts)
        outcome.order_by([item.key for item in batch])  # what was asked for again came last
        return outcome

    def _embed(self, batch: Sequence[Prepared], outcome: Outcome, doubts: Doubts) -> None:
        left = list(batch)
        while left:
            # One request after the other: a part that does not fit into memory makes the next ones smaller.
            part = next(pack(left, self.limits(batch[0].modality)))
            left = left[len(part) :]
            self._embed_part(part, outcome, doubts)

    def _embed_part(self, part: list[Prepared], outcome: Outcome, doubts: Doubts, suspect_retries: int = 0) -> None:
        first, verdicts = part[0], self._verdicts
        try:
            vectors = self._request(part, outcome.usage, suspect_retries)
        except BatchTooLargeError as error:
            if len(part) == 1:
                raise TerminalError(f"one item alone does not fit into memory ({first.uri}): {error}") from error
            # Another thread may have found a smaller one meanwhile.
            self._largest = min(self._largest or len(part), (len(part) + 1) // 2)
            self._embed(part, outcome, doubts)
        except ItemError as error:
            if len(part) > 1:
                self._bisect(part, outcome, doubts)
                return
            (outcome.failures if error.certain else doubts.refused).append(Failure(first.key, first.uri, str(error)))
            verdicts.count_refusal(error)
        except SuspectError as error:
            if len(part) > 1:
                self._bisect(part, outcome, doubts)
            else:
                doubts.waiting.append((first, error))
        except TransientError as error:
            verdicts.count_unanswered(error)
            outcome.failures += [Failure(item.key, item.uri, str(error), "transient") for item in part]
        else:
            verdicts.count_answer()
            self._answered = first
            self._accept(part, vectors, outcome)

    def _bisect(self, part: list[Prepared], outcome: Outcome, doubts: Doubts) -> None:
        middle = len(part) // 2
        for half in (part[:middle], part[middle:]):
            self._embed_part(half, outcome, doubts)
            if len(doubts.waiting) >= _SILENCE and not self._verdicts.answers_since(doubts):
                self._ask_again(outcome, doubts)  # rather than asking a server that is down for each item

    def _ask_again(self, outcome: Outcome, doubts: Doubts) -> None:
        """Try what the server failed on alone once more; patiently, where it answers nothing else either."""
        waiting, doubts.waiting = doubts.waiting, []
        if not waiting:
            return
        answered = self._verdicts.answers_since(doubts) or self._still_answers(outcome.usage)
        patience = 0 if answered else max(0, self.config.retry.max_retries - 1)
        for number, (item, failed) in enumerate(waiting):
            error = failed
            if self._requester.again(error, not answered, outcome.usage):
                self._embed_part([item], outcome, doubts, patience)
                if not doubts.waiting:
                    answered, patience = self._verdicts.answers_since(doubts), 0
                    continue
                error = doubts.waiting.pop()[1]
            doubts.suspects.append(Failure(item.key, item.uri, str(error)))
            if not answered:
                # The others would have no answer either: the next run tries them.
                rest = waiting[number + 1 :]
                doubts.suspects += [Failure(other.key, other.uri, str(cause)) for other, cause in rest]
                self._verdicts.count_suspects(error, 1 + len(rest))
                return

    def _still_answers(self, usage: Usage) -> bool:
        """Whether the server embeds what it has embedded before: then the items are bad, however many in a row."""
        if self._answered is None:
            return False
        try:
            self._request([self._answered], usage)
        except (TransientError, ItemError):
            return False
        self._verdicts.count_answer()
        return True

    def _request(self, part: list[Prepared], usage: Usage, suspect_retries: int = 0) -> Vectors:
        request = Batch(part[0].modality, [item.content for item in part], part[0].side or self.side)
        tokens = sum(item.tokens for item in part)
        return self._requester.send(self.embedder, request, tokens, usage, suspect_retries=suspect_retries)

    def _accept(self, batch: list[Prepared], vectors: Vectors, outcome: Outcome) -> None:
        norms = np.linalg.norm(vectors, axis=1)
        for item, vector, norm in zip(batch, vectors, norms, strict=True):
            if not np.isfinite(norm):
                outcome.failures.append(Failure(item.key, item.uri, "the model returned a vector that is not finite"))
            elif norm == 0:
                outcome.failures.append(Failure(item.key, item.uri, "the model returned a vector of zeros"))
            else:
                outcome.keys.append(item.key)
                outcome.vectors.append(vector / norm if self.config.normalize else vector)
