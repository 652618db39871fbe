"""Names of columns: a file's are kept as they are wherever the store can, else under the nearest one that is free."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Sequence

from embeddings_orch.media.base import CATALOG_SCHEMA
from embeddings_orch.models.rows.notes import NOTES

LANCE_NAMES = frozenset(
    {
        *("_rowid", "_rowaddr", "_rowoffset", "_row_created_at_version", "_row_last_updated_at_version"),
        *("_distance", "_score", "_relevance_score"),
    }
)
"""Names of columns that LanceDB refuses, or gives to what it finds itself."""

OWN_NAMES = frozenset({*CATALOG_SCHEMA.names, *NOTES})
"""Names of a catalog's own columns; the store tells capitals and small letters apart."""

_UNQUOTABLE = re.compile("[.`\0]")


def refusal(name: str) -> str:
    """Why a catalog cannot have a column of this name; empty where it can."""
    if not name:
        return "a column has no name (pandas writes one unless told index=False)"
    if name in OWN_NAMES:
        return f"the catalog has a column {name!r} of its own"
    if name in LANCE_NAMES:
        return f"LanceDB keeps the name {name!r} for itself"
    if name == "*" or _UNQUOTABLE.search(name):
        return f"no filter can say the name {name!r}"
    return ""


def distinct_names(names: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """A header with every name once: the second ``price`` is ``price_2``.

    Returns:
        The names, and of those that were made the ones that they were made of.
    """
    taken, seen, distinct = set(names), set[str](), list[str]()
    twice: dict[str, str] = {}
    numbers = Counter[str]()
    for place, name in enumerate(names, 1):
        unique = name
        if name in seen:
            start = name or f"column_{place}"
            # From the last number on: a header of one name alone takes no time that grows with its square.
            unique, numbers[start] = _number_free_name(start, taken, numbers[start] or 1)
            twice[unique] = name
        taken.add(unique)
        seen.add(unique)
        distinct.append(unique)
    return distinct, twice


def free_name(name: str, taken: Collection[str]) -> str:
    """A name, or the first of ``name_2``, ``name_3`` that is free."""
    return _number_free_name(name, taken)[0]


def _number_free_name(name: str, taken: Collection[str], number: int = 1) -> tuple[str, int]:
    """The free name, and its number, where those up to a number are taken."""
    free = name
    while free in taken:
        number += 1
        free = f"{name}_{number}"
    return free, number


def near_name(name: str, place: int) -> str:
    """A name that a catalog can have, for one that it cannot: of the column at a place, counted from 1."""
    if not name:
        return f"column_{place}"
    if name in LANCE_NAMES or name in NOTES:
        return name.lstrip("_")
    return "_" if name == "*" else _UNQUOTABLE.sub("_", name)
