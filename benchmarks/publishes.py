"""What a reader in another process sees through many publishes between two models of different dimensions.

Run by hand, on a quiet machine:

    .venv/bin/python benchmarks/publishes.py                          # 50 publishes over 1,000 contents
    .venv/bin/python benchmarks/publishes.py --publishes 200 --contents 10000

The reader asks without pause. Each of its answers is compared with brute force over the rows of the generation that
it names, with a query vector of that generation's model. The models cost nothing, so the time is the store's.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from itertools import count, pairwise
from pathlib import Path
from typing import Any

import numpy as np

from embeddings_orch.pipeline import Pipeline
from embeddings_orch.pipeline.catalog.scan import scan_media
from embeddings_orch.pipeline.checks.run import check_index
from embeddings_orch.pipeline.embeddings.embed import embed
from embeddings_orch.pipeline.indexes.build import build_index
from embeddings_orch.pipeline.published.publish import publish
from embeddings_orch.search import Index
from embeddings_orch.spec.pipeline import PipelineSpec
from embeddings_orch.store import Store
from embeddings_orch_testing.counting import CountingConfig, CountingEmbedder

MODELS = ({"name": "a", "dim": 8}, {"name": "b", "dim": 16})


def declared(folder: Path, model: dict[str, Any]) -> Pipeline:
    """The pipeline with one of the models."""
    return Pipeline(
        PipelineSpec.model_validate(
            {
                "name": "publishes",
                "store": {"uri": str(folder / "store")},
                "media": {"source": "folder", "path": str(folder / "media")},
                "embeddings": {"model": {"provider": "counting", **model}},
                "indexes": {"found": {"vectors": ["model"]}},
            }
        )
    )


def run(folder: Path, model: dict[str, Any]) -> tuple[float, str]:
    """All steps; when the publish began, and the generation that is published now."""
    pipeline = declared(folder, model)
    scan_media(pipeline)
    embed(pipeline, "model")
    build_index(pipeline, "found")
    check_index(pipeline, "found")
    began = time.time()
    return began, publish(pipeline, "found").generation.id


def read(folder: Path, log: Path, end: Path) -> None:
    """The reader: queries without pause until a file appears, one line of the log for each."""
    index = Index(Store(str(folder / "store")), "publishes", "found")
    with log.open("w") as file:
        for number in count():
            said: dict[str, Any] = {"query": f"query {number % 50}", "asked": time.time()}
            try:
                found = index.search(said["query"])
                said |= {"generation": found.generation, "hits": [[hit.id, hit.distance] for hit in found.hits]}
            except Exception as error:
                said["error"] = repr(error)
            file.write(json.dumps({**said, "answered": time.time()}) + "\n")
            if number == 0:
                file.flush()
            if end.exists():
                return


class Exact:
    """Brute force over the rows of generations."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.known: dict[str, Any] = {}

    def right(self, answer: dict[str, Any]) -> bool:
        """Whether an answer is wholly of the generation that it names, embedded by that generation's model."""
        if answer["generation"] not in self.known:
            generation = self.store.generations.get(answer["generation"])
            assert generation is not None
            rows = self.store.index(generation.table).at(generation.version).to_arrow()  # type: ignore[union-attr]
            settings = generation.models[0].settings
            config = CountingConfig(name=settings["name"], dim=settings["dim"])
            matrix = np.array(rows["model"].to_pylist(), dtype=np.float64)
            places = {item: place for place, item in enumerate(rows["id"].to_pylist())}
            matrix /= np.linalg.norm(matrix, axis=1, keepdims=True)
            self.known[answer["generation"]] = CountingEmbedder(config), matrix, places
        embedder, matrix, places = self.known[answer["generation"]]
        query = embedder._vector(answer["query"].encode()).astype(np.float64)
        distances = 1 - matrix @ (query / np.linalg.norm(query))
        found = [distance for _, distance in answer["hits"]]
        own = [distances[places[item]] for item, _ in answer["hits"]]
        return np.allclose(own, found, atol=1e-5) and np.allclose(np.sort(distances)[:10], found, atol=1e-5)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--publishes", type=int, default=50)
    parser.add_argument("--contents", type=int, default=1000)
    parser.add_argument("--read", nargs=3, type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.read:
        read(*arguments.read)
        return
    with tempfile.TemporaryDirectory() as temporary:
        print(json.dumps(measured(Path(temporary), arguments.publishes, arguments.contents), indent=2))


def measured(folder: Path, publishes: int, contents: int) -> dict[str, Any]:
    """Publish so many times beside a reader, and judge its answers."""
    (folder / "media").mkdir()
    for number in range(contents):
        (folder / "media" / f"{number:06}.txt").write_text(f"content {number}")
    published = [run(folder, MODELS[0])]
    log, end = folder / "log", folder / "end"
    reader = subprocess.Popen([sys.executable, __file__, "--read", folder, log, end])
    while not log.exists() or not log.stat().st_size:
        time.sleep(0.05)
    for number in range(1, publishes + 1):
        if number % 4 in (1, 2):  # every fourth one comes back to a generation that was published before
            (folder / "media" / f"new{number:06}.txt").write_text(f"new content {number}")
            (folder / "media" / f"{number:06}.txt").write_text(f"edited {number}")
        published.append(run(folder, MODELS[number % 2]))
    time.sleep(0.5)
    end.touch()
    reader.wait()
    answers = [json.loads(line) for line in log.read_text().splitlines()]
    good = [answer for answer in answers if "error" not in answer]
    exact = Exact(Store(str(folder / "store")))
    delays = []
    for (began, generation), after in zip(published[1:], [*(at for at, _ in published[2:]), time.time()], strict=True):
        first = [a["answered"] for a in good if a["generation"] == generation and began <= a["answered"] < after]
        delays.append(first[0] - began if first else None)
    took = np.array([answer["answered"] - answer["asked"] for answer in good]) * 1000
    return {
        "publishes": publishes,
        "rows": contents,
        "seconds": round(answers[-1]["answered"] - answers[0]["asked"], 1),
        "answers": len(answers),
        "answers_per_second": round(len(answers) / (answers[-1]["answered"] - answers[0]["asked"]), 1),
        "failures": len(answers) - len(good),
        "mixed": sum(not exact.right(answer) for answer in good),
        "generations_published": len({generation for _, generation in published}),
        "generations_seen": len({answer["generation"] for answer in good}),
        "moves_seen": sum(one["generation"] != other["generation"] for one, other in pairwise(good)),
        "publishes_without_an_answer": sum(delay is None for delay in delays),
        "longest_ms_from_publish_to_first_answer": round(max(d for d in delays if d is not None) * 1000, 1),
        "latency_ms_p50": round(float(np.percentile(took, 50)), 1),
        "latency_ms_p99": round(float(np.percentile(took, 99)), 1),
    }


if __name__ == "__main__":
    main()
