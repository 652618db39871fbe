"""Copies what a store of an older format holds into the tables of format 3."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from itertools import chain
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from embeddings_orch.errors import StoreError
from embeddings_orch.models.keys import make_keys
from embeddings_orch.models.rows.sums import EMPTY, sum_digests
from embeddings_orch.store.base import is_missing
from embeddings_orch.store.creating import create_table, mark_key
from embeddings_orch.store.migrations.catalogs import convert_catalog, find_deleted
from embeddings_orch.store.migrations.contents import TEXT, find_modalities, hash_texts, with_unnamed
from embeddings_orch.store.migrations.keys import parse_hashes, parse_keys
from embeddings_orch.store.migrations.layout import DIGEST, MAIN, PRIMARY_KEYS, TOMBSTONES, embeddings_schema, new_name
from embeddings_orch.store.migrations.old import OldStore, drop_table
from embeddings_orch.store.migrations.rows import (
    convert_failures,
    convert_generations,
    convert_pointers,
    convert_publications,
    convert_states,
)
from embeddings_orch.store.migrations.vectors import convert_vectors, new_rows
from embeddings_orch.store.tables.inputs import read_inputs

COMMIT_ROWS = 200_000
"""Vectors of one commit: what a killed migration has to do once more at the most."""

_NONE = pa.array([], DIGEST)


class Copying:
    """Copies one old table at a time; each can be copied again, which changes nothing.

    Args:
        old: the store to copy from.
        target: LanceDB's connection to where the copies go: the store's own, or another that is only read.
        committed: called with a table's new name after each commit to it, and before it is removed or written over;
            what it raises ends the copying.
        catalogs: the new number of each old version of a pipeline's catalog, as far as they are copied.
    """

    def __init__(
        self,
        old: OldStore,
        target: Any,
        committed: Callable[[str], None] = lambda _: None,
        catalogs: dict[tuple[str, int], int] | None = None,
    ) -> None:
        self.old = old
        self._target = target
        self._committed = committed
        self._versions = {} if catalogs is None else catalogs

    def copy(self, name: str) -> None:
        """Copy a table, by its old name; nothing where it is gone.

        A catalog's versions that states name become versions of the new one, with other numbers. So the states come
        after all catalogs.
        """
        if name.startswith("vectors."):
            self._copy_vectors(name)
        elif name.startswith("catalog."):
            self._copy_catalog(name)
        else:
            rows = self.old.read(name)
            if rows is not None:
                self._overwrite(new_name(name) or name, self._convert(name, rows))

    def vector_keys(self, fingerprint: str) -> pa.Array:
        """The keys that a model's vectors have in format 3, ``binary(32)``, distinct."""
        table = self.old.read(f"vectors.{fingerprint}", columns=["key"])
        return _NONE if table is None else new_rows(table["key"], self.modalities[fingerprint]).keys

    @cached_property
    def modalities(self) -> dict[str, dict[str, pa.Array]]:
        """For each model that has vectors or failures, the hashes of each modality's contents."""
        hashes: dict[str, list[pa.Array]] = {}
        for name in self.old.old_names():
            if name.startswith("vectors."):
                table = self.old.read(name, columns=["key"])
                if table is not None:
                    hashes.setdefault(name.removeprefix("vectors."), []).append(_whole(table["key"]))
        failures = self.old.read("failures", columns=["fingerprint", "key"])
        if failures is not None:
            for fingerprint in pc.unique(failures["fingerprint"]).to_pylist():
                keys = failures["key"].filter(pc.equal(failures["fingerprint"], fingerprint))
                hashes.setdefault(fingerprint, []).append(_whole(keys))
        of_model = {fingerprint: pc.unique(pa.concat_arrays(parts)) for fingerprint, parts in hashes.items()}
        named = find_modalities(self.old, pc.unique(pa.concat_arrays([_NONE, *of_model.values()])))
        return {fingerprint: with_unnamed(named, mine) for fingerprint, mine in of_model.items()}

    def _convert(self, name: str, rows: pa.Table) -> pa.Table:
        match name:
            case "failures":
                return convert_failures(rows, self.modalities)
            case "embedding_states":
                return convert_states(rows, self._versions, self._sum_covered)
            case "published":
                return convert_pointers(rows)
            case "publications":
                return convert_publications(rows)
        return convert_generations(rows)

    def _copy_vectors(self, name: str) -> None:
        fingerprint = name.removeprefix("vectors.")
        if self.old.open(name) is None:
            # As of a table in use: embedding all of it anew could cost a lot.
            raise StoreError(
                f"table {name} is damaged: no version of it can be read. Restore its _versions folder from a backup, "
                "or delete the table to embed everything again"
            )
        keys, batches, dimensions = self.old.vectors(name)
        schema, copy = embeddings_schema(dimensions), f"embeddings.{fingerprint}"
        table = self._make(copy, schema)
        there = table.search().select(["key"]).to_arrow()["key"].combine_chunks()
        rows = new_rows(keys, self.modalities.get(fingerprint, {})).without(there)
        if len(rows):
            for portion in _portions(convert_vectors(batches, rows, dimensions)):
                table.add(pa.RecordBatchReader.from_batches(schema, portion))
                self._committed(copy)

    def _copy_catalog(self, name: str) -> None:
        pipeline = name.removeprefix("catalog.")
        copy, tombstones = f"items.{MAIN}.{pipeline}", f"tombstones.{MAIN}.{pipeline}"
        # A process that stood still here would remove what runs have written since another one ended the migration.
        self._committed(copy)
        # What a killed migration left: the numbers of its versions say nothing of what they are.
        drop_table(self._target, copy)
        drop_table(self._target, tombstones)
        versions: list[tuple[int, pa.Table]] = []
        for number in self._wanted_versions(name, pipeline):
            rows = self.old.read(name, version=number)
            if rows is not None:
                converted = convert_catalog(rows)
                self._committed(copy)
                create_table(self._target, copy, data=converted, mode="overwrite")
                self._versions[pipeline, number] = int(self._target.open_table(copy).version)
                versions.append((self._versions[pipeline, number], converted.select(["id"])))
                self._committed(copy)
        if (deleted := find_deleted(versions)).num_rows:
            self._overwrite(tombstones, deleted.cast(TOMBSTONES))

    def _wanted_versions(self, name: str, pipeline: str) -> list[int]:
        """The versions that states name, and the latest, oldest first."""
        named = {
            row["catalog_version"]
            for row in self.old.rows("embedding_states")
            if row["key"].partition("/")[0] == pipeline
        }
        there = self.old.versions(name)
        return [number for number in there if number in named or number == there[-1]]

    def _sum_covered(self, state: Mapping[str, Any]) -> bytes:
        """The digest of the keys that a state covers; that of none where it cannot be told.

        Args:
            state: its new row.
        """
        inputs, version = read_inputs(state["input"]), state["catalog_version"]
        pipeline = state["key"].split("/")[1]
        if inputs.vectors or not version:
            return EMPTY
        items = self._target.open_table(f"items.{MAIN}.{pipeline}")
        items.checkout(version)
        columns = [name for name in {"content_hash", "modality", *inputs.names} if name in items.schema.names]
        rows = items.search().select(columns).to_arrow()
        keys = [_NONE]
        for name in inputs.names:
            if name == "media":
                for modality in pc.unique(rows["modality"]).to_pylist():
                    of_modality = rows["content_hash"].filter(pc.equal(rows["modality"], modality))
                    keys.append(make_keys(modality, pc.unique(parse_hashes(of_modality))))
            elif name in rows.column_names:
                keys.append(make_keys(TEXT, pc.unique(hash_texts(rows[name]).drop_null())))
        wanted = pc.unique(pa.concat_arrays(keys))
        return sum_digests(wanted.filter(pc.is_in(wanted, self.vector_keys(state["fingerprint"]))))

    def _overwrite(self, name: str, rows: pa.Table) -> None:
        if (key := PRIMARY_KEYS.get(name)) is not None:
            rows = rows.cast(mark_key(rows.schema, key))
        self._committed(name)
        create_table(self._target, name, data=rows, mode="overwrite")
        self._committed(name)

    def _make(self, name: str, schema: pa.Schema) -> Any:
        try:
            return self._target.open_table(name)
        except (FileNotFoundError, ValueError, RuntimeError) as error:
            if not is_missing(error):
                raise
        create_table(self._target, name, schema=schema, mode="overwrite")
        return self._target.open_table(name)


def _whole(keys: pa.ChunkedArray) -> pa.Array:
    """The hashes of contents, without those of ready-made vectors."""
    hashes, ready = parse_keys(keys)
    return hashes.filter(pc.invert(ready)).drop_null()


def _portions(batches: Iterator[pa.RecordBatch]) -> Iterator[Iterator[pa.RecordBatch]]:
    """Batches in portions of one commit each; a portion is to be used up before the next."""

    def portion(first: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        rows = 0
        for batch in chain([first], batches):
            yield batch
            rows += batch.num_rows
            if rows >= COMMIT_ROWS:
                return

    while (first := next(batches, None)) is not None:
        yield portion(first)
