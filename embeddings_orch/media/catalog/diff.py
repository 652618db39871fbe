"""What catalogs tell: what changed between two of them, and which contents a model reads from one."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from embeddings_orch.errors import SourceError
from embeddings_orch.media.base import CATALOG_SCHEMA, STAT_COLUMN
from embeddings_orch.media.catalog.cells import cell_texts, tag_cells
from embeddings_orch.models.content import content_hash, content_key
from embeddings_orch.plugins import suggestion

MEDIA = "media"
"""The input that is the item itself; every other input is a column's text."""

_COMPARED = 1000
"""Rows that are compared at once: where one of them differs, all are looked at."""

CONTENTS_SCHEMA = pa.schema(
    [
        pa.field("key", pa.string(), nullable=False),
        pa.field("content_hash", pa.string(), nullable=False),
        pa.field("modality", pa.string(), nullable=False),
        pa.field("uri", pa.string(), nullable=False),
        pa.field("id", pa.string(), nullable=False),
        pa.field("text", pa.string()),
    ]
)
"""The columns of `contents`; ``text`` is the content itself where the catalog holds it, else null."""


@dataclass(frozen=True)
class CatalogDiff:
    """What one catalog has that another has not, as ids in the order of their catalogs.

    Attributes:
        unchanged: the number of rows that are the same in both.
    """

    new: tuple[str, ...]
    changed: tuple[str, ...]
    deleted: tuple[str, ...]
    unchanged: int

    def __bool__(self) -> bool:
        return bool(self.new or self.changed or self.deleted)


def row_digests(table: pa.Table) -> pa.Array:
    """sha256 of each row over all its values and the names of their columns, `STAT_COLUMN` aside.

    The order of columns and the width of a type (int32, int64; string, large_string) do not count, and a null
    counts as no column at all; so a column that is added changes only the rows that have a value in it.
    """
    names = sorted(name for name in table.column_names if name != STAT_COLUMN)
    digests: list[str] = []
    for batch in _batches(table.select(names)):
        columns = [tag_cells(name, batch[name]) for name in names]
        joined = pc.binary_join_element_wise(*columns, "")
        digests += hash_texts(joined).to_pylist()
    return pa.array(digests, pa.string())


def hash_texts(texts: pa.Array | pa.ChunkedArray) -> pa.Array:
    """sha256 of each text's UTF-8 in hex, as `embeddings_orch.models.content.content_hash`; null for null."""
    sha256 = hashlib.sha256
    hashes = [None if data is None else sha256(data).hexdigest() for data in texts.cast(pa.binary()).to_pylist()]
    return pa.array(hashes, pa.string())


def catalog_digest(table: pa.Table) -> str:
    """sha256 over all rows, in whatever order they stand."""
    return content_hash("".join(sorted(row_digests(table).to_pylist())))


def diff(old: pa.Table | None, new: pa.Table) -> CatalogDiff:
    """Compare two catalogs by id and `row_digests`."""
    after = new["id"].combine_chunks()
    if old is None:
        return CatalogDiff(tuple(after.to_pylist()), (), (), 0)
    before = old["id"].combine_chunks()
    places = pc.index_in(after, before)
    common = new.filter(places.is_valid()) if places.null_count else new
    earlier = old if before.equals(after) else old.take(places.drop_null())
    changed = _changed_ids(earlier, common)
    deleted = before.filter(pc.invert(pc.is_in(before, after))) if common.num_rows < len(before) else before[:0]
    return CatalogDiff(
        new=tuple(after.filter(places.is_null()).to_pylist()),
        changed=changed,
        deleted=tuple(deleted.to_pylist()),
        unchanged=common.num_rows - len(changed),
    )


def _changed_ids(old: pa.Table, new: pa.Table) -> tuple[str, ...]:
    """The ids of rows that differ, of two tables with the same ids in the same order."""
    changed: list[str] = []
    names = [name for name in new.column_names if name != STAT_COLUMN]
    same_columns = set(names) == {*old.column_names} - {STAT_COLUMN}
    for start in range(0, new.num_rows, _COMPARED):
        before, after = old.slice(start, _COMPARED), new.slice(start, _COMPARED)
        # Digests take a hundred times as long, and most rows of most scans are as they were.
        if same_columns and after.select(names).equals(before.select(names)):
            continue
        differ = pc.not_equal(row_digests(before), row_digests(after))
        changed += after["id"].filter(differ).to_pylist()
    return tuple(changed)


def contents(table: pa.Table, input: str = MEDIA) -> pa.Table:
    """The distinct contents that a model with this ``input`` is given, each with its first row by id.

    Returns:
        `CONTENTS_SCHEMA`, sorted by id. Rows whose column is null or empty have no content.

    Raises:
        SourceError: the catalog has no such column.
    """
    return distinct_contents(table, _content(table, input))


def distinct_contents(table: pa.Table, content: ContentColumns) -> pa.Table:
    """The contents of a catalog's rows as `contents` returns them."""
    rows = pc.indices_nonzero(pc.is_valid(content.hashes))
    rows = pc.take(rows, pc.sort_indices(table["id"].take(rows)))
    encoded = pc.dictionary_encode(content.hashes.take(rows))
    _, firsts = np.unique(encoded.indices.to_numpy(), return_index=True)
    rows = pc.take(rows, pa.array(np.sort(firsts)))
    hashes = content.hashes.take(rows)
    columns = {
        "key": content_keys(hashes, content.part),
        "content_hash": hashes,
        "modality": content.modality.take(rows),
        "uri": table["uri"].take(rows),
        "id": table["id"].take(rows),
        "text": content.texts.take(rows),
    }
    return pa.table({name: columns[name].cast(pa.string()) for name in CONTENTS_SCHEMA.names}, CONTENTS_SCHEMA)


def input_keys(table: pa.Table, input: str = MEDIA) -> pa.Array:
    """For each row the key of its content, as in `contents`; null where it has none.

    Raises:
        SourceError: the catalog has no such column.
    """
    return content_keys(_content(table, input).hashes)


class ContentColumns(NamedTuple):
    """What some rows have to give to a model: hashes (null: nothing), texts where the catalog holds them, modalities.

    Attributes:
        part: the end of their keys.
    """

    hashes: pa.Array
    texts: pa.Array
    modality: pa.Array
    part: str = content_key("", 0)


def media_content(table: pa.Table) -> ContentColumns:
    """The items themselves."""
    # Of a picture, `text` is a column of the user's.
    has_text = pc.equal(table["modality"], "text")
    texts = pc.if_else(has_text, table["text"], pa.scalar(None, pa.string()))
    return ContentColumns(_flat(table["content_hash"]), _flat(texts), _flat(table["modality"]))


def _content(table: pa.Table, input: str) -> ContentColumns:
    if input == MEDIA:
        return media_content(table)
    texts = _flat(cell_texts(_text_column(table, input)))
    texts = pc.if_else(pc.equal(texts, ""), pa.scalar(None, pa.string()), texts)
    return ContentColumns(hash_texts(texts), texts, pa.repeat("text", table.num_rows))


def _text_column(table: pa.Table, name: str) -> pa.ChunkedArray:
    allowed = [*own_columns(table), *(field for field in ("caption", "text") if field in table.column_names)]
    if name not in allowed:
        hint = suggestion(name, [MEDIA, *allowed])
        raise SourceError(f"the media have no column {name!r} to embed as text{hint}")
    column = table[name]
    if pa.types.is_nested(column.type):
        raise SourceError(f"the column {name!r} cannot be embedded: it holds {column.type}, not text")
    return column


def own_columns(table: pa.Table) -> list[str]:
    """The user's columns of a catalog."""
    return [name for name in table.column_names if name not in CATALOG_SCHEMA.names and name != STAT_COLUMN]


def content_keys(hashes: pa.Array, part: str = ContentColumns._field_defaults["part"]) -> pa.Array:
    """The keys of contents by their hashes, null for null."""
    return pc.binary_join_element_wise(hashes, part, "", null_handling="emit_null")


def _batches(table: pa.Table, rows: int = 100_000) -> Iterator[pa.Table]:
    # In pieces, because the joined rows of a large catalog would outgrow one string array (2 GiB).
    for start in range(0, table.num_rows, rows):
        yield table.slice(start, rows).combine_chunks()


def _flat(column: Any) -> Any:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
