"""The small tables of the older formats as those of format 3."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from embeddings_orch.models.keys import make_keys
from embeddings_orch.store.migrations.keys import READY, parse_keys
from embeddings_orch.store.migrations.layout import (
    DIGEST,
    FAILURES,
    GENERATIONS,
    MAIN,
    POINTERS,
    PUBLICATIONS,
    STATES,
)


def convert_failures(old: pa.Table, modalities: Mapping[str, Mapping[str, pa.Array]]) -> pa.Table:
    """Failures, one for each modality of its content.

    Args:
        old: the table.
        modalities: by fingerprint the hashes of each modality's contents.
    """
    hashes, ready = parse_keys(old["key"])
    whole = pc.and_(hashes.is_valid(), pc.invert(ready))
    parts = [FAILURES.empty_table(), _failures(old, hashes, READY, pc.and_(hashes.is_valid(), ready))]
    for fingerprint, by_modality in modalities.items():
        of_model = pc.and_(whole, pc.equal(old["fingerprint"], fingerprint).combine_chunks())
        for modality, members in sorted(by_modality.items()):
            parts.append(_failures(old, hashes, modality, pc.and_(of_model, pc.is_in(hashes, members))))
    return pa.concat_tables(parts).combine_chunks()


def convert_states(
    old: pa.Table, versions: Mapping[tuple[str, int], int], digest: Callable[[Mapping[str, Any]], bytes]
) -> pa.Table:
    """States of embeddings; what they had no column for is null.

    Args:
        old: the table.
        versions: the new number of a pipeline's catalog's old version; one that is gone is 0, which is none.
        digest: of the keys that a state covers, by its new row.
    """
    rows = []
    for row in old.to_pylist():
        pipeline = row["key"].partition("/")[0]
        version = versions.get((pipeline, row["catalog_version"]), 0)
        new = {**row, "key": f"{MAIN}/{row['key']}", "deployment": MAIN, "catalog_version": version}
        rows.append({**new, "digest": digest(new)})
    return pa.Table.from_pylist(rows, schema=STATES)


def convert_pointers(old: pa.Table) -> pa.Table:
    """Pointers; those of format 1 know no hold's version."""
    return _of_deployment(old, POINTERS)


def convert_publications(old: pa.Table) -> pa.Table:
    """The log of moves."""
    return _of_deployment(old, PUBLICATIONS)


def convert_generations(old: pa.Table) -> pa.Table:
    """Generations; what their rows are the digest of, and what they were made from, is not known."""
    deployments = pa.array([[MAIN]] * old.num_rows, GENERATIONS.field("deployments").type)
    return _with_columns(old, GENERATIONS, {"deployments": deployments})


def _of_deployment(old: pa.Table, schema: pa.Schema) -> pa.Table:
    keys = pc.binary_join_element_wise(MAIN, old["key"], "/")
    return _with_columns(old, schema, {"key": keys, "deployment": pa.repeat(MAIN, old.num_rows)})


def _with_columns(old: pa.Table, schema: pa.Schema, columns: Mapping[str, pa.Array | pa.ChunkedArray]) -> pa.Table:
    """A table with some columns; others as they were, null where they were not."""

    def column(field: pa.Field) -> pa.Array | pa.ChunkedArray:
        if field.name in columns:
            return columns[field.name]
        return old[field.name] if field.name in old.column_names else pa.nulls(old.num_rows, field.type)

    return pa.table({field.name: column(field).cast(field.type) for field in schema}, schema=schema)


def _failures(old: pa.Table, hashes: pa.Array, modality: str, which: pa.Array) -> pa.Table:
    keys = make_keys(modality, hashes.filter(which)).cast(DIGEST)
    return _with_columns(old.filter(which), FAILURES, {"key": keys})
