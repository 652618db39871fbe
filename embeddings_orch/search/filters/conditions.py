"""Conditions of one column or expression whose type is known: what is written for each operator.

An operand is written once, so that a condition never grows with what is in it; two floats are written twice.
"""

from __future__ import annotations

from collections.abc import Sequence

from embeddings_orch.search.filters.literals import Edges

MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
"""What an operator becomes when its sides change places."""


def comparison(operand: str, sign: str, edges: Edges) -> str:
    """A comparison with a value; an operand without a value makes it neither true nor false, as always in SQL."""
    equal = edges.exact
    if sign in ("=", "==", "<>", "!="):
        if equal is not None:
            return f"{operand} {sign} {equal}"
        return _always(operand) if sign in ("<>", "!=") else never(operand)
    if sign in ("<", "<="):
        if equal is not None:
            return f"{operand} {sign} {equal}"
        return _bounded(operand, "<=", edges.below, all_are=edges.above is None)
    if edges.top is not None:
        least = edges.above if equal is None else edges.after if sign == ">" else equal
        return never(operand) if least is None else f"({operand} BETWEEN {least} AND {edges.top})"
    if equal is not None:
        return f"{operand} {sign} {equal}"
    return _bounded(operand, ">=", edges.above, all_are=edges.below is None)


_INFINITY = "arrow_cast('inf', 'Float64')"


def two_floats(left: str, sign: str, right: str) -> str:
    """A comparison of two floats, as IEEE 754 has it: LanceDB counts NaN as more than all numbers, and equal to itself.

    Args:
        left: an operand.
        sign: of the comparison.
        right: an operand.
    """
    left, right = f"({left} + 0.0)", f"({right} + 0.0)"  # for LanceDB -0.0 is less than 0.0
    if sign in ("<", "<="):
        left, sign, right = right, MIRRORED[sign], left
    if sign in ("<>", "!="):
        return f"({left} {sign} {right} OR ({left} > {_INFINITY} AND {right} IS NOT NULL))"
    return f"({left} {sign} {right} AND ({left} <= {_INFINITY} OR {right} IS NULL))"


def between(operand: str, low: Edges, high: Edges, *, negated: bool) -> str:
    """BETWEEN two values, both of which count."""
    least = low.above if low.exact is None else low.exact
    most = high.below if high.exact is None else high.exact
    if least is None or most is None:
        return _always(operand) if negated else never(operand)
    return f"{operand} {'NOT ' if negated else ''}BETWEEN {least} AND {most}"


def one_of(operand: str, elements: Sequence[Edges], *, negated: bool) -> str:
    """IN a list of values; those that the column cannot hold are left out."""
    held = [edges.exact for edges in elements if edges.exact is not None]
    if not held:
        return _always(operand) if negated else never(operand)
    return f"{operand} {'NOT ' if negated else ''}IN ({', '.join(held)})"


def never(operand: str) -> str:
    """False, and neither true nor false where the operand has no value."""
    return f"({operand} IS NULL AND NULL)"


def _always(operand: str) -> str:
    return f"({operand} IS NOT NULL OR NULL)"


def _bounded(operand: str, sign: str, edge: str | None, *, all_are: bool) -> str:
    if all_are:
        return _always(operand)
    return never(operand) if edge is None else f"{operand} {sign} {edge}"
