"""Numbers of items, as callers give them."""

from __future__ import annotations

import numpy as np

from embeddings_orch.errors import EmbeddingsOrchError


def whole(value: object, name: str, least: int) -> int:
    """A whole number, also numpy's, or a float that is one.

    Raises:
        EmbeddingsOrchError: it is something else, or below ``least``; the message calls it by ``name``.
    """
    number = value.item() if isinstance(value, np.generic) else value
    if isinstance(number, float) and number.is_integer():
        number = int(number)
    if isinstance(number, bool) or not isinstance(number, int):
        raise EmbeddingsOrchError(f"{name} is a whole number from {least}, not {value!r}")
    if number < least:
        raise EmbeddingsOrchError(f"{name} must be at least {least}, not {number}")
    return int(number)
