"""A pipeline's steps as Dagster names them and tells their failures: that of the asset, and one for its checks."""

from __future__ import annotations

from embeddings_orch.pipeline.events import StepKey, StepKind
from embeddings_orch.pipeline.run.steps import describe_interruption
from embeddings_orch.spec.keys import KINDS, AssetKey

_CHECKS = "__checks"
_INTERRUPTED = "DagsterExecutionInterruptedError"


def step_name(step: StepKey) -> str:
    """The name of a step in a pipeline's job."""
    return "__".join(step.asset.path) + (_CHECKS if step.kind == "checks" else "")


def parse_step(pipeline: str, name: str) -> StepKey | None:
    """The step of a pipeline's job that has a name; None where it is no step of ours."""
    kind: StepKind = "checks" if name.endswith(_CHECKS) else "materialize"
    asset = name.removesuffix(_CHECKS)
    for asset_kind in KINDS:
        begin = f"{pipeline}__{asset_kind}"
        if asset == begin or asset.startswith(f"{begin}__"):
            parts = [pipeline, asset_kind, *([asset.removeprefix(f"{begin}__")] if asset != begin else [])]
            key = AssetKey.parse("/".join(parts))
            return None if key is None else StepKey(key, kind)
    return None


def describe_failure(step: StepKey | str, described: str | None, error: str, message: str) -> tuple[str, bool]:
    """Why a step failed, in one line, as Dagster tells it; and whether it was interrupted.

    Args:
        step: the step, or the name of one that is not ours.
        described: what the step itself said, where it did.
        error: the class of the innermost error.
        message: that error's message.
    """
    interrupted = error == _INTERRUPTED
    if described:
        return described, interrupted
    if interrupted:
        return describe_interruption(str(step)), True
    text = " ".join(line.strip() for line in message.strip().splitlines())
    return f"{step}: {text.removeprefix(f'dagster._core.errors.{error}: ')}", False
