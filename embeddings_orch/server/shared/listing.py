"""What there is to search: indexes, their generations and models."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import Any

from cachetools import TTLCache

from embeddings_orch.errors import EmbeddingsOrchError
from embeddings_orch.models.analysis import options_of
from embeddings_orch.pipeline.catalog.notes import read_notes
from embeddings_orch.pipeline.context import Pipeline
from embeddings_orch.pipeline.indexes.versions import MadeFrom
from embeddings_orch.policy.secrets import redact
from embeddings_orch.server.gate.observed import record
from embeddings_orch.server.shared.caches import FreshCache
from embeddings_orch.server.shared.columns import columns_of
from embeddings_orch.server.shared.served import FRESH, Served, ServedIndex
from embeddings_orch.store.tables.generations import Generation, IndexedModel

_AGAIN = 10.0
"""Seconds after which a model that could not be asked what it reads is asked again."""


class IndexListing:
    """The list of indexes, read anew at most every `FRESH` seconds; for any number of threads."""

    def __init__(self, served: Served, clock: Callable[[], float] = time.monotonic) -> None:
        self._served = served
        self._entries: FreshCache[None, list[dict[str, Any]]] = FreshCache(1, FRESH, clock)
        self._columns: dict[str, tuple[tuple[str, str, str], list[dict[str, str]]]] = {}  # by index, of one generation
        self._modalities: dict[str, list[str]] = {}
        self._failed: TTLCache[str, str] = TTLCache(math.inf, _AGAIN, timer=clock)

    def indexes(self) -> list[dict[str, Any]]:
        """Each index as ``GET /v1/indexes`` has it; one whose store cannot be read has an error instead."""
        return self._entries.get_or_read(
            None, lambda: [self._index(served_index) for served_index in self._served.indexes]
        )

    def _index(self, served_index: ServedIndex) -> dict[str, Any]:
        spec = served_index.spec.indexes[served_index.index.name]
        entry: dict[str, Any] = {
            "pipeline": served_index.index.pipeline,
            "index": served_index.index.name,
            "published": None,
            "held": False,
            "rows": 0,
            "metric": spec.metric,
            "full_text": list(spec.text_columns),
            "full_text_options": options_of(spec.text_columns, spec.analysis),
            "models": [],
            "columns": [],
            "generations": [],
            "left_out": 0,
            "passed_over": 0,
            "error": None,
        }
        try:
            self._fill(entry, served_index)
        except Exception as error:
            entry["error"] = _explain(f"listing {served_index.key}", error)
        return entry

    def _fill(self, entry: dict[str, Any], served_index: ServedIndex) -> None:
        store = served_index.index.store
        if not store.exists:
            return
        pointer = served_index.pointer()
        notes = read_notes(Pipeline(served_index.spec, store))
        entry.update(left_out=notes.left_out, passed_over=sum(kind.count for kind in notes.passed_over))
        there: dict[str, set[int]] = {}
        for generation in reversed(store.generations.of(served_index.index.pipeline, served_index.index.name)):
            if generation.table not in there:
                there[generation.table] = {version.number for version in store.index(generation.table).history()}
            if generation.version not in there[generation.table]:
                continue
            made_from = MadeFrom.of(generation)
            counted = made_from.embeddings if made_from else {}
            models = [
                {**self._model(served_index, model), **_items_of(counted.get(model.column))}
                for model in generation.models
            ]
            published = generation.id == pointer.generation
            entry["generations"].append(
                {
                    "id": generation.id,
                    "created_at": generation.created_at.isoformat(),
                    "rows": generation.rows,
                    "passed": generation.passed,
                    "published": published,
                    "models": models,
                    "maps": maps_of(served_index, generation),
                }
            )
            if published:
                entry.update(
                    published=generation.id,
                    held=pointer.held,
                    rows=generation.rows,
                    metric=generation.metric,
                    full_text=list(generation.full_text),
                    full_text_options=options_of(generation.full_text, generation.analysis),
                    models=models,
                    columns=self._columns_of(served_index, generation),
                )
        if pointer.generation is not None and entry["published"] is None:
            entry["error"] = f"the published generation {pointer.generation} is gone from the store"

    def _columns_of(self, served_index: ServedIndex, generation: Generation) -> list[dict[str, str]]:
        identity = served_index.identity(generation)
        entry = self._columns.get(served_index.key)
        if entry is None or entry[0] != identity:
            schema = served_index.index.store.index(generation.table).schema(generation.version)
            kinds = columns_of(schema, generation)
            entry = identity, [{"name": name, "type": kind} for name, kind in kinds.items()]
            self._columns[served_index.key] = entry
        return entry[1]

    def _model(self, served_index: ServedIndex, model: IndexedModel) -> dict[str, Any]:
        reads, error = self._reads(served_index, model)
        return {
            "column": model.column,
            "provider": model.provider,
            "name": str(model.settings.get("name") or model.provider),
            "input": str(model.inputs),
            "dimensions": model.dimensions,
            "fingerprint": model.fingerprint[:12],
            "modalities": reads,
            "error": error,
        }

    def _reads(self, served_index: ServedIndex, model: IndexedModel) -> tuple[list[str] | None, str | None]:
        """What a model reads; None, and why, where it cannot be had on this machine."""
        key = model.fingerprint
        if key in self._modalities:
            return self._modalities[key], None
        if (failed := self._failed.get(key)) is not None:
            return None, failed
        try:
            self._modalities[key] = sorted(served_index.index.model(model).modalities, reverse=True)
        except Exception as error:
            failed = self._failed[key] = _explain(
                f"asking the model {model.column} of {served_index.key} what it reads", error
            )
            return None, failed
        return self._modalities[key], None


def _items_of(counted: Mapping[str, int] | None) -> dict[str, int | None]:
    """How many of a generation's items have no vector of a model, None where it does not say."""
    told = counted or {}
    return {
        "items_without_vector": told.get("without_vector"),
        "items_with_nothing_to_embed": told.get("nothing_to_embed"),
    }


def _explain(what: str, error: Exception) -> str:
    """What clients are told of an error: all of one of ours, of a plugin's own the type alone."""
    if isinstance(error, EmbeddingsOrchError):
        return redact(str(error))
    record(what, error)
    return f"{type(error).__name__}; the server's log has the details"


def maps_of(served_index: ServedIndex, generation: Generation) -> list[str]:
    """The vector columns that a generation has a map of: all, as one that is not stored is made when asked for."""
    method = served_index.spec.indexes[served_index.index.name].map
    return [] if method == "none" else [model.column for model in generation.models]
