"""The local runner: threads read and decode, the model embeds, a writer commits; all queues are bounded."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress

from embeddings_orch.embedding.outcome import Outcome, Prepared, StoppedError
from embeddings_orch.embedding.runners.base import Content, Read, Runner
from embeddings_orch.embedding.step import EmbedStep
from embeddings_orch.errors import CancelledError, ItemError, TerminalError, TransientError
from embeddings_orch.models.content import Failure, Modality
from embeddings_orch.policy.packing import Packer

Commit = Callable[[Outcome], None]

_BESIDE = 256
"""Bytes that a content takes while it waits to be committed, beside its vector: its key, or why it failed."""


class LocalRunner(Runner):
    """Runs in this process.

    Args:
        workers: threads that read and decode; the default follows the cores.
        checkpoint_rows: contents after which vectors are committed where each costs money.
        checkpoint_bytes: bytes of vectors after which they are committed, whatever they cost.
        checkpoint_seconds: seconds after which they are committed at the latest.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        workers: int | None = None,
        *,
        checkpoint_rows: int = 1024,
        checkpoint_bytes: int = 32 * 2**20,
        checkpoint_seconds: float = 15.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.workers = workers or min(16, max(2, _cores()))
        self.checkpoint_rows = checkpoint_rows
        self.checkpoint_bytes = checkpoint_bytes
        self.checkpoint_seconds = checkpoint_seconds
        self.clock = clock

    def run(
        self,
        step: EmbedStep,
        contents: Iterable[Content],
        read: Read,
        commit: Commit,
        *,
        progress: Callable[[int], None] = lambda _: None,
    ) -> None:
        """See `Runner.run`."""
        concurrency = step.config.concurrency
        step.stop_at_terminal_errors()
        # The step lets only so many requests through; more threads than that, so that those which wait to try again
        # do not hold up the others.
        threads = 1 if concurrency == 1 else 2 * concurrency
        with (
            ThreadPoolExecutor(self.workers, "load") as loaders,
            ThreadPoolExecutor(threads, "model") as models,
            ThreadPoolExecutor(1, "write") as writer,
        ):
            flow = _Flow(self, step, models=models, threads=threads, writer=writer, commit=commit, progress=progress)
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
            except BaseException as error:
                step.cancel()
                for load in loads:
                    load.cancel()
                flow.salvage()
                if isinstance(error, TerminalError) and (first := flow.unwritten or flow.stopped_by) is not None:
                    raise first from error
                raise


class _Flow:
    """Batches on their way through the model to the writer."""

    def __init__(
        self,
        runner: LocalRunner,
        step: EmbedStep,
        *,
        models: ThreadPoolExecutor,
        threads: int,
        writer: ThreadPoolExecutor,
        commit: Commit,
        progress: Callable[[int], None],
    ) -> None:
        self.runner, self.step, self.models, self.threads, self.writer = runner, step, models, threads, writer
        self.commit, self.progress = commit, progress
        self.filling: dict[Modality, Packer[Prepared]] = {}
        self.running: set[Future[Outcome]] = set()
        self.writing: deque[Future[None]] = deque()
        self.pending = Outcome()
        self.pending_bytes = 0
        self.most_rows = runner.checkpoint_rows if step.config.costs_money() else None
        self.committed_at = runner.clock()
        self.stopped_by: TerminalError | None = None
        self.unwritten: Exception | None = None

    def put(self, loaded: Prepared | Failure) -> None:
        if isinstance(loaded, Failure):
            self._collect(Outcome(failures=[loaded]))
            return
        modality = loaded.modality
        if modality not in self.filling:
            self.filling[modality] = Packer(self.step.limits(modality))
        for batch in self.filling[modality].add(loaded):
            self._submit(batch)

    def _submit(self, batch: list[Prepared]) -> None:
        self.running.add(self.models.submit(self._embed, batch))
        # One batch waits behind those that run, so that the model never does.
        while len(self.running) > self.threads + 1:
            self._take_done()

    def _embed(self, batch: list[Prepared]) -> Outcome:
        try:
            return self.step(batch)
        except TerminalError as error:
            # Here and now: by the time the result is looked at, other threads could have sent more.
            if self.stopped_by is None and not isinstance(error, CancelledError):
                self.stopped_by = error.error if isinstance(error, StoppedError) else error
            self.step.cancel()
            raise

    def _take_done(self) -> None:
        for batch in wait(self.running, return_when=FIRST_COMPLETED).done:
            self.running.discard(batch)
            self._take(batch)

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
        self.pending_bytes += sum(vector.nbytes for vector in outcome.vectors)
        self.progress(len(outcome.keys) + len(outcome.failures))
        self._checkpoint_when_due()

    def _checkpoint_when_due(self) -> None:
        contents = len(self.pending.keys) + len(self.pending.failures)
        late = self.runner.clock() - self.committed_at >= self.runner.checkpoint_seconds
        # Every commit names all fragments of the table: as few as memory and the loss by a crash allow.
        large = self.pending_bytes + _BESIDE * contents >= self.runner.checkpoint_bytes
        if late or large or (self.most_rows is not None and contents >= self.most_rows):
            self._checkpoint()

    def _checkpoint(self) -> None:
        pending, self.pending, self.pending_bytes = self.pending, Outcome(), 0
        self.committed_at = self.runner.clock()
        self.writing.append(self.writer.submit(self._write, pending))
        while len(self.writing) > 1:
            self.writing.popleft().result()

    def _write(self, pending: Outcome) -> None:
        try:
            self.commit(pending)
        except Exception as error:
            # Here and now: until the result is looked at, other threads would buy what cannot be kept either.
            self.unwritten = self.unwritten or error
            self.step.cancel()
            raise

    def finish(self) -> None:
        for packer in self.filling.values():
            if rest := packer.rest():
                self._submit(rest)
        while self.running:
            self._take_done()
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
