"""What the last scan did not take in, as the store keeps it and `status` tells it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from embeddings_orch.media.base import Problem
from embeddings_orch.media.passed_over import PassedOver
from embeddings_orch.pipeline.context import Pipeline

_NAMED = 10
"""Rows and files left out that are named."""


@dataclass(frozen=True)
class ScanNotes:
    """What the last scan of a pipeline's media did not take in.

    Attributes:
        passed_over: files of kinds that are not read, by kind.
        left_out: the number of rows and files that are left out, each for a reason of its own.
        named: some of these.
    """

    passed_over: tuple[PassedOver, ...] = ()
    left_out: int = 0
    named: tuple[Problem, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As ``status --json`` has it."""
        return {
            "left_out": self.left_out,
            "left_out_named": [{"item": problem.where, "reason": problem.reason} for problem in self.named],
            "passed_over": sum(kind.count for kind in self.passed_over),
            "passed_over_kinds": [kind.to_data() for kind in self.passed_over],
        }


def note_scan(problems: Sequence[Problem], passed_over: Sequence[PassedOver]) -> dict[str, Any]:
    """What the store keeps of a scan; empty where all was taken in."""
    if not problems and not passed_over:
        return {}
    return ScanNotes(tuple(passed_over), len(problems), tuple(problems[:_NAMED])).to_json()


def read_notes(pipeline: Pipeline) -> ScanNotes:
    """What was noted of the last scan."""
    notes = pipeline.store.scans.get(pipeline.spec.name)
    if not notes:
        return ScanNotes()
    named = tuple(Problem(row["item"], row["reason"]) for row in notes["left_out_named"])
    kinds = tuple(PassedOver.from_data(kind) for kind in notes["passed_over_kinds"])
    return ScanNotes(kinds, notes["left_out"], named)
