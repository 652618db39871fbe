"""The columns of the user's that any source has as Arrow: under their names and in their types, or the nearest."""

from __future__ import annotations

from dataclasses import dataclass, field

import pyarrow as pa

from embeddings_orch.media.base import Problem
from embeddings_orch.media.catalog.choice import ColumnChoice, FileColumns, name_columns
from embeddings_orch.media.catalog.names import distinct_names
from embeddings_orch.media.catalog.typed import keep_column


@dataclass
class OwnColumns:
    """Columns as a catalog takes them.

    Attributes:
        problems: what is not as it was: a name, a type, a value.
    """

    columns: dict[str, pa.ChunkedArray] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def keep_columns(table: pa.Table, choice: ColumnChoice, where: str) -> OwnColumns:
    """Columns of the user's for the table of a `Scan`; none is refused.

    Args:
        table: the user's columns alone, in the order of the scan's rows.
        choice: of the source's settings.
        where: what the table is called, for messages.

    Raises:
        SourceError: the choice names a column that there is not, or gives a name that is taken.

    Example:
        >>> own = keep_columns(pa.table({"a.b": [1], "size": [2]}), ColumnChoice(rename={"size": "cm"}), "db")
        >>> list(own.columns), len(own.problems)
        (['a_b', 'cm'], 1)
    """
    distinct, twice = distinct_names(table.column_names)
    places = {name: place for place, name in enumerate(distinct, 1)}
    names = name_columns(FileColumns(places, twice), choice, where)
    own = OwnColumns(problems=[names.problem(name, where) for name in names.reasons])
    for name, new in names.names.items():
        kept = keep_column(name, table.column(places[name] - 1))
        own.problems += kept.problems(where)
        own.problems += [Problem(f"{where}, row {row + 1}", kept.why_null(name)) for row in kept.misfits]
        if kept.values is not None:
            own.columns[new] = kept.values
    return own
