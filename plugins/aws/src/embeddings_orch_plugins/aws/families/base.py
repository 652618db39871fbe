"""What is said of a model: its limits, what it reads, how it is asked and what it answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from embeddings_orch.models import Modality, ResponseError

NumberRows = list[list[float]]

BODY = 24_900_000
"""Bytes of inputs in one request; InvokeModel takes a body of 25,000,000."""

FILE = BODY // 4 * 3
"""Bytes of a file that fit into a request as base64."""

TEXT = 4_000_000
"""Characters of texts in one request: one can take six bytes in JSON."""


@dataclass(frozen=True)
class ModelCall:
    """One request to be made.

    Attributes:
        contents: texts, or pictures as data URIs (``data:image/png;base64,…``).
        input_type: what they are embedded for, None where the model does not tell.
    """

    modality: Modality
    contents: Sequence[str]
    input_type: str | None
    dimensions: int
    truncate: str
    normalize: bool


@dataclass(frozen=True)
class Pictures:
    """What pictures a model takes; all take PNG and JPEG.

    Attributes:
        size: bytes of the file.
        side: pixels of the longer side, None for any.
        tokens: counted for one, at the most; 0 where none are.
    """

    size: int
    side: int | None = None
    tokens: int = 0


@dataclass(frozen=True)
class ModelFamily:
    """An embedding model of Bedrock.

    Attributes:
        body: makes the request's JSON.
        vectors: takes the vectors out of the answer's JSON; raises ResponseError where they are not there.
        dimensions: that may be asked for, the default first.
        tokens: of one text, at the most.
        characters: of one text that a request may hold, None for any.
        items: inputs in one request, by modality; what is not there it does not read.
        pictures: None for a model of texts.
        truncates: what may be done with a text that is too long (end, start, none), the default first.
        input_types: the defaults for documents and for queries, None where it does not tell them apart.
        allowed_types: what both may be set to.
        tokens_key: where the answer says how many tokens it counted; the header says so for all models.
    """

    body: Callable[[ModelCall], dict[str, Any]]
    vectors: Callable[[Any], NumberRows]
    dimensions: tuple[int, ...]
    tokens: int
    items: Mapping[Modality, int]
    characters: int | None = None
    pictures: Pictures | None = None
    truncates: tuple[str, ...] = ("none",)
    input_types: tuple[str, str] | None = None
    allowed_types: tuple[str, ...] = field(default=())
    tokens_key: str | None = None


def base64_of(data_uri: str) -> str:
    """The base64 part of a data URI."""
    return data_uri.partition(",")[2]


def format_of(data_uri: str) -> str:
    """``png`` of ``data:image/png;base64,…``."""
    return data_uri.partition(";")[0].rpartition("/")[2]


def get_at(answer: Any, *path: str | int) -> Any:
    """The value at a path in an answer's JSON.

    Raises:
        ResponseError: it is not there.
    """
    value = answer
    for key in path:
        try:
            value = value[key]
        except (KeyError, IndexError, TypeError):
            where = ".".join(map(str, path))
            keys = ", ".join(sorted(answer)) if isinstance(answer, dict) else type(answer).__name__
            raise ResponseError(f"the answer has no {where}, but {keys or 'nothing'}") from None
    return value
