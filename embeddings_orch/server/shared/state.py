"""What the routes of one application share."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from fastapi import Request

from embeddings_orch.server.gate.keys import Keys
from embeddings_orch.server.gate.metrics import Metrics
from embeddings_orch.server.settings import ServeSettings
from embeddings_orch.server.shared.caches import ByteCache, FreshCache
from embeddings_orch.server.shared.listing import IndexListing
from embeddings_orch.server.shared.rows import ItemFiles
from embeddings_orch.server.shared.served import Served
from embeddings_orch.server.shared.stores import StoreHealth
from embeddings_orch.server.shared.threads import Lanes

_FACETS = 8 * 2**20
_MAPS = 64 * 2**20
"""A map of 100,000 points has 3 MiB."""

_MOMENT = 5.0
"""Seconds for which what an index lacks counts as present: of a million items it takes one or two to tell."""


@dataclass
class State:
    """What the routes of one application share; ``state(request)`` gives it.

    Attributes:
        keys: None where no key is needed.
        health: of the stores.
        facets: JSON by generation.
        maps: JSON by generation and column.
        thumbnails: pictures by content hash and size.
        left_out: what an index lacks, as it was a moment ago, by the index.
        rows: where items are.
        loading: what became of the models that are loaded at the start, by index.
    """

    served: Served
    settings: ServeSettings
    metrics: Metrics
    keys: Keys | None
    lanes: Lanes
    listing: IndexListing
    thumbnails: ByteCache
    health: StoreHealth
    facets: ByteCache = field(default_factory=lambda: ByteCache(_FACETS))
    maps: ByteCache = field(default_factory=lambda: ByteCache(_MAPS))
    left_out: FreshCache[str, dict[str, Any]] = field(default_factory=lambda: FreshCache(16, _MOMENT, time.monotonic))
    rows: ItemFiles = field(default_factory=ItemFiles)
    loading: dict[str, str] = field(default_factory=dict)


def state(request: Request) -> State:
    """The state of a request's application."""
    app_state: State = request.app.state.own
    return app_state
