"""What a run is told beside what it runs; none of it is declared, as it is meant for once."""

from __future__ import annotations

from dataclasses import dataclass

from embeddings_orch.pipeline.catalog.deletions import Allowed


@dataclass(frozen=True)
class RunSettings:
    """What somebody asks of one run.

    Attributes:
        retry_failed: try again what failed for good.
        allow_mass_delete: delete more than half of the items, where they are gone.
        allow_empty: take a source that lists nothing for an empty one.
        rehash: read all media again, those too whose size, times and inode are as they were.
    """

    retry_failed: bool = False
    allow_mass_delete: bool = False
    allow_empty: bool = False
    rehash: bool = False

    @property
    def allowed(self) -> Allowed:
        """What a scan may do."""
        return Allowed(mass_delete=self.allow_mass_delete, empty=self.allow_empty)


AS_USUAL = RunSettings()
