"""Reads the events of a run elsewhere, as GraphQL gives them, into what a run here would tell."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from embeddings_orch.dagster.runs.remote_answers import GraphQLError, RunSteps
from embeddings_orch.dagster.runs.remote_event_answers import (
    CheckEvent,
    Event,
    EventsAnswer,
    MaterializationEvent,
    RunFailureEvent,
    StepFailureEvent,
)
from embeddings_orch.dagster.runs.step_names import parse_step
from embeddings_orch.errors import EmbeddingsOrchError
from embeddings_orch.pipeline.outcome import RunOutcome, Status, Step, reason

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

    def read(self, answer: EventsAnswer) -> bool:
        """Whether the run has ended."""
        run, page = answer.run_or_error, answer.logs_for_run
        if isinstance(run, GraphQLError):
            raise EmbeddingsOrchError(f"Dagster lost the run: {one_line(run.message)}")
        if isinstance(page, GraphQLError):
            raise EmbeddingsOrchError(f"Dagster lost the run: {one_line(page.message)}")
        for event in page.events:
            self._read_event(event)
        self.cursor, self.more = page.cursor, page.has_more
        status = run.status
        if status != self._status and status not in _ENDED:
            self._say(f"{self.outcome.pipeline}: {status.lower().replace('_', ' ')}")
        self._status = status
        if status not in _ENDED or self.more:
            return status in _ENDED
        self.outcome.success = status == "SUCCESS"
        self.outcome.seconds = max((run.end_time or 0.0) - (run.start_time or run.end_time or 0.0), 0.0)
        self.outcome.errors[:0] = list(self.failed.values())
        if status == "CANCELED":
            self.outcome.errors.append("the run was canceled")
        return True

    def _read_event(self, event: Event) -> None:
        match event:
            case MaterializationEvent():
                metadata = {entry.label: entry.value for entry in event.metadata_entries}
                self.outcome.assets.append({"asset": event.asset_key.name, **metadata})
            case CheckEvent(evaluation=check):
                self.outcome.checks.append(
                    {
                        "asset": check.asset_key.name,
                        "check": check.check_name,
                        "passed": check.success,
                        "severity": check.severity,
                        "description": check.description or "",
                    }
                )
            case StepFailureEvent(step=step):
                last = (event.error or GraphQLError(message=event.message)).innermost
                described = event.failure_metadata.description if event.failure_metadata else None
                self.failed[step] = reason(step, described, last.class_name or "", last.message)
                self._say(f"{self._title(step)}: failed")
            case RunFailureEvent():
                if not self.failed:
                    self.failed[""] = one_line(event.error.innermost.message if event.error else event.message)
            case Event(typename="ExecutionStepStartEvent"):
                self._say(f"{self._title(event.step)}: started")
            case Event(typename="LogMessageEvent") if event.message.startswith(f"{self.outcome.pipeline}/"):
                self._say(event.message)

    def _title(self, step: str) -> str:
        parsed = parse_step(self.outcome.pipeline, step)
        if parsed is None:
            return step
        asset, kind = parsed
        return f"{asset}, checks" if kind == "checks" else asset


def steps(run: RunSteps, follower: Follower) -> Iterator[Step]:
    """The steps that were planned; those that were never begun are skipped ones."""
    stats = {step.step_key: step for step in run.step_stats}
    planned = [step.key for step in run.execution_plan.steps] if run.execution_plan else []
    for name in planned or list(stats):
        parsed = parse_step(follower.outcome.pipeline, name)
        if parsed is None:
            continue
        asset, kind = parsed
        step = stats.get(name)
        seconds = 0.0
        if step is not None and step.start_time is not None and step.end_time is not None:
            seconds = step.end_time - step.start_time
        status: Status = "success" if step is not None and step.status == "SUCCESS" else "skipped"
        status = "failure" if name in follower.failed else status
        yield Step(asset, kind, status, round(seconds, 3), follower.failed.get(name, ""))


def one_line(text: str) -> str:
    """A message without line ends, shortened."""
    return "; ".join(line.strip() for line in text.splitlines() if line.strip())[:600]
