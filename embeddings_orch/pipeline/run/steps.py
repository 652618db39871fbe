"""The steps of a run: which there are, what each waits for, and one of them carried out.

Whoever orchestrates calls `materialize` and `check`, which tell all that happens as events.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import TypeAlias

from embeddings_orch.errors import EmbeddingsOrchError
from embeddings_orch.pipeline.context import Pipeline
from embeddings_orch.pipeline.events import (
    CheckEvaluation,
    EventListener,
    Materialization,
    StepFailure,
    StepKey,
    StepStart,
    StepSuccess,
    tell,
)
from embeddings_orch.pipeline.plan.selection import graph
from embeddings_orch.pipeline.run.assets import make_asset
from embeddings_orch.pipeline.run.checks import CHECKS, check_asset
from embeddings_orch.pipeline.run.settings import AS_USUAL, RunSettings
from embeddings_orch.policy.secrets import shows_secret, without_secrets
from embeddings_orch.spec.keys import AssetKey
from embeddings_orch.spec.pipeline import PipelineSpec

Interruptions: TypeAlias = type[BaseException] | tuple[type[BaseException], ...]


def list_steps(spec: PipelineSpec, selection: Collection[AssetKey] = ()) -> list[StepKey]:
    """The steps of a run, each after those that it waits for: an asset's, then that of its checks.

    Args:
        spec: the declaration.
        selection: the assets to materialize, all where none is given.
    """
    keys = [key for key in graph(spec) if not selection or key in selection]
    return [
        step
        for key in keys
        for step in (StepKey(key), *([StepKey(key, "checks")] if key.kind in CHECKS else []))
    ]  # fmt: skip


def awaited_steps(spec: PipelineSpec, step: StepKey) -> list[StepKey]:
    """The steps that must succeed before this one, where they are in the same run."""
    if step.kind == "checks":
        return [StepKey(step.asset)]
    upstream = graph(spec)[step.asset]
    # An index is published when its checks passed; those of an embedding only warn.
    checks = [StepKey(key, "checks") for key in upstream if key.kind == "index"]
    return [*map(StepKey, upstream), *checks]


def materialize(
    pipeline: Pipeline,
    asset: AssetKey,
    *,
    settings: RunSettings = AS_USUAL,
    index_checked: bool = False,
    listener: EventListener | None = None,
    interruptions: Interruptions = KeyboardInterrupt,
) -> Materialization:
    """Materialize an asset and tell of it; see `embeddings_orch.pipeline.run.assets.make_asset`.

    Args:
        pipeline: whose asset.
        asset: its key.
        settings: what the run is told.
        index_checked: of a pointer: this run has built and checked the index.
        listener: of this step, beside those of the process.
        interruptions: what Ctrl-C or a signal raises.

    Raises:
        EmbeddingsOrchError: it cannot be made; what was committed is kept.
    """
    with _step_told(StepKey(asset), listener, interruptions):
        made = make_asset(pipeline, asset, listener, settings=settings, index_checked=index_checked)
        tell(made, listener)
    return made


def check(
    pipeline: Pipeline,
    asset: AssetKey,
    *,
    names: Collection[str] | None = None,
    anew: bool = False,
    listener: EventListener | None = None,
    interruptions: Interruptions = KeyboardInterrupt,
) -> list[CheckEvaluation]:
    """Check an asset and tell of it; a check that failed and blocks is the step's failure.

    Args:
        pipeline: whose asset.
        asset: an embedding or an index.
        names: the checks that were asked for, all where none is given.
        anew: see `embeddings_orch.pipeline.run.checks.check_asset`.
        listener: of this step, beside those of the process.
        interruptions: what Ctrl-C or a signal raises.

    Raises:
        EmbeddingsOrchError: it cannot be checked.
    """
    with _step_told(StepKey(asset, "checks"), listener, interruptions) as fail:
        evaluations = check_asset(pipeline, asset, anew=anew)
        evaluations = [evaluation for evaluation in evaluations if names is None or evaluation.check in names]
        for evaluation in evaluations:
            tell(evaluation, listener)
        if failed := [evaluation.check for evaluation in evaluations if evaluation.blocks]:
            fail(f"{asset}: what follows was stopped by a failed check: {', '.join(failed)}")
    return evaluations


def describe_failure(step: StepKey, error: BaseException) -> str:
    """Why a step failed, in one line: the error's first cause, or what one of ours says itself."""
    if isinstance(error, EmbeddingsOrchError):
        return str(error)
    causes = [error]
    while (cause := causes[-1].__cause__) is not None and cause not in causes:
        causes.append(cause)
    text = " ".join(line.strip() for line in str(causes[-1]).strip().splitlines())
    name = type(causes[-1]).__name__
    return f"{step}: {name}: {text}" if text else f"{step}: {name}"


def describe_interruption(what: str) -> str:
    """What to say of a step or run that was ended by Ctrl-C or a signal."""
    return f"{what}: interrupted; what was committed is kept, run again to go on"


@contextmanager
def _step_told(
    step: StepKey,
    listener: EventListener | None,
    interruptions: Interruptions,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Callable[[str], None]]:
    """Tell of a step's start and of how it ended; what is yielded makes it a failure without an error."""
    reasons: list[str] = []
    tell(StepStart(step), listener)
    started = clock()
    try:
        yield reasons.append
    except BaseException as error:
        # A sys.exit in an SDK and a panic of a Rust library are no Exception, and no interruption either.
        interrupted = isinstance(error, interruptions)
        reason = describe_interruption(str(step)) if interrupted else describe_failure(step, error)
        tell(StepFailure(step, clock() - started, reason, interrupted), listener)
        if interrupted or not shows_secret(error):
            raise
        # Whoever catches it may write down all that it came from.
        raise without_secrets(error, reason) from None
    seconds = clock() - started
    tell(StepFailure(step, seconds, reasons[0]) if reasons else StepSuccess(step, seconds), listener)
