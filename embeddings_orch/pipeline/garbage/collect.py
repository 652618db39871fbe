"""Removes what gc listed, less what is needed again since."""

from __future__ import annotations

from dataclasses import dataclass, field

from embeddings_orch.errors import StoreError
from embeddings_orch.pipeline.claims import Claims, alone
from embeddings_orch.pipeline.garbage.kinds import Garbage
from embeddings_orch.pipeline.garbage.listing import GcPlan, make_gc
from embeddings_orch.pipeline.garbage.needs import Needs
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


def collect(needs: Needs, agreed: GcPlan) -> GcReport:
    """Remove what a plan lists, less what is needed again since; what a killed gc left is in the next one's list.

    Raises:
        EmbeddingsOrchError: as `make_gc`.
    """
    report = GcReport()
    if not agreed.garbage:
        return report
    # Two at once would take each other's marks off the versions to keep.
    with alone(needs.pipeline.store, "gc"):
        listed = {(item.kind, item.name) for item in agreed.garbage}
        for garbage in make_gc(needs).garbage:
            if (garbage.kind, garbage.name) not in listed:
                continue
            done = _try_drop(needs, garbage)
            if isinstance(done, str):
                report.left.append((garbage, done))
            else:
                report.removed.append(done)
    return report


def _try_drop(needs: Needs, garbage: Garbage) -> Garbage | str:
    """What was removed, or why it was not."""
    try:
        with Claims(needs.pipeline.store) as claims:
            if garbage.claim and not claims.take([garbage.claim]):
                return "a run works on it"
            return garbage.remove(needs) or "in use again"
    except StoreError as error:
        return str(error)


def indexes_that_lost(report: GcReport) -> dict[QualifiedName, list[Garbage]]:
    """What was removed of each index."""
    lost: dict[QualifiedName, list[Garbage]] = {}
    for garbage in report.removed:
        if garbage.index is not None:
            lost.setdefault(garbage.index, []).append(garbage)
    return lost
