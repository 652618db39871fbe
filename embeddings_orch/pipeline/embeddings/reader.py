"""Reads contents for an embed step, in this process or in another."""

from __future__ import annotations

import threading
from typing import Any

from embeddings_orch.embedding.runners import Content
from embeddings_orch.media.base import Source, SourceConfig
from embeddings_orch.media.scan import read_content, source_for
from embeddings_orch.models.content import Item


class ContentReader:
    """Reads from a source, which it makes on first use; it is pickled as the source's config.

    Args:
        config: of the source.
    """

    def __init__(self, config: SourceConfig) -> None:
        self.config = config
        self._opening = threading.Lock()
        self._opened: Source[Any] | None = None

    def __reduce__(self) -> tuple[type[ContentReader], tuple[SourceConfig]]:
        return type(self), (self.config,)

    @property
    def _source(self) -> Source[Any]:
        # Threads ask first, all at once: one of them makes it.
        with self._opening:
            if self._opened is None:
                self._opened = source_for(self.config)
            return self._opened

    def __call__(self, content: Content) -> Item:
        """What a model is given.

        Raises:
            TransientError: it cannot be read now, or is no longer what was scanned.
            ItemError: it can never be read.
            PluginError: the source's plugin is missing or broken.
        """
        # The vector is stored under the hash that the scan saw; other bytes must never get there. A column's text
        # comes with the content, so that what has none is the item itself.
        row = {
            "uri": content.uri,
            "modality": content.modality,
            "text": content.text,
            "content_hash": content.content_hash,
        }
        return Item(content.key, content.modality, read_content(self._source, row), content.uri)
