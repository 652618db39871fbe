"""The local runner: threads read and decode, the model embeds, a writer commits; all queues are bounded."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress

from embeddings_orch.embed_step import EmbedStep, Failure, Outcome, Prepared, StoppedError
from embeddings_orch.embedder import Modality
from embeddings_orch.errors import ItemError, TransientError
from embeddings_orch.runners.base import Content, Read, Runner

Commit = Callable[[Outcome], None]


class LocalRunner(Runner):
    """Runs in this process.

    Args:
        workers: threads that read and decode; the default follows the cores.
        checkpoint_rows: contents after which vectors are committed.
        checkpoint_seconds: seconds after which they are committed at the latest.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        workers: int | None = None,
        checkpoint_rows: int = 1024,
        checkpoint_seconds: float = 15.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.workers = workers or min(16, max(2, _cores()))
        self.checkpoint_rows = checkpoint_rows
        self.checkpoint_seconds = checkpoint_seconds
        self.clock = clock

    def run(
        self,
        step: EmbedStep,
        contents: Iterable[Content],
        read: Read,
        commit: Commit,
        progress: Callable[[int], None] = lambda _: None,
    ) -> None:
        """See `Runner.run`."""
        concurrency = step.config.concurrency
        with (
            ThreadPoolExecutor(self.workers, "load") as loaders,
            ThreadPoolExecutor(concurrency, "model") as models,
            ThreadPoolExecutor(1, "write") as writer,
        ):
            flow = _Flow(self, step, models, writer, commit, progress)
            loads: deque[Future[Prepared | Failure]] = deque()
            window = 2 * step.config.batch_size * concurrency + self.workers
            try:
                for content in contents:
                    loads.append(loaders.submit(_load, step, read, content))
                    if len(loads) >= window:
                        flow.put(loads.popleft().result())
                while loads:
                    flow.put(loads.popleft().result())
                flow.finish()
            except BaseException:
                for load in loads:
                    load.cancel()
                flow.salvage()
                raise


class _Flow:
    """Batches on their way through the model to the writer."""

    def __init__(
        self,
        runner: LocalRunner,
        step: EmbedStep,
        models: ThreadPoolExecutor,
        writer: ThreadPoolExecutor,
        commit: Commit,
        progress: Callable[[int], None],
    ) -> None:
        self.runner, self.step, self.models, self.writer = runner, step, models, writer
        self.commit, self.progress = commit, progress
        self.filling: dict[Modality, list[Prepared]] = {}
        self.running: deque[Future[Outcome]] = deque()
        self.writing: deque[Future[None]] = deque()
        self.pending = Outcome()
        self.committed_at = runner.clock()

    def put(self, loaded: Prepared | Failure) -> None:
        if isinstance(loaded, Failure):
            self.pending.failures.append(loaded)
            self.progress(1)
            self._checkpoint_when_due()
            return
        batch = self.filling.setdefault(loaded.modality, [])
        batch.append(loaded)
        if len(batch) >= self.step.config.batch_size:
            self._submit(loaded.modality)

    def _submit(self, modality: Modality) -> None:
        self.running.append(self.models.submit(self.step, self.filling.pop(modality)))
        # One batch waits behind those that run, so that the model never does.
        while len(self.running) > self.step.config.concurrency + 1:
            self._take(self.running.popleft())

    def _take(self, batch: Future[Outcome]) -> None:
        try:
            self._collect(batch.result())
        except StoppedError as stop:
            self._collect(stop.outcome)
            raise

    def _collect(self, outcome: Outcome) -> None:
        pending = self.pending
        pending.keys += outcome.keys
        pending.vectors += outcome.vectors
        pending.failures += outcome.failures
        pending.usage.add(outcome.usage)
        self.progress(len(outcome.keys) + len(outcome.failures))
        self._checkpoint_when_due()

    def _checkpoint_when_due(self) -> None:
        pending = self.pending
        late = self.runner.clock() - self.committed_at >= self.runner.checkpoint_seconds
        if late or len(pending.keys) + len(pending.failures) >= self.runner.checkpoint_rows:
            self._checkpoint()

    def _checkpoint(self) -> None:
        pending, self.pending = self.pending, Outcome()
        self.committed_at = self.runner.clock()
        self.writing.append(self.writer.submit(self.commit, pending))
        while len(self.writing) > 1:
            self.writing.popleft().result()

    def finish(self) -> None:
        for modality in list(self.filling):
            self._submit(modality)
        while self.running:
            self._take(self.running.popleft())
        self._checkpoint()
        while self.writing:
            self.writing.popleft().result()

    def salvage(self) -> None:
        """Commit what is embedded already, start nothing new."""
        for future in self.running:
            future.cancel()
        for future in self.running:
            if not future.cancelled():
                with suppress(Exception):  # the error that stopped the run is the one to show
                    self._take(future)
        self._checkpoint()
        for write in self.writing:
            write.exception()


def _cores() -> int:
    # Of this process: a container may have fewer than the machine. More decode threads than cores slow a model on
    # the same cores down (4 instead of 2 on 2 cores: 15 % with emoji-s).
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 2


def _load(step: EmbedStep, read: Read, content: Content) -> Prepared | Failure:
    try:
        return step.prepare(read(content))
    except ItemError as error:
        return Failure(content.key, content.uri, str(error))
    except (TransientError, OSError) as error:
        return Failure(content.key, content.uri, str(error), "transient")
