"""Filters from strangers: SQL that cannot take the server down.

DataFusion, which reads them, recurses without a limit (a sum of 1,000 numbers ends the process), takes minutes for
CASTs within each other, and has functions that fill the memory.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from embeddings_orch.server.gate.limits import (
    FILTER,
    FILTER_ALL,
    FILTER_ALL_BYTES,
    FILTER_DEPTH,
    FILTER_JOINS,
    FILTER_TERMS,
    FILTER_VALUE_BYTES,
    FILTER_VALUES,
    size_of,
)
from embeddings_orch.server.gate.problems import HttpProblem
from embeddings_orch.server.shared.filter_patterns import FilterPatterns, refuse

FUNCTIONS = frozenset(
    [
        "abs",
        "array_contains",
        "array_has",
        "array_has_all",
        "array_has_any",
        "array_length",
        "btrim",
        "cardinality",
        "ceil",
        "char_length",
        "character_length",
        "coalesce",
        "contains",
        "date_part",
        "date_trunc",
        "ends_with",
        "extract",
        "floor",
        "isnan",
        "length",
        "list_contains",
        "list_has_all",
        "list_has_any",
        "lower",
        "ltrim",
        "nullif",
        "octet_length",
        "regexp_like",
        "regexp_match",
        "round",
        "rtrim",
        "starts_with",
        "strpos",
        "substr",
        "substring",
        "trim",
        "upper",
    ]
)
_HAVE_ALL = frozenset({"array_has_all", "list_has_all"})
"""Functions for which DataFusion copies a whole list for each row."""

_WORDS = frozenset(
    ["all", "and", "any", "between", "case", "else", "escape", "in", "is", "like", "ilike", "not", "or", "then", "when"]
)
"""Words of SQL after which a parenthesis is no call."""

_OTHER_PATTERNS = frozenset({"similar", "rlike", "regexp"})
"""Operators of patterns that are measured nowhere; `regexp_like` does the same."""

# What quotes otherwise (E'', U&'', $$) has a symbol or a name before its quote: told apart, so that nothing is hidden.
_TOKENS = re.compile(
    r"""
    (?P<comment> -- | /\* )
  | (?P<call> (?: [^\W\d]\w*+ | "(?:[^"]|"")*+" | `[^`]*+` ) (?= \s*+ (?: \( | :[A-Za-z_] ) | ' ) )
  | (?P<cast> :: )
  | (?P<quoted> '(?:[^']|'')*+' | "(?:[^"]|"")*+" | `[^`]*+` )
  | (?P<open> ['"`] )
  | (?P<param> :[^\W\d]\w*+ )
  | (?P<term> [^\W\d]\w*+ )
  | (?P<join> \|\| )
  | (?P<symbol> [-=<>!+*/%.|:^] )
  | (?P<deeper> [(\[] )
  | (?P<up> [)\]] )
  | (?P<comma> , )
  | (?P<other> [^\w\s] )
    """,
    re.VERBOSE,
)
_COUNTED = frozenset({"call", "quoted", "param", "term", "join", "symbol"})


def check_filter(where: str | None, params: Mapping[str, Any] | None) -> None:
    """Refuse a filter that could take too much of the server.

    Raises:
        HttpProblem: 400, it is beyond one of the limits of filters in `embeddings_orch.server.gate.limits`, has a
            comment, a cast, or a function that is not in `FUNCTIONS`.
    """
    if where is None:
        return
    if size_of(where) > FILTER:
        raise refuse(f"has more than {FILTER:,} bytes; give long values as parameters: id IN :ids")
    values, patterns = _Values(params or {}), FilterPatterns(params or {})
    terms = joins = 0
    opened: list[str] = []
    function: str | None = None
    for token in _TOKENS.finditer(where):
        kind, text = token.lastgroup, token[0]
        if (why := _refusal(kind, text)) is not None:
            raise refuse(why)
        if kind == "deeper":
            opened.append(function or text)
        elif kind == "up" and opened:
            opened.pop()
        elif kind == "param":
            if function is not None:
                # The list of a parameter would be the arguments, which nothing here looks at.
                raise refuse(f"has {function} without parentheses")
            values.count(text[1:], copied=not _HAVE_ALL.isdisjoint(opened))
        function = text.lower() if kind == "call" and text.lower() in FUNCTIONS else None
        terms += kind in _COUNTED
        # What stands in brackets by name is put into an array for each row.
        joins += kind == "join" or (opened[-1:] == ["["] and (kind == "term" or text[:1] in '"`'))
        if len(opened) > FILTER_DEPTH:
            raise refuse(f"is nested more than {FILTER_DEPTH} deep")
        if terms > FILTER_TERMS:
            raise refuse(f"has more than {FILTER_TERMS} terms; give long lists as a parameter: id IN :ids")
        if joins > FILTER_JOINS:
            raise refuse(f"puts more than {FILTER_JOINS} texts together, by || or into arrays")
        patterns.see(kind, text, len(opened))
    patterns.end()


def _refusal(kind: str | None, token: str) -> str | None:
    """Why no filter may have a token, None where it may."""
    word = token.lower()
    if kind == "call" and word not in _WORDS | FUNCTIONS:
        return f"has the function {token}; allowed here: {', '.join(sorted(FUNCTIONS))}"
    if kind in ("call", "term") and word in _OTHER_PATTERNS:
        return f"has {token}; use regexp_like"
    refusals = {
        "comment": "has a comment",
        "cast": "has the cast ::",
        "open": "has a quote that is not closed",
        "other": f"has {token!r} outside of quotes",
    }
    return refusals.get(kind or "")


class _Values:
    """Counts what parameters put into a filter, as often as they are used."""

    def __init__(self, params: Mapping[str, Any]) -> None:
        self._params = params
        self._sizes: dict[str, tuple[int, int]] = {}
        self._values = self._bytes = self._copied_values = self._copied_bytes = 0

    def count(self, name: str, *, copied: bool) -> None:
        """Take one more use of a parameter.

        Args:
            name: of the parameter.
            copied: whether it is in one of `_HAVE_ALL`.

        Raises:
            HttpProblem: 400, there are too many values, or they are too long.
        """
        if name not in self._sizes:
            value = self._params.get(name)
            elements = value if isinstance(value, list) else [value]
            self._sizes[name] = len(elements), sum(size_of(str(element)) for element in elements)
        values, size = self._sizes[name]
        self._values += values
        self._bytes += size
        self._copied_values += values * copied
        self._copied_bytes += size * copied
        for total, most, what in (
            (self._values, FILTER_VALUES, "values"),
            (self._bytes, FILTER_VALUE_BYTES, "bytes of values"),
            (self._copied_values, FILTER_ALL, "values in array_has_all"),
            (self._copied_bytes, FILTER_ALL_BYTES, "bytes of values in array_has_all"),
        ):
            if total > most:
                raise HttpProblem(
                    400, f"params.{name}: the filter has more than {most:,} {what} in all", param=f"params.{name}"
                )
