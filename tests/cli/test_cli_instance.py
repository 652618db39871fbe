"""A Dagster home that several commands begin to use in the same instant."""

import pytest

import warm

PROCESSES, HOMES = 4, 2
FIRST_USE = """\
import os, sys
from pathlib import Path
from embeddings_orch.dagster.runs.instance import dagster_instance

for home in sys.argv[1:]:
    os.environ["DAGSTER_HOME"] = home
    print("ready", flush=True)
    sys.stdin.readline()
    with dagster_instance(Path(home)) as instance:
        assert instance.get_runs_count() == 0
"""


@pytest.mark.process
def test_commands_that_begin_at_once_share_a_fresh_home(tmp_path):
    homes = []
    for number in range(HOMES):
        home = tmp_path / str(number)
        home.mkdir()
        (home / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
        homes.append(str(home))
    processes = [warm.start_code(FIRST_USE, *homes) for _ in range(PROCESSES)]
    for _ in homes:
        for process in processes:
            process.stdout.readline()
        for process in processes:
            if process.poll() is None:
                process.stdin.write("\n")
                process.stdin.flush()
    said = [process.communicate(120)[1] for process in processes]
    assert [process.returncode for process in processes] == [0] * PROCESSES, said
