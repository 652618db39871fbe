"""What every part of a declaration is made of: names, and frozen models without unknown keys."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

NAME_PATTERN = r"^[A-Za-z][A-Za-z0-9_]{0,62}$"
Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]
"""A name that Dagster, LanceDB and SQL all take as it is."""

ColumnName = Annotated[str, StringConstraints(min_length=1)]
"""The name of a column of the media: whatever the catalog calls it."""


class Spec(BaseModel):
    """Base of what stands in a declaration."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)
