"""From a source's settings to its items, and from an item to what a model is given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from embeddings_orch import plugins
from embeddings_orch.errors import ItemError, TransientError
from embeddings_orch.media.base import Source, SourceConfig
from embeddings_orch.media.decoding.pictures import decode_text
from embeddings_orch.models.content import content_hash


def source_for(config: SourceConfig) -> Source[Any]:
    """The source that reads with a config, from the plugin of the config's name.

    Raises:
        PluginError: the source's plugin is missing or broken.
    """
    source_class: type[Source[Any]] = plugins.load("sources", config.source)
    return source_class(config)


def root_of(config: SourceConfig) -> str:
    """The root of the source that reads with a config; see `embeddings_orch.media.base.Source.root`.

    Raises:
        PluginError: the source's plugin is missing or broken.
    """
    return source_for(config).root


def read_content(source: Source[Any], row: Mapping[str, Any]) -> bytes | str:
    """Read what a model is given for one row of `embeddings_orch.media.catalog.diff.contents`.

    Args:
        source: where the catalog comes from.
        row: one row; a column's text is in it, and of what has none the item itself is read.

    Raises:
        TransientError: it cannot be read now, or is no longer what was scanned.
        ItemError: a text file that is not UTF-8.
    """
    text = row.get("text")
    if text is not None and content_hash(text) == row["content_hash"]:
        return str(text)
    try:
        data = source.read(row["uri"])
    except OSError as error:
        raise TransientError(f"{row['uri']} cannot be read: {error.strerror or error}") from error
    if row["modality"] != "text":
        if content_hash(data) != row["content_hash"]:
            raise _changed_error(row)
        return data
    try:
        text = decode_text(data)
    except ItemError:
        # What is not UTF-8 goes by the hash of its bytes.
        if content_hash(data) != row["content_hash"]:
            raise _changed_error(row) from None
        raise
    if content_hash(text) != row["content_hash"]:
        raise _changed_error(row)
    return text


def _changed_error(row: Mapping[str, Any]) -> TransientError:
    return TransientError(f"{row['uri']} changed since it was scanned; the next run picks it up")
