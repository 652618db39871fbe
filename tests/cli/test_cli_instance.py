"""A Dagster home that several commands begin to use in the same instant."""

import multiprocessing
from pathlib import Path

from embeddings_orch.dagster.runs.instance import dagster_instance

PROCESSES, HOMES = 4, 3


def first_use(homes, barrier):
    import os

    import dagster  # noqa: F401 - so that all are as far when they meet

    for home in homes:
        os.environ["DAGSTER_HOME"] = home
        barrier.wait(60)
        with dagster_instance(Path(home)) as instance:
            assert instance.get_runs_count() == 0


def test_commands_that_begin_at_once_share_a_fresh_home(tmp_path):
    homes = []
    for number in range(HOMES):
        home = tmp_path / str(number)
        home.mkdir()
        (home / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
        homes.append(str(home))
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(PROCESSES)
    processes = [context.Process(target=first_use, args=(homes, barrier)) for _ in range(PROCESSES)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes] == [0] * PROCESSES
