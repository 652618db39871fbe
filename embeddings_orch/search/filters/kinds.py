"""The columns that a filter names, and the types of its expressions."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

import pyarrow as pa

from embeddings_orch.errors import FilterError
from embeddings_orch.search.filters.syntax import Node

_PLAIN = re.compile(r"[a-z_][a-z0-9_]*+")
_WORDS = frozenset(
    [
        "all",
        "and",
        "any",
        "array",
        "as",
        "between",
        "by",
        "case",
        "cast",
        "date",
        "distinct",
        "else",
        "end",
        "exists",
        "extract",
        "false",
        "from",
        "group",
        "having",
        "ilike",
        "in",
        "interval",
        "is",
        "join",
        "like",
        "limit",
        "not",
        "null",
        "on",
        "or",
        "order",
        "position",
        "select",
        "struct",
        "substring",
        "then",
        "time",
        "timestamp",
        "trim",
        "true",
        "union",
        "using",
        "values",
        "when",
        "where",
        "with",
    ]
)
"""Words that SQL may read otherwise where they stand without quotes."""

_LIKE_THE_FIRST = frozenset({"abs", "coalesce", "nullif", "ifnull", "nvl"})
_COUNTS = frozenset(
    {"length", "char_length", "character_length", "octet_length", "array_length", "cardinality", "strpos"}
)
_TEXTS = frozenset({"lower", "upper", "trim", "btrim", "ltrim", "rtrim", "substr", "substring"})
_ROUND = frozenset({"ceil", "floor", "round"})


def quoted(name: str) -> str:
    """A name as a person has to write it.

    Example:
        >>> print(quoted("width"), quoted("a b"))
        width "a b"
    """
    if _PLAIN.fullmatch(name) and name.lower() not in _WORDS:
        return name
    return _in_quotes(name)


def _in_quotes(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def field_of(node: Node, schema: pa.Schema) -> tuple[pa.Field, str] | None:
    """The column that a filter names, or the field in it, and how LanceDB reads it; None for one of LanceDB's own.

    Raises:
        FilterError: there is no such column or field, or several are called so but for their case.
    """
    (first, in_quotes), *rest = node.path
    if first.startswith("_") and first not in schema.names:
        return None
    field = _named(first, in_quotes, list(schema), f"columns: {_listed(schema.names)}")
    if "`" in field.name:
        raise FilterError(f"the filter names {quoted(field.name)}, and LanceDB reads no name with ` in a filter")
    text = _in_quotes(field.name)
    for name, within_quotes in rest:
        if not pa.types.is_struct(field.type):
            raise FilterError(f"the filter names {name} of {quoted(first)}, which is {field.type} and has no fields")
        fields = list(field.type)
        field = _named(name, within_quotes, fields, f"{quoted(first)} has: {_listed([one.name for one in fields])}")
        text += "['" + field.name.replace("'", "''") + "']"
    return field, text


@dataclass(frozen=True)
class Kinds:
    """The types of expressions.

    Attributes:
        schema: the columns.
        fits: whether a type has the value of a literal.
    """

    schema: pa.Schema
    fits: Callable[[Node, pa.DataType], bool]

    def of(self, node: Node) -> pa.DataType | None:
        """The type of an expression, None where it is not known for certain.

        Raises:
            FilterError: as `field_of`.
        """
        if node.kind == "column":
            field = field_of(node, self.schema)
            return None if field is None else _stored(field[0].type)
        if node.kind == "group":
            return self.of(node.children[0])
        if node.kind == "call":
            return self._result(node)
        if node.kind in ("arithmetic", "negative") and node.name != "||":
            return self._number(node)
        return None

    def _result(self, node: Node) -> pa.DataType | None:
        """What a function gives."""
        if node.name in _COUNTS:
            return pa.int64()
        if node.name in _TEXTS:
            return pa.string()
        if not node.children or node.name not in _LIKE_THE_FIRST | _ROUND | {"date_trunc"}:
            return None
        kind = self.of(node.children[-1 if node.name == "date_trunc" else 0])
        if kind is None or (node.name in _ROUND and not pa.types.is_floating(kind)):
            return None
        if node.name == "date_trunc":
            return kind if pa.types.is_timestamp(kind) else None
        others = node.children[1:]
        same = all(self.fits(other, kind) if other.kind == "literal" else self.of(other) == kind for other in others)
        return kind if same else None

    def _number(self, node: Node) -> pa.DataType | None:
        """The type of a sum or a product of integers, or one with a float; sums of decimals have types of their own."""
        kinds = [self.of(child) for child in node.children if child.kind != "literal"]
        literals = [child for child in node.children if child.kind == "literal"]
        known = [kind for kind in kinds if kind is not None]
        if not kinds or len(known) < len(kinds):
            return None
        if has_float(known):
            return pa.float64() if all(self.fits(child, pa.float64()) for child in literals) else None
        whole = node.name != "/" and all(pa.types.is_integer(kind) and kind != pa.uint64() for kind in known)
        return pa.int64() if whole and all(self.fits(child, pa.int64()) for child in literals) else None


def has_float(kinds: Sequence[pa.DataType | None]) -> bool:
    """Whether all are floats or integers, and one a float at least."""
    types = pa.types
    numbers = all(kind is not None and (types.is_floating(kind) or types.is_integer(kind)) for kind in kinds)
    return numbers and any(types.is_floating(kind) for kind in kinds)


def _stored(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _named(name: str, in_quotes: bool, fields: list[pa.Field], others: str) -> pa.Field:
    for field in fields:
        if field.name == name:
            return field
    alike = [field for field in fields if field.name.lower() == name.lower()]
    if len(alike) == 1 and not in_quotes:
        return alike[0]
    if alike:
        which = " or ".join(quoted(field.name) for field in alike)
        raise FilterError(f"the filter names {quoted(name)}, which is not there; did you mean {which}? {others}")
    close = get_close_matches(name, [field.name for field in fields], n=1, cutoff=0.5)
    hint = f" did you mean {quoted(close[0])}?" if close else ""
    text = " (a text stands in single quotes)" if in_quotes else ""
    raise FilterError(f"the filter names {quoted(name)}, which is not there{text};{hint} {others}")


def _listed(names: list[str]) -> str:
    return ", ".join(quoted(name) for name in names if not name.startswith("_"))
