"""What a Dagster instance knows of a pipeline's assets: last materializations, runs under way, how a run ended."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import dagster as dg
from dagster._core.storage.dagster_run import NOT_FINISHED_STATUSES
from dagster_shared.error import SerializableErrorInfo

from embeddings_orch.dagster.common import RETRYABLE, asset_key, asset_text
from embeddings_orch.pipeline.automation.reconcile import Cursor, LastRun
from embeddings_orch.spec.keys import AssetKey

PROCESS_TAG = "embeddings_orch/process"
"""``host:pid`` of a command that executes a run in its own process; nothing else notices when that is killed."""

EPOCH_TAG = "embeddings_orch/epoch"

_DATA_VERSION = "dagster/data_version"
_FAILURES = {dg.DagsterEventType.STEP_FAILURE, dg.DagsterEventType.RUN_FAILURE, dg.DagsterEventType.ENGINE_EVENT}
_INTERRUPTED = "DagsterExecutionInterruptedError"
_BLOCKED = "DagsterAssetCheckFailedError"


@dataclass(frozen=True)
class InstanceView:
    """One look at an instance.

    Attributes:
        versions: the data version of each asset's last materialization, by key; None where it has none.
        listing: what the last scan of the media was recorded with.
        in_flight: for keys that unfinished runs will materialize, the run.
        planned_by: the run that planned a key last.
    """

    versions: Mapping[str, str | None]
    listing: str | None
    in_flight: Mapping[str, str]
    planned_by: Mapping[str, str]


def observe(instance: dg.DagsterInstance, keys: Sequence[AssetKey], job: str) -> InstanceView:
    """Look at the assets of a pipeline: two calls of the instance, however many there are.

    Args:
        instance: Dagster's.
        keys: of the assets; the first is the media's.
        job: the pipeline's job, whose runs have no selection where they materialize everything.
    """
    versions: dict[str, str | None] = dict.fromkeys(keys)
    planned_by: dict[str, str] = {}
    listing = None
    for record in instance.get_asset_records([asset_key(key) for key in keys]):
        entry, key = record.asset_entry, asset_text(record.asset_entry.asset_key)
        if entry.last_run_id:
            planned_by[key] = entry.last_run_id
        event = entry.last_materialization
        materialization = event.asset_materialization if event else None
        if materialization is not None:
            versions[key] = (materialization.tags or {}).get(_DATA_VERSION, "")
            if key == keys[0] and "listing" in materialization.metadata:
                listing = str(materialization.metadata["listing"].value)
    in_flight: dict[str, str] = {}
    for run in instance.get_runs(dg.RunsFilter(statuses=NOT_FINISHED_STATUSES)):
        if not _is_orphaned(run.tags):
            in_flight |= dict.fromkeys(_planned_keys(run, keys, job, planned_by), run.run_id)
    return InstanceView(versions, listing, in_flight, planned_by)


def _planned_keys(run: dg.DagsterRun, keys: Sequence[AssetKey], job: str, planned_by: Mapping[str, str]) -> set[str]:
    """The keys a run plans: by its selection, by its job, or by what Dagster recorded when it was made."""
    if run.asset_selection is not None:
        return {asset_text(key) for key in run.asset_selection}.intersection(keys)
    if run.job_name == job:
        return set(keys)
    return {key for key, run_id in planned_by.items() if run_id == run.run_id}


def _is_orphaned(tags: Mapping[str, str]) -> bool:
    """Whether the process that executes a run is known to be gone: it was killed, and its run never ends."""
    host, _, pid = tags.get(PROCESS_TAG, "").rpartition(":")
    if host != socket.gethostname() or not pid.isdigit():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def this_process() -> str:
    """The value of `PROCESS_TAG` for this process."""
    return f"{socket.gethostname()}:{os.getpid()}"


def latest_run(instance: dg.DagsterInstance, seen: InstanceView, keys: Iterable[str], cursor: Cursor) -> LastRun | None:
    """The latest run that planned one of some keys in the cursor's epoch, and how it went; two calls at most."""
    ids = {seen.planned_by[key] for key in keys if key in seen.planned_by}
    if not ids:
        return None
    records = instance.get_run_records(dg.RunsFilter(run_ids=sorted(ids)))
    records = [
        record
        for record in records
        if record.dagster_run.tags.get(EPOCH_TAG) == cursor.epoch or record.create_timestamp.timestamp() >= cursor.began
    ]
    if not records:
        return None
    record = max(records, key=lambda record: record.create_timestamp)
    run = record.dagster_run
    ended = record.end_time or record.update_timestamp.timestamp()
    if run.status == dg.DagsterRunStatus.SUCCESS:
        return LastRun(run.run_id, "succeeded", ended=ended)
    if run.status == dg.DagsterRunStatus.CANCELED:
        return LastRun(run.run_id, "cancelled", ended=ended)
    if run.status == dg.DagsterRunStatus.FAILURE:
        return _failure_of(instance, run, ended)
    if _is_orphaned(run.tags):
        return LastRun(run.run_id, "failed", "its process was killed", ended=ended)
    return LastRun(run.run_id, "running")


def _failure_of(instance: dg.DagsterInstance, run: dg.DagsterRun, ended: float) -> LastRun:
    reasons: list[str] = []
    for record in instance.get_records_for_run(run.run_id, of_type=_FAILURES).records:
        event = record.event_log_entry.dagster_event
        if event is None:
            continue
        if event.event_type != dg.DagsterEventType.STEP_FAILURE:
            # What the daemon and the run's worker say where no step came to run.
            error = getattr(event.event_specific_data, "error", None)
            told = _innermost(error) if error else (event.message if event.is_failure else None)
            reasons += [told] if told else []
            continue
        data = event.step_failure_data
        names = _names(data.error)
        if _INTERRUPTED in names:
            return LastRun(run.run_id, "cancelled", ended=ended)
        mark = data.user_failure_data.metadata.get(RETRYABLE) if data.user_failure_data else None
        if data.user_failure_data and data.user_failure_data.description:
            reason = data.user_failure_data.description
        else:
            reason = f"{event.step_key}: {_innermost(data.error)}" if data.error else f"{event.step_key} failed"
        if _BLOCKED in names or (mark is not None and not mark.value):
            return _end_of(run, reason, again=False, ended=ended)
        reasons.insert(0, reason)
    return _end_of(run, reasons[0] if reasons else "no reason was recorded", again=True, ended=ended)


def _end_of(run: dg.DagsterRun, reason: str, *, again: bool, ended: float) -> LastRun:
    return LastRun(run.run_id, "failed", " ".join(reason.split())[:600].rstrip("."), again, ended)


def _names(error: SerializableErrorInfo | None) -> set[str]:
    names: set[str] = set()
    while error is not None:
        names.add(error.cls_name or "")
        error = error.cause
    return names


def _innermost(error: SerializableErrorInfo) -> str:
    while error.cause is not None:
        error = error.cause
    return error.message.strip()
