"""What carries batches through the embed step, and all that the author of a runner needs, in one import.

Example:
    >>> from embeddings_orch.embedding.runners import Content, EmbedStep, Outcome, Read, Runner
"""

from embeddings_orch.embedding.outcome import Outcome, Prepared, StoppedError, Usage
from embeddings_orch.embedding.runners.base import Content, Read, Runner
from embeddings_orch.embedding.step import EmbedStep
from embeddings_orch.errors import CancelledError, EmbeddingsOrchError, ItemError, TerminalError, TransientError
from embeddings_orch.models.content import Failure, Item, Modality
from embeddings_orch.policy.packing import Limits, Packer

__all__ = [
    "CancelledError",
    "Content",
    "EmbeddingsOrchError",
    "EmbedStep",
    "Failure",
    "Item",
    "ItemError",
    "Limits",
    "Modality",
    "Outcome",
    "Packer",
    "Prepared",
    "Read",
    "Runner",
    "StoppedError",
    "TerminalError",
    "TransientError",
    "Usage",
]
