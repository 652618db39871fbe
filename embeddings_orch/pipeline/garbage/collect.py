"""Removes what gc listed, less what is needed again since."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from embeddings_orch.errors import StoreError
from embeddings_orch.pipeline.garbage.kinds import Garbage
from embeddings_orch.pipeline.garbage.listing import GcPlan, make_gc
from embeddings_orch.pipeline.garbage.needs import Needs
from embeddings_orch.store import Store
from embeddings_orch.store.claims import Claims, alone
from embeddings_orch.store.names import QualifiedName


@dataclass
class GcReport:
    """What gc removed.

    Attributes:
        removed: with the bytes that were freed, where they can be told.
        left: what it left alone, with the reason: it is in use again, or could not be removed.
    """

    removed: list[Garbage] = field(default_factory=list)
    left: list[tuple[Garbage, str]] = field(default_factory=list)

    @property
    def bytes(self) -> int:
        """The bytes that were freed."""
        return sum(garbage.bytes or 0 for garbage in self.removed)


def collect(needs: Needs, agreed: GcPlan, make_claims: Callable[[Store], Claims] = Claims) -> GcReport:
    """Remove what a plan lists, less what is needed again since; what a killed gc left is in the next one's list.

    What a run has claimed comes last, and is watched until the run is seen to live, or its claim is over.

    Raises:
        EmbeddingsOrchError: as `make_gc`.
    """
    report = GcReport()
    if not agreed.garbage:
        return report
    # Two at once would take each other's marks off the versions to keep.
    with alone(needs.pipeline.store, "gc"):
        listed = {(item.kind, item.name) for item in agreed.garbage}
        garbage = [item for item in make_gc(needs).garbage if (item.kind, item.name) in listed]
        claimed = [item for item in garbage if not _drop(needs, item, report, make_claims)]
        for item in claimed:
            if not _drop(needs, item, report, make_claims, watch=True):
                report.left.append((item, "a run works on it"))
    return report


def _drop(
    needs: Needs, garbage: Garbage, report: GcReport, make_claims: Callable[[Store], Claims], *, watch: bool = False
) -> bool:
    """Remove something and report that, or why it was left alone; False where a run has claimed it."""
    try:
        with make_claims(needs.pipeline.store) as claims:
            if watch:
                claims.watch(garbage.claim)
            if garbage.claim and not claims.take([garbage.claim]):
                return False
            removed = garbage.remove(needs)
    except StoreError as error:
        report.left.append((garbage, str(error)))
        return True
    if removed is None:
        report.left.append((garbage, "in use again"))
    else:
        report.removed.append(removed)
    return True


def indexes_that_lost(report: GcReport) -> dict[QualifiedName, list[Garbage]]:
    """What was removed of each index."""
    lost: dict[QualifiedName, list[Garbage]] = {}
    for garbage in report.removed:
        if garbage.index is not None:
            lost.setdefault(garbage.index, []).append(garbage)
    return lost
