"""Generations: every index that was built, as (table, version), with its models and check results."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from embeddings_orch.models.analysis import Analysis
from embeddings_orch.models.inputs import Inputs
from embeddings_orch.store.base import Database, TableOf, guard, in_list, text
from embeddings_orch.store.conflicts import retry_conflicts
from embeddings_orch.store.names import MAIN
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
        pa.field("deployments", pa.list_(pa.string()), nullable=False),
        pa.field("digest", pa.binary(32)),
        pa.field("made_from", pa.string()),
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
        full_text: the columns that keyword search reads.
        analysis: how the words of these are made, and those of a query.
        search: parameters of approximate search that reach the wanted recall, empty for exact search.
        checks: results, empty until the checks have run.
        deployments: who built or adopted it; the table says so, and keeping a generation changes none but its own.
        digest: the sum of the digests of its rows, 32 bytes; None where it is not known.
        made_from: JSON of what it was made from; None where it is not known.
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
    analysis: Analysis = field(default_factory=Analysis)
    search: dict[str, int] = field(default_factory=dict)
    checks: tuple[CheckResult, ...] = ()
    created_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    deployments: frozenset[str] = field(default=frozenset(), compare=False)
    digest: bytes | None = None
    made_from: str | None = None

    @property
    def passed(self) -> bool:
        """Whether the checks have run and all blocking ones passed."""
        return bool(self.checks) and all(check.passed for check in self.checks if check.blocking)


_CONVERTED = ("settings", "checks", "deployments")
_NOBODYS = "array_length(deployments) = 0"


class GenerationsTable(TableOf):
    """All generations of the store, each of one or more deployments; rows are small, and every search reads one."""

    remembered = True

    def __init__(self, database: Database, deployment: str = MAIN) -> None:
        super().__init__(database, "index_generations")
        self.deployment = deployment

    def of(self, pipeline: str, index: str) -> list[Generation]:
        """The deployment's generations of one index, oldest first."""
        rows = self.rows(f"pipeline = {text(pipeline)} AND `index` = {text(index)} AND {self._own}")
        return sorted((_generation(row) for row in rows), key=lambda g: (g.created_at, g.version))

    def of_pipeline(self, pipeline: str) -> list[Generation]:
        """The deployment's generations of all indexes of a pipeline, oldest first."""
        rows = self.rows(f"pipeline = {text(pipeline)} AND {self._own}")
        return sorted((_generation(row) for row in rows), key=lambda g: (g.created_at, g.version))

    def all(self) -> list[Generation]:
        """The generations of all pipelines and all deployments of the store, oldest first."""
        return sorted((_generation(row) for row in self.rows()), key=lambda g: (g.created_at, g.version))

    @guard
    def remove(self, ids: Iterable[str]) -> None:
        """Forget generations: the deployment's name is taken off, then those go that no deployment has; tables stay."""
        table = self.at()
        if table is None or not (ids := list(ids)):
            return
        these = in_list("id", ids)
        # Both are asked at the commit: another deployment may adopt one in between, and then it stays.
        taken_off = {"deployments": f"array_remove_all(deployments, {text(self.deployment)})"}
        retry_conflicts(lambda: self._opened().update(where=f"{these} AND {self._own}", values_sql=taken_off))
        retry_conflicts(lambda: self._opened().delete(f"{these} AND {_NOBODYS}"))

    @guard
    def adopt(self, generation: str) -> bool:
        """Make a generation that is there one of the deployment's; False where it is not there any more."""
        found = self.get(generation)
        if found is None or self.deployment in found.deployments:
            return found is not None
        where = f"id = {text(generation)} AND NOT {self._own}"
        added = {"deployments": f"array_append(deployments, {text(self.deployment)})"}
        retry_conflicts(lambda: self._opened().update(where=where, values_sql=added))
        tidy(self)
        found = self.get(generation)
        return found is not None and self.deployment in found.deployments

    def get(self, generation: str) -> Generation | None:
        """One generation by id, of whichever deployment."""
        rows = self.rows(f"id = {text(generation)}")
        return _generation(rows[0]) if rows else None

    @guard
    def put(self, generation: Generation) -> None:
        """Keep a generation as one of the deployment's, or replace what is stored under its id.

        Other deployments that it belongs to by then, it belongs to still.
        """
        settings: dict[str, Any] = {
            "models": [_model_to_data(model) for model in generation.models],
            "metric": generation.metric,
            "full_text": list(generation.full_text),
            "search": generation.search,
        }
        if analysis := generation.analysis.to_data():
            settings["analysis"] = analysis
        row = {
            **{name: getattr(generation, name) for name in _SCHEMA.names if name not in _CONVERTED},
            "settings": json.dumps(settings),
            "checks": json.dumps([check.__dict__ for check in generation.checks]),
            "deployments": [self.deployment],
        }
        table = self.database.create(self.name, _SCHEMA, primary_key="id")
        rows = pa.Table.from_pylist([row], schema=_SCHEMA)
        if not table.merge_insert("id").when_not_matched_insert_all().execute(rows).num_inserted_rows:
            values = {name: value for name, value in row.items() if name not in ("id", "deployments")}
            retry_conflicts(lambda: self._opened().update(where=f"id = {text(generation.id)}", values=values))
            if not self.adopt(generation.id):  # gc of another deployment removed it meanwhile
                table.checkout_latest()
                table.merge_insert("id").when_not_matched_insert_all().execute(rows)
        tidy(self)

    @property
    def _own(self) -> str:
        """The rows of the deployment, in SQL."""
        return f"array_has(deployments, {text(self.deployment)})"

    def _opened(self) -> Any:
        return self.database.create(self.name, _SCHEMA, primary_key="id")


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
    analysis = Analysis.from_data(settings.pop("analysis", {}))
    row["deployments"] = frozenset(row["deployments"])
    return Generation(**row, **settings, models=models, full_text=full_text, analysis=analysis, checks=checks)
