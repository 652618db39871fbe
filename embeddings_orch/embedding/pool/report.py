"""What a batch of queries was, for metrics."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from embeddings_orch.models.content import Modality, Side


@dataclass(frozen=True)
class BatchReport:
    """One batch that was run, for metrics.

    Attributes:
        items: contents that were embedded, each once.
        callers: who waited for them when the batch was done.
        waits: seconds from being handed in to the start of the batch, one for each content.
        seconds: inside the model or the provider, retries included.
        failed: contents without a vector.
    """

    provider: str
    fingerprint: str
    modality: Modality
    side: Side
    items: int
    callers: int
    waits: tuple[float, ...]
    seconds: float
    failed: int


BatchListener = Callable[[BatchReport], None]
