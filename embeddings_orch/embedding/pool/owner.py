"""Who has the one embedder of a model, for all steps that embed with it."""

from __future__ import annotations

import threading
from typing import Any

from embeddings_orch.embedding.pool.batching import released_error
from embeddings_orch.models.base import Embedder, EmbedderConfig, embedder_for


class EmbedderOwner:
    """Makes an embedder when it is first asked for, and closes it; for any number of threads.

    Args:
        config: of the embedder.
    """

    def __init__(self, config: EmbedderConfig) -> None:
        self._config = config
        self._lock = threading.Lock()
        self._embedder: Embedder[Any] | None = None
        self._closed = False

    def get(self) -> Embedder[Any]:
        """The embedder.

        Raises:
            PluginError: its plugin is missing or broken.
            CancelledError: it was closed.
        """
        with self._lock:
            if self._closed:
                raise released_error()
            if self._embedder is None:
                self._embedder = embedder_for(self._config)
            return self._embedder

    def renew(self) -> None:
        """Close the embedder; who asks next has another one."""
        with self._lock:
            embedder, self._embedder = self._embedder, None
        if embedder is not None:
            embedder.close()

    def close(self) -> None:
        """Close the embedder, and give none any more."""
        with self._lock:
            self._closed = True
        self.renew()
