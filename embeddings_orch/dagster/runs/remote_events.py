"""Reads the events of a run elsewhere, as GraphQL gives them, into what a run here would tell."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from embeddings_orch.errors import EmbeddingsOrchError
from embeddings_orch.pipeline.outcome import RunOutcome, Status, Step, reason, step_keys

_ENDED = {"SUCCESS", "FAILURE", "CANCELED"}


class Follower:
    """Reads a run's events into an outcome."""

    def __init__(self, outcome: RunOutcome, say: Callable[[str], None]) -> None:
        self.outcome = outcome
        self.cursor: str | None = None
        self.more = False
        self.failed: dict[str, str] = {}
        self._say = say
        self._status = ""

    def read(self, answer: Any) -> bool:
        """Whether the run has ended."""
        run, events = answer["runOrError"], answer["logsForRun"]
        for part in (run, events):
            if "message" in part:
                raise EmbeddingsOrchError(f"Dagster lost the run: {one_line(part['message'])}")
        for event in events["events"]:
            self._event(event)
        self.cursor, self.more = events["cursor"], events["hasMore"]
        status = run["status"]
        if status != self._status and status not in _ENDED:
            self._say(f"{self.outcome.pipeline}: {status.lower().replace('_', ' ')}")
        self._status = status
        if status not in _ENDED or self.more:
            return status in _ENDED
        self.outcome.success = status == "SUCCESS"
        self.outcome.seconds = max((run["endTime"] or 0.0) - (run["startTime"] or run["endTime"] or 0.0), 0.0)
        self.outcome.errors[:0] = list(self.failed.values())
        if status == "CANCELED":
            self.outcome.errors.append("the run was canceled")
        return True

    def _event(self, event: Any) -> None:
        kind, step = event["__typename"], event["stepKey"] or ""
        if kind == "MaterializationEvent":
            metadata = {entry["label"]: _plain(entry) for entry in event["metadataEntries"]}
            self.outcome.assets.append({"asset": key(event["assetKey"]), **metadata})
        elif kind == "AssetCheckEvaluationEvent":
            check = event["evaluation"]
            self.outcome.checks.append(
                {
                    "asset": key(check["assetKey"]),
                    "check": check["checkName"],
                    "passed": check["success"],
                    "severity": check["severity"],
                    "description": check["description"] or "",
                }
            )
        elif kind == "ExecutionStepFailureEvent":
            error = event["error"] or {"className": "", "message": event["message"], "causes": []}
            last = [error, *error["causes"]][-1]
            described = (event["failureMetadata"] or {}).get("description")
            self.failed[step] = reason(step, described, last["className"] or "", last["message"])
            self._say(f"{step.replace('__', '/')}: failed")
        elif kind == "ExecutionStepStartEvent":
            self._say(f"{step.replace('__', '/')}: started")
        elif kind == "RunFailureEvent" and not self.failed:
            error = event["error"]
            self.failed[""] = innermost(error or event)
        elif kind == "LogMessageEvent" and event["message"].startswith(f"{self.outcome.pipeline}/"):
            self._say(event["message"])


def steps(answer: Any, follower: Follower) -> Iterator[Step]:
    """The steps that were planned; those that were never begun are skipped ones."""
    run = answer["runOrError"]
    stats = {one["stepKey"]: one for one in run.get("stepStats", [])}
    planned = [step["key"] for step in (run.get("executionPlan") or {}).get("steps", [])] or list(stats)
    for name in planned:
        asset = name.removesuffix("__checks").replace("__", "/", 2)
        if name not in step_keys(asset):
            continue
        one = stats.get(name) or {}
        ended = one.get("startTime") is not None and one.get("endTime") is not None
        seconds = one["endTime"] - one["startTime"] if ended else 0.0
        status: Status = "success" if one.get("status") == "SUCCESS" else "skipped"
        status = "failure" if name in follower.failed else status
        yield Step(asset, step_keys(asset)[name][1], status, round(seconds, 3), follower.failed.get(name, ""))


def key(of: Any) -> str:
    """An asset key as ``pipeline/kind/name``."""
    return "/".join(of["path"])


def _plain(entry: Any) -> Any:
    if "table" in entry:
        return [json.loads(record) for record in entry["table"]["records"]]
    if "intRepr" in entry:
        return int(entry["intRepr"])
    return next((entry[name] for name in ("floatValue", "text", "boolValue") if name in entry), None)


def innermost(error: Any) -> str:
    """The message of the last error in a chain."""
    return one_line([error, *error.get("causes", [])][-1]["message"])


def one_line(text: str) -> str:
    """A message without line ends, shortened."""
    return "; ".join(line.strip() for line in text.splitlines() if line.strip())[:600]
