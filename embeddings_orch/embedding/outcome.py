"""What goes into the embed step and what comes out: prepared items, vectors, failures, and what they cost."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from embeddings_orch.errors import TerminalError
from embeddings_orch.models.content import Failure, Modality, Side, Vectors
from embeddings_orch.policy.retry import Attempts


@dataclass
class Usage(Attempts):
    """What a number of batches cost.

    Attributes:
        tokens: that the provider counted.
        images: pictures embedded.
        seconds: inside the model or the provider.
    """

    tokens: int = 0
    images: int = 0
    seconds: float = 0.0

    def add(self, other: Usage) -> None:
        """Add another count to this one."""
        self.requests += other.requests
        self.retries += other.retries
        self.waited += other.waited
        self.tokens += other.tokens
        self.images += other.images
        self.seconds += other.seconds


@dataclass(frozen=True)
class Prepared:
    """An item decoded for the model.

    Attributes:
        tokens: at the most, 0 where it has none.
        size: bytes, 0 where it is no text or encoded file.
        side: what the content is; None for what its embed step is for. One side in a batch.
    """

    key: bytes
    uri: str
    modality: Modality
    content: Any
    tokens: int = 0
    size: int = 0
    side: Side | None = None


@dataclass
class Outcome:
    """What became of one batch.

    Attributes:
        keys: of the contents that have a vector, in order.
        vectors: shape (len(keys), dimensions), float32.
        failures: the other contents.
        usage: what it cost.
    """

    keys: list[bytes] = field(default_factory=list)
    vectors: list[Vectors] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    usage: Usage = field(default_factory=Usage)

    def order_by(self, keys: Sequence[bytes]) -> None:
        """Put the vectors into the order of the batch's keys; a key may be there twice."""
        places: dict[bytes, deque[int]] = {}
        for number, key in enumerate(keys):
            places.setdefault(key, deque()).append(number)
        taken = [places[key].popleft() for key in self.keys]
        order = sorted(range(len(taken)), key=taken.__getitem__)
        self.keys = [self.keys[number] for number in order]
        self.vectors = [self.vectors[number] for number in order]


class StoppedError(TerminalError):
    """A terminal error in the middle of a batch, with what its other parts gave: it is paid for and must be kept.

    Attributes:
        error: what stopped it.
        outcome: of the other parts.
    """

    def __init__(self, error: TerminalError, outcome: Outcome) -> None:
        super().__init__(str(error))
        self.error = error
        self.outcome = outcome

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.error, self.outcome)
