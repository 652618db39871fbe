"""The tables of format 3 and what each was in formats 1 and 2.

All of it is written down here once more: a migration makes what the format had when it came, whatever comes later.
"""

from __future__ import annotations

import re

import pyarrow as pa

FORMAT_3 = 3

MAIN = "main"
"""The deployment that everything of an older store belongs to."""

DIGEST = pa.binary(32)
_TIME = pa.timestamp("us", tz="UTC")

FAILURES = pa.schema(
    [
        pa.field("fingerprint", pa.string(), nullable=False),
        pa.field("key", DIGEST, nullable=False),
        pa.field("uri", pa.string()),
        pa.field("reason", pa.string()),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("at", _TIME),
    ]
)
TOMBSTONES = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("version", pa.int64(), nullable=False),
    ]
)
STATES = pa.schema(
    [
        pa.field("key", pa.string(), nullable=False),
        pa.field("deployment", pa.string(), nullable=False),
        pa.field("fingerprint", pa.string(), nullable=False),
        pa.field("input", pa.string(), nullable=False),
        pa.field("settings", pa.string(), nullable=False),
        pa.field("catalog_version", pa.int64(), nullable=False),
        pa.field("digest", DIGEST, nullable=False),
        pa.field("items_per_second", pa.float64()),
        pa.field("vectors_version", pa.int64()),
        pa.field("contents", pa.int64()),
        pa.field("covered", pa.int64()),
        pa.field("failed", pa.int64()),
    ]
)
POINTERS = pa.schema(
    [
        pa.field("key", pa.string(), nullable=False),
        pa.field("deployment", pa.string(), nullable=False),
        pa.field("generation", pa.string(), nullable=False),
        pa.field("held", pa.bool_(), nullable=False),
        pa.field("updated_at", _TIME, nullable=False),
        pa.field("hold_version", pa.string()),
    ]
)
PUBLICATIONS = pa.schema(
    [
        pa.field("key", pa.string(), nullable=False),
        pa.field("deployment", pa.string(), nullable=False),
        pa.field("generation", pa.string(), nullable=False),
        pa.field("previous", pa.string()),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("at", _TIME, nullable=False),
    ]
)
GENERATIONS = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("pipeline", pa.string(), nullable=False),
        pa.field("index", pa.string(), nullable=False),
        pa.field("table", pa.string(), nullable=False),
        pa.field("version", pa.int64(), nullable=False),
        pa.field("rows", pa.int64(), nullable=False),
        pa.field("created_at", _TIME, nullable=False),
        pa.field("settings", pa.string(), nullable=False),
        pa.field("checks", pa.string(), nullable=False),
        pa.field("deployments", pa.list_(pa.string()), nullable=False),
        pa.field("digest", DIGEST),
        pa.field("made_from", pa.string()),
    ]
)

PRIMARY_KEYS = {"states": "key", "pointers": "key", "index_generations": "id"}
"""Of the new tables that are written by key; a catalog's is ``id``, and the others have none."""

SMALL = {
    "failures": "embedding_failures",
    "embedding_states": "states",
    "published": "pointers",
    "publications": "publication_log",
    "generations": "index_generations",
}
_BEGINNINGS = {"catalog.": f"items.{MAIN}.", "vectors.": "embeddings."}

_OLD_COLUMNS = {
    "catalog": {"id", "content_hash", "modality"},
    "vectors": {"key", "vector"},
    "failures": {"fingerprint", "key", "uri", "reason", "kind", "at"},
    "embedding_states": {"key", "input", "catalog_version"},
    "published": {"key", "generation", "held", "updated_at"},
    "publications": {"key", "generation", "previous", "kind", "at"},
    "generations": {"pipeline", "table", "version", "settings"},
}
_NEW_COLUMNS = {
    "items": {"id", "uri", "content_hash", "modality", "_digest"},
    "tombstones": {*TOMBSTONES.names},
    "embeddings": {"key", "modality", "content_hash", "vector"},
    "states": {*STATES.names},
    "pointers": {*POINTERS.names},
    "publication_log": {*PUBLICATIONS.names},
    "embedding_failures": {*FAILURES.names},
    "index_generations": {*GENERATIONS.names},
}
_FINGERPRINT = re.compile(r"[0-9a-f]+")


def embeddings_schema(dimensions: int) -> pa.Schema:
    """The schema of a model's vectors."""
    return pa.schema(
        [
            pa.field("key", DIGEST, nullable=False),
            pa.field("modality", pa.string(), nullable=False),
            pa.field("content_hash", DIGEST, nullable=False),
            pa.field("part", pa.string()),
            pa.field("vector", pa.list_(pa.float32(), dimensions), nullable=False),
        ]
    )


def new_name(old: str) -> str | None:
    """What a table of the older formats is called in format 3; None where it is none, or stays as it is.

    Example:
        >>> new_name("catalog.photos"), new_name("published"), new_name("index.photos.found.1f0c")
        ('items.main.photos', 'pointers', None)
    """
    for before, after in _BEGINNINGS.items():
        if old.startswith(before):
            rest = old.removeprefix(before)
            is_ours = _FINGERPRINT.fullmatch(rest) if before == "vectors." else rest and "." not in rest
            return after + rest if is_ours else None
    return SMALL.get(old)


def old_name(new: str) -> str | None:
    """The table of the older formats that a table of format 3 is made of; None where there is none.

    Example:
        >>> old_name("items.main.photos"), old_name("tombstones.main.photos"), old_name("items.branch.photos")
        ('catalog.photos', 'catalog.photos', None)
    """
    tombstones = f"tombstones.{MAIN}."
    if new.startswith(tombstones):
        return old_name(new.replace(tombstones, _BEGINNINGS["catalog."], 1))
    for before, after in _BEGINNINGS.items():
        old = before + new.removeprefix(after)
        if new.startswith(after) and new_name(old) == new:
            return old
    return next((old for old, name in SMALL.items() if name == new), None)


def is_others(name: str, schema: pa.Schema) -> bool:
    """Whether a table that has a name of ours, of whatever format, is somebody else's, as its columns show."""
    kind = name.partition(".")[0]
    return not {**_OLD_COLUMNS, **_NEW_COLUMNS}.get(kind, set()) <= {*schema.names}
