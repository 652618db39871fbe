"""What is embedded and what becomes of it: contents, their keys, vectors and failures."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Modality = Literal["image", "text", "audio", "video"]
Side = Literal["document", "query"]
Vectors = NDArray[np.float32]
FailureKind = Literal["item", "transient"]


@dataclass(frozen=True)
class Item:
    """One content to embed.

    Attributes:
        key: the content's sha256 and part, ``hash:part``.
        modality: what ``content`` is.
        content: the encoded file's bytes, or the text.
        uri: where it came from, for messages.
    """

    key: str
    modality: Modality
    content: bytes | str
    uri: str = ""


@dataclass(frozen=True)
class Failure:
    """A content without a vector: ``item`` is remembered, ``transient`` is tried in the next run."""

    key: str
    uri: str
    reason: str
    kind: FailureKind = "item"


def content_hash(content: bytes | str) -> str:
    """sha256, 64 hex digits, of the exact bytes or text (as UTF-8) given to a model."""
    return hashlib.sha256(content.encode() if isinstance(content, str) else content).hexdigest()


def content_key(sha256: str, part: int = 0) -> str:
    """The key of one part of a content in the vectors table."""
    return f"{sha256}:{part}"


def hash_in_key(key: str) -> str:
    """The content's hash, of a key that `content_key` made.

    Example:
        >>> hash_in_key(content_key("2c26b46b", 1))
        '2c26b46b'
    """
    return key.partition(":")[0]
