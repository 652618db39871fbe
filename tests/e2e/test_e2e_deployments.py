"""Two deployments over one store, each with its own declaration, Dagster instance and sensors, tick after tick."""

import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from embeddings_orch import build_pipeline
from embeddings_orch.dagster.automation.sensors import Declaration, media_sensor, model_config_sensor
from embeddings_orch.pipeline.automation.missing import definition_digest
from embeddings_orch.pipeline.garbage.collect import collect
from embeddings_orch.pipeline.garbage.listing import make_gc
from embeddings_orch.pipeline.garbage.needs import Needs
from embeddings_orch.search import Index
from embeddings_orch.spec.yaml_file import load_pipeline

TICKS = 50
SENSORS = {"models": model_config_sensor, "media": media_sensor}


@dataclass
class Deployed:
    """A code location with its own instance; a tick of both sensors executes what they ask for."""

    gallery: object
    instance: dg.DagsterInstance
    now: float = field(default_factory=time.time)
    cursors: dict = field(default_factory=dict)
    runs: int = 0

    def tick(self):
        spec = load_pipeline(self.gallery.file)
        definitions = build_pipeline(spec, file=self.gallery.file)
        declaration = Declaration(spec, definition_digest(spec), self.gallery.file)
        for name, make in SENSORS.items():
            self.now += 30
            context = dg.build_sensor_context(
                instance=self.instance, cursor=self.cursors.get(name), repository_def=definitions.get_repository_def()
            )
            sensor = make(declaration, next(iter(definitions.jobs)), clock=lambda: self.now)
            data = sensor.evaluate_tick(context)
            self.cursors[name] = data.cursor
            for request in data.run_requests:
                done = definitions.resolve_job_def("gallery_pipeline").execute_in_process(
                    instance=self.instance, asset_selection=list(request.asset_selection), tags=request.tags
                )
                assert done.success
                self.runs += 1

    def pointer(self):
        return self.gallery.pipeline().store.published.get("gallery", "found").generation

    def found(self):
        return {hit.id for hit in Index(self.gallery.pipeline().store, "gallery", "found").search("x", limit=100).hits}


@pytest.mark.slow
@pytest.mark.parametrize("differs", ["model", "settings", "media"])
def test_neither_moves_the_others_pointer_nothing_is_embedded_twice_and_gc_keeps_the_others(make_gallery, differs):
    main_gallery = make_gallery()
    store = {"uri": str(main_gallery.root / "store"), "deployment": "branch"}
    branch_gallery = make_gallery(pictures=13 if differs == "media" else 12, folder="branch", store=store)
    if differs == "model":
        branch_gallery.model(name="other")
    if differs == "settings":
        branch_gallery.declare(indexes={"found": {"vectors": ["toy"], "metric": "dot"}})
    rows = len(list(branch_gallery.media.glob("*.png")))
    with ExitStack() as stack:
        main, branch = (
            Deployed(gallery, stack.enter_context(dg.DagsterInstance.ephemeral()))
            for gallery in (main_gallery, branch_gallery)
        )
        main.tick()
        first = main.pointer()
        branch.tick()
        pointers = (first, branch.pointer())
        runs = (main.runs, branch.runs)
        for number in range(2, TICKS):
            (main, branch)[number % 2].tick()
            assert (main.pointer(), branch.pointer()) == pointers
        assert (main.runs, branch.runs) == runs
        main_gallery.add("zebra.png")
        while main.runs == runs[0]:
            main.tick()

    assert (main.pointer() != pointers[0], branch.pointer()) == (True, pointers[1])
    # Of the same model, the branch pays for what the main deployment has not embedded.
    paid = {"model": 12, "settings": 0, "media": 1}[differs]
    assert (main_gallery.items(), branch_gallery.items()) == (13, paid)
    for gallery in (main_gallery, branch_gallery):
        asked = Needs(gallery.pipeline(), clock=lambda: datetime.now(UTC) + timedelta(days=1))
        collect(asked, make_gc(asked))
        assert (len(main.found()), len(branch.found())) == (13, rows)
        assert not any(asset.changes for one in (main_gallery, branch_gallery) for asset in one.plan().values())
