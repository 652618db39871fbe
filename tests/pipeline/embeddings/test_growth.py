"""Stores through many runs: what is compacted and cleaned within a run loses nothing, and nothing is paid for twice."""

import signal
import subprocess
import sys
from datetime import timedelta

import pytest

from embeddings_orch.pipeline.catalog.scan import scan_media
from embeddings_orch.store import tidy
from galleries import Gallery
from kept import after

PICTURES, CHECKPOINT = 120, 10

KILLED_WHILE_COMPACTING = """
import os, signal, sys, threading, time
from pathlib import Path
from lancedb.table import LanceTable
from embeddings_orch.embedding.runners.local import LocalRunner
from embeddings_orch.pipeline import Pipeline
from embeddings_orch.pipeline.catalog.scan import scan_media
from embeddings_orch.pipeline.embeddings.embed import embed
from embeddings_orch.spec.yaml_file import load_pipeline
from embeddings_orch.store.tables.vectors import VectorsTable

compact, optimize = VectorsTable.compact_between, LanceTable.optimize
VectorsTable.compact_between = lambda self, grace: compact(self, grace, most=5)
pipeline = Pipeline(load_pipeline(Path(sys.argv[1])))

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def optimize_and_die(self, **options):
    data = Path(pipeline.spec.store.uri, f"{self.name}.lance", "data")
    before = set(data.iterdir())

    def watch():
        while set(data.iterdir()) == before:
            time.sleep(0.0005)
        die()

    if sys.argv[2] == "writes":
        threading.Thread(target=watch, daemon=True).start()
    optimize(self, **options)
    die()

LanceTable.optimize = optimize_and_die
scan_media(pipeline)
embed(pipeline, "toy", runner=LocalRunner(1, checkpoint_rows=int(sys.argv[3])))
"""


@pytest.mark.slow
@pytest.mark.process
@pytest.mark.parametrize("moment", ["writes", "has committed"])
def test_a_run_killed_while_it_compacts_loses_nothing_that_was_committed(make_gallery, moment):
    gallery = make_gallery(PICTURES)
    gallery.model(batch_size=CHECKPOINT, prices={"per_image": 1.0})
    command = [sys.executable, "-c", KILLED_WHILE_COMPACTING, str(gallery.file), moment, str(CHECKPOINT)]
    killed = subprocess.run(command, check=False, capture_output=True, text=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    pipeline = gallery.pipeline()
    vectors = pipeline.store.vectors(pipeline.spec.embeddings["toy"].config.fingerprint())
    committed, paid = len(vectors.keys()), gallery.items()
    assert committed == vectors.total() == 6 * CHECKPOINT

    ran = gallery.run()

    assert ran.embedded() == gallery.items() - paid == PICTURES - committed
    assert len(vectors.keys()) == vectors.total() == PICTURES
    assert gallery.run().embedded() == 0


@pytest.mark.slow
@after(Gallery.run)
def test_the_catalog_that_an_embedding_covered_stays_readable_through_many_scans(gallery, monkeypatch):
    monkeypatch.setattr(tidy, "MOST_FRAGMENTS", 2)
    monkeypatch.setattr(tidy, "GRACE", timedelta(0))
    gallery.declare(store={"uri": "store", "gc_grace": 0})
    before = gallery.pipeline().store.states.get("gallery", "toy")
    for number in range(5):
        gallery.add(f"new{number}.png")
        gallery.add("p000.png", f"edited {number}")
        scan_media(gallery.pipeline())

    catalog = gallery.pipeline().store.catalog("gallery")
    assert tidy.count_fragments(catalog.at()) <= 3
    assert catalog.at(before.catalog_version) is not None
    plan = gallery.plan()["embeddings/toy"]
    assert (plan.new, plan.changed, plan.deleted) == (5, 1, 0)

    gallery.run()
    assert len(gallery.rows()) == 17
    versions = gallery.versions()
    gallery.run()
    assert {name: version for name, version in gallery.versions().items() if name != "claims"} == {
        name: version for name, version in versions.items() if name != "claims"
    }
