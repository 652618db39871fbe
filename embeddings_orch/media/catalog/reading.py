"""What an embedding is given of a catalog: the contents of all its inputs, together and for each item."""

from __future__ import annotations

from functools import reduce

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from embeddings_orch.media.catalog.diff import MEDIA, contents, has_input, input_keys
from embeddings_orch.media.catalog.ready import ready_contents, ready_keys
from embeddings_orch.models.inputs import Inputs


def read_contents(table: pa.Table, inputs: Inputs) -> pa.Table:
    """The distinct contents of all inputs, as `embeddings_orch.media.catalog.diff.contents` returns those of one.

    A text that two inputs share is one content.

    Raises:
        SourceError: the catalog has no such column.
    """
    if inputs.vectors:
        return ready_contents(table, inputs.vectors)
    parts = [contents(table, name) for name in inputs.names]
    if len(parts) == 1:
        return parts[0]
    together = pa.concat_tables(parts).combine_chunks()
    # Stable, so that of one item the heavier input comes first.
    order = np.argsort(together["id"].to_numpy(), kind="stable")
    together = together.take(pa.array(order))
    encoded = pc.dictionary_encode(together["key"].combine_chunks())
    _, firsts = np.unique(encoded.indices.to_numpy(), return_index=True)
    return together.take(pa.array(np.sort(firsts))).combine_chunks()


def item_keys(table: pa.Table, inputs: Inputs) -> list[pa.Array]:
    """For each input the key of every row's content, null where it has none; see `read_contents`.

    Raises:
        SourceError: the catalog has no such column.
    """
    if inputs.vectors:
        return [ready_keys(table, inputs.vectors)]
    return [input_keys(table, name) for name in inputs.names]


def filled_rows(table: pa.Table, inputs: Inputs) -> pa.Array:
    """For each row whether it has something to embed, or a ready-made vector: without hashing, as `item_keys` tells it.

    Raises:
        SourceError: the catalog has no such column.
    """
    if inputs.vectors:
        return pc.is_valid(table[inputs.vectors]).combine_chunks()
    filled = [has_input(table, name) for name in inputs.names]
    return reduce(pc.or_, filled)


def read_columns(inputs: Inputs) -> list[str]:
    """The columns of a catalog that `read_contents` and `item_keys` read."""
    own = [name for name in inputs.columns if name != MEDIA]
    return list(dict.fromkeys(["id", "uri", "content_hash", "modality", "text", "size", *own]))


def is_there(inputs: Inputs, names: list[str]) -> bool:
    """Whether a catalog with these columns has all that is read."""
    return {MEDIA, *names}.issuperset(inputs.columns)
