"""A run launcher of Dagster whose run workers are warm processes; see warm.py."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from typing import Any

from dagster._core.launcher import LaunchRunContext, RunLauncher
from dagster._grpc.types import ExecuteRunArgs
from dagster._serdes import ConfigurableClass
from dagster._serdes.config_class import ConfigurableClassData

import warm


class WarmRunLauncher(RunLauncher, ConfigurableClass):
    """Runs ``dagster api execute_run``, as launchers do that start a process for each run."""

    def __init__(self, inst_data: ConfigurableClassData | None = None) -> None:
        self._inst_data = inst_data
        self._workers: dict[str, warm.Process] = {}
        super().__init__()

    @property
    def inst_data(self) -> ConfigurableClassData | None:
        return self._inst_data

    @classmethod
    def config_type(cls) -> dict[str, object]:
        return {}

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData, config_value: Mapping[str, Any]) -> WarmRunLauncher:
        return cls(inst_data)

    def launch_run(self, context: LaunchRunContext) -> None:
        run_id = context.dagster_run.run_id
        arguments = ExecuteRunArgs(context.job_code_origin, run_id, self._instance.get_ref()).get_command_args()
        nothing = os.open(os.devnull, os.O_RDWR)
        self._workers[run_id] = warm.start(
            *("dagster", *arguments[arguments.index("api") :]),
            modules=warm.COMMAND,
            stdin=nothing,
            stdout=nothing,
            stderr=nothing,
        )
        os.close(nothing)

    def terminate(self, run_id: str) -> bool:
        run = self._instance.get_run_by_id(run_id)
        if run is None or run.is_finished or run_id not in self._workers:
            return False
        self._instance.report_run_canceling(run)
        self._workers[run_id].send_signal(signal.SIGINT)
        return True
