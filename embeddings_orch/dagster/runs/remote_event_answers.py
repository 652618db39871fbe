"""The shapes of a run's events, as the GraphQL document ``EVENTS`` of `remote_queries` asks for them."""

from __future__ import annotations

import json
from typing import Annotated, TypeAlias

from pydantic import Discriminator, Field, JsonValue, Tag

from embeddings_orch.dagster.runs.remote_answers import GraphQLAnswer, GraphQLAssetKey, GraphQLError
from embeddings_orch.pipeline.events import Severity


class RunState(GraphQLAnswer):
    """How far a run is; times are seconds since 1970."""

    status: str
    start_time: float | None
    end_time: float | None


class Table(GraphQLAnswer):
    """A table in metadata: one JSON object a record."""

    records: tuple[str, ...]


class MetadataEntry(GraphQLAnswer):
    """One value of a materialization's metadata; those of further kinds are left out."""

    label: str
    int_repr: int | None = None
    float_value: float | None = None
    text: str | None = None
    bool_value: bool | None = None
    table: Table | None = None

    @property
    def value(self) -> JsonValue:
        """The plain value."""
        if self.table is not None:
            return [json.loads(record) for record in self.table.records]
        values = (self.int_repr, self.float_value, self.text, self.bool_value)
        return next((value for value in values if value is not None), None)


class GraphQLCheck(GraphQLAnswer):
    """What an asset check found."""

    asset_key: GraphQLAssetKey
    check_name: str
    success: bool
    severity: Severity
    description: str | None


class FailureMetadata(GraphQLAnswer):
    """What a step said of its failure itself."""

    description: str | None


class Event(GraphQLAnswer):
    """An event of a run, whatever it tells."""

    typename: str = Field(alias="__typename")
    message: str
    step_key: str | None

    @property
    def step(self) -> str:
        """The key of the step, empty where it is of the whole run."""
        return self.step_key or ""


class MaterializationEvent(Event):
    """An asset was materialized."""

    asset_key: GraphQLAssetKey
    metadata_entries: tuple[MetadataEntry, ...]


class CheckEvent(Event):
    """An asset was checked."""

    evaluation: GraphQLCheck


class StepFailureEvent(Event):
    """A step failed."""

    error: GraphQLError | None
    failure_metadata: FailureMetadata | None


class RunFailureEvent(Event):
    """The run failed, in a step or outside of all."""

    error: GraphQLError | None


_READ = {"MaterializationEvent", "AssetCheckEvaluationEvent", "ExecutionStepFailureEvent", "RunFailureEvent"}


def _kind(event: object) -> str:
    name = event.get("__typename") if isinstance(event, dict) else None
    return name if isinstance(name, str) and name in _READ else "other"


AnyEvent: TypeAlias = Annotated[
    Annotated[MaterializationEvent, Tag("MaterializationEvent")]
    | Annotated[CheckEvent, Tag("AssetCheckEvaluationEvent")]
    | Annotated[StepFailureEvent, Tag("ExecutionStepFailureEvent")]
    | Annotated[RunFailureEvent, Tag("RunFailureEvent")]
    | Annotated[Event, Tag("other")],
    Discriminator(_kind),
]


class EventPage(GraphQLAnswer):
    """Some events of a run, and where the next ones begin."""

    cursor: str
    has_more: bool
    events: tuple[AnyEvent, ...]


class EventsAnswer(GraphQLAnswer):
    """The answer to ``EVENTS``."""

    run_or_error: RunState | GraphQLError
    logs_for_run: EventPage | GraphQLError
