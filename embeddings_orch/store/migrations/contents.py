"""Which modality the contents of an older store have, which their keys do not say: all that names a hash is asked."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain

import pyarrow as pa
import pyarrow.compute as pc

from embeddings_orch.models.rows.tags import digest_texts, plain
from embeddings_orch.store.migrations.keys import parse_hashes
from embeddings_orch.store.migrations.layout import DIGEST
from embeddings_orch.store.migrations.old import OldStore
from embeddings_orch.store.tables.inputs import read_inputs

TEXT = "text"
_ALL = ("audio", "image", TEXT, "video")
"""What a content is kept for where nothing at all is known of it: a vector too many costs less than one too few."""


def find_modalities(store: OldStore, hashes: pa.Array) -> dict[str, pa.Array]:
    """The hashes of each modality's contents: images' files, texts' columns and so on.

    A hash may be of several modalities: of a text and of a broken picture with the same bytes. Catalogs are asked
    first, the newest; only what they do not name is looked for in their earlier versions, and then in index tables.

    Args:
        store: whose contents.
        hashes: of all of its vectors and failures, ``binary(32)``, distinct.

    Returns:
        By modality some of the hashes, distinct. What nothing names is in none.
    """
    named: dict[str, list[pa.Array]] = defaultdict(list)
    left = hashes
    columns = text_columns(store)
    looked_at: _LookedAt = {}
    for rows in _rounds(store, columns):
        if not len(left):
            break
        for modality, some in _name(rows, columns, looked_at):
            found = pc.unique(some.filter(pc.is_in(some, hashes)))
            named[modality].append(found)
            left = left.filter(pc.invert(pc.is_in(left, found)))
    return {modality: pc.unique(pa.concat_arrays(arrays)) for modality, arrays in named.items()}


def with_unnamed(named: Mapping[str, pa.Array], hashes: pa.Array) -> dict[str, pa.Array]:
    """What `find_modalities` returned, for one model: a hash that nothing names has each modality of its others.

    Args:
        named: of the store.
        hashes: of the model's contents, ``binary(32)``, distinct, without nulls.
    """
    mine = {modality: hashes.filter(pc.is_in(hashes, some)) for modality, some in named.items()}
    known = [some for some in mine.values() if len(some)]
    unnamed = hashes.filter(pc.invert(pc.is_in(hashes, pa.concat_arrays(known)))) if known else hashes
    if not len(unnamed):
        return mine
    nothing = pa.array([], DIGEST)
    others = [modality for modality, some in mine.items() if len(some)] or [*named] or _ALL
    return {
        modality: pa.concat_arrays([mine.get(modality, nothing), *([unnamed] if modality in others else [])])
        for modality in {*mine, *others}
    }


def text_columns(store: OldStore) -> dict[str, set[str]]:
    """The columns that models read as text, by pipeline: as the embeddings' states and the generations say."""
    columns: dict[str, set[str]] = defaultdict(set)
    for row in store.rows("embedding_states"):
        columns[row["key"].partition("/")[0]] |= {*read_inputs(row["input"]).names}
    for row in store.rows("generations"):
        for model in json.loads(row["settings"])["models"]:
            columns[row["pipeline"]] |= {*read_inputs(model["input"]).names}
    return {pipeline: names - {"media"} for pipeline, names in columns.items()}


def hash_texts(column: pa.ChunkedArray) -> pa.Array:
    """sha256 of each value's text in UTF-8, ``binary(32)``; null for null and for the empty text, which nobody embeds.

    Args:
        column: of a catalog.
    """
    texts = digest_texts(column).cast(pa.large_binary()).to_pylist()
    return pa.array([hashlib.sha256(data).digest() if data else None for data in texts], DIGEST)


_Rows = tuple[str, pa.Table]
"""A pipeline, and rows of its items."""

_LookedAt = dict[tuple[str, str], pa.Array]
"""By pipeline and column the texts of the rows that were looked at last."""


def _rounds(store: OldStore, columns: Mapping[str, set[str]]) -> Iterator[Iterator[_Rows]]:
    latest = {pipeline: store.version(f"catalog.{pipeline}") for pipeline in store.pipelines()}

    def read(pipeline: str, table: str, version: int) -> Iterator[_Rows]:
        wanted = {"content_hash", "modality", *columns.get(pipeline, ())}
        schema = store.schema(table, version)
        if schema is not None and {"content_hash", "modality"} <= {*schema.names}:
            names = [field.name for field in schema if field.name in wanted and not pa.types.is_nested(field.type)]
            rows = store.read(table, columns=names, version=version)
            if rows is not None:
                yield pipeline, rows

    def of_catalogs(newest: bool) -> Iterator[_Rows]:
        for pipeline, version in latest.items():
            versions = store.versions(f"catalog.{pipeline}")
            for number in reversed(versions):
                if (number == version) is newest:
                    yield from read(pipeline, f"catalog.{pipeline}", number)

    def of_indexes() -> Iterator[_Rows]:
        for row in store.rows("generations"):
            yield from read(row["pipeline"], row["table"], row["version"])

    yield of_catalogs(newest=True)
    for rows in chain(of_catalogs(newest=False), of_indexes()):
        yield iter([rows])


def _name(
    all_rows: Iterable[_Rows], columns: Mapping[str, set[str]], looked_at: _LookedAt
) -> Iterator[tuple[str, pa.Array]]:
    for pipeline, rows in all_rows:
        media = rows.filter(_fresh(pipeline, "content_hash", rows["content_hash"], looked_at))
        for modality in pc.unique(media["modality"]).drop_null().to_pylist():
            yield modality, parse_hashes(media["content_hash"].filter(pc.equal(media["modality"], modality)))
        for name in columns.get(pipeline, ()):
            if name in rows.column_names:
                texts = plain(rows[name])
                yield TEXT, hash_texts(texts.filter(_fresh(pipeline, name, texts, looked_at))).drop_null()


def _fresh(pipeline: str, name: str, column: pa.ChunkedArray, looked_at: _LookedAt) -> pa.ChunkedArray:
    """Which of a column's values were not looked at in the version before: two versions have most in common.

    To hash the texts of a large catalog takes a multiple of the time of this, and there can be hundreds of versions.
    """
    texts = plain(column)
    if not pa.types.is_large_string(texts.type):
        return pa.chunked_array([pa.repeat(True, len(texts))])
    before = looked_at.get((pipeline, name), pa.array([], texts.type))
    looked_at[pipeline, name] = texts.combine_chunks()
    return pc.invert(pc.is_in(texts, before))
