"""Facets: what the columns of a generation hold, from which a page makes filters."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from embeddings_orch.server.gate.answers import to_json
from embeddings_orch.server.shared.columns import ColumnKind, columns_of
from embeddings_orch.server.shared.served import ServedIndex
from embeddings_orch.store.tables.generations import Generation

_MOST = 50
_LONGEST = 200
_ALL_DISTINCT = ("id", "uri", "content_hash")


def facets_json(served_index: ServedIndex, generation: Generation) -> bytes:
    """The answer of ``GET .../facets`` for a generation, which never changes."""
    table = served_index.index.store.index(generation.table)
    kinds = columns_of(table.schema(generation.version), generation)
    facets = {name: _Facet(name, kind) for name, kind in kinds.items()}
    read = [name for name, kind in kinds.items() if name not in _ALL_DISTINCT and kind not in ("list", "other")]
    others = [name for name, kind in kinds.items() if kind in ("list", "other")]
    for batch in table.scan(generation.version, read + others) if read + others else ():
        for name in read + others:
            facets[name].add(batch.column(name))
    return to_json({"generation": generation.id, "columns": [facet.answer() for facet in facets.values()]})


class _Facet:
    """What is seen of one column so far."""

    def __init__(self, name: str, kind: ColumnKind) -> None:
        self._name, self._kind = name, kind
        self._counts: Counter[Any] | None = Counter() if kind in ("string", "boolean") else None
        if name in _ALL_DISTINCT:
            self._counts = None
        self._least: Any = None
        self._greatest: Any = None
        self._nulls = 0

    def add(self, values: pa.Array) -> None:
        self._nulls += values.null_count
        if self._counts is not None:
            self._count(values)
        if self._kind in ("number", "time") and values.null_count < len(values):
            limits = pc.min_max(values).as_py()
            # A column of NaN alone has neither.
            if limits["min"] is not None and limits["min"] == limits["min"]:
                self._least = limits["min"] if self._least is None else min(self._least, limits["min"])
                self._greatest = limits["max"] if self._greatest is None else max(self._greatest, limits["max"])

    def _count(self, values: pa.Array) -> None:
        assert self._counts is not None
        for entry in pc.value_counts(values).to_pylist():
            if entry["values"] is not None:
                self._counts[entry["values"]] += entry["counts"]
        if len(self._counts) > _MOST or any(len(str(value)) > _LONGEST for value in self._counts):
            self._counts = None

    def answer(self) -> dict[str, Any]:
        values = None
        if self._counts is not None:
            ordered = sorted(self._counts.items(), key=lambda counted: (-counted[1], str(counted[0])))
            values = [{"value": value, "count": count} for value, count in ordered]
        return {
            "name": self._name,
            "type": self._kind,
            "values": values,
            "min": self._least,
            "max": self._greatest,
            "nulls": self._nulls,
        }
