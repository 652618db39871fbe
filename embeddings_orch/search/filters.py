"""Filters with parameters: values reach the SQL as literals, and never as anything else."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

import numpy as np

from embeddings_orch.errors import EmbeddingsOrchError
from embeddings_orch.plugins import suggestion

_TOKENS = re.compile(
    r"""
    (?P<quoted> '(?:[^']|'')*+' | "(?:[^"]|"")*+" | `[^`]*+` )
  | (?P<open> ['"`] )
  | (?P<comment> -- | /\* )
  | (?P<cast> :: )
  | (?<! [\w'"`] ) :(?P<name> [A-Za-z_][A-Za-z0-9_]* )
    """,
    re.VERBOSE,
)
_INT64_MAX = 2**63 - 1


def bind(where: str | None, params: Mapping[str, Any] | None = None) -> str | None:
    """A filter with a literal in place of every ``:name`` outside of quotes.

    Args:
        where: an SQL condition.
        params: a value for each name: str, bool, int, float, None, date, datetime, a numpy number, or a list of
            these for ``IN :name``.

    Raises:
        EmbeddingsOrchError: a name without a value, a value without a name, a value that SQL has no literal for, a
            quote that is not closed, or a comment (which a value could end) beside parameters.

    Example:
        >>> bind("caption LIKE :pattern AND width IN :widths", {"pattern": "%dog's%", "widths": [64, 128]})
        "caption LIKE '%dog''s%' AND width IN (64, 128)"
    """
    params = params or {}
    if where is None:
        if params:
            raise EmbeddingsOrchError(f"there are params ({', '.join(params)}) and no filter that uses them")
        return None
    used: set[str] = set()

    def put(match: re.Match[str]) -> str:
        name = match["name"]
        if name is not None:
            if name not in params:
                raise EmbeddingsOrchError(f"the filter's :{name} has no value in params{suggestion(name, params)}")
            used.add(name)
            return literal(params[name], name)
        if match["open"] and params:
            raise EmbeddingsOrchError(f"the filter has a quote that is not closed: {where}")
        if match["comment"] and params:
            raise EmbeddingsOrchError(f"a filter with params takes no comment: {where}")
        return match[0]

    bound = _TOKENS.sub(put, where)
    if unused := [name for name in params if name not in used]:
        raise EmbeddingsOrchError(f"params has {', '.join(unused)}, which the filter does not use: {where}")
    return bound


def literal(value: Any, name: str = "value") -> str:
    """A value as an SQL literal; a list, tuple or set in parentheses.

    Raises:
        EmbeddingsOrchError: SQL has no literal for it; the message calls it by ``name``.
    """
    if isinstance(value, list | tuple | set | frozenset):
        if not value:
            raise EmbeddingsOrchError(f"the filter's :{name} is an empty list, and nothing can be IN that")
        if any(isinstance(element, list | tuple | set | frozenset) for element in value):
            raise EmbeddingsOrchError(f"the filter's :{name} is a list of lists")
        return f"({', '.join(literal(element, name) for element in value)})"
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, str):
        return _text(value, name)
    if value is None or isinstance(value, bool):
        return "NULL" if value is None else str(value).lower()
    if isinstance(value, int | float):
        return _number(value, name)
    if isinstance(value, datetime):
        # The store's times are in UTC; one without a zone is taken as such.
        utc = value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
        return f"timestamp '{utc.isoformat(' ', 'microseconds')}'"
    if isinstance(value, date):
        return f"date '{value.isoformat()}'"
    raise EmbeddingsOrchError(
        f"the filter's :{name} is {type(value).__name__}; give a str, bool, int, float, None, date, datetime or a list"
    )


def _text(value: str, name: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise EmbeddingsOrchError(f"the filter's :{name} is no text: it has half of a surrogate pair") from error
    return "'" + str.__str__(value).replace("'", "''") + "'"


def _number(value: float, name: str) -> str:
    if isinstance(value, int):
        if abs(value) > _INT64_MAX:
            raise EmbeddingsOrchError(f"the filter's :{name} is {value}, more than 64 bits hold")
        return _sign(int.__repr__(value))
    if not math.isfinite(value):
        raise EmbeddingsOrchError(f"the filter's :{name} is {value}, which SQL has no number for")
    return _sign(float.__repr__(value))


def _sign(number: str) -> str:
    # After a minus of the filter's own, another one would begin a comment.
    return f" {number}" if number.startswith("-") else number
