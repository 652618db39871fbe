"""The embed step: one batch in, vectors and failures out. Picklable, so that any runner can carry it.

It alone retries, halves, bisects, checks and normalises; embedders only embed.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from embeddings_orch.embedder import (
    Batch,
    Embedder,
    EmbedderConfig,
    Item,
    Modality,
    Side,
    Vectors,
    embedder_for,
)
from embeddings_orch.errors import (
    BatchTooLargeError,
    ItemError,
    ProviderError,
    TerminalError,
    TransientError,
    UnavailableError,
)
from embeddings_orch.retry import Attempts, Retrier, jitter

FailureKind = Literal["item", "transient"]


@dataclass
class Usage(Attempts):
    """What a number of batches cost; ``seconds`` is the time inside the model or the provider."""

    tokens: int = 0
    seconds: float = 0.0

    def add(self, other: Usage) -> None:
        """Add another count to this one."""
        self.requests += other.requests
        self.retries += other.retries
        self.waited += other.waited
        self.tokens += other.tokens
        self.seconds += other.seconds


@dataclass(frozen=True)
class Failure:
    """A content without a vector: ``item`` is remembered, ``transient`` is tried in the next run."""

    key: str
    uri: str
    reason: str
    kind: FailureKind = "item"


@dataclass(frozen=True)
class Prepared:
    """An item decoded for the model."""

    key: str
    uri: str
    modality: Modality
    content: Any


@dataclass
class Outcome:
    """What became of one batch.

    Attributes:
        keys: of the contents that have a vector, in order.
        vectors: shape (len(keys), dimensions), float32.
        failures: the other contents.
        usage: what it cost.
    """

    keys: list[str] = field(default_factory=list)
    vectors: list[Vectors] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    usage: Usage = field(default_factory=Usage)


class StoppedError(TerminalError):
    """A terminal error in the middle of a batch, with what its other parts gave: it is paid for and must be kept."""

    def __init__(self, error: TerminalError, outcome: Outcome) -> None:
        super().__init__(str(error))
        self.outcome = outcome

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (TerminalError(str(self)), self.outcome)


class EmbedStep:
    """Embeds batches with one embedder, which it makes when the first one comes."""

    def __init__(
        self,
        config: EmbedderConfig,
        *,
        side: Side = "document",
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        uniform: Callable[[float, float], float] = jitter,
    ) -> None:
        self.config = config
        self.side: Side = side
        self._retrier = Retrier(config.retry, clock, sleep, uniform)
        self._clock = clock
        self._lock = threading.Lock()
        self._embedder: Embedder[Any] | None = None
        self._largest: int | None = None  # set once a batch did not fit into memory
        self._dimensions: int | None = None
        self._succeeded = False

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_embedder": None, "_lock": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _lock=threading.Lock())

    @property
    def embedder(self) -> Embedder[Any]:
        """The embedder, made on first use."""
        # The decode threads ask first, all at once: one of them makes it, so that a model is loaded once.
        with self._lock:
            if self._embedder is None:
                embedder = embedder_for(self.config)
                self._dimensions = self._dimensions or embedder.dimensions()
                self._embedder = embedder
            return self._embedder

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
            return Prepared(item.key, item.uri, item.modality, embedder.prepare(item))
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

    def __call__(self, batch: Sequence[Prepared]) -> Outcome:
        """Embed one batch of one modality.

        Raises:
            TerminalError: nothing can succeed any more; a `StoppedError` carries what this batch gave before.
        """
        outcome = Outcome()
        try:
            self._embed(list(batch), outcome)
        except TerminalError as error:
            if not outcome.keys and not outcome.failures:
                raise
            raise StoppedError(error, outcome) from error
        return outcome

    def _embed(self, batch: list[Prepared], outcome: Outcome) -> None:
        if not batch:
            return
        if self._largest is not None and len(batch) > self._largest:
            size = self._largest  # a part that does not fit lowers it while this loop runs
            for start in range(0, len(batch), size):
                self._embed(batch[start : start + size], outcome)
            return
        try:
            vectors = self._request(batch, outcome.usage)
        except BatchTooLargeError as error:
            if len(batch) == 1:
                raise TerminalError(f"one item alone does not fit into memory ({batch[0].uri}): {error}") from error
            # Another thread may have found a smaller one meanwhile.
            self._largest = min(self._largest or len(batch), (len(batch) + 1) // 2)
            self._embed(batch, outcome)
        except ItemError as error:
            if len(batch) == 1:
                outcome.failures.append(Failure(batch[0].key, batch[0].uri, str(error)))
                return
            middle = len(batch) // 2
            self._embed(batch[:middle], outcome)
            self._embed(batch[middle:], outcome)
        except TransientError as error:
            if not self._succeeded:
                tries = self.config.retry.max_retries + 1
                raise UnavailableError(f"no request succeeded in {tries} attempts: {error}") from error
            outcome.failures += [Failure(item.key, item.uri, str(error), "transient") for item in batch]
        else:
            self._succeeded = True
            self._accept(batch, vectors, outcome)

    def _request(self, batch: list[Prepared], usage: Usage) -> Vectors:
        request = Batch(batch[0].modality, [item.content for item in batch], self.side)

        def call() -> Vectors:
            started = self._clock()
            try:
                result = self.embedder.embed(request)
            except Exception as error:
                known = self.embedder.classify(error)
                if known is error:
                    raise
                raise known from error
            finally:
                usage.seconds += self._clock() - started
            usage.tokens += result.tokens
            return self._checked(result.vectors, len(batch))

        return self._retrier.call(call, usage)

    def _checked(self, vectors: Any, count: int) -> Vectors:
        try:
            array = np.asarray(vectors, dtype=np.float32)
        except (ValueError, TypeError) as error:
            raise TerminalError(f"{self.config.provider} did not return a matrix of numbers: {error}") from error
        if array.ndim != 2 or array.shape[0] != count:
            shape = " x ".join(map(str, array.shape))
            raise TerminalError(
                f"{self.config.provider} returned {shape} numbers for {count} items, not one vector each"
            )
        if self._dimensions is None:
            self._dimensions = int(array.shape[1])
        if array.shape[1] != self._dimensions:
            raise TerminalError(
                f"{self.config.provider} returned vectors of {array.shape[1]} dimensions, not of {self._dimensions}"
            )
        return array

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


def content_hash(content: bytes | str) -> str:
    """sha256, 64 hex digits, of the exact bytes or text (as UTF-8) given to a model."""
    return hashlib.sha256(content.encode() if isinstance(content, str) else content).hexdigest()


def content_key(sha256: str, part: int = 0) -> str:
    """The key of one part of a content in the vectors table."""
    return f"{sha256}:{part}"
