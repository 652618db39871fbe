"""Runs a pipeline in this process, without an orchestrator."""

from __future__ import annotations

import logging
import signal
import threading
import time
import uuid
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from embeddings_orch.errors import EmbeddingsOrchError
from embeddings_orch.pipeline.context import Pipeline
from embeddings_orch.pipeline.events import RunEvent, StepKey, StepSkip, StepSuccess, listen_in_thread, tell
from embeddings_orch.pipeline.plan.selection import graph
from embeddings_orch.pipeline.run.outcome import RunOutcome
from embeddings_orch.pipeline.run.settings import AS_USUAL, RunSettings
from embeddings_orch.pipeline.run.steps import awaited_steps, check, describe_interruption, list_steps, materialize
from embeddings_orch.spec.keys import AssetKey
from embeddings_orch.spec.pipeline import PipelineSpec

_log = logging.getLogger(__name__)


def execute_steps(
    spec: PipelineSpec,
    *,
    settings: RunSettings = AS_USUAL,
    selection: Collection[AssetKey] = (),
    clock: Callable[[], float] = time.monotonic,
) -> RunOutcome:
    """Materialize assets of a pipeline, with their checks, one step after the other.

    A step that fails stops those that wait for it, and no others. Ctrl-C and SIGTERM end the run; what was committed
    is kept.

    Args:
        spec: the pipeline.
        settings: what the run is told.
        selection: the keys to materialize, all where none is given.
        clock: seconds, monotonic.
    """
    pipeline = Pipeline(spec)
    steps = list_steps(spec, selection)
    outcome = RunOutcome(spec.name, None, str(uuid.uuid4()))
    succeeded: set[StepKey] = set()

    def read(event: RunEvent) -> None:
        outcome.read(event)
        if isinstance(event, StepSuccess):
            succeeded.add(event.step)

    started = clock()
    with listen_in_thread(read):
        try:
            with _termination_as_interrupt():
                for step in steps:
                    missing = {above for above in awaited_steps(spec, step) if above in steps} - succeeded
                    if not missing:
                        _carry_out(pipeline, step, settings, together=steps)
        except KeyboardInterrupt:
            if not outcome.interrupted:  # between two steps, else told as the step's failure
                outcome.interrupted = True
                outcome.errors.append(describe_interruption(spec.name))
        begun = {step.key for step in outcome.steps}
        for step in steps:
            if step not in begun:
                tell(StepSkip(step))
    outcome.seconds = clock() - started
    outcome.success = succeeded.issuperset(steps)
    outcome.sort(graph(spec))
    return outcome


def _carry_out(pipeline: Pipeline, step: StepKey, settings: RunSettings, *, together: list[StepKey]) -> None:
    try:
        if step.kind == "checks":
            check(pipeline, step.asset)
        else:
            index = AssetKey.of_index(pipeline.spec.name, step.asset.name)
            materialize(
                pipeline,
                step.asset,
                settings=settings,
                index_checked=StepKey(index, "checks") in together,
            )
    except EmbeddingsOrchError:
        pass  # told as the step's failure
    except KeyboardInterrupt:
        raise  # the run ends with it
    except BaseException:
        # Of a plugin, an SDK or ours, a sys.exit among them: where in the code is of use to who mends it.
        _log.exception("%s failed", step)


@contextmanager
def _termination_as_interrupt() -> Iterator[None]:
    """SIGTERM ends the run as Ctrl-C does, with its claims given back; in a thread that gets no signals nothing is."""

    def interrupt(_: int, __: FrameType | None) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        with suppress(TypeError):  # a handler that was not installed by Python is None
            signal.signal(signal.SIGTERM, before)
