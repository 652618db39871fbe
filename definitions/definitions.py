"""The code location: every pipeline under ``defs/``."""

from pathlib import Path

import dagster as dg


@dg.definitions
def defs() -> dg.Definitions:
    """All pipelines."""
    return dg.load_from_defs_folder(path_within_project=Path(__file__).parent)
