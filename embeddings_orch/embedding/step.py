"""The embed step: one batch in, vectors and failures out. Picklable, so that any runner can carry it.

It does what the batch's fate asks for (`embeddings_orch.embedding.fate`): it packs, sends, counts and normalises.
Embedders only embed.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from embeddings_orch.embedding.fate import (
    Action,
    Cut,
    Fate,
    PartState,
    Probe,
    Response,
    Send,
    Sent,
    Settled,
    Suspect,
    advance,
)
from embeddings_orch.embedding.outcome import Outcome, Prepared, StoppedError, Usage
from embeddings_orch.embedding.requester import Requester
from embeddings_orch.embedding.tally import Tally
from embeddings_orch.errors import BatchTooLargeError, ItemError, ProviderError, TerminalError, TransientError
from embeddings_orch.models.base import Batch, Embedder, EmbedderConfig, embedder_for
from embeddings_orch.models.content import Failure, Item, Modality, Side, Vectors
from embeddings_orch.models.rows.cells import is_blank
from embeddings_orch.policy.packing import Limits, pack
from embeddings_orch.policy.retry import jitter
from embeddings_orch.policy.stopping import Stop


class EmbedStep:
    """Embeds batches with one embedder, which it makes when the first one comes.

    Args:
        config: of the embedder.
        side: what the contents are: documents, or queries for them.
        owner: gives the embedder of somebody else, who closes it. In another process the step makes its own.
        outlasts: a provider that has answered and does not any more is waited for until the policy's deadline: for a
            run, which has the time, and not for a query.
        clock: seconds, monotonic.
        sleep: waits so many seconds; by default until `cancel` at the latest.
        uniform: a random number between two.
    """

    def __init__(
        self,
        config: EmbedderConfig,
        *,
        side: Side = "document",
        owner: Callable[[], Embedder[Any]] | None = None,
        outlasts: bool = False,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] | None = None,
        uniform: Callable[[float, float], float] = jitter,
    ) -> None:
        self.config = config
        self.side: Side = side
        self._clock, self._sleep, self._uniform, self._outlasts = clock, sleep, uniform, outlasts
        self._start(owner, None)

    def _start(self, owner: Callable[[], Embedder[Any]] | None, largest: int | None) -> None:
        """What belongs to this process."""
        self._owner = owner
        self._lock = threading.Lock()
        self._embedder: Embedder[Any] | None = None
        self._stop = Stop(self._sleep)
        self._requester = Requester(self.config, self._clock, self._uniform, outlasts=self._outlasts)
        self._tally = Tally(self.config)
        self._tally.largest = largest

    def __getstate__(self) -> dict[str, Any]:
        names = ("config", "side", "_clock", "_sleep", "_uniform", "_outlasts")
        return {"largest": self._tally.largest, **{name: getattr(self, name) for name in names}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        largest = state.pop("largest")
        self.__dict__.update(state)
        self._start(None, largest)

    def twin(self) -> EmbedStep:
        """A step that shares all that this one has and learns, and is cancelled by itself.

        For callers who use one model at the same time: who fails stops its own requests alone. The embedder needs an
        owner, else each of them makes one.
        """
        twin = object.__new__(type(self))
        twin.__dict__.update(self.__dict__)
        twin._stop = Stop(self._sleep)
        return twin

    @property
    def embedder(self) -> Embedder[Any]:
        """The embedder, made on first use.

        Raises:
            PluginError: its plugin is missing or broken.
            CancelledError: its owner has released it.
        """
        # The decode threads ask first, all at once: one of them makes it, so that a model is loaded once.
        with self._lock:
            if self._embedder is not None:
                return self._embedder
            embedder = embedder_for(self.config) if self._owner is None else self._owner()
            self._requester.dimensions = self._requester.dimensions or embedder.dimensions()
            if self._owner is None:
                self._embedder = embedder
            return embedder

    @property
    def answered(self) -> bool:
        """Whether it, or a twin, has embedded anything."""
        return self._tally.answered is not None

    def limits(self, modality: Modality) -> Limits:
        """What one request may hold, by provider, config and the memory there is."""
        limits = self.embedder.limits(modality)
        items = min(limits.items, self._tally.largest or limits.items)
        return Limits(items, limits.tokens, limits.size)

    @property
    def spent(self) -> float:
        """US dollars that the requests so far did cost, by the config's prices."""
        return self._requester.budget.spent

    def stop_at_terminal_errors(self) -> None:
        """From the first terminal error on make no request any more, for a run in which no other could succeed."""
        self._stop.at_terminal_errors = True

    def cancel(self) -> None:
        """Make no request any more: what waits to try again stops waiting, what comes later is refused."""
        self._stop.set()

    def close(self) -> None:
        """Release the embedder, unless somebody else owns it; a later batch makes a new one."""
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
        if not item.content or (isinstance(item.content, str) and is_blank(item.content)):
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
        fate = Fate(batch, self._tally.answers, self.config.retry.max_retries)
        try:
            while (action := fate.next(self._tally.answers)) is not None:
                self._do(action, fate, outcome)
        except TerminalError as error:
            # While others were answered, these were not.
            outcome.failures += fate.failures(self._tally.answers)
            if not outcome.keys and not outcome.failures:
                raise
            raise StoppedError(error, outcome) from error
        outcome.failures += fate.failures(self._tally.answers)
        outcome.order_by([item.key for item in batch])  # what was asked for again came last
        return outcome

    def _do(self, action: Action, fate: Fate, outcome: Outcome) -> None:
        match action:
            case Cut(items):
                # One request after the other: a part that does not fit into memory makes the next ones smaller.
                fate.cut(next(pack(items, self.limits(items[0].modality))))
            case Send(part, after, patient):
                if after is not None:
                    self._requester.wait_again(after, patient, outcome.usage, self._stop)
                self._take(advance(part, self._send(part, outcome)), fate)
            case Probe():
                fate.note_probe(self._still_answers(outcome.usage))
            case Suspect():
                self._tally.count_suspects(action)

    def _take(self, state: PartState, fate: Fate) -> None:
        if isinstance(state, Settled) and state.verdict == "refused":
            fate.place(state, self._tally.answers)  # it was asked and refused, whatever that adds up to
            self._tally.count(state)
        else:
            self._tally.count(state)  # an outage is no failure of the items
            fate.place(state, self._tally.answers)

    def _send(self, part: Sent, outcome: Outcome) -> Response:
        """Have a part embedded; the error is what the part's fate hangs on."""
        first = part.items[0]
        try:
            vectors = self._request(part.items, outcome.usage, part.patience)
        except BatchTooLargeError as error:
            if len(part.items) == 1:
                raise TerminalError(f"one item alone does not fit into memory ({first.uri}): {error}") from error
            self._tally.count_too_large(len(part.items))
            return error
        except (ItemError, TransientError) as error:
            return error
        self._tally.count_answer()
        self._tally.answered = first
        self._accept(part.items, vectors, outcome)
        return None

    def _still_answers(self, usage: Usage) -> bool:
        """Whether the server embeds what it has embedded before: then the items are bad, however many in a row."""
        if (answered := self._tally.answered) is None:
            return False
        try:
            self._request([answered], usage)
        except (TransientError, ItemError):
            return False
        self._tally.count_answer()
        return True

    def _request(self, part: Sequence[Prepared], usage: Usage, patience: int = 0) -> Vectors:
        request = Batch(part[0].modality, [item.content for item in part], part[0].side or self.side)
        tokens = sum(item.tokens for item in part)
        return self._requester.send(self.embedder, request, tokens, usage, stop=self._stop, patience=patience)

    def _accept(self, batch: Sequence[Prepared], vectors: Vectors, outcome: Outcome) -> None:
        norms = np.linalg.norm(vectors, axis=1)
        for item, vector, norm in zip(batch, vectors, norms, strict=True):
            if not np.isfinite(norm):
                outcome.failures.append(Failure(item.key, item.uri, "the model returned a vector that is not finite"))
            elif norm == 0:
                outcome.failures.append(Failure(item.key, item.uri, "the model returned a vector of zeros"))
            else:
                outcome.keys.append(item.key)
                outcome.vectors.append(vector / norm if self.config.normalize else vector)
