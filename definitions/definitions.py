"""The code location: every pipeline under ``defs/``."""

from pathlib import Path

import dagster as dg


@dg.definitions
def defs() -> dg.Definitions:
    """All pipelines, run in one process: a model is loaded once, and one device is used by one model at a time."""
    pipelines = dg.load_from_defs_folder(path_within_project=Path(__file__).parent)
    return dg.Definitions.merge(pipelines, dg.Definitions(executor=dg.in_process_executor))
