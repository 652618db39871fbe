"""The plan: what a run would do, item by item, and what it would cost; nothing is written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pyarrow.compute as pc

from embeddings_orch.media.base import Problem
from embeddings_orch.media.passed_over import PassedOver
from embeddings_orch.pipeline.catalog.scan import ScanReport, scan_media
from embeddings_orch.pipeline.context import Pipeline
from embeddings_orch.pipeline.embeddings.delta import EmbeddingDelta, embedding_delta, unchanged_delta
from embeddings_orch.pipeline.embeddings.lacking import ItemCoverage
from embeddings_orch.pipeline.events import EventListener
from embeddings_orch.pipeline.indexes import versions
from embeddings_orch.pipeline.indexes.delta import IndexDelta, index_delta
from embeddings_orch.pipeline.indexes.versions import find_unchanged
from embeddings_orch.pipeline.published.publish import is_held
from embeddings_orch.spec.keys import AssetKey

_CHARACTERS_PER_TOKEN = 4


@dataclass(frozen=True)
class Estimate:
    """What embedding would take; tokens by 4 characters each, seconds by the rate of the last run (None: unknown)."""

    contents: int = 0
    tokens: int = 0
    cost_usd: float = 0.0
    seconds: float | None = None


@dataclass(frozen=True)
class AssetPlan:
    """What a run would do to one asset.

    Attributes:
        failed: files and rows left out of the media; contents that a run skips, as they failed before; items that
            an index will have without a vector of an embedding, though they have something to embed for it.
        unit: what the numbers count: ``items``, the ``contents`` that items can share, or ``generations``.
    """

    asset: AssetKey
    new: int
    changed: int
    unchanged: int
    deleted: int
    failed: int
    fingerprint: str
    reason: str
    estimate: Estimate = field(default_factory=Estimate)
    unit: str = "items"

    @property
    def changes(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.new or self.changed or self.deleted)


@dataclass(frozen=True)
class Plan:
    """What a run of a pipeline would do."""

    pipeline: str
    assets: list[AssetPlan]
    problems: list[Problem] = field(default_factory=list)
    passed_over: tuple[PassedOver, ...] = ()
    warnings: list[str] = field(default_factory=list)

    @property
    def changes(self) -> bool:
        """Whether a run would change anything."""
        return any(asset.changes for asset in self.assets)

    def to_json(self) -> dict[str, Any]:
        """The object that ``plan --json`` prints."""
        return {
            "pipeline": self.pipeline,
            "changes": self.changes,
            "assets": [asdict(asset) for asset in self.assets],
            "passed_over": sum(kind.count for kind in self.passed_over),
            "passed_over_kinds": [kind.to_data() for kind in self.passed_over],
        }


def make_plan(pipeline: Pipeline, *, retry_failed: bool = False, listener: EventListener | None = None) -> Plan:
    """Compare the media, the declaration and the store.

    Raises:
        SourceError: the media cannot be read.
        EmbeddingsOrchError: the store or a model's identity cannot be read.
    """
    scan = scan_media(pipeline, write=False, listener=listener)
    assets = list(_assets(pipeline, scan, retry_failed))
    warnings = [*([scan.warning] if scan.warning else []), *_over_budget(pipeline, assets)]
    return Plan(pipeline.spec.name, assets, scan.problems, scan.passed_over, warnings)


def _over_budget(pipeline: Pipeline, assets: list[AssetPlan]) -> Iterator[str]:
    estimates = {asset.asset: asset.estimate for asset in assets}
    for name, spec in pipeline.spec.embeddings.items():
        most, cost = spec.config.max_cost_usd, estimates[pipeline.embedding_key(name)].cost_usd
        if most is not None and cost > most:
            yield (
                f"{pipeline.embedding_key(name)} is estimated at ${cost:,.4f}, more than its max_cost_usd, "
                f"${most:,.4f}: the run will stop before it is passed, and keep what it bought"
            )


def _assets(pipeline: Pipeline, scan: ScanReport, retry_failed: bool) -> Iterator[AssetPlan]:
    spec = pipeline.spec
    written = pipeline.store.catalog(spec.name).version() is not None
    yield AssetPlan(
        pipeline.media_key,
        scan.new,
        scan.changed,
        scan.unchanged,
        scan.deleted,
        len(scan.left_out),
        spec.media_version(),
        "never materialized" if not written else "media differ" if scan.writes else "up to date",
    )
    catalog = pipeline.absolute(scan.table)
    deltas = {
        name: unchanged_delta(pipeline, name, scan.version)
        or embedding_delta(pipeline, name, catalog, retry_failed=retry_failed)
        for name in spec.embeddings
    }
    for name, delta in deltas.items():
        yield AssetPlan(
            pipeline.embedding_key(name),
            delta.new,
            delta.changed,
            delta.unchanged,
            delta.deleted,
            delta.failed,
            delta.fingerprint,
            delta.reason,
            estimate(pipeline, name, delta),
            unit="contents",
        )
    for name in spec.indexes:
        rows, failed = _index_delta(pipeline, name, scan, deltas)
        yield AssetPlan(
            pipeline.index_key(name),
            len(rows.new),
            len(rows.changed),
            rows.unchanged,
            len(rows.deleted),
            failed,
            spec.index_version(name),
            rows.reason,
        )
        yield _plan_published(pipeline, name, rows)


def _index_delta(
    pipeline: Pipeline, name: str, scan: ScanReport, deltas: Mapping[str, EmbeddingDelta]
) -> tuple[IndexDelta, int]:
    """What an index is to get, and how many of its rows will lack a vector though they have something to embed."""
    used = {vector: deltas[vector] for vector in pipeline.spec.indexes[name].vectors}
    if not any(delta.todo.num_rows for delta in used.values()):
        unchanged = find_unchanged(pipeline, name, scan.version)
        if unchanged is not None:
            made_from = versions.MadeFrom.of(unchanged)
            return versions.unchanged_delta(unchanged), made_from.without_vector if made_from else 0
    have = {vector: delta.will_have_vector() for vector, delta in used.items()}
    lacking = np.zeros(scan.table.num_rows, dtype=bool)
    for vector in (vector for vector, delta in used.items() if delta.failed):
        lacking |= ItemCoverage.of(scan.table, pipeline.spec.embeddings[vector].inputs, have[vector]).lacking
    return index_delta(pipeline, name, scan.table, have), int(lacking.sum())


def _plan_published(pipeline: Pipeline, name: str, rows: IndexDelta) -> AssetPlan:
    pointer = pipeline.store.published.get(pipeline.spec.name, name)
    generations = [g for g in pipeline.store.generations.of(pipeline.spec.name, name) if g.table == rows.table]
    newest = max(generations, key=lambda g: g.version, default=None)
    # A run that was killed between the rows and the record left a version that is no generation yet; and what another
    # deployment built is not this one's yet.
    moves = newest is None or rows.version != newest.version or pointer.generation != newest.id
    reason = "never published" if pointer.generation is None else "a new generation" if moves else "up to date"
    if pointer.generation is not None and is_held(pipeline, name, pointer):
        moves, reason = False, f"held at generation {pointer.generation}"
    first = pointer.generation is None
    return AssetPlan(
        pipeline.published_key(name),
        int(moves and first),
        int(moves and not first),
        int(not moves),
        0,
        0,
        pointer.generation or "",
        reason,
        unit="generations",
    )


def estimate(pipeline: Pipeline, name: str, delta: EmbeddingDelta) -> Estimate:
    """What embedding all that is to do would take."""
    config = pipeline.spec.embeddings[name].config
    items = delta.todo.num_rows
    texts = delta.todo.filter(pc.equal(delta.todo["modality"], "text"))["text"]
    characters = pc.sum(pc.utf8_length(texts)).as_py() or 0
    tokens = -(-characters // _CHARACTERS_PER_TOKEN)
    rate = delta.state.items_per_second if delta.state and delta.state.fingerprint == delta.fingerprint else None
    seconds = 0.0 if not items else (round(items / rate, 1) if rate else None)
    images = pc.sum(pc.equal(delta.todo["modality"], "image")).as_py() or 0
    return Estimate(items, tokens, round(config.prices.cost(tokens, images), 6), seconds)
