"""What is embedded and what becomes of it: contents, their keys, vectors and failures."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from embeddings_orch.policy.secrets import redact

Modality = Literal["image", "text", "audio", "video"]
ContentKind = Literal[Modality, "vector"]
"""What a key is of: a content by its modality, or a vector that was ready-made."""

Side = Literal["document", "query"]
Vectors = NDArray[np.float32]
FailureKind = Literal["item", "transient", "limit"]


@dataclass(frozen=True)
class Item:
    """One content to embed.

    Attributes:
        key: of the content, as `content_key` makes it.
        modality: what ``content`` is.
        content: the encoded file's bytes, or the text.
        uri: where it came from, for messages.
    """

    key: bytes
    modality: Modality
    content: bytes | str
    uri: str = ""


@dataclass(frozen=True)
class Failure:
    """A content without a vector.

    One of kind ``item`` is remembered, ``transient`` is tried in the next run, ``limit`` once the limit is raised.
    """

    key: bytes
    uri: str
    reason: str
    kind: FailureKind = "item"

    def __post_init__(self) -> None:
        # It is stored, shown and reported, and a provider's words may repeat a key.
        object.__setattr__(self, "reason", redact(self.reason))


def content_hash(content: bytes | str) -> str:
    """sha256, 64 hex digits, of the exact bytes or text (as UTF-8) given to a model."""
    return hashlib.sha256(content.encode() if isinstance(content, str) else content).hexdigest()


class ContentId(NamedTuple):
    """What a key is made of.

    Attributes:
        modality: what the content is given to a model as.
        sha256: of the exact bytes or text, 64 hex digits.
        part: which part of it, as a URI's fragment says it: ``page=3``, ``char=0,500`` (RFC 5147), ``t=10,20``
            (W3C Media Fragments); empty for the whole.
    """

    modality: ContentKind
    sha256: str
    part: str = ""

    @property
    def key(self) -> bytes:
        """See `content_key`."""
        return content_key(*self)


def content_key(modality: ContentKind, sha256: str, part: str = "") -> bytes:
    """The key of a content, 32 bytes: what its vectors and failures go by.

    The same bytes read as a text and as a picture are two contents.

    Args:
        modality: what the content is given to a model as.
        sha256: of the exact bytes or text, 64 hex digits.
        part: see `ContentId`.

    Example:
        >>> content_key("text", content_hash("foo")).hex()[:16]
        '01619265c4ae1461'
    """
    before, after = key_frame(modality, part)
    return hashlib.sha256(before + bytes.fromhex(sha256) + after).digest()


def key_frame(modality: str, part: str = "") -> tuple[bytes, bytes]:
    """What is hashed before and after a content's own 32 bytes to make its key.

    Each field follows its length, so that no two contents are written down alike; the first one is the version of
    this way to do so.
    """
    version, kind, locator = (_framed(field.encode()) for field in ("content/1", modality, part))
    return version + kind + (32).to_bytes(4, "big"), locator


def _framed(field: bytes) -> bytes:
    return len(field).to_bytes(4, "big") + field
