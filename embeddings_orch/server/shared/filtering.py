"""Filters from strangers: SQL that cannot take the server down.

DataFusion, which reads them, recurses without a limit (a sum of 1,000 numbers ends the process), takes minutes for
CASTs within each other, and has functions that fill the memory.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from embeddings_orch.server.gate.problems import HttpProblem

MOST_TERMS = 200
DEEPEST = 16
MOST_VALUES = 10_000

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
_WORDS = frozenset(
    ["all", "and", "any", "between", "case", "else", "escape", "in", "is", "like", "ilike", "not", "or", "then", "when"]
)
"""Words of SQL after which a parenthesis is no call."""

# What quotes otherwise (E'', U&'', $$) has a symbol or a name before its quote: told apart, so that nothing is hidden.
_TOKENS = re.compile(
    r"""
    (?P<comment> -- | /\* )
  | (?P<call> (?: [^\W\d]\w* | "(?:[^"]|"")*" | `[^`]*` ) (?= \s* (?: \( | :[A-Za-z_] ) | ' ) )
  | (?P<cast> :: )
  | (?P<quoted> '(?:[^']|'')*' | "(?:[^"]|"")*" | `[^`]*` )
  | (?P<open> ['"`] )
  | (?P<term> :?[^\W\d]\w* | [-=<>!+*/%.|:~^] )
  | (?P<deeper> [(\[] )
  | (?P<up> [)\]] )
  | (?P<other> [^\w\s,] )
    """,
    re.VERBOSE,
)


def check_filter(where: str | None, params: Mapping[str, Any] | None) -> None:
    """Refuse a filter that could take too much of the server.

    Raises:
        HttpProblem: 400, it is too long or too deep, has a comment, a cast, or a function that is not in `FUNCTIONS`.
    """
    for name, value in (params or {}).items():
        if isinstance(value, list) and len(value) > MOST_VALUES:
            raise HttpProblem(400, f"params.{name} has more than {MOST_VALUES:,} values", param=f"params.{name}")
    terms = depth = 0
    for token in _TOKENS.finditer(where or ""):
        kind = token.lastgroup
        depth += (kind == "deeper") - (kind == "up")
        terms += kind in ("term", "call", "quoted")
        if kind == "call" and token[0].lower() not in _WORDS | FUNCTIONS:
            raise _refuse(f"has the function {token[0]}; allowed here: {', '.join(sorted(FUNCTIONS))}")
        if kind == "comment":
            raise _refuse("has a comment")
        if kind == "cast":
            raise _refuse("has the cast ::")
        if kind == "other":
            raise _refuse(f"has {token[0]!r} outside of quotes")
        if kind == "open":
            raise _refuse("has a quote that is not closed")
        if depth > DEEPEST:
            raise _refuse(f"is nested more than {DEEPEST} deep")
        if terms > MOST_TERMS:
            raise _refuse(f"has more than {MOST_TERMS} terms; give long lists as a parameter: id IN :ids")


def _refuse(why: str) -> HttpProblem:
    return HttpProblem(400, f"the filter {why}", param="where")
