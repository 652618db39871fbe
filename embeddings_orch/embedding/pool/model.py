"""A model in memory, asked by any number of threads: in batches with others, or for many contents at once."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import numpy as np

from embeddings_orch.embedding.contents import encode_image
from embeddings_orch.embedding.outcome import Prepared
from embeddings_orch.embedding.pool.batching import BATCH_WAIT, Batcher
from embeddings_orch.embedding.pool.lanes import Embedded
from embeddings_orch.embedding.pool.owner import EmbedderOwner
from embeddings_orch.embedding.pool.recent import Recent
from embeddings_orch.embedding.pool.report import BatchListener
from embeddings_orch.embedding.step import EmbedStep
from embeddings_orch.errors import EmbeddingsOrchError, ItemError, TerminalError, UnavailableError
from embeddings_orch.models.base import EmbedderConfig
from embeddings_orch.models.content import Failure, Item, Modality, Side, Vectors, content_hash, content_key
from embeddings_orch.models.remote import RemoteConfig

_log = logging.getLogger(__name__)


class PooledModel:
    """One model with one embedder, for any number of threads.

    What is asked by `embed` goes through it together with what others ask at the same time; `bulk` is for many contents
    of one caller.

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
        self._owner = EmbedderOwner(config)
        self._step = EmbedStep(config, side="query", owner=self._owner.get)
        self._batcher = Batcher(self._step, batch_wait=batch_wait, fingerprint=fingerprint, listener=listener)
        self._lock = threading.Lock()
        self._bulk = self._make_bulk_step()
        self._twins: set[EmbedStep] = set()
        self._asking = 0  # callers of `embed` and `aembed`
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
        return self._works or isinstance(self.config, RemoteConfig)

    def embed(self, prepared: Sequence[Prepared | Embedded], *, timeout: float | None = None) -> list[Embedded]:
        """The vectors of what `prepare` gave, in order, shape (dimensions,) each, or why one has none.

        Raises:
            TerminalError: the model cannot be had, or the provider refuses; the next call tries anew.
            TimeoutError: the model took longer than ``timeout`` seconds.
        """
        contents = [content for content in prepared if isinstance(content, Prepared)]
        try:
            with self._in_use():
                return self._answers(prepared, self._batcher.embed(contents, timeout=timeout) if contents else [])
        except TerminalError:
            self._forget_failure()
            raise

    async def aembed(self, prepared: Sequence[Prepared | Embedded]) -> list[Embedded]:
        """`embed` for an event loop; a task that is cancelled frees its places."""
        contents = [content for content in prepared if isinstance(content, Prepared)]
        try:
            with self._in_use():
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

    @contextmanager
    def bulk(self) -> Iterator[EmbedStep]:
        """A step for many contents of one caller at once, on either side.

        Turns, rate limits, budget and the batch size that fits into memory are the same in all of them. An error stops
        the requests of its own caller alone.

        Raises:
            TerminalError: what the step raises; the next caller begins anew, as a key may be right by then.

        Example:
            >>> with model.bulk() as step:  # doctest: +SKIP
            ...     vectors = vectors_of(step, "text", texts)
        """
        with self._lock:
            shared = self._bulk
            twin = shared.twin()
            self._twins.add(twin)
        try:
            yield twin
        except TerminalError:
            with self._lock:
                if self._bulk is shared:
                    self._worked = self._works
                    self._bulk = self._make_bulk_step()
                # Its client has the key. Who else uses it has to be answered, and shows that the key is right.
                if isinstance(self.config, RemoteConfig) and not self._asking and self._twins == {twin}:
                    self._owner.renew()
            if not isinstance(self.config, RemoteConfig):
                self._forget_failure()
            raise
        finally:
            with self._lock:
                self._twins.discard(twin)

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
        """Release the model, when the batch that it has now is done; what waits and what comes later is refused."""
        self._step.cancel()  # what waits to be tried again
        with self._lock:
            twins = list(self._twins)
        for twin in twins:
            twin.cancel()
        self._batcher.close()
        self._owner.close()

    @contextmanager
    def _in_use(self) -> Iterator[None]:
        with self._lock:
            self._asking += 1
        try:
            yield
        finally:
            with self._lock:
                self._asking -= 1

    def _make_bulk_step(self) -> EmbedStep:
        return EmbedStep(self.config, owner=self._owner.get)

    def _prepare(self, modality: Modality, content: str | bytes, side: Side, name: str) -> Prepared | Embedded:
        try:
            key = content_key(modality, content_hash(content))
        except UnicodeEncodeError:
            return Failure(b"", name, "it has half of a surrogate pair, which is no text")
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
            elif content.side == "query":
                self._recent.put((self.fingerprint, content.modality, content.key), answer)
            answers.append(answer)
        return answers

    @property
    def _works(self) -> bool:
        """Whether it has embedded anything."""
        return self._worked or self._bulk.answered or self._step.answered

    def _forget_failure(self) -> None:
        if not self._works:
            self._owner.renew()  # an embedder may remember that it could not be loaded

    def _warm_up(self) -> None:
        try:
            self.load()
        except EmbeddingsOrchError as error:
            _log.warning("%s cannot be loaded: %s", self.config.provider, error)
        finally:
            self._warming.release()


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
