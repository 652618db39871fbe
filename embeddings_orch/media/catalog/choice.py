"""Which columns of a file a catalog keeps, and under what names: a setting that any source of tables can have."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator

from embeddings_orch.errors import SourceError
from embeddings_orch.media.base import UNSAID, Problem, SourceConfig
from embeddings_orch.media.catalog.names import OWN_NAMES, free_name, near_name, refusal
from embeddings_orch.plugins import suggestion


class ColumnChoice(BaseModel):
    """The columns that are kept; names are those of the file.

    Example:
        >>> choice = ColumnChoice(exclude=("notes",), rename={"a.b": "size_cm"})
        >>> choice.keeps("notes"), choice.keeps("a.b")
        (False, True)
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    include: tuple[str, ...] | None = Field(
        None,
        description="Columns to keep, by their exact names; default all.",
        json_schema_extra={"type": "array", "items": {"type": "string"}},
    )
    exclude: tuple[str, ...] = Field((), description="Columns to leave out, by their exact names.")
    rename: dict[str, str] = Field({}, description="Other names for columns: {old: new}.")

    @field_validator("rename")
    @classmethod
    def _free(cls, rename: dict[str, str]) -> dict[str, str]:
        for new in rename.values():
            if reason := refusal(new):
                raise ValueError(f"{new!r} cannot be the name of a column: {reason}")
        if twice := [new for new, count in Counter(rename.values()).items() if count > 1]:
            raise ValueError(f"two columns would be named {twice[0]!r}")
        return rename

    def keeps(self, name: str) -> bool:
        """Whether a column is kept."""
        return (self.include is None or name in self.include) and name not in self.exclude


class ColumnsConfig(SourceConfig):
    """Base of the settings of a source whose items have columns of the user's."""

    columns: Annotated[ColumnChoice, UNSAID] = Field(
        ColumnChoice(), description="Which columns of the user's are kept, and under what names."
    )


@dataclass(frozen=True)
class FileColumns:
    """The columns of a file.

    Attributes:
        places: by name where each stands, counted from 1.
        twice: of a name that the header did not have so, the one that it has twice; see `distinct_names`.
        roles: names of those that are no user's: they are the items' ids, paths, texts and so on.
    """

    places: Mapping[str, int]
    twice: Mapping[str, str] = field(default_factory=dict)
    roles: Collection[str] = ()


@dataclass(frozen=True)
class ColumnNames:
    """What columns are called in the catalog.

    Attributes:
        names: by their names in the file; of those that are kept.
        reasons: by their names in the file, why some are called otherwise.
    """

    names: Mapping[str, str]
    reasons: Mapping[str, str]

    def problem(self, name: str, where: str) -> Problem:
        """What is told of a column that is not kept under its name."""
        new = self.names[name]
        return Problem(
            where, f"{self.reasons[name]}: it is kept as {new!r}; to name it: {rename_hint(name)}", kept=True
        )


def rename_hint(name: str) -> str:
    """The setting that gives a column another name."""
    return f"columns: {{rename: {{{name!r}: NAME}}}}"


def name_columns(columns: FileColumns, choice: ColumnChoice, where: str) -> ColumnNames:
    """Choose what columns are kept, and their names.

    The names depend on the set of the file's names, and not on their order, but for what has no name.

    Args:
        columns: of the file.
        choice: the user's.
        where: the file, for messages.

    Raises:
        SourceError: the choice names a column that there is not, or gives a name that is taken.
    """
    check_choice(choice, columns.places, where)
    if roles := [name for name in choice.rename if name in columns.roles]:
        raise SourceError(f"{where}: `columns.rename` names {roles[0]!r}, which is none of the other columns")
    kept = [name for name in columns.places if name not in columns.roles and choice.keeps(name)]
    names = {name: choice.rename[name] for name in kept if name in choice.rename}
    renamed = set(names.values())
    reasons: dict[str, str] = {}
    for name in kept:
        if name in names:
            continue
        if name in columns.twice:
            reasons[name] = f"two columns are named {columns.twice[name]!r}"
        elif reason := refusal(name):
            reasons[name] = reason
        elif name in renamed:
            raise SourceError(f"{where}: `columns` renames a column to {name!r}, and there is one of that name")
        else:
            names[name] = name
    taken = {*names.values(), *OWN_NAMES}
    for name in sorted(reasons):
        names[name] = free_name(near_name(name, columns.places[name]), taken)
        taken.add(names[name])
    return ColumnNames({name: names[name] for name in kept}, reasons)


def check_choice(choice: ColumnChoice, names: Collection[str], where: str) -> None:
    """Refuse a choice that names columns which do not exist.

    Raises:
        SourceError: with the column.
    """
    for key, chosen in (("include", choice.include or ()), ("exclude", choice.exclude), ("rename", choice.rename)):
        for name in chosen:
            if name not in names:
                hint = suggestion(name, names)
                raise SourceError(f"{where}: `columns.{key}` names the column {name!r}, which there is not{hint}")
            if key == "rename" and not choice.keeps(name):
                raise SourceError(f"{where}: `columns` renames the column {name!r}, and leaves it out")
