"""What a runner is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from embeddings_orch.embedding.outcome import Outcome
from embeddings_orch.embedding.step import EmbedStep
from embeddings_orch.models.content import Item, Modality


@dataclass(frozen=True)
class Content:
    """One content to embed, not read yet.

    Attributes:
        key: as `embeddings_orch.models.content.content_key` makes it.
        content_hash: sha256 that it has to have, 64 hex digits.
        uri: where it is, for reading and for messages.
        text: the content itself where it is a column's text.
    """

    key: bytes
    modality: Modality
    uri: str
    content_hash: str
    text: str | None = None


Read = Callable[[Content], Item]
"""Reads a content; raises OSError or TransientError where it cannot be had now, ItemError where it never can."""


class Runner(ABC):
    """Carries contents through reading, preparing, embedding and committing."""

    @abstractmethod
    def run(
        self,
        step: EmbedStep,
        contents: Iterable[Content],
        read: Read,
        commit: Callable[[Outcome], None],
        *,
        progress: Callable[[int], None] = lambda _: None,
    ) -> None:
        """Embed all contents.

        Args:
            step: embeds a batch.
            contents: what to embed.
            read: reads one of them.
            commit: is called with checkpoints, one at a time, in some order.
            progress: is told the number of contents that have just been done, before they are committed.

        Raises:
            TerminalError: nothing can succeed any more; what was embedded before has been committed.
        """
