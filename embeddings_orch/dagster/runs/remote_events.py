"""Reads the events of a run elsewhere, as GraphQL gives them, into what a run here would tell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from embeddings_orch.dagster.runs.remote_answers import GraphQLError, RunSteps, StepStats
from embeddings_orch.dagster.runs.remote_event_answers import (
    CheckEvent,
    Event,
    EventsAnswer,
    MaterializationEvent,
    RunFailureEvent,
    StepFailureEvent,
)
from embeddings_orch.dagster.runs.steps import describe_failure, parse_step
from embeddings_orch.errors import EmbeddingsOrchError
from embeddings_orch.pipeline.events import (
    CheckEvaluation,
    Materialization,
    StepFailure,
    StepKey,
    StepSkip,
    StepSuccess,
)
from embeddings_orch.pipeline.run.outcome import RunOutcome
from embeddings_orch.spec.keys import AssetKey

_ENDED = {"SUCCESS", "FAILURE", "CANCELED"}


class Follower:
    """Reads a run's events into an outcome.

    Args:
        outcome: of the run.
        say: told of its progress, line by line.
    """

    def __init__(self, outcome: RunOutcome, say: Callable[[str], None]) -> None:
        self.outcome = outcome
        self.cursor: str | None = None
        self.more = False
        self._failed: dict[StepKey, StepFailure] = {}
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
        if status == "CANCELED":
            self.outcome.errors.append("the run was canceled")
        return True

    def finish(self, run: RunSteps) -> None:
        """Read how long the steps took that were planned, and which were not begun."""
        stats = {step.step_key: step for step in run.step_stats}
        planned = [step.key for step in run.execution_plan.steps] if run.execution_plan else []
        for name in planned or list(stats):
            step = parse_step(self.outcome.pipeline, name)
            if step is not None:
                self.outcome.read(self._ending(step, stats.get(name)))

    def _ending(self, step: StepKey, stats: StepStats | None) -> StepSuccess | StepFailure | StepSkip:
        seconds = 0.0
        if stats is not None and stats.start_time is not None and stats.end_time is not None:
            seconds = stats.end_time - stats.start_time
        if step in self._failed:
            return replace(self._failed[step], seconds=seconds)
        return StepSuccess(step, seconds) if stats is not None and stats.status == "SUCCESS" else StepSkip(step)

    def _read_event(self, event: Event) -> None:
        match event:
            case MaterializationEvent():
                metadata = {entry.label: entry.value for entry in event.metadata_entries}
                self.outcome.read(Materialization(AssetKey(event.asset_key.name), metadata))
            case CheckEvent(evaluation=check):
                self.outcome.read(
                    CheckEvaluation(
                        asset=AssetKey(check.asset_key.name),
                        check=check.check_name,
                        passed=check.success,
                        severity=check.severity,
                        description=check.description or "",
                    )
                )
            case StepFailureEvent(step=name):
                self._read_failure(event, parse_step(self.outcome.pipeline, name) or name)
            case RunFailureEvent():
                if not self.outcome.errors:
                    message = event.error.innermost.message if event.error else event.message
                    self.outcome.errors.append(one_line(message))
            case Event(typename="ExecutionStepStartEvent"):
                self._say(f"{parse_step(self.outcome.pipeline, event.step) or event.step}: started")
            case Event(typename="LogMessageEvent") if event.message.startswith(f"{self.outcome.pipeline}/"):
                self._say(event.message)

    def _read_failure(self, event: StepFailureEvent, step: StepKey | str) -> None:
        last = (event.error or GraphQLError(message=event.message)).innermost
        described = event.failure_metadata.description if event.failure_metadata else None
        reason, interrupted = describe_failure(step, described, last.class_name or "", last.message)
        if isinstance(step, str):  # a step of somebody else, in the same job
            self.outcome.errors.append(reason)
        else:
            self._failed[step] = StepFailure(step, 0.0, reason, interrupted)
            self.outcome.read(self._failed[step])
        self._say(f"{step}: failed")


def one_line(text: str) -> str:
    """A message without line ends, shortened."""
    return "; ".join(line.strip() for line in text.splitlines() if line.strip())[:600]
