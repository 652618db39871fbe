"""What a run did, wherever it ran, as its events tell it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from embeddings_orch.pipeline.events import (
    CheckEvaluation,
    Materialization,
    RunEvent,
    StepFailure,
    StepKey,
    StepKind,
    StepSkip,
    StepSuccess,
)
from embeddings_orch.pipeline.values import plain
from embeddings_orch.spec.keys import AssetKey

Status = Literal["success", "failure", "skipped"]
"""``skipped`` is also what was never begun."""

_NUMBERS = ("embedded", "reused", "deleted", "failed", "requests", "retries", "tokens")
_ITEMS = ("items", "items_failed", "items_without_vector", "items_with_nothing_to_embed")
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

    @property
    def key(self) -> StepKey:
        """Which it is."""
        return StepKey(self.asset, self.kind)


@dataclass(frozen=True)
class ItemFailure:
    """One item with a content that failed, or one media row that was left out; ``item`` may be "and N more"."""

    asset: AssetKey
    item: str
    reason: str


@dataclass
class RunOutcome:
    """What a run did; `read` adds what an event tells.

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

    def read(self, event: RunEvent) -> None:
        """Take an event in; the last word on a step counts."""
        match event:
            case Materialization(asset=asset, metadata=metadata):
                self.assets.append({"asset": asset, **plain(metadata)})
            case CheckEvaluation():
                names = ("asset", "check", "passed", "severity", "description")
                self.checks.append({name: getattr(event, name) for name in names})
            case StepSuccess(step=step, seconds=seconds):
                self._end_step(step, "success", seconds)
            case StepFailure(step=step, seconds=seconds, reason=reason):
                if not any(known.status == "failure" and known.key == step for known in self.steps):
                    self.errors.append(reason)
                self._end_step(step, "failure", seconds, reason)
                self.interrupted |= event.interrupted
            case StepSkip(step=step):
                self._end_step(step, "skipped")

    def _end_step(self, step: StepKey, status: Status, seconds: float = 0.0, error: str = "") -> None:
        self.steps = [known for known in self.steps if known.key != step]
        self.steps.append(Step(step.asset, step.kind, status, round(seconds, 3), error))

    def to_json(self) -> dict[str, Any]:
        """The object that ``run --json`` prints; one with the error where no run was begun."""
        if not self.run_id:
            return {"pipeline": self.pipeline, "success": False, "error": "\n".join(self.errors)}
        rows = [
            {
                "asset": asset["asset"],
                **({"unit": asset["unit"]} if "unit" in asset else {}),
                **{name: asset.get(name, 0) for name in _NUMBERS},
                **{name: asset[name] for name in _ITEMS if name in asset},
                **{name: asset[name] for name in ("passed_over", "passed_over_kinds") if name in asset},
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
        """Items that failed and media rows left out, of this run and remembered; 50 of an asset are named."""
        for asset in self.assets:
            for row in [*asset.get("left_out", []), *asset.get("failures", [])]:
                yield ItemFailure(asset["asset"], str(row["item"]), str(row["reason"]))

    def count_failed_items(self) -> dict[str, int]:
        """How many items failed or media rows were left out, by asset; those with none are left out."""
        counted = {
            asset["asset"]: asset.get("items_failed", asset.get("failed", 0))
            for asset in self.assets
            if _has_items(asset["asset"])
        }
        return {asset: count for asset, count in counted.items() if count}

    def sort(self, keys: Iterable[str]) -> None:
        """Put assets, checks and steps into the order of these keys."""
        order = {key: place for place, key in enumerate(keys)}
        for rows in (self.assets, self.checks):
            rows.sort(key=lambda row: order.get(row["asset"], len(order)))
        self.steps.sort(key=lambda step: (order.get(step.asset, len(order)), step.kind == "checks"))


def _has_items(asset: str) -> bool:
    # The rows of an index that lack a vector are the items that failed in its embeddings, counted there.
    key = AssetKey.parse(asset)
    return key is not None and key.kind in ("raw_media", "embeddings")
