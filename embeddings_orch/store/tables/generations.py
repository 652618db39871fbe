"""Generations: every index that was built, as (table, version), with its models and check results."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from embeddings_orch.models.inputs import Inputs
from embeddings_orch.store.base import Database, TableOf, guard, in_list, text
from embeddings_orch.store.tables.inputs import inputs_to_data, read_inputs
from embeddings_orch.store.tidy import tidy

_SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("pipeline", pa.string(), nullable=False),
        pa.field("index", pa.string(), nullable=False),
        pa.field("table", pa.string(), nullable=False),
        pa.field("version", pa.int64(), nullable=False),
        pa.field("rows", pa.int64(), nullable=False),
        pa.field("created_at", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("settings", pa.string(), nullable=False),
        pa.field("checks", pa.string(), nullable=False),
    ]
)


@dataclass(frozen=True)
class IndexedModel:
    """A vector column of a generation and all that embeds a query for it.

    Attributes:
        inputs: what it was given.
        settings: the embedder's config as plain values, without secrets.
    """

    column: str
    provider: str
    fingerprint: str
    inputs: Inputs
    dimensions: int
    settings: dict[str, Any]


@dataclass(frozen=True)
class CheckResult:
    """One check's result, as stored with a generation."""

    name: str
    passed: bool
    blocking: bool = True
    metadata: dict[str, Any] = field(default_factory=dict)
    description: str = ""


@dataclass(frozen=True)
class Generation:
    """One built index: a table at a version.

    Attributes:
        models: the vector columns.
        metric: cosine, l2 or dot.
        search: parameters of approximate search that reach the wanted recall, empty for exact search.
        checks: results, empty until the checks have run.
    """

    id: str
    pipeline: str
    index: str
    table: str
    version: int
    rows: int
    models: tuple[IndexedModel, ...]
    metric: str
    full_text: tuple[str, ...] = ()
    search: dict[str, int] = field(default_factory=dict)
    checks: tuple[CheckResult, ...] = ()
    created_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def passed(self) -> bool:
        """Whether the checks have run and all blocking ones passed."""
        return bool(self.checks) and all(check.passed for check in self.checks if check.blocking)


class GenerationsTable(TableOf):
    """All generations of the store; rows are small, and every search reads one."""

    remembered = True

    def __init__(self, database: Database) -> None:
        super().__init__(database, "generations")

    def of(self, pipeline: str, index: str) -> list[Generation]:
        """The generations of one index, oldest first."""
        rows = self.rows(f"pipeline = {text(pipeline)} AND `index` = {text(index)}")
        return sorted((_generation(row) for row in rows), key=lambda g: (g.created_at, g.version))

    def of_pipeline(self, pipeline: str) -> list[Generation]:
        """The generations of all indexes of a pipeline, oldest first."""
        rows = self.rows(f"pipeline = {text(pipeline)}")
        return sorted((_generation(row) for row in rows), key=lambda g: (g.created_at, g.version))

    def all(self) -> list[Generation]:
        """The generations of all pipelines of the store, oldest first."""
        return sorted((_generation(row) for row in self.rows()), key=lambda g: (g.created_at, g.version))

    def remove(self, ids: Iterable[str]) -> None:
        """Forget generations; their tables stay."""
        if ids := list(ids):
            self.delete_rows(in_list("id", ids))

    def get(self, generation: str) -> Generation | None:
        """One generation by id."""
        rows = self.rows(f"id = {text(generation)}")
        return _generation(rows[0]) if rows else None

    @guard
    def put(self, generation: Generation) -> None:
        """Keep a generation, or replace what is stored under its id."""
        settings = {
            "models": [_model_to_data(model) for model in generation.models],
            "metric": generation.metric,
            "full_text": list(generation.full_text),
            "search": generation.search,
        }
        row = {
            **{name: getattr(generation, name) for name in _SCHEMA.names if name not in ("settings", "checks")},
            "settings": json.dumps(settings),
            "checks": json.dumps([check.__dict__ for check in generation.checks]),
        }
        table = self.database.create(self.name, _SCHEMA, primary_key="id")
        rows = pa.Table.from_pylist([row], schema=_SCHEMA)
        table.merge_insert("id").when_matched_update_all().when_not_matched_insert_all().execute(rows)
        tidy(self)


def _model_to_data(model: IndexedModel) -> dict[str, Any]:
    values = {name: value for name, value in model.__dict__.items() if name != "inputs"}
    return {**values, "input": inputs_to_data(model.inputs)}


def _model(data: dict[str, Any]) -> IndexedModel:
    return IndexedModel(inputs=read_inputs(data.pop("input")), **data)


def _generation(row: dict[str, Any]) -> Generation:
    settings = json.loads(row.pop("settings"))
    models = tuple(_model(data) for data in settings.pop("models"))
    checks = tuple(CheckResult(**check) for check in json.loads(row.pop("checks")))
    full_text = tuple(settings.pop("full_text"))
    return Generation(**row, **settings, models=models, full_text=full_text, checks=checks)
