"""What a run did, wherever it ran."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from embeddings_orch.spec.keys import AssetKey

StepKind = Literal["materialize", "checks"]
STEP_KINDS: tuple[StepKind, ...] = ("materialize", "checks")
Status = Literal["success", "failure", "skipped"]
"""``skipped`` is also what was never begun."""

INTERRUPTED = "DagsterExecutionInterruptedError"
_NUMBERS = ("embedded", "reused", "deleted", "failed", "requests", "retries", "tokens")
_POINTER = ("asset", "generation", "previous", "moved", "held", "not_moved_because")


@dataclass(frozen=True)
class Step:
    """One step of a run.

    Attributes:
        asset: the asset's key.
        kind: whether it materialized the asset or checked it.
        status: how it ended.
        seconds: it took, 0 where it was not begun.
        error: why it failed.
    """

    asset: AssetKey
    kind: StepKind
    status: Status
    seconds: float
    error: str = ""


@dataclass(frozen=True)
class ItemFailure:
    """One content without a vector, or one media row that was left out; ``item`` may be "and N more"."""

    asset: AssetKey
    item: str
    reason: str


@dataclass
class RunOutcome:
    """What a run did, from the metadata of its materializations.

    Attributes:
        success: None where the run has not ended yet.
        assets: one mapping an asset: its key and its metadata's plain values.
        errors: the reasons of failed steps.
        checks: one mapping an asset check that was executed.
        steps: the steps that were planned, in the order of the assets.
        seconds: the run took.
        url: the run's page, where it runs elsewhere.
        interrupted: whether it was ended, or is no longer waited for, by Ctrl-C.
    """

    pipeline: str
    success: bool | None
    run_id: str
    assets: list[dict[str, Any]] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    checks: list[dict[str, Any]] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    seconds: float = 0.0
    url: str = ""
    interrupted: bool = False

    def to_json(self) -> dict[str, Any]:
        """The object that ``run --json`` prints; one with the error where no run was begun."""
        if not self.run_id:
            return {"pipeline": self.pipeline, "success": False, "error": "\n".join(self.errors)}
        rows = [
            {
                "asset": asset["asset"],
                **{name: asset.get(name, 0) for name in _NUMBERS},
                "cost_usd": asset.get("cost_usd", 0.0),
                "seconds": asset.get("seconds", 0.0),
            }
            for asset in self.assets
        ]
        return {
            "pipeline": self.pipeline,
            "success": self.success,
            "run_id": self.run_id,
            "assets": rows,
            "checks": self.checks,
            "published": [
                {name: asset[name] for name in _POINTER if name in asset} for asset in self.assets if "moved" in asset
            ],
            **({"url": self.url} if self.url else {}),
        }

    def to_report(self) -> dict[str, Any]:
        """The object that ``run --report FILE.json`` writes: that of ``--json``, and all that is known beside."""
        return {
            **self.to_json(),
            "seconds": round(self.seconds, 3),
            "errors": self.errors,
            "failures": [asdict(failure) for failure in self.item_failures()],
            "steps": [asdict(step) for step in self.steps],
        }

    def item_failures(self) -> Iterator[ItemFailure]:
        """Contents without a vector and media rows left out, of this run and remembered; 50 of an asset are named."""
        for asset in self.assets:
            for row in [*asset.get("left_out", []), *asset.get("failures", [])]:
                yield ItemFailure(asset["asset"], str(row["item"]), str(row["reason"]))

    def count_failed_items(self) -> dict[str, int]:
        """How many contents or media rows failed, by asset; those with none are left out."""
        counted = {asset["asset"]: asset.get("failed", 0) for asset in self.assets if _has_items(asset["asset"])}
        return {asset: count for asset, count in counted.items() if count}

    def sort(self, keys: Iterable[str]) -> None:
        """Put assets, checks and steps into the order of these keys."""
        order = {key: place for place, key in enumerate(keys)}
        for rows in (self.assets, self.checks):
            rows.sort(key=lambda row: order.get(row["asset"], len(order)))
        self.steps.sort(key=lambda step: (order.get(step.asset, len(order)), step.kind == "checks"))


def _has_items(asset: str) -> bool:
    # The rows of an index that lack a vector are the contents that failed in its embeddings, counted there.
    key = AssetKey.parse(asset)
    return key is not None and key.kind in ("raw_media", "embeddings")


def reason(step: str, description: str | None, error: str, message: str) -> str:
    """Why a step failed, on one line.

    Args:
        step: its key.
        description: what the step itself said, where it did.
        error: the class of the innermost error.
        message: that error's message.
    """
    if description:
        return description
    if error == INTERRUPTED:
        return f"{step}: interrupted; what was committed is kept, run again to go on"
    text = " ".join(line.strip() for line in message.strip().splitlines())
    return f"{step}: {text.removeprefix(f'dagster._core.errors.{error}: ')}"
