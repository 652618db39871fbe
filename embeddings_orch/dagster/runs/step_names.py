"""Dagster's names of a pipeline's steps: that of the asset, and one for its checks."""

from __future__ import annotations

from embeddings_orch.pipeline.outcome import StepKind
from embeddings_orch.spec.keys import KINDS, AssetKey

_CHECKS = "__checks"


def step_name(key: AssetKey, kind: StepKind = "materialize") -> str:
    """The name of the step that materializes an asset, or of the one that checks it."""
    return "__".join(key.path) + (_CHECKS if kind == "checks" else "")


def parse_step(pipeline: str, name: str) -> tuple[AssetKey, StepKind] | None:
    """The asset of a step of a pipeline's job, and what is done with it; None where it is no step of ours."""
    kind: StepKind = "checks" if name.endswith(_CHECKS) else "materialize"
    asset = name.removesuffix(_CHECKS)
    for asset_kind in KINDS:
        begin = f"{pipeline}__{asset_kind}"
        if asset == begin or asset.startswith(f"{begin}__"):
            parts = [pipeline, asset_kind, *([asset.removeprefix(f"{begin}__")] if asset != begin else [])]
            key = AssetKey.parse("/".join(parts))
            return None if key is None else (key, kind)
    return None
