"""The models of a process, each loaded once, and who keeps them.

Who asks, and when a model goes, stands in docs/architecture.md, "Models in memory". Dropping a lease runs nothing: the
garbage collector may do so in a thread that has any lock. So the pool looks who is left when it is asked the next time,
and after it has noted who asks: an index that is opened twice under one name in a notebook keeps its model.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Self, TypeAlias
from weakref import WeakSet

from embeddings_orch.embedding.pool.batching import BATCH_WAIT
from embeddings_orch.embedding.pool.model import PooledModel
from embeddings_orch.embedding.pool.recent import RECENT_BYTES, Recent
from embeddings_orch.embedding.pool.report import BatchListener
from embeddings_orch.errors import EmbeddingsOrchError, ProviderError, TerminalError
from embeddings_orch.models.base import EmbedderConfig
from embeddings_orch.models.remote import RemoteConfig

ModelKey: TypeAlias = tuple[str, str]
"""What tells models of a pool apart: the fingerprint, and what else makes them two."""


class ModelPool:
    """The models of a process: local ones one for each fingerprint and device that is asked for.

    Whoever asks first names its batch size, retries and prices. A model elsewhere is one for each address, key and
    other setting as well.

    Args:
        batch_wait: seconds that a batch waits for more, at the most.
        recent_bytes: of the vectors of queries that are kept, for those who ask them again.
        listener: told of each batch.
    """

    def __init__(
        self,
        *,
        batch_wait: float = BATCH_WAIT,
        recent_bytes: int = RECENT_BYTES,
        listener: BatchListener | None = None,
    ) -> None:
        self._batch_wait, self._recent_bytes, self._listener = batch_wait, recent_bytes, listener
        self._own = Lease(self)
        self._start()

    def _start(self) -> None:
        """What belongs to this process."""
        self._lock = threading.Lock()
        self._recent = Recent(self._recent_bytes)
        self._leased: dict[ModelKey, _Leased] = {}

    def lease(self) -> Lease:
        """For one who uses models and lets go of them by itself."""
        return Lease(self)

    def model(self, config: EmbedderConfig, fingerprint: str | None = None) -> PooledModel:
        """The model of a config; it is loaded when it is first needed, and kept until the pool is closed.

        Args:
            config: of the model.
            fingerprint: of the config, where it is known.

        Raises:
            EmbeddingsOrchError: its weights cannot be read.
        """
        return self._own.model(config, fingerprint)

    def close(self) -> None:
        """Release all models, whoever has a lease; who asks later has them loaded again."""
        with self._lock:
            released = [leased.model for leased in self._leased.values()]
            self._leased.clear()
        self._recent.clear()
        _close(released)

    def _lend(self, lease: Lease, config: EmbedderConfig, fingerprint: str | None) -> PooledModel:
        fingerprint = fingerprint or config.fingerprint()  # reads the weights, so before anything is locked
        key = fingerprint, _apart(config)
        with self._lock:
            if key not in self._leased:
                model = PooledModel(
                    config, fingerprint, self._recent, batch_wait=self._batch_wait, listener=self._listener
                )
                self._leased[key] = _Leased(model)
            leased = self._leased[key]
            leased.leases.add(lease)  # first: who asks for what nobody else has any more keeps it
            released = self._take_unleased()
        _close(released)
        return leased.model

    def _return(self, lease: Lease) -> None:
        with self._lock:
            for leased in self._leased.values():
                leased.leases.discard(lease)
            released = self._take_unleased()
        _close(released)

    def _take_unleased(self) -> list[PooledModel]:
        unleased = [key for key, leased in self._leased.items() if not leased.leases]
        return [self._leased.pop(key).model for key in unleased]


class Lease:
    """Keeps the models that are asked of it in the pool, for any number of threads.

    Args:
        pool: where the models are.
    """

    def __init__(self, pool: ModelPool) -> None:
        self._pool = pool

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def model(self, config: EmbedderConfig, fingerprint: str | None = None) -> PooledModel:
        """The model of a config; it is loaded when it is first needed, and kept until `close`.

        Args:
            config: of the model.
            fingerprint: of the config, where it is known.

        Raises:
            EmbeddingsOrchError: its weights cannot be read.
        """
        return self._pool._lend(self, config, fingerprint)

    @contextmanager
    def holding(self, config: EmbedderConfig, fingerprint: str | None = None) -> Iterator[PooledModel]:
        """`model`, for a call that ends as it began, though another thread closes the lease meanwhile.

        Raises:
            TerminalError: its weights cannot be read.
        """
        try:
            fingerprint = fingerprint or config.fingerprint()
        except ProviderError:
            raise
        except EmbeddingsOrchError as error:
            raise TerminalError(str(error)) from error
        with Lease(self._pool) as call:
            model = call.model(config, fingerprint)
            self.model(config, fingerprint)
            yield model

    def close(self) -> None:
        """Release the models that nobody else has; who asks later has them loaded again."""
        self._pool._return(self)


@dataclass
class _Leased:
    """A model, and the leases on it that somebody still has."""

    model: PooledModel
    leases: WeakSet[Lease] = field(default_factory=WeakSet)


_shared = ModelPool()
if hasattr(os, "register_at_fork"):
    # A fork has no threads but one: a model that waits for its batches' threads would wait for ever.
    os.register_at_fork(after_in_child=_shared._start)


def shared_pool() -> ModelPool:
    """The pool of all in this process who have none of their own."""
    return _shared


def _apart(config: EmbedderConfig) -> str:
    """What makes models of one fingerprint two."""
    settings = config.settings()
    return json.dumps(settings if isinstance(config, RemoteConfig) else settings.get("device"), sort_keys=True)


def _close(models: list[PooledModel]) -> None:
    for model in models:  # outside of the lock, as it waits for threads
        model.close()
