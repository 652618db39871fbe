"""What the map of an index costs beside the build of the index: seconds, memory and bytes.

Run by hand, on a quiet machine:

    .venv/bin/python benchmarks/maps.py                               # 100,000 vectors of 512 numbers
    .venv/bin/python benchmarks/maps.py --rows 20000 --method umap    # takes the extra umap

The vectors lie in 50 clusters. The build is timed without its map; the map is then made in a process of its own, so
that its memory can be told: the most that the process took, less what it had taken when the store was open.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from embeddings_orch.media.catalog.diff import contents
from embeddings_orch.models.content import ContentId
from embeddings_orch.pipeline import Pipeline
from embeddings_orch.pipeline.catalog.scan import scan_media
from embeddings_orch.pipeline.indexes.build import build_index
from embeddings_orch.pipeline.maps.layout import make_map
from embeddings_orch.spec.pipeline import PipelineSpec
from embeddings_orch.store import Store
from embeddings_orch.store.tables.maps import Method


def declared(folder: Path, dimensions: int) -> Pipeline:
    """A pipeline over a table of texts, without maps of its own."""
    return Pipeline(
        PipelineSpec.model_validate(
            {
                "name": "maps",
                "store": {"uri": str(folder / "store")},
                "media": {"source": "table", "path": str(folder / "texts.jsonl")},
                "embeddings": {"model": {"provider": "counting", "name": "m", "dim": dimensions, "input": "text"}},
                "indexes": {"found": {"vectors": ["model"], "map": "none"}},
            }
        )
    )


def build(folder: Path, rows: int, dimensions: int) -> tuple[float, float]:
    """Put clustered vectors where the model's would be, and build the index; its seconds, and seconds of processors."""
    with (folder / "texts.jsonl").open("w") as file:
        file.writelines(
            json.dumps({"id": f"item{number:07}", "text": f"text {number}"}) + "\n" for number in range(rows)
        )
    pipeline = declared(folder, dimensions)
    scan_media(pipeline)
    ids = [ContentId("text", sha256) for sha256 in contents(pipeline.catalog(), "text")["content_hash"].to_pylist()]
    numbers = np.random.default_rng(0)
    centres = numbers.normal(size=(50, dimensions)).astype(np.float32)
    table = pipeline.store.vectors(pipeline.spec.embeddings["model"].config.fingerprint())
    for start in range(0, rows, 10_000):
        part = ids[start : start + 10_000]
        noise = numbers.normal(size=(len(part), dimensions)).astype(np.float32)
        table.append(part, centres[numbers.integers(0, 50, len(part))] + noise)
    began, worked = time.perf_counter(), time.process_time()
    build_index(pipeline, "found")
    return time.perf_counter() - began, time.process_time() - worked


def measure(folder: Path, method: Method) -> dict[str, float]:
    """Make and store the map."""
    store = Store(str(folder / "store"))
    generation = store.generations.all()[-1]
    before = _memory("VmRSS")
    began, worked = time.perf_counter(), time.process_time()
    made = make_map(store, generation, generation.models[0], method)
    store.maps.put(made)
    seconds, worked = time.perf_counter() - began, time.process_time() - worked
    peak = _memory("VmHWM")
    began = time.perf_counter()
    assert store.maps.get(generation.id, "model") is not None
    return {
        "points": made.header.points,
        "seconds": round(seconds, 2),
        "seconds of processors": round(worked, 2),
        "seconds to read it": round(time.perf_counter() - began, 3),
        "MiB of memory": round((peak - before) / 1024),
        "bytes stored": store.maps.bytes,
    }


def _memory(name: str) -> int:
    """What Linux says of this process, KiB."""
    found = re.search(rf"{name}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found
    return int(found[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--dimensions", type=int, default=512)
    parser.add_argument("--method", choices=("pca", "umap"), default="pca")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.measure:
        print(json.dumps(measure(asked.measure, asked.method)))
        return
    with tempfile.TemporaryDirectory() as name:
        seconds, worked = build(Path(name), asked.rows, asked.dimensions)
        print(f"{asked.rows:,} x {asked.dimensions}: the build takes {seconds:.1f} s, {worked:.1f} s of processors")
        command = [sys.executable, __file__, "--method", asked.method, "--measure", name]
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        for what, value in json.loads(said.splitlines()[-1]).items():
            print(f"{what:>21}: {value:,}")


if __name__ == "__main__":
    main()
