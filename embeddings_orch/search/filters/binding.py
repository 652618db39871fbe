"""Filters with parameters: values reach the SQL as literals, and never as anything else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import date, datetime
from decimal import Decimal

import pyarrow as pa

from embeddings_orch.errors import FilterError
from embeddings_orch.models.rows.lists import is_list
from embeddings_orch.plugins import suggestion
from embeddings_orch.search.filters.conditions import MIRRORED, between, comparison, never, one_of, two_floats
from embeddings_orch.search.filters.kinds import Kinds, field_of, has_float
from embeddings_orch.search.filters.literals import Edges, edges_of, literal, wide
from embeddings_orch.search.filters.parser import parse
from embeddings_orch.search.filters.scales import scale_of
from embeddings_orch.search.filters.syntax import Node, Token, UnreadError, tokens_of
from embeddings_orch.search.filters.values import PlainValue, in_utc, plain_values

_LONGEST = 100
_HAVE_ONE = frozenset({"array_has", "array_contains", "list_has", "list_contains"})
_HAVE_SOME = frozenset({"array_has_any", "list_has_any", "arrays_overlap"})
_HAVE_ALL = frozenset({"array_has_all", "list_has_all"})
_ELSE = frozenset({"coalesce", "nullif", "ifnull", "nvl"})


def bind(where: str | None, params: Mapping[str, object] | None = None, schema: pa.Schema | None = None) -> str | None:
    """A filter with a literal in place of every ``:name`` outside of quotes.

    Args:
        where: an SQL condition.
        params: a value for each name: str, bool, int, float, Decimal, None, date, datetime, time, timedelta, bytes, a
            scalar of numpy, pandas or pyarrow, or a list of these for ``IN :name``.
        schema: the columns. What is compared with one, a parameter or what the filter itself says, is read as a value
            of its type, and is compared exactly: ``width > 20.5`` of integers, ``price = 19.99`` of decimals,
            ``taken > '2024-05-01'`` of times.

    Raises:
        FilterError: a name without a value, a value without a name, a value that SQL has no literal for or that the
            column cannot be compared with, a column that is not there, a quote that is not closed, or a comment (which
            a value could end) beside parameters.

    Example:
        >>> bind("caption LIKE :pattern AND width IN :widths", {"pattern": "%dog's%", "widths": [64, 128]})
        "caption LIKE '%dog''s%' AND width IN (64, 128)"
        >>> bind("width > 20.5", schema=pa.schema({"width": pa.int32()}))
        '"width" >= 21'
    """
    params = params or {}
    if where is None:
        if params:
            raise FilterError(f"there are params ({', '.join(params)}) and no filter that uses them")
        return None
    tokens = tokens_of(where)
    _check_params(where, tokens, params)
    values = {name: plain_values(value, f":{name}") for name, value in params.items()}
    return _Typed(where, values, schema or pa.schema([])).whole(_tree(where, tokens, typed=schema is not None))


def _tree(where: str, tokens: list[Token], *, typed: bool) -> Node:
    """What the filter is made of; its parameters alone, where it is not understood or has no types."""
    if typed:
        with suppress(UnreadError):
            return parse(tokens)
    params = [Node("literal", token.start, token.end, name=token.text) for token in tokens if token.kind == "param"]
    return Node("other", 0, len(where), params)


def _check_params(where: str, tokens: list[Token], params: Mapping[str, object]) -> None:
    used = {token.text[1:] for token in tokens if token.kind == "param"}
    for name in used:
        if name not in params:
            raise FilterError(f"the filter's :{name} has no value in params{suggestion(name, params)}")
    if params and any(token.kind == "open" for token in tokens):
        raise FilterError(f"the filter has a quote that is not closed: {where}")
    if params and any(token.kind == "comment" for token in tokens):
        raise FilterError(f"a filter with params takes no comment: {where}")
    if unused := [name for name in params if name not in used]:
        raise FilterError(f"params has {', '.join(unused)}, which the filter does not use: {where}")


class _Typed:
    """Writes a filter anew, with what is compared with a column as literals of its type; all else as it stands."""

    def __init__(self, where: str, values: Mapping[str, PlainValue | list[PlainValue]], schema: pa.Schema) -> None:
        self._where = where
        self._values = values
        self._schema = schema
        self._kind = Kinds(schema, self._fits).of

    def whole(self, tree: Node) -> str:
        """The text of a tree, with what is before and after it."""
        return self._where[: tree.start] + self._text(tree) + self._where[tree.end :]

    def _text(self, node: Node) -> str:
        if node.kind == "literal":
            return self._untyped(node, listed="()")
        if node.kind == "column":
            field = field_of(node, self._schema)
            return self._source(node) if field is None else field[1]
        if node.kind in ("arithmetic", "negative") and self._kind(node) == pa.int64():
            return self._sum(node)
        try:
            written = self._condition(node)
        except FilterError as error:
            if " (in: " in str(error):
                raise
            raise FilterError(f"{error} (in: {self._source(node)[:_LONGEST]})") from error
        return self._as_it_stands(node) if written is None else written

    def _condition(self, node: Node) -> str | None:
        """What is written for a node whose literals have types, None for another."""
        if node.kind == "compare":
            return self._comparison(node)
        if node.kind in ("between", "in"):
            kind = self._kind(node.children[0])
            if kind is None or node.children[0].kind == "literal":
                return None
            operand, rest = self._text(node.children[0]), node.children[1:]
            if any(child.kind != "literal" for child in rest):
                return self._among_columns(node, kind)
            if node.kind == "between":
                low, high = (self._edges(child, kind) for child in rest)
                return between(operand, low, high, negated=node.negated)
            elements = [edges for child in rest for edges in self._each(child, kind)]
            return one_of(operand, elements, negated=node.negated)
        return self._call(node) if node.kind == "call" else None

    def _among_columns(self, node: Node, kind: pa.DataType) -> str:
        """BETWEEN or IN with other columns, which decide with what a value of the filter's is compared in the end."""
        if has_float([self._kind(child) for child in node.children if child.kind != "literal"]):
            return self._among_floats(node, kind)

        def write(child: Node) -> str:
            if child.kind != "literal":
                return self._text(child)
            value = self._value(child)
            values = value if isinstance(value, list) else [value]
            return ", ".join(wide(element, kind, self._called(child)) for element in values)

        return self._with_children(node, write)

    def _among_floats(self, node: Node, kind: pa.DataType) -> str:
        """BETWEEN or IN as comparisons, one by one."""
        operand, *rest = node.children
        signs = (">=", "<=") if node.kind == "between" else ("=",) * len(rest)
        text, parts = self._text(operand), []
        for sign, child in zip(signs, rest, strict=True):
            if child.kind != "literal":
                parts.append(two_floats(text, sign, self._text(child)))
            elif node.kind == "in":
                parts.append(one_of(text, self._each(child, kind), negated=False))
            else:
                parts.append(comparison(text, sign, self._edges(child, kind)))
        joined = (" AND " if node.kind == "between" else " OR ").join(parts)
        return f"{'NOT ' if node.negated else ''}({joined})"

    def _comparison(self, node: Node) -> str | None:
        left, right = node.children
        if left.kind == right.kind == "literal":
            return None
        if left.kind == "literal" or right.kind == "literal":
            operand, value, sign = left, right, node.name
            if left.kind == "literal":
                operand, value, sign = right, left, MIRRORED.get(node.name, node.name)
            kind = self._kind(operand)
            if kind is None:
                return None
            return comparison(self._text(operand), sign, self._edges(value, kind))
        if has_float([self._kind(left), self._kind(right)]):
            return two_floats(self._text(left), node.name, self._text(right))
        return self._two_times(node)

    def _sum(self, node: Node) -> str:
        """Integers put together, each with 64 bits: LanceDB's sum of two small ones begins anew after the largest."""

        def write(child: Node) -> str:
            return f"arrow_cast({self._text(child)}, 'Int64')" if child.kind == "column" else self._text(child)

        return self._with_children(node, write)

    def _two_times(self, node: Node) -> str | None:
        """A day and a time: LanceDB would count both in nanoseconds since 1970, which end in 2262."""
        kinds = [self._kind(child) for child in node.children]
        days = [kind is not None and pa.types.is_date(kind) for kind in kinds]
        if sum(days) != 1 or not all(kind is not None and pa.types.is_temporal(kind) for kind in kinds):
            return None
        scale = scale_of(pa.timestamp("us"))
        assert scale is not None
        sides = [
            f"arrow_cast({self._text(child)}, 'Timestamp(Microsecond, None)')" if day else self._text(child)
            for child, day in zip(node.children, days, strict=True)
        ]
        return f"{sides[0]} {node.name} {sides[1]}"

    def _call(self, node: Node) -> str | None:
        if len(node.children) != 2:
            return self._with_arrays(node)
        first, second = node.children
        kind = self._kind(first)
        if node.name in _ELSE and kind is not None and second.kind == "literal":
            edges = self._edges(second, kind)
            return None if edges.exact is None else f"{node.name}({self._text(first)}, {edges.exact})"
        if kind is None or not is_list(kind):
            return self._with_arrays(node)
        element = kind.value_type
        if node.name in _HAVE_ONE and second.kind == "literal":
            edges = self._edges(second, element)
            operand = self._text(first)
            return never(operand) if edges.exact is None else f"{node.name}({operand}, {edges.exact})"
        elements = second.children if second.kind == "list" else [second]
        if node.name in _HAVE_SOME | _HAVE_ALL and all(child.kind == "literal" for child in elements):
            operand = self._text(first)
            places = [edges for child in elements for edges in self._each(child, element)]
            held = [edges.exact for edges in places if edges.exact is not None]
            if not held or (node.name in _HAVE_ALL and len(held) < len(places)):
                return never(operand)
            return f"{node.name}({operand}, [{', '.join(held)}])"
        return self._with_arrays(node)

    def _with_arrays(self, node: Node) -> str:
        """A call whose lists of parameters are arrays."""
        return self._as_it_stands(node, listed="[]")

    def _as_it_stands(self, node: Node, listed: str = "()") -> str:
        return self._with_children(
            node, lambda child: self._untyped(child, listed) if child.kind == "literal" else self._text(child)
        )

    def _with_children(self, node: Node, write: Callable[[Node], str]) -> str:
        """The text of a node, in which each of its children is written anew."""
        parts, place = [], node.start
        for child in node.children:
            parts += [self._where[place : child.start], write(child)]
            place = child.end
        return "".join(parts) + self._where[place : node.end]

    def _untyped(self, node: Node, listed: str) -> str:
        if not node.name.startswith(":"):
            return self._source(node)
        value = self._values[node.name[1:]]
        if isinstance(value, list):
            return f"{listed[0]}{', '.join(literal(element, node.name) for element in value)}{listed[1]}"
        return literal(value, node.name)

    def _fits(self, node: Node, kind: pa.DataType) -> bool:
        """Whether a literal stands for a value of a type."""
        try:
            return self._edges(node, kind).exact is not None
        except FilterError:
            return False

    def _edges(self, node: Node, kind: pa.DataType) -> Edges:
        value = self._value(node)
        if isinstance(value, list):
            raise FilterError(f"the filter's {node.name} is a list, which goes with IN")
        return self._edges_of(value, kind, node)

    def _each(self, node: Node, kind: pa.DataType) -> list[Edges]:
        """A value, or each of a list's."""
        value = self._value(node)
        return [self._edges_of(element, kind, node) for element in (value if isinstance(value, list) else [value])]

    def _edges_of(self, value: PlainValue, kind: pa.DataType, node: Node) -> Edges:
        return edges_of(value, kind, self._called(node))

    def _called(self, node: Node) -> str:
        return node.name if node.name.startswith(":") else self._source(node)[:_LONGEST]

    def _value(self, node: Node) -> PlainValue | list[PlainValue]:
        text = node.value or ""
        if node.name.startswith(":"):
            return self._values[node.name[1:]]
        if node.name in ("true", "false", "null"):
            return None if node.name == "null" else node.name == "true"
        if node.name == "number":
            return Decimal(text)
        try:
            if node.name == "bytes":
                return bytes.fromhex(text)
            if node.name == "date":
                return date.fromisoformat(text)
            if node.name == "timestamp":
                return in_utc(datetime.fromisoformat(text), self._source(node))
        except ValueError as error:
            raise FilterError(f"the filter's {self._source(node)} is none; write {node.name} '2024-05-01'") from error
        return text

    def _source(self, node: Node) -> str:
        return self._where[node.start : node.end]
