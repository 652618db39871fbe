"""What a user declares as the input of an embedding: a name, or several with weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, TypeAlias

from pydantic import BeforeValidator, Field, TypeAdapter

from embeddings_orch.spec.base import ColumnName

Weight = Annotated[float, Field(gt=0, allow_inf_nan=False, strict=True)]
_NAME: TypeAdapter[str] = TypeAdapter(ColumnName)
_WEIGHTS: TypeAdapter[dict[str, float]] = TypeAdapter(Annotated[dict[ColumnName, Weight], Field(min_length=1)])


def _input(value: Any) -> str | dict[str, float]:
    # Each alone: of a union, pydantic would put its alternatives into the places of what is wrong.
    if not isinstance(value, Mapping):
        return _NAME.validate_python(value)
    weights = _WEIGHTS.validate_python(dict(value))
    return next(iter(weights)) if len(weights) == 1 else weights


Input: TypeAlias = Annotated[str | dict[str, float], BeforeValidator(_input)]
"""``media``, or ``{media: 0.7, caption: 0.3}``; a single input with a weight is that input."""

INPUT_SCHEMA: dict[str, Any] = {
    "anyOf": [
        {"type": "string", "minLength": 1},
        {
            "type": "object",
            "propertyNames": {"minLength": 1},
            "additionalProperties": {"type": "number", "exclusiveMinimum": 0},
            "minProperties": 1,
        },
    ],
    "default": "media",
}
"""The JSON schema of an `Input`."""
