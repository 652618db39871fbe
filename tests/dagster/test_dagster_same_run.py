"""The same run with Dagster and without: one outcome, whatever happens in it."""

from __future__ import annotations

import shutil
import sys
import threading

import pytest

from embeddings_orch.dagster.runs.local import execute
from embeddings_orch.pipeline.checks.run import EMBEDDING_CHECKS, INDEX_CHECKS
from embeddings_orch.pipeline.events import StepStart, listen
from embeddings_orch.pipeline.run.here import execute_steps
from embeddings_orch.pipeline.run.settings import RunSettings
from embeddings_orch.spec.keys import AssetKey
from embeddings_orch.spec.project import load_declared
from embeddings_orch_testing.counting import CountingEmbedder

TIMES = ("run_id", "seconds", "items_per_second", "seconds_waited", "seconds_in_model")


def healthy(gallery):
    pass


def failed_items(gallery):
    gallery.model(input="caption", reject="picture 3")
    gallery.tolerate_failures()
    (gallery.media / "metadata.csv").open("a").write("gone.png,not there\n")


def broken_provider(gallery):
    gallery.model("other", name="other", broken=True)
    gallery.declare(indexes={"found": {"vectors": ["toy"]}, "both": {"vectors": ["toy", "other"]}})


def failed_check(gallery):
    golden = [{"query": "picture 1", "expect": ["nowhere.png"]}]
    gallery.declare(indexes={"found": {"vectors": ["toy"], "checks": {"golden": golden}}})


def no_media(gallery):
    shutil.rmtree(gallery.media)


def left_by_a_plugin(gallery):
    gallery.model(name="leaves")


def without_times(value):
    if isinstance(value, dict):
        return {name: without_times(item) for name, item in value.items() if name not in TIMES}
    return [without_times(item) for item in value] if isinstance(value, list) else value


@pytest.mark.slow
@pytest.mark.parametrize("prepare", [healthy, failed_items, broken_provider, failed_check, no_media, left_by_a_plugin])
def test_a_run_tells_the_same_with_dagster_and_without(gallery, dagster_home, monkeypatch, prepare):
    def embed_or_leave(self, batch):
        return sys.exit(3) if self.config.name == "leaves" else embed(self, batch)

    embed = CountingEmbedder.embed
    monkeypatch.setattr(CountingEmbedder, "embed", embed_or_leave)
    prepare(gallery)
    told = []
    for run in (execute, lambda declared: execute_steps(declared.spec)):
        shutil.rmtree(gallery.root / "store", ignore_errors=True)
        events = []
        with listen(events.append):
            outcome = run(load_declared(file=gallery.file)[0])
        begun = [str(event.step) for event in events if isinstance(event, StepStart)]
        told.append((without_times(outcome.to_report()), without_times(outcome.assets), sorted(begun)))
    with_dagster, without = told
    assert without == with_dagster
    assert with_dagster[0]["success"] is (prepare in (healthy, failed_items))
    if prepare is left_by_a_plugin:
        assert with_dagster[0]["errors"] == ["gallery/embeddings/toy: SystemExit: 3"]


def run_both(gallery, **options):
    (declared,) = load_declared(file=gallery.file)
    return execute(declared, **options), execute_steps(declared.spec, **options)


@pytest.mark.slow
def test_what_a_run_is_told_is_told_to_the_steps_with_dagster_and_without(gallery, dagster_home):
    for number in range(12, 24):
        gallery.add(f"p{number:03}.png", caption=f"picture {number}")
    gallery.model(input="caption", reject="picture 3")
    gallery.tolerate_failures()
    assert all(outcome.success for outcome in run_both(gallery))
    gallery.model(reject="")
    for name in sorted(gallery.captions)[4:]:
        gallery.remove(name)
    kept, kept_too = run_both(gallery)
    assert kept.errors == kept_too.errors
    assert "20 of 24 items are gone" in kept.errors[0]
    (declared,) = load_declared(file=gallery.file)
    done = execute(declared, settings=RunSettings(retry_failed=True, allow_mass_delete=True))
    assert (done.success, done.assets[0]["deleted"], done.count_failed_items()) == (True, 20, {})


@pytest.mark.slow
def test_a_selection_runs_the_same_steps_with_dagster_and_without(gallery, dagster_home):
    (declared,) = load_declared(file=gallery.file)
    for kinds in (["raw_media"], ["embeddings"], ["index", "published"], ["published"]):
        selection = [AssetKey(f"gallery/{kind}{'' if kind == 'raw_media' else '/found'}") for kind in kinds]
        selection = [AssetKey("gallery/embeddings/toy") if key.kind == "embeddings" else key for key in selection]
        with_dagster = execute(declared, selection=selection)
        without = execute_steps(declared.spec, selection=selection)
        assert [(step.key, step.status) for step in without.steps] == [
            (step.key, step.status) for step in with_dagster.steps
        ]
        assert with_dagster.success is without.success is True


@pytest.mark.slow
def test_a_run_in_another_thread_is_no_part_of_the_outcome(gallery, dagster_home, make_gallery):
    other = make_gallery(folder="other", pictures=3)
    begun = []

    def begin_another(event):
        if isinstance(event, StepStart) and not begun:
            begun.append(event)
            thread = threading.Thread(target=execute_steps, args=(other.pipeline().spec,))
            thread.start()
            thread.join()

    with listen(begin_another):
        outcome = execute(load_declared(file=gallery.file)[0])
    assert (len(outcome.steps), len(outcome.checks)) == (6, len(EMBEDDING_CHECKS + INDEX_CHECKS))
    assert [asset.get("embedded") for asset in outcome.assets] == [None, 12, None, None]
