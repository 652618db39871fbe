"""What catalogs tell: what changed between two of them, and which contents a model reads from one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from embeddings_orch.errors import SourceError
from embeddings_orch.media.base import CATALOG_SCHEMA
from embeddings_orch.models.content import ContentKind
from embeddings_orch.models.keys import KEY, content_keys
from embeddings_orch.models.rows.cells import cell_texts, without_blanks
from embeddings_orch.models.rows.digests import hash_texts, known_digests, row_digests
from embeddings_orch.models.rows.lists import is_numbers
from embeddings_orch.models.rows.notes import is_data
from embeddings_orch.plugins import suggestion

MEDIA = "media"
"""The input that is the item itself; every other input is a column's text."""

_COMPARED = 1000
"""Rows that are compared at once: where one of them differs, all are looked at."""

CONTENTS_SCHEMA = pa.schema(
    [
        pa.field("key", KEY, nullable=False),
        pa.field("content_hash", pa.string(), nullable=False),
        pa.field("modality", pa.string(), nullable=False),
        pa.field("uri", pa.string(), nullable=False),
        pa.field("id", pa.string(), nullable=False),
        pa.field("text", pa.large_string()),
        pa.field("size", pa.int64()),
    ]
)
"""The columns of `contents`; ``text`` is the content itself where the catalog holds it, else null; ``size`` is in
bytes, null where the catalog does not say it."""


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
    names = list(filter(is_data, new.column_names))
    same_columns = set(names) == {*filter(is_data, old.column_names)}
    for start in range(0, new.num_rows, _COMPARED):
        before, after = old.slice(start, _COMPARED), new.slice(start, _COMPARED)
        # Digests take a hundred times as long, and most rows of most scans are as they were.
        if same_columns and after.select(names).equals(before.select(names)):
            continue
        differ = pc.not_equal(known_digests(before), row_digests(after))
        changed += after["id"].filter(differ).to_pylist()
    return tuple(changed)


def contents(table: pa.Table, input: str = MEDIA) -> pa.Table:
    """The distinct contents that a model with this ``input`` is given, each with its first row by id.

    Returns:
        `CONTENTS_SCHEMA`, sorted by id. Rows whose column is null or blank have no content.

    Raises:
        SourceError: the catalog has no such column.
    """
    return distinct_contents(table, _content(table, input))


def distinct_contents(table: pa.Table, content: ContentColumns) -> pa.Table:
    """The contents of a catalog's rows as `contents` returns them."""
    rows = pc.indices_nonzero(pc.is_valid(content.hashes))
    rows = pc.take(rows, pc.sort_indices(table["id"].take(rows)))
    keys = content.keys().take(rows)
    _, firsts = np.unique(pc.dictionary_encode(keys).indices.to_numpy(), return_index=True)
    firsts = pa.array(np.sort(firsts))
    rows = pc.take(rows, firsts)
    columns = {
        "key": keys.take(firsts),
        "content_hash": content.hashes.take(rows),
        "modality": content.modality.take(rows),
        "uri": table["uri"].take(rows),
        "id": table["id"].take(rows),
        "text": content.texts.take(rows),
        "size": content.sizes.take(rows),
    }
    return pa.table({field.name: columns[field.name].cast(field.type) for field in CONTENTS_SCHEMA}, CONTENTS_SCHEMA)


def input_keys(table: pa.Table, input: str = MEDIA) -> pa.Array:
    """For each row the key of its content, as in `contents`; null where it has none.

    Raises:
        SourceError: the catalog has no such column.
    """
    return _content(table, input).keys()


def has_input(table: pa.Table, input: str = MEDIA) -> pa.Array:
    """For each row whether it has a content, as `input_keys` tells it; nothing is hashed.

    Raises:
        SourceError: the catalog has no such column.
    """
    column = table["content_hash"] if input == MEDIA else _texts(table, input)
    return _flat(pc.is_valid(column))


class ContentColumns(NamedTuple):
    """What some rows have to give to a model.

    Attributes:
        hashes: of the contents, null where there is none.
        texts: the contents themselves where the catalog holds them.
        modality: of the items.
        sizes: of the contents, bytes.
        kind: what their keys are of; None for what the items are.
    """

    hashes: pa.Array
    texts: pa.Array
    modality: pa.Array
    sizes: pa.Array
    kind: ContentKind | None = None

    def keys(self) -> pa.Array:
        """The contents' keys, null where there is no content."""
        kinds = self.modality if self.kind is None else pa.repeat(self.kind, len(self.hashes))
        return content_keys(kinds, self.hashes)


def media_content(table: pa.Table) -> ContentColumns:
    """The items themselves."""
    # Of a picture, `text` is a column of the user's.
    has_text = pc.equal(table["modality"], "text")
    texts = pc.if_else(has_text, table["text"], pa.scalar(None, pa.large_string()))
    # Who asks for keys alone need not have read it.
    sizes = table["size"] if "size" in table.column_names else pa.nulls(table.num_rows, pa.int64())
    return ContentColumns(_flat(table["content_hash"]), _flat(texts), _flat(table["modality"]), _flat(sizes))


def _content(table: pa.Table, input: str) -> ContentColumns:
    if input == MEDIA:
        return media_content(table)
    texts = _texts(table, input)
    sizes = pc.binary_length(texts).cast(pa.int64())
    return ContentColumns(hash_texts(texts), texts, pa.repeat("text", table.num_rows), sizes)


def _texts(table: pa.Table, name: str) -> pa.Array:
    """The texts of a column, null where there is none."""
    return without_blanks(_flat(cell_texts(_text_column(table, name))))


def _text_column(table: pa.Table, name: str) -> pa.ChunkedArray:
    allowed = [*own_columns(table), *(field for field in ("caption", "text") if field in table.column_names)]
    if name not in allowed:
        hint = suggestion(name, [MEDIA, *allowed])
        raise SourceError(f"the media have no column {name!r} to embed as text{hint}")
    column = table[name]
    if is_numbers(column.type):
        raise SourceError(
            f"the column {name!r} cannot be embedded as text: it holds {column.type}; if these are vectors: "
            "`vectors` in place of `input`"
        )
    return column


def own_columns(table: pa.Table) -> list[str]:
    """The user's columns of a catalog."""
    return [name for name in table.column_names if name not in CATALOG_SCHEMA.names and is_data(name)]


def _flat(column: Any) -> Any:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
