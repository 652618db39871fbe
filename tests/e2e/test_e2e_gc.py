"""gc beside readers and writers in other processes, and gc that is killed."""

import json
import random
import time
from datetime import UTC, datetime, timedelta

import pytest

import warm
from embeddings_orch.pipeline.garbage.collect import collect
from embeddings_orch.pipeline.garbage.listing import make_gc
from embeddings_orch.pipeline.garbage.needs import Needs
from embeddings_orch.pipeline.published.rollback import rollback
from embeddings_orch.search import Index

pytestmark = pytest.mark.process
READER = """\
import json, sys, threading
from pathlib import Path
from embeddings_orch.pipeline import Pipeline
from embeddings_orch.search import Index
from embeddings_orch.spec.yaml_file import load_pipeline

pipeline = Pipeline(load_pipeline(Path(sys.argv[1])))
index = Index(pipeline.store, "gallery", "found")
stop = threading.Event()
threading.Thread(target=lambda: (sys.stdin.readline(), stop.set()), daemon=True).start()
said, seen = {"searches": 0, "errors": []}, set()
vector = [1.0] * 8
print("ready", flush=True)
while not stop.is_set():
    try:
        results = index.search(vector=vector, limit=100)
        seen.add((results.generation, len(results.hits)))
    except Exception as error:
        said["errors"].append(f"{type(error).__name__}: {error}")
    said["searches"] += 1
print(json.dumps({**said, "seen": sorted(seen)}), flush=True)
"""

COLLECTOR = """\
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from embeddings_orch.pipeline import Pipeline
from embeddings_orch.pipeline.garbage.collect import collect
from embeddings_orch.pipeline.garbage.listing import make_gc
from embeddings_orch.pipeline.garbage.needs import Needs
from embeddings_orch.spec.yaml_file import load_pipeline

clock = lambda: datetime.now(UTC) + timedelta(hours=2)
needs = Needs(Pipeline(load_pipeline(Path(sys.argv[1]))), clock=clock, apart=timedelta(0))
plan = make_gc(needs)
print(len(plan.garbage), flush=True)
collect(needs, plan)
print("done", flush=True)
"""


def needs(gallery, hours=2.0):
    return Needs(gallery.pipeline(), clock=lambda: datetime.now(UTC) + timedelta(hours=hours), apart=timedelta(0))


@pytest.fixture
def process():
    """Starts Python programs in processes of their own."""
    started = []

    def start(program, *arguments):
        done = warm.start_code(program, *arguments)
        started.append(done)
        return done

    yield start
    for one in started:
        one.kill()
        one.wait()


def many_generations(gallery):
    gallery.declare(indexes={"found": {"vectors": ["toy"], "keep_generations": 1}})
    for number, name in enumerate("abcab"):
        gallery.add(f"new{number}.png")
        gallery.model(name=name)
        gallery.run()


def test_a_reader_sees_nothing_of_gc_and_publishes_beside_it(gallery, process):
    gallery.declare(indexes={"found": {"vectors": ["toy"], "keep_generations": 2}})
    gallery.run()
    reader = process(READER, gallery.file)
    assert reader.stdout.readline() == "ready\n"

    removed = 0
    for number in range(6):
        gallery.add(f"new{number}.png")
        if number % 2:
            gallery.model(name=f"m{number}")
        gallery.run()
        # The published one and the one before it are all that the reader can be at.
        removed += len(collect(needs(gallery), make_gc(needs(gallery))).removed)
    reader.stdin.write("stop\n")
    reader.stdin.flush()
    said = json.loads(reader.stdout.readline())

    assert said["errors"] == []
    assert said["searches"] > 50
    assert removed > 6
    assert len(said["seen"]) >= 5
    assert {rows for _, rows in said["seen"]} <= set(range(12, 19))


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(1, 5))])
def test_gc_that_is_killed_breaks_nothing_and_is_completed_by_the_next(gallery, process, seed):
    many_generations(gallery)
    before = gallery.pipeline().store.published.get("gallery", "found")
    rows = gallery.rows()
    wait = random.Random(seed)
    for _ in range(3):
        killed = process(COLLECTOR, gallery.file)
        assert int(killed.stdout.readline()) >= 0
        time.sleep(wait.uniform(0, 0.25))
        killed.kill()
        killed.wait()
        assert gallery.pipeline().store.published.get("gallery", "found") == before
        assert gallery.rows() == rows

    report = collect(needs(gallery), make_gc(needs(gallery)))

    assert report.left == []
    store = gallery.pipeline().store
    generations = store.generations.of("gallery", "found")
    assert [one for one in make_gc(needs(gallery)).garbage if one.kind != "versions"] == []
    tables = {name for name in store.table_names() if name.startswith("index.")}
    assert tables == {one.table for one in generations}
    assert len(generations) == 2
    for one in generations:
        assert store.index(one.table).count(one.version) == one.rows
    assert rollback(gallery.pipeline(), "found").generation == generations[0]
    assert len(Index(store, "gallery", "found").search("x", limit=100).hits) == generations[0].rows
