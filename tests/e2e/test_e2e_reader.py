"""A reader in another process, while models of different dimensions are published in turn: no answer is a mix."""

import json
import random
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import warm
from embeddings_orch_testing.counting import CountingConfig, CountingEmbedder

MODELS = ({"name": "a", "dim": 8}, {"name": "b", "dim": 16})


@pytest.fixture
def reader(tmp_path):
    """Starts the reader on a gallery; stopped, it gives its answers."""
    processes = []

    def start(gallery):
        log = tmp_path / "answers.jsonl"
        script = Path(__file__).with_name("reader_worker.py")
        arguments = [str(gallery.root / "store"), "gallery", "found", str(log)]
        process = warm.start_file(script, *arguments)
        processes.append(process)
        while not log.exists() or not log.stat().st_size:
            assert process.poll() is None
            time.sleep(0.05)

        def stop():
            process.stdin.close()
            assert process.wait(30) == 0
            return [json.loads(line) for line in log.read_text().splitlines()]

        return stop

    yield start
    for process in processes:
        process.kill()
        process.wait()


def exact(generation, rows, query):
    """The distance of each row to a text, by the generation's own model and in numpy."""
    (model,) = generation.models
    config = CountingConfig(name=model.settings["name"], dim=model.settings["dim"])
    vector = CountingEmbedder(config)._vector(query.encode()).astype(np.float64)
    matrix = np.array([row["toy"] for row in rows], dtype=np.float64)
    assert matrix.shape[1] == model.settings["dim"] == model.dimensions
    similar = matrix @ vector / np.linalg.norm(matrix, axis=1) / np.linalg.norm(vector)
    return {row["id"]: 1 - similarity for row, similarity in zip(rows, similar, strict=True)}


@pytest.mark.process
@pytest.mark.parametrize("publishes", [10, pytest.param(50, marks=pytest.mark.soak)])
def test_every_answer_is_of_one_generation_through_many_publishes(make_gallery, reader, publishes):
    gallery, edits = make_gallery(40), random.Random(0)
    gallery.model(**MODELS[0])
    published = [gallery.run().published["found"].generation.id]
    stop = reader(gallery)
    for number in range(1, publishes + 1):
        gallery.model(**MODELS[number % 2])
        if number % 4 in (1, 2):  # every fourth one comes back to a generation that was published before
            gallery.add(f"new{number}.png")
            gallery.remove(edits.choice(sorted(path.name for path in gallery.media.glob("p*.png"))))
        report = gallery.run().published["found"]
        assert report.changed
        published.append(report.generation.id)
    answers = stop()

    assert [answer["error"] for answer in answers if "error" in answer] == []
    store = gallery.pipeline().store
    generations = {one: store.generations.get(one) for one in {*published}}
    rows = {
        one.id: store.index(one.table).at(one.version).to_arrow().select(["id", "toy"]).to_pylist()
        for one in generations.values()
    }
    due = {}
    for answer in answers:
        one, query = answer["generation"], answer["query"]
        distances = due.setdefault((one, query), exact(generations[one], rows[one], query))
        found = [distance for _, distance in answer["hits"]]
        assert len({item for item, _ in answer["hits"]}) == 10
        assert np.allclose([distances[item] for item, _ in answer["hits"]], found, atol=1e-5)
        assert np.allclose(sorted(distances.values())[:10], found, atol=1e-5)

    seen = [answer["generation"] for answer in answers]
    moves = 1 + sum(one != other for one, other in pairwise(seen))
    assert len({generations[one].table for one in seen}) == 2
    assert len(set(seen)) > publishes * 0.4
    # The reader never goes back and forth: it meets the publishes in their order.
    assert moves <= publishes + 1
    order = iter(published)
    assert all(one in order for number, one in enumerate(seen) if number == 0 or one != seen[number - 1])
