"""The shapes of Dagster's answers to the GraphQL documents of `remote_queries`, as of Dagster 1.13.

Those of a run's events are in `remote_event_answers`.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel


class Answer(BaseModel):
    """What GraphQL gives, read by the names that it has there."""

    model_config = ConfigDict(frozen=True, alias_generator=to_camel)


class Cause(Answer):
    """An error that led to another."""

    message: str
    class_name: str | None = None


class Problem(Cause):
    """An error in place of what was asked for."""

    causes: tuple[Cause, ...] = ()

    @property
    def innermost(self) -> Cause:
        """The last error in the chain."""
        return (self, *self.causes)[-1]


class AssetKey(Answer):
    """An asset's key."""

    path: tuple[str, ...]

    @property
    def name(self) -> str:
        """As ``pipeline/kind/name``."""
        return "/".join(self.path)


# JOBS


class Job(Answer):
    """A job of a repository."""

    name: str


class Repository(Answer):
    """The jobs that a code location defines."""

    name: str
    jobs: tuple[Job, ...]


class Location(Answer):
    """A code location that is loaded."""

    repositories: tuple[Repository, ...]


class LocationEntry(Answer):
    """A code location; nothing where it is still being loaded."""

    name: str
    location_or_load_error: Location | Problem | None


class Workspace(Answer):
    """All code locations."""

    location_entries: tuple[LocationEntry, ...]


class JobsAnswer(Answer):
    """The answer to ``JOBS``."""

    workspace_or_error: Workspace | Problem


# GRAPH


class AssetNode(Answer):
    """An asset and what it is made of."""

    asset_key: AssetKey
    dependency_keys: tuple[AssetKey, ...]


class GraphAnswer(Answer):
    """The answer to ``GRAPH``."""

    asset_nodes: tuple[AssetNode, ...]


# LAUNCH


class Run(Answer):
    """A run that was begun."""

    run_id: str


class Launch(Answer):
    """A launch, which went well where it has a run; Dagster refuses it in one of many ways."""

    typename: str = Field(alias="__typename")
    run: Run | None = None
    message: str | None = None
    errors: tuple[Cause, ...] = ()


class LaunchAnswer(Answer):
    """The answer to ``LAUNCH``."""

    launch_run: Launch


# STEPS


class StepStats(Answer):
    """How a step went; times are seconds since 1970."""

    step_key: str
    status: str | None
    start_time: float | None
    end_time: float | None


class PlannedStep(Answer):
    """A step that was planned."""

    key: str


class ExecutionPlan(Answer):
    """The steps that were planned."""

    steps: tuple[PlannedStep, ...]


class RunSteps(Answer):
    """The steps of a run; none where the run is gone."""

    step_stats: tuple[StepStats, ...] = ()
    execution_plan: ExecutionPlan | None = None


class StepsAnswer(Answer):
    """The answer to ``STEPS``."""

    run_or_error: RunSteps
