"""Runs of Dagster that tests begin with: executed once, and replayed into the instance of each test."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import dagster as dg

from galleries import Gallery
from kept import KeptGallery


@dataclass(frozen=True)
class KeptRun:
    """A gallery that a run has materialized, as it was then, and the run with its events."""

    gallery: KeptGallery
    run: dg.DagsterRun
    job: Any
    plan: Any
    events: list[dg.EventLogEntry]

    @classmethod
    def of(cls, gallery: Gallery, instance: dg.DagsterInstance) -> KeptRun:
        """Keep a gallery and the one run of an instance."""
        (run,) = instance.get_runs()
        return cls(
            KeptGallery.of(gallery),
            run,
            instance.get_job_snapshot(run.job_snapshot_id),
            instance.get_execution_plan_snapshot(run.execution_plan_snapshot_id),
            instance.all_logs(run.run_id),
        )

    def replay(self, instance: dg.DagsterInstance) -> None:
        """Let an instance know the run."""
        instance.add_snapshot(self.job)
        instance.add_snapshot(self.plan)
        instance.add_run(self.run)
        for event in self.events:
            instance.event_log_storage.store_event(event)
