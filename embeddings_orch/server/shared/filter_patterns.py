"""The patterns of a filter: of LIKE, and regular expressions, whose making and matching grow with more than length."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, Literal

from embeddings_orch.server.gate.limits import PATTERN_WILDCARDS, PATTERNS, size_of
from embeddings_orch.server.gate.problems import HttpProblem

PatternKind = Literal["like", "regexp"]

KEYWORDS: Mapping[str, PatternKind] = {"like": "like", "ilike": "like"}
"""Words before a pattern."""

FUNCTIONS_OF_PATTERNS = frozenset({"regexp_like", "regexp_match"})
"""Functions whose second argument is a pattern."""

_COUNTED = re.compile(r"\{([^{}]*+)")
_NUMBER = re.compile(r"\d++")
_WILDCARDS: Mapping[PatternKind, frozenset[str]] = {"like": frozenset("%_"), "regexp": frozenset(".*+?|[{\\")}


class FilterPatterns:
    """Follows the tokens of a filter, and measures each pattern as a whole: also one that ``||`` puts together.

    A pattern is made of texts and parameters and nothing else, so that all of it is known before it is used.

    Args:
        params: the values of the filter's parameters.
    """

    def __init__(self, params: Mapping[str, Any]) -> None:
        self._params = params
        self._kind: PatternKind | None = None
        self._parts: list[str] = []
        self._opened = 0
        self._joined = False
        # The depths of calls whose next comma comes before a pattern.
        self._calls: list[int] = []
        self._bytes = self._wildcards = 0

    def see(self, kind: str | None, token: str, depth: int) -> None:
        """Take the next token.

        Args:
            kind: what it is.
            token: its text.
            depth: of parentheses about it, its own counted.

        Raises:
            HttpProblem: 400, a pattern is made of something else, or is too large.
        """
        if self._kind is not None and self._goes_on(kind, token):
            return
        word = token.lower()
        if kind in ("term", "call") and word in KEYWORDS:
            self._kind = KEYWORDS[word]
        elif kind == "call" and word in FUNCTIONS_OF_PATTERNS:
            self._calls.append(depth + 1)
        elif kind == "comma" and self._calls and self._calls[-1] == depth:
            self._calls.pop()
            self._kind = "regexp"
        elif kind == "up" and self._calls and depth < self._calls[-1]:
            self._calls.pop()

    def end(self) -> None:
        """There are no more tokens.

        Raises:
            HttpProblem: 400, as `see`.
        """
        if self._kind is not None:
            self._finish(self._kind)

    def _goes_on(self, kind: str | None, token: str) -> bool:
        """Whether a token is part of the pattern that has begun."""
        assert self._kind is not None
        waits = not self._parts or self._joined
        if kind == "join" and not waits:
            self._joined = True
        elif kind == "quoted" and token[0] == "'":
            self._add(token[1:-1].replace("''", "'"))
        elif kind == "param" and waits:
            self._add(self._value(token[1:]))
        elif kind == "deeper" and token == "(" and waits:
            self._opened += 1
        elif kind == "up" and self._opened and not waits:
            self._opened -= 1
        elif waits:
            raise refuse("has a pattern that is not made of texts and parameters alone")
        else:
            self._finish(self._kind)
            return False
        return True

    def _value(self, name: str) -> str:
        value = self._params.get(name, "")
        if isinstance(value, list | dict):
            raise refuse(f"has :{name} as a pattern, which is no text")
        return str(value)

    def _add(self, part: str) -> None:
        self._parts.append(part)
        self._joined = False

    def _finish(self, kind: PatternKind) -> None:
        pattern = "".join(self._parts)
        self._kind, self._parts, self._joined, self._opened = None, [], False, 0
        self._bytes += size_of(pattern)
        if self._bytes > PATTERNS:
            raise refuse(f"has patterns of more than {PATTERNS:,} bytes in all")
        wildcards = sum(character in _WILDCARDS[kind] for character in pattern)
        self._wildcards += wildcards * (_repetitions(pattern) if kind == "regexp" else 1)
        if self._wildcards > PATTERN_WILDCARDS:
            raise refuse(f"has patterns with more than {PATTERN_WILDCARDS} wildcards, or repetitions of them, in all")


def _repetitions(pattern: str) -> int:
    """How often the counts of a regular expression repeat what they are of, were each within all others."""
    counts = [_NUMBER.findall(within) for within in _COUNTED.findall(pattern)]
    if counts and "#" in pattern:
        raise refuse("has # beside { in a regular expression, where a comment could hide a count")
    # Of many digits it is too much by itself.
    return math.prod(max((int(number[:9]) for number in numbers), default=1) or 1 for numbers in counts)


def refuse(why: str) -> HttpProblem:
    """The answer to a filter that is refused."""
    return HttpProblem(400, f"the filter {why}", param="where")
