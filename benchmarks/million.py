"""What the steps and a search cost over many rows: CPU seconds and memory of each part.

Run by hand; other work on the machine hardly changes CPU seconds:

    .venv/bin/python benchmarks/million.py                    # 1,000,000 rows
    .venv/bin/python benchmarks/million.py --rows 100000
    .venv/bin/python benchmarks/million.py --profile embed    # where the time of a part goes

A CSV of texts is scanned, and vectors of 64 numbers in 50 clusters are put where a model's would be: no model is asked.
Each part runs in a process of its own, after its imports; memory is the most that the process had. A search and a
tick of the sensor are measured once they have been done before in the process, as in a server.
"""

import argparse
import cProfile
import csv
import json
import pstats
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import lancedb.index  # noqa: F401 - loaded before anything is measured
import numpy as np

from embeddings_orch.media.catalog.diff import contents
from embeddings_orch.models.content import ContentId
from embeddings_orch.pipeline import Pipeline
from embeddings_orch.pipeline.automation.missing import find_missing
from embeddings_orch.pipeline.catalog.changes import list_media
from embeddings_orch.pipeline.catalog.scan import scan_media
from embeddings_orch.pipeline.checks.embeddings import check_embedding
from embeddings_orch.pipeline.checks.run import check_index
from embeddings_orch.pipeline.embeddings.embed import embed
from embeddings_orch.pipeline.garbage.listing import make_gc
from embeddings_orch.pipeline.garbage.needs import Needs
from embeddings_orch.pipeline.indexes.build import build_index
from embeddings_orch.pipeline.plan.plan import make_plan
from embeddings_orch.pipeline.plan.status import make_status
from embeddings_orch.pipeline.published.publish import publish
from embeddings_orch.search import Index
from embeddings_orch.spec.pipeline import PipelineSpec

DIMENSIONS = 64
QUERIES = 200
TICKS = 3


def declared(folder: Path) -> Pipeline:
    """A pipeline over a table of texts."""
    return Pipeline(
        PipelineSpec.model_validate(
            {
                "name": "million",
                "store": {"uri": str(folder / "store")},
                "media": {"source": "table", "path": str(folder / "texts.csv")},
                "embeddings": {"model": {"provider": "counting", "name": "m", "dim": DIMENSIONS, "input": "text"}},
                "indexes": {"found": {"vectors": ["model"], "map": "none"}},
            }
        )
    )


def write_texts(folder: Path, rows: int, changed: int = 0) -> None:
    """The table of media; of every hundredth row another caption where some are changed."""
    with (folder / "texts.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "text", "caption"])
        writer.writerows(
            [f"item{row:07}", f"text {row}", f"caption {row}{' changed' * (changed and row % 100 == 0)}"]
            for row in range(rows)
        )


def put_vectors(pipeline: Pipeline) -> None:
    """Vectors for all contents, in an order of their own."""
    ids = [ContentId("text", sha256) for sha256 in contents(pipeline.catalog(), "text")["content_hash"].to_pylist()]
    numbers = np.random.default_rng(0)
    numbers.shuffle(ids)
    centres = numbers.normal(size=(50, DIMENSIONS)).astype(np.float32)
    table = pipeline.store.vectors(pipeline.spec.embeddings["model"].config.fingerprint())
    for start in range(0, len(ids), 50_000):
        part = ids[start : start + 50_000]
        noise = numbers.normal(size=(len(part), DIMENSIONS)).astype(np.float32)
        vectors = centres[numbers.integers(0, 50, len(part))] + noise
        table.append(part, vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def search(pipeline: Pipeline) -> None:
    """Searches by a vector."""
    index = searches(pipeline)
    for vector in np.random.default_rng(1).normal(size=(QUERIES, DIMENSIONS)).astype(np.float32):
        index.search(vector=vector, limit=10)


def find_generation(pipeline: Pipeline) -> None:
    """The part of a search that finds out what is published."""
    index = searches(pipeline)
    for _ in range(QUERIES):
        index.generation()


KEPT: dict[str, Index] = {}


def searches(pipeline: Pipeline) -> Index:
    """The index, open for the process."""
    return KEPT.setdefault("found", Index(pipeline.store, "million", "found"))


def tick(pipeline: Pipeline) -> None:
    """What the media sensor does when nothing changed; a pipeline is made for each tick."""
    for _ in range(TICKS):
        list_media(Pipeline(pipeline.spec))


Part = tuple[Callable[[Pipeline], object], int]
"""What is measured, and how many times it does the same; 0: once, and nothing was done in its process before."""

PARTS: dict[str, Part] = {
    "scan": (scan_media, 0),
    "embed": (lambda pipeline: embed(pipeline, "model"), 0),
    "embedding checks": (lambda pipeline: check_embedding(pipeline, "model"), 0),
    "index": (lambda pipeline: build_index(pipeline, "found"), 0),
    "index checks": (lambda pipeline: check_index(pipeline, "found"), 0),
    "publish": (lambda pipeline: publish(pipeline, "found"), 0),
    "plan": (make_plan, 0),
    "status": (make_status, 0),
    "missing": (find_missing, 0),
    "garbage": (lambda pipeline: make_gc(Needs(pipeline)), 0),
    "first tick": (list_media, 0),
    "later tick": (tick, TICKS),
    "search": (search, QUERIES),
    "find generation": (find_generation, QUERIES),
}

STEPS = [
    ("scan", "scan, all new"),
    ("", "vectors"),
    ("embed", "embed, the vectors are there"),
    ("embedding checks", "embedding checks"),
    ("index", "index, all new"),
    ("index checks", "index checks"),
    ("publish", "publish"),
    ("scan", "scan, nothing to do"),
    ("embed", "embed, nothing to do"),
    ("index", "index, nothing to do"),
    ("plan", "plan, nothing to do"),
    ("status", "status"),
    ("missing", "model sensor: what is missing"),
    ("garbage", "gc, only listed"),
    ("first tick", "media sensor, first tick"),
    ("later tick", "media sensor, a later tick"),
    ("search", "search, by vector"),
    ("find generation", "of that: what is published"),
    ("changed", "captions"),
    ("scan", "scan, 1 % changed"),
    ("embed", "embed, 1 % of captions changed"),
    ("index", "index, 1 % changed"),
    ("index checks", "index checks, 1 % changed"),
]
"""The parts in the order in which they are done; those without a figure of their own prepare the next."""


def measure(folder: Path, part: str, profile: Path | None) -> dict[str, float]:
    """Do a part; CPU seconds of each time, and KiB of memory."""
    do, times = PARTS[part]
    pipeline = declared(folder)
    # Connecting is not measured.
    pipeline.store.table_names()
    if times:
        do(pipeline)
    profiler = cProfile.Profile()
    if profile:
        profiler.enable()
    began = time.process_time()
    do(pipeline)
    worked = time.process_time() - began
    if profile:
        profiler.disable()
        profiler.dump_stats(profile)
    return {"seconds": worked / (times or 1), "memory": _peak()}


def _peak() -> int:
    """The most memory that this process had, KiB."""
    status = Path("/proc/self/status")
    found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text()) if status.exists() else None
    return int(found[1]) if found else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def run_parts(folder: Path, rows: int, profile: str | None) -> None:
    """Do all parts and print their figures."""
    write_texts(folder, rows)
    for part, title in STEPS:
        if part == "":
            put_vectors(declared(folder))
            continue
        if part == "changed":
            write_texts(folder, rows, changed=1)
            continue
        command = [sys.executable, __file__, "--folder", str(folder), "--part", part]
        stats = folder / "profile"
        if part == profile:
            command += ["--stats", str(stats)]
        said = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])
        seconds = f"{said['seconds']:.2f} s " if PARTS[part][1] == 0 else f"{said['seconds'] * 1000:.2f} ms"
        print(f"{title:>32}: {seconds:>12} of CPU, {said['memory'] / 1024:8,.0f} MiB", flush=True)
        if part == profile:
            pstats.Stats(str(stats)).sort_stats("tottime").print_stats(18)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--profile", choices=list(PARTS))
    parser.add_argument("--part", choices=list(PARTS), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--stats", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.part:
        print(json.dumps(measure(asked.folder, asked.part, asked.stats)))
        return
    with tempfile.TemporaryDirectory() as name:
        run_parts(asked.folder or Path(name), asked.rows, asked.profile)


if __name__ == "__main__":
    main()
