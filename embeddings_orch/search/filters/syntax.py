"""What the parts of a filter are: its text as a tree, of which each node knows its place in the text."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

TOKENS = re.compile(
    r"""
    (?P<space> \s++ )
  | (?P<comment> -- | /\* )
  | (?P<bytes> [xX]'[0-9A-Fa-f]*+' )
  | (?P<text> '(?:[^']|'')*+' )
  | (?P<name> "(?:[^"]|"")*+" | `(?:[^`]|``)*+` )
  | (?P<open> ['"`] )
  | (?P<cast> :: )
  | (?<! [\w'"`] ) :(?P<param> [A-Za-z_][A-Za-z0-9_]*+ )
  | (?P<number> (?: \d++ (?: \.\d*+ )?+ | \.\d++ ) (?: [eE][+-]?\d++ )?+ (?! \w ) )
  | (?P<word> [^\W\d]\w*+ )
  | (?P<sign> \|\| | <= | >= | <> | != | == | [-+*/%=<>(),.\[\]] )
  | (?P<other> . )
    """,
    re.VERBOSE | re.DOTALL,
)

DEEPEST = 64
"""Parentheses, calls and signs within each other; what is deeper is left to LanceDB."""

NodeKind = Literal[
    "literal", "column", "call", "compare", "between", "in", "like", "arithmetic", "negative", "group", "list", "other"
]


class Token(NamedTuple):
    """One word of a filter.

    Attributes:
        word: a keyword, or a sign, as it is compared; empty for a name in quotes.
    """

    kind: str
    text: str
    start: int
    end: int
    word: str = ""


@dataclass(slots=True)
class Node:
    """A part of a filter.

    Attributes:
        name: the operator, the function or the parameter; of a literal without one its kind.
        path: of a column its name, and those of the fields in it; each with whether it stood in quotes.
        value: of a literal its text, without quotes.
        negated: a NOT before BETWEEN or IN.
    """

    kind: NodeKind
    start: int
    end: int
    children: list[Node] = field(default_factory=list)
    name: str = ""
    path: tuple[tuple[str, bool], ...] = ()
    value: str | None = None
    negated: bool = False


class UnreadError(Exception):
    """The text is more than is understood here; LanceDB may know it, or says what is wrong."""


def tokens_of(where: str) -> list[Token]:
    """The words of a filter, without space."""
    tokens = []
    for match in TOKENS.finditer(where):
        kind, text = str(match.lastgroup), match[0]
        if kind != "space":
            word = text.lower() if kind in ("word", "sign", "cast") else ""
            tokens.append(Token(kind, text, match.start(), match.end(), word))
    return tokens


def unquote(text: str) -> str:
    """What stands in quotes.

    Example:
        >>> unquote("'it''s'")
        "it's"
    """
    return text[1:-1].replace(text[0] * 2, text[0])
