"""The shapes of Dagster's answers to the GraphQL documents of `remote_queries`, as of Dagster 1.13.

Those of a run's events are in `remote_event_answers`.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel


class GraphQLAnswer(BaseModel):
    """What GraphQL gives, read by the names that it has there."""

    model_config = ConfigDict(frozen=True, alias_generator=to_camel)


class Cause(GraphQLAnswer):
    """An error that led to another."""

    message: str
    class_name: str | None = None


class GraphQLError(Cause):
    """An error in place of what was asked for."""

    causes: tuple[Cause, ...] = ()

    @property
    def innermost(self) -> Cause:
        """The last error in the chain."""
        return (self, *self.causes)[-1]


class GraphQLAssetKey(GraphQLAnswer):
    """An asset's key."""

    path: tuple[str, ...]

    @property
    def name(self) -> str:
        """As ``pipeline/kind/name``."""
        return "/".join(self.path)


# JOBS


class Job(GraphQLAnswer):
    """A job of a repository."""

    name: str


class Repository(GraphQLAnswer):
    """The jobs that a code location defines."""

    name: str
    jobs: tuple[Job, ...]


class CodeLocation(GraphQLAnswer):
    """A code location that is loaded."""

    repositories: tuple[Repository, ...]


class LocationEntry(GraphQLAnswer):
    """A code location; nothing where it is still being loaded."""

    name: str
    location_or_load_error: CodeLocation | GraphQLError | None


class Workspace(GraphQLAnswer):
    """All code locations."""

    location_entries: tuple[LocationEntry, ...]


class JobsAnswer(GraphQLAnswer):
    """The answer to ``JOBS``."""

    workspace_or_error: Workspace | GraphQLError


# GRAPH


class AssetNode(GraphQLAnswer):
    """An asset and what it is made of."""

    asset_key: GraphQLAssetKey
    dependency_keys: tuple[GraphQLAssetKey, ...]


class GraphAnswer(GraphQLAnswer):
    """The answer to ``GRAPH``."""

    asset_nodes: tuple[AssetNode, ...]


# LAUNCH


class Run(GraphQLAnswer):
    """A run that was begun."""

    run_id: str


class Launch(GraphQLAnswer):
    """A launch, which went well where it has a run; Dagster refuses it in one of many ways."""

    typename: str = Field(alias="__typename")
    run: Run | None = None
    message: str | None = None
    errors: tuple[Cause, ...] = ()


class LaunchAnswer(GraphQLAnswer):
    """The answer to ``LAUNCH``."""

    launch_run: Launch


# STEPS


class StepStats(GraphQLAnswer):
    """How a step went; times are seconds since 1970."""

    step_key: str
    status: str | None
    start_time: float | None
    end_time: float | None


class PlannedStep(GraphQLAnswer):
    """A step that was planned."""

    key: str


class ExecutionPlan(GraphQLAnswer):
    """The steps that were planned."""

    steps: tuple[PlannedStep, ...]


class RunSteps(GraphQLAnswer):
    """The steps of a run; none where the run is gone."""

    step_stats: tuple[StepStats, ...] = ()
    execution_plan: ExecutionPlan | None = None


class StepsAnswer(GraphQLAnswer):
    """The answer to ``STEPS``."""

    run_or_error: RunSteps


# RELOAD


class ReloadedLocation(GraphQLAnswer):
    """A code location after a reload; with a message where it could not be loaded."""

    message: str | None = None


class Reload(GraphQLAnswer):
    """A reload; with a message where the webserver did not try it."""

    location_or_load_error: ReloadedLocation | None = None
    message: str | None = None

    @property
    def problem(self) -> str:
        """Why the location is not loaded anew, empty where it is."""
        location = self.location_or_load_error
        return (self.message or (location.message if location else None) or "").strip()


class ReloadAnswer(GraphQLAnswer):
    """The answer to ``RELOAD``."""

    reload_repository_location: Reload
