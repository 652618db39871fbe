"""Dagster homes that need not make their databases first: nearly a second of CPU time each."""

from __future__ import annotations

import shutil
import tempfile
from functools import cache
from pathlib import Path

# What a step prints is kept by two processes beside it, which no test of ours reads.
_SETTINGS = """
telemetry:
  enabled: false
compute_logs:
  module: dagster._core.storage.noop_compute_log_manager
  class: NoOpComputeLogManager
"""


@cache
def _made_once() -> tempfile.TemporaryDirectory[str]:
    import dagster as dg

    import quick_sqlite  # noqa: F401 - for all databases of this process

    folder = tempfile.TemporaryDirectory(prefix="dagster_home_")
    (Path(folder.name) / "dagster.yaml").write_text(_SETTINGS)
    with dg.DagsterInstance.from_config(folder.name) as instance:
        instance.get_runs()
    return folder


def make_home(folder: Path) -> Path:
    """Make a Dagster home without telemetry and without a run, as the first run would leave it; returns the folder."""
    shutil.copytree(_made_once().name, folder, dirs_exist_ok=True)
    return folder
