"""Deterministic embeddings of anything: the same input has the same vector in every process, for ever."""

from __future__ import annotations

import hashlib

import numpy as np

from embeddings_orch.models.content import Vectors


def vector_of(space: str, content: str | bytes, dimensions: int) -> Vectors:
    """A unit vector that follows from the content alone; shape (dimensions,), float32.

    Args:
        space: name of the model, and whatever else makes it another vector (a task, a side).
        content: text or bytes.
        dimensions: its length.
    """
    data = content.encode() if isinstance(content, str) else content
    seed = hashlib.sha256(space.encode() + b"\0" + data).digest()
    numbers = np.random.default_rng(int.from_bytes(seed[:8], "big")).standard_normal(dimensions)
    vector: Vectors = (numbers / np.linalg.norm(numbers)).astype(np.float32)
    return vector


def tokens_of(text: str) -> int:
    """Tokens that the servers count: one for each four characters begun."""
    return -(-len(text) // 4)
