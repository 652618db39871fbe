"""Where items are: what their rows say of their files, remembered for the thumbnails of a page of hits."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from cachetools import LRUCache

from embeddings_orch.media.roots import absolute_uri
from embeddings_orch.search.results import Hit
from embeddings_orch.server.gate.problems import HttpProblem
from embeddings_orch.server.shared.columns import columns_of
from embeddings_orch.server.shared.served import ServedIndex
from embeddings_orch.store.tables.generations import Generation

_KEPT = 20_000

Key: TypeAlias = tuple[str, str, str, str]
"""A generation's identity, and an item's id."""

_COLUMNS = ("id", "uri", "content_hash", "modality", "size")


@dataclass(frozen=True)
class ItemFile:
    """An item's file, as it was indexed."""

    uri: str
    content_hash: str
    modality: str
    size: int | None


class ItemFiles:
    """The places of items by generation and id, for any number of threads; a generation never changes."""

    def __init__(self) -> None:
        self._kept: LRUCache[Key, ItemFile] = LRUCache(_KEPT)
        self._lock = threading.Lock()

    def place(self, served_index: ServedIndex, generation: Generation, item: str) -> ItemFile:
        """The place of an item.

        Raises:
            HttpProblem: 404, there is no such item.
        """
        with self._lock:
            place = self._kept.get((*served_index.identity(generation), item))
        if place is None:
            row = read_row(served_index, generation, item, _COLUMNS)
            place = _place(row)
            self._keep([((*served_index.identity(generation), item), place)])
        return place

    def remember(self, served_index: ServedIndex, generation: Generation, hits: Iterable[Hit]) -> None:
        """Keep the places of hits."""
        identity = served_index.identity(generation)
        self._keep(
            ((*identity, hit.id), _place({**hit.metadata, "uri": hit.uri}))
            for hit in hits
            if "content_hash" in hit.metadata
        )

    def _keep(self, places: Iterable[tuple[Key, ItemFile]]) -> None:
        with self._lock:
            self._kept.update(places)


def is_gone(served_index: ServedIndex, generation: Generation) -> bool:
    """Whether a generation's rows are no longer in the store."""
    return served_index.index.store.index(generation.table).at(generation.version) is None


def gone_problem(served_index: ServedIndex, generation: Generation) -> HttpProblem:
    """The answer for a generation whose rows are no longer in the store."""
    return HttpProblem(
        404, f"generation {generation.id} of index {served_index.key} is gone from the store", param="generation"
    )


def read_row(
    served_index: ServedIndex, generation: Generation, item: str, columns: Iterable[str] | None = None
) -> dict[str, Any]:
    """Columns of an item's row, or all but the vectors.

    Raises:
        HttpProblem: 404, there is no such item, or the generation's table is gone.
    """
    if is_gone(served_index, generation):
        raise gone_problem(served_index, generation)
    reader = served_index.index.store.index(generation.table).reader(generation.version)
    names = list(columns or columns_of(reader.schema, generation))
    row = reader.row(item, names) if _sayable(item) else None
    if row is None:
        raise HttpProblem(
            404, f"index {served_index.key} has no item {item!r} in generation {generation.id}", param="id"
        )
    if "uri" in row:
        row["uri"] = absolute_uri(served_index.index.root(generation), row["uri"])
    return row


def _sayable(item: str) -> bool:
    """Whether SQL can say it: it has no half of a surrogate pair."""
    return not any("\ud800" <= character <= "\udfff" for character in item)


def _place(row: Mapping[str, Any]) -> ItemFile:
    return ItemFile(row["uri"], row["content_hash"], row["modality"], row.get("size"))
