"""What a series of runs leaves in a store, and what a search then costs: a first run of N texts, then R of 1 % changed.

    python benchmarks/growth.py [--rows N] [--runs R] [--dim D] [--checkpoint-rows C] [--apart]

The model costs nothing, so the time is the store's. ``--checkpoint-rows`` commits a checkpoint every so many contents.
With ``--apart``, the runs count as more than an hour apart: what is older than the latest versions may go at once.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from embeddings_orch.embedding.runners import local
from embeddings_orch.pipeline import Pipeline
from embeddings_orch.pipeline.catalog.scan import scan_media
from embeddings_orch.pipeline.checks.run import check_index
from embeddings_orch.pipeline.embeddings.embed import embed
from embeddings_orch.pipeline.garbage.collect import collect
from embeddings_orch.pipeline.garbage.listing import make_gc
from embeddings_orch.pipeline.garbage.needs import Needs
from embeddings_orch.pipeline.indexes.build import build_index
from embeddings_orch.pipeline.published.publish import publish
from embeddings_orch.search import Index
from embeddings_orch.spec.pipeline import PipelineSpec
from embeddings_orch.store import Store, tidy

FOLDERS = ("data", "_versions", "_transactions", "_indices", "_deletions")
QUERIES = 20
WORDS = [f"word{number}" for number in range(2000)]


def declare(folder: Path, dim: int) -> Pipeline:
    """The pipeline: texts of a table, one model, an index with keyword search."""
    return Pipeline(
        PipelineSpec.model_validate(
            {
                "name": "growth",
                "store": {"uri": str(folder / "store"), "gc_grace": 0},
                "media": {"source": "table", "path": str(folder / "texts.parquet")},
                "embeddings": {"model": {"provider": "counting", "dim": dim, "batch_size": 256}},
                "indexes": {"found": {"vectors": ["model"], "full_text": ["title"], "checks": {"min_recall": 0.5}}},
            }
        )
    )


class Texts:
    """The table that the runs read; a share of it changes from one run to the next."""

    def __init__(self, folder: Path, rows: int) -> None:
        self.path = folder / "texts.parquet"
        self.random = random.Random(0)
        self.texts = [self._text() for _ in range(rows)]
        self.write()

    def change(self, share: float = 0.01) -> None:
        """Give some rows another text."""
        for row in self.random.sample(range(len(self.texts)), max(1, int(share * len(self.texts)))):
            self.texts[row] = self._text()
        self.write()

    def _text(self) -> str:
        return f"{' '.join(self.random.choices(WORDS, k=8))} {self.random.random()}"

    def write(self) -> None:
        """Write the table."""
        ids = [f"item{number:08}" for number in range(len(self.texts))]
        pq.write_table(pa.table({"id": ids, "text": self.texts, "title": self.texts}), self.path)


def run(folder: Path, dim: int) -> tuple[float, float]:
    """All steps; CPU seconds, and seconds."""
    cpu_started, started = time.process_time(), time.perf_counter()
    pipeline = declare(folder, dim)
    scan_media(pipeline)
    embed(pipeline, "model")
    build_index(pipeline, "found")
    check_index(pipeline, "found")
    publish(pipeline, "found")
    return time.process_time() - cpu_started, time.perf_counter() - started


def kilobytes(folder: Path) -> dict[str, dict[str, float]]:
    """The size of each table's folders."""
    sizes: dict[str, dict[str, float]] = {}
    for table in sorted((folder / "store").glob("*.lance")):
        files = {
            name: [path.stat().st_size for path in (table / name).rglob("*") if path.is_file()] for name in FOLDERS
        }
        sizes[table.stem[:24]] = {
            **{name: sum(found) / 1000 for name, found in files.items()},
            "versions": len(files["_versions"]),
            "files": sum(map(len, files.values())),
        }
    return sizes


def milliseconds(search: Callable[[int], object], tries: int = 5) -> tuple[float, float]:
    """CPU and wall of one query, the best of several tries."""
    cpu, wall = [], []
    for _ in range(tries):
        cpu_started, started = time.process_time(), time.perf_counter()
        for number in range(QUERIES):
            search(number)
        cpu.append((time.process_time() - cpu_started) * 1000 / QUERIES)
        wall.append((time.perf_counter() - started) * 1000 / QUERIES)
    return min(cpu), min(wall)


def show(folder: Path, dim: int) -> None:
    """Print the sizes, the index table's parts, and what a query takes."""
    print(f"{'kB':26s}" + "".join(f"{name:>15s}" for name in (*FOLDERS, "versions", "files")))
    sizes = kilobytes(folder)
    for name, measured in sizes.items():
        print(f"{name:26s}" + "".join(f"{value:15,.0f}" for value in measured.values()))
    total = sum(measured[part] for measured in sizes.values() for part in FOLDERS)
    print(f"the store: {total / 1000:,.1f} MB")

    store = Store(str(folder / "store"))
    generation = store.generations.get(store.published.get("growth", "found").generation or "")
    assert generation is not None
    table = store.index(generation.table).at(generation.version)
    assert table is not None
    segments = {index.columns[0]: table.index_stats(index.name).num_indices for index in table.list_indices()}
    print(f"index: {table.stats()['fragment_stats']['num_fragments']} fragments, segments {segments}")
    for name in store.table_names():
        opened = store.open(name)
        if opened and name.startswith(("embeddings.", "items.", "index_generations", "publication_log")):
            print(f"{name[:24]}: {opened.stats()['fragment_stats']['num_fragments']} fragments")
    index = Index(store, "growth", "found")
    vectors = np.random.default_rng(1).standard_normal((QUERIES, dim)).astype(np.float32)
    ways = {
        "by vector": lambda number: index.search(vector=vectors[number]),
        "by words": lambda number: index.search(keyword=WORDS[number]),
    }
    for way, search in ways.items():
        cpu, wall = milliseconds(search)
        print(f"query {way}: {cpu:.1f} ms CPU, {wall:.1f} ms ({generation.search})")


@contextmanager
def checkpoints_of(rows: int | None) -> Iterator[None]:
    """Checkpoints of so many contents, as of a provider that charges."""
    if rows is None:
        yield
        return
    make = local.LocalRunner.__init__

    def tight(self: local.LocalRunner, *arguments: object, **options: object) -> None:
        make(self, checkpoint_rows=rows)

    with patch.object(local.LocalRunner, "__init__", tight):
        yield


def main() -> None:
    """Run the series and print what it left."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=20_500)
    parser.add_argument("--runs", type=int, default=30)
    parser.add_argument("--dim", type=int, default=64)
    parser.add_argument("--checkpoint-rows", type=int)
    parser.add_argument("--apart", action="store_true")
    arguments = parser.parse_args()
    if arguments.apart:
        tidy.GRACE = timedelta(0)
    with tempfile.TemporaryDirectory() as temporary, checkpoints_of(arguments.checkpoint_rows):
        folder = Path(temporary)
        texts = Texts(folder, arguments.rows)
        cpu, wall = run(folder, arguments.dim)
        print(f"the first run: {cpu:.2f} s CPU, {wall:.2f} s")
        show(folder, arguments.dim)
        spent = []
        for _ in range(arguments.runs):
            texts.change()
            spent.append(run(folder, arguments.dim))
        cpu, wall = np.median(spent, axis=0)
        most = np.max(spent, axis=0)
        print(
            f"\n{arguments.runs} runs of 1 %, the median and the most: "
            f"{cpu:.2f} and {most[0]:.2f} s CPU, {wall:.2f} and {most[1]:.2f} s"
        )
        show(folder, arguments.dim)
        cpu, wall = np.min([run(folder, arguments.dim) for _ in range(3)], axis=0)
        print(f"a run with nothing to do: {cpu:.2f} s CPU, {wall:.2f} s\n\nafter gc:")
        needs = Needs(declare(folder, arguments.dim))
        collect(needs, make_gc(needs))
        show(folder, arguments.dim)


if __name__ == "__main__":
    main()
