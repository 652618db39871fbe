"""From the bytes of an answer to a matrix: in the order of the inputs, or an error that says what is wrong."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from embeddings_orch.models import (
    EmbedResult,
    ResponseError,
    SuspectError,
    Vectors,
    decode_base64,
    message_in,
    vectors_from,
)


def result_of(body: bytes, count: int) -> EmbedResult:
    """The vectors of an answer to a request with so many inputs, by their ``index``; floats or base64.

    Raises:
        ResponseError: it is no such answer: no JSON, another number of vectors, an index twice, no numbers.
        SuspectError: a vector is not finite.
    """
    try:
        answer = json.loads(body)
    except ValueError as error:
        raise ResponseError(f"the answer is no JSON: {message_in(body)}") from error
    data = answer.get("data") if isinstance(answer, dict) else None
    if not isinstance(data, list):
        raise ResponseError(f"the answer has no list 'data': {message_in(body)}")
    if len(data) != count:
        raise ResponseError(f"{len(data)} vectors came for {count} inputs")
    rows: list[Any] = [None] * count
    for entry in data:
        index = entry.get("index") if isinstance(entry, dict) else None
        if type(index) is not int or not 0 <= index < count:
            raise ResponseError(f"a vector came with the index {index!r} for {count} inputs")
        if rows[index] is not None:
            raise ResponseError(f"two vectors came with the index {index}")
        rows[index] = _numbers(entry.get("embedding"), index)
    return EmbedResult(vectors_from(rows, count), _tokens(answer.get("usage")))


def _numbers(embedding: Any, index: int) -> Vectors:
    try:
        if isinstance(embedding, str):
            # Little-endian float32, whatever the machine.
            row = np.frombuffer(decode_base64(embedding), dtype="<f4")
        else:
            row = np.asarray(embedding)
    except ValueError as error:
        raise ResponseError(f"the vector with the index {index} is not made of numbers: {error}") from error
    if row.dtype.kind not in "fiu" or row.ndim != 1 or not row.size:
        raise ResponseError(f"the vector with the index {index} is empty, or not a row of numbers")
    with np.errstate(over="ignore"):  # too large for float32 is infinite, and found here
        row = row.astype(np.float32, copy=False)
    if not np.isfinite(row).all():
        # It may come again with the same input, and then it must not cost the others their vectors.
        raise SuspectError(f"the vector with the index {index} is not finite")
    return row


def _tokens(usage: Any) -> int:
    counted = usage.get("prompt_tokens") if isinstance(usage, dict) else None
    return counted if type(counted) is int and counted > 0 else 0
