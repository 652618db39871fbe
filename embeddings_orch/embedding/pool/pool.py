"""Models in memory, each once, for all who ask them: indexes, queries and documents."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from embeddings_orch.embedding.contents import encode_image
from embeddings_orch.embedding.outcome import Prepared
from embeddings_orch.embedding.pool.batching import BATCH_WAIT, Batcher
from embeddings_orch.embedding.pool.lanes import Embedded
from embeddings_orch.embedding.pool.recent import RECENT_BYTES, Recent
from embeddings_orch.embedding.pool.report import BatchListener
from embeddings_orch.embedding.step import EmbedStep
from embeddings_orch.errors import EmbeddingsOrchError, ItemError, TerminalError, UnavailableError
from embeddings_orch.models.base import EmbedderConfig
from embeddings_orch.models.content import Failure, Item, Modality, Side, Vectors, content_hash, content_key
from embeddings_orch.models.remote import RemoteConfig

_log = logging.getLogger(__name__)


class PooledModel:
    """One model, for any number of threads, whose contents go through it together.

    Args:
        config: of the model.
        fingerprint: of the config.
        recent: vectors of queries that were asked lately.
        batch_wait, listener: see `Batcher`.
    """

    def __init__(
        self,
        config: EmbedderConfig,
        fingerprint: str,
        recent: Recent,
        *,
        batch_wait: float = BATCH_WAIT,
        listener: BatchListener | None = None,
    ) -> None:
        self.config, self.fingerprint = config, fingerprint
        self._recent = recent
        self._step = EmbedStep(config, side="query")
        self._batcher = Batcher(self._step, batch_wait=batch_wait, fingerprint=fingerprint, listener=listener)
        self._warming = threading.Lock()
        self._worked = False

    @property
    def modalities(self) -> frozenset[Modality]:
        """What it reads."""
        return self._step.embedder.modalities

    @property
    def dimensions(self) -> int | None:
        """The length of its vectors; None until it is known."""
        return self._step.embedder.dimensions()

    @property
    def loaded(self) -> bool:
        """Whether an answer needs no loading first; always true of a model elsewhere."""
        return self._worked or isinstance(self.config, RemoteConfig)

    def embed(self, prepared: Sequence[Prepared | Embedded], *, timeout: float | None = None) -> list[Embedded]:
        """The vectors of what `prepare` gave, in order, shape (dimensions,) each, or why one has none.

        Raises:
            TerminalError: the model cannot be had, or the provider refuses; the next call tries anew.
            TimeoutError: the model took longer than ``timeout`` seconds.
        """
        contents = [content for content in prepared if isinstance(content, Prepared)]
        try:
            return self._answers(prepared, self._batcher.embed(contents, timeout=timeout) if contents else [])
        except TerminalError:
            self._forget_failure()
            raise

    async def aembed(self, prepared: Sequence[Prepared | Embedded]) -> list[Embedded]:
        """`embed` for an event loop; a task that is cancelled frees its places."""
        contents = [content for content in prepared if isinstance(content, Prepared)]
        try:
            return self._answers(prepared, await self._batcher.aembed(contents) if contents else [])
        except TerminalError:
            self._forget_failure()
            raise

    def prepare(
        self, modality: Modality, contents: Sequence[str | bytes], side: Side, names: Sequence[str] | None = None
    ) -> list[Prepared | Embedded]:
        """Contents decoded for the model, in this thread; at once the vector where it is known, and failures.

        Args:
            modality: what the contents are.
            contents: texts, or encoded files.
            side: what they are for.
            names: what to call them in messages.

        Raises:
            TerminalError: the model cannot be had.
        """
        names = names or [f"the {modality}"] * len(contents)
        try:
            return [self._prepare(modality, content, side, name) for content, name in zip(contents, names, strict=True)]
        except TerminalError:
            self._forget_failure()
            raise

    def load(self) -> None:
        """Have the model loaded, by embedding something; does nothing where it is.

        Raises:
            TerminalError: it cannot be had.
        """
        if self.loaded:
            return
        if "text" in self.modalities:
            self.embed(self.prepare("text", ["ready?"], "document"))
        elif "image" in self.modalities:
            self.embed(self.prepare("image", [encode_image(np.full((8, 8, 3), 255, np.uint8), "white")], "document"))

    def warm_up(self) -> None:
        """`load` in a thread of its own; does nothing where that is done or under way."""
        if not self.loaded and self._warming.acquire(blocking=False):
            threading.Thread(target=self._warm_up, name="load-model", daemon=True).start()

    def close(self) -> None:
        """Release the model, when what it does now is done."""
        self._step.cancel()  # what waits to be tried again
        self._batcher.close()
        self._step.close()

    def _prepare(self, modality: Modality, content: str | bytes, side: Side, name: str) -> Prepared | Embedded:
        try:
            key = content_key(content_hash(content))
        except UnicodeEncodeError:
            return Failure("", name, "it has half of a surrogate pair, which is no text")
        known = self._recent.get((self.fingerprint, modality, key)) if side == "query" else None
        if known is not None:
            return known
        prepared = self._step.prepare(Item(key, modality, content, name))
        return prepared if isinstance(prepared, Failure) else replace(prepared, side=side)

    def _answers(self, prepared: Sequence[Prepared | Embedded], embedded: list[Embedded]) -> list[Embedded]:
        answers: list[Embedded] = []
        results = iter(embedded)
        for content in prepared:
            if not isinstance(content, Prepared):
                answers.append(content)
                continue
            answer = next(results)
            if isinstance(answer, Failure):
                answer = replace(answer, uri=content.uri)  # of the caller who asked first, perhaps
            else:
                self._worked = True
                if content.side == "query":
                    self._recent.put((self.fingerprint, content.modality, content.key), answer)
            answers.append(answer)
        return answers

    def _forget_failure(self) -> None:
        if not self._worked:
            self._step.close()  # an embedder may remember that it could not be loaded

    def _warm_up(self) -> None:
        try:
            self.load()
        except EmbeddingsOrchError as error:
            _log.warning("%s cannot be loaded: %s", self.config.provider, error)
        finally:
            self._warming.release()


class ModelPool:
    """The models of a process: one for each fingerprint, whoever asks first names its device, retries and prices.

    A model elsewhere is one for each address, key and other setting as well.

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
        self._batch_wait, self._listener = batch_wait, listener
        self._recent = Recent(recent_bytes)
        self._models: dict[tuple[str, str], PooledModel] = {}
        self._lock = threading.Lock()

    def model(self, config: EmbedderConfig, fingerprint: str | None = None) -> PooledModel:
        """The model of a config; it is loaded when it is first needed.

        Args:
            config: of the model.
            fingerprint: of the config, where it is known.

        Raises:
            EmbeddingsOrchError: its weights cannot be read.
        """
        fingerprint = fingerprint or config.fingerprint()  # reads the weights, so before anything is locked
        remote = json.dumps(config.settings(), sort_keys=True) if isinstance(config, RemoteConfig) else ""
        with self._lock:
            if (fingerprint, remote) not in self._models:
                self._models[fingerprint, remote] = PooledModel(
                    config,
                    fingerprint,
                    self._recent,
                    batch_wait=self._batch_wait,
                    listener=self._listener,
                )
            return self._models[fingerprint, remote]

    def close(self) -> None:
        """Release all models; who asks later has them loaded again."""
        with self._lock:
            models = list(self._models.values())
            self._models.clear()
        for model in models:
            model.close()


def vector_or_raise(answer: Embedded, called: str) -> Vectors:
    """A vector, shape (dimensions,).

    Raises:
        ItemError: the content has none, for a reason of its own.
        UnavailableError: it has none for now.
    """
    if isinstance(answer, Failure):
        reason = f"{called} cannot be embedded: {answer.reason}"
        raise UnavailableError(reason) if answer.kind == "transient" else ItemError(reason)
    return answer
