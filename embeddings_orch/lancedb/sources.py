"""The values of a source column, read as contents for a model; one that cannot be read is a failure, not an error."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import numpy as np
import pyarrow as pa

from embeddings_orch.embedding.contents import encode_image
from embeddings_orch.errors import EmbeddingsOrchError
from embeddings_orch.models.content import Failure, Modality, content_hash
from embeddings_orch.search.pictures import is_url
from embeddings_orch.search.urls import fetch

READERS = 8
"""Files and URLs that are read at once."""

_AHEAD = 64
_SHOWN = 60


@dataclass(frozen=True)
class SourceValue:
    """One source value as a model is given it.

    Attributes:
        key: sha256 of the value: the text, the path, or the file's bytes.
        content: a text, or the bytes of a file.
        name: what messages call it.
    """

    key: bytes
    content: str | bytes
    name: str


def values_of(column: Any) -> list[Any]:
    """What LanceDB or a caller gives, as a list: an Arrow array, a list, an array of objects, or one value."""
    if isinstance(column, pa.Array | pa.ChunkedArray):
        values: list[Any] = column.to_pylist()
        return values
    if isinstance(column, np.ndarray):
        return list(column) if column.dtype == object or column.dtype.kind in "US" else [column]
    if isinstance(column, Sequence) and not isinstance(column, str | bytes | bytearray):
        return list(column)
    if hasattr(column, "to_list"):  # a Series of pandas or polars
        return list(column.to_list())
    return [column]


def read_sources(modality: Modality, values: Sequence[Any], *, allow_urls: bool) -> Iterator[SourceValue | Failure]:
    """Values as contents, in order, read a few ahead.

    Args:
        modality: ``text``: each value is the text itself. Else a file: its bytes, path, ``file://`` or http(s) URL;
            or, of a picture, a Pillow image or a uint8 array of shape (height, width[, channels]).
        values: of the column.
        allow_urls: whether http(s) URLs are fetched; one on a private address never is.
    """

    def read(number: int) -> SourceValue | Failure:
        return _source(modality, values[number], number, allow_urls)

    if modality == "text":
        yield from map(read, range(len(values)))
        return
    with ThreadPoolExecutor(READERS, "sources") as pool:
        for start in range(0, len(values), _AHEAD):
            yield from pool.map(read, range(start, min(start + _AHEAD, len(values))))


def _source(modality: Modality, value: Any, number: int, allow_urls: bool) -> SourceValue | Failure:
    name = f"{modality} {number}"
    if value is None:
        return Failure(b"", name, "null")
    if modality == "text":
        if not isinstance(value, str):
            return Failure(_key(value), name, f"it is {type(value).__name__}, not a text")
        return SourceValue(_key(value), value, f"{name} ({_short(value)!r})")
    if isinstance(value, str | Path):
        return _file(modality, str(value), allow_urls)
    if isinstance(value, bytes | bytearray):
        return SourceValue(_key(bytes(value)), bytes(value), name)
    if modality != "image":
        return Failure(_key(value), name, f"it is {type(value).__name__}, not a path or bytes")
    try:
        content = encode_image(value, name)
    except (OSError, TypeError, ValueError) as error:
        return Failure(_key(value), name, str(error))
    return SourceValue(_key(content), content, name)


def _file(modality: Modality, place: str, allow_urls: bool) -> SourceValue | Failure:
    key, name = _key(place), _short(place)
    if is_url(place):
        if not allow_urls:
            return Failure(key, name, "it is a URL, and URLs are off; allow them with allow_urls=True")
        try:
            return SourceValue(key, fetch(place), place)
        except EmbeddingsOrchError as error:
            return Failure(key, name, str(error))
    try:
        return SourceValue(key, _path(place).read_bytes(), place)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        hint = "; where the column holds texts, say so with source='text'" if modality == "image" else ""
        return Failure(key, name, f"the file cannot be read: {reason}{hint}")


def _path(place: str) -> Path:
    parts = urlsplit(place)
    return Path(unquote(parts.path)) if parts.scheme.lower() == "file" else Path(place).expanduser()


def _key(value: Any) -> bytes:
    return bytes.fromhex(content_hash(value if isinstance(value, str | bytes) else repr(value)))


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
