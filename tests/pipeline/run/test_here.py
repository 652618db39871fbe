"""A run in this process, without an orchestrator: its order, what a failure stops, and the events that tell it."""

from __future__ import annotations

import logging
import os
import signal
import threading

import pytest

from embeddings_orch.pipeline.checks.run import EMBEDDING_CHECKS, INDEX_CHECKS
from embeddings_orch.pipeline.events import (
    CheckEvaluation,
    Materialization,
    Progress,
    StepFailure,
    StepSkip,
    StepStart,
    StepSuccess,
    StepWarning,
    listen,
)
from embeddings_orch.pipeline.run.here import execute_steps
from embeddings_orch.pipeline.run.settings import RunSettings
from embeddings_orch.spec.keys import AssetKey
from embeddings_orch_testing.counting import CountingEmbedder
from galleries import Gallery
from kept import after

MEDIA = AssetKey.of_media("gallery")
TOY, OTHER = AssetKey.of_embedding("gallery", "toy"), AssetKey.of_embedding("gallery", "other")
FOUND, ELSE = AssetKey.of_index("gallery", "found"), AssetKey.of_index("gallery", "else")
POINTER, ELSE_POINTER = AssetKey.of_published("gallery", "found"), AssetKey.of_published("gallery", "else")


def run(gallery, **options):
    events = []
    with listen(events.append):
        outcome = execute_steps(gallery.pipeline().spec, **options)
    return outcome, events


def statuses(outcome):
    return {(step.asset.within + (", checks" if step.kind == "checks" else "")): step.status for step in outcome.steps}


def test_every_step_tells_its_start_what_it_made_and_its_end_in_the_order_of_the_assets(gallery):
    outcome, events = run(gallery)
    assert (outcome.success, outcome.errors, outcome.interrupted) == (True, [], False)
    kinds = [type(event) for event in events if not isinstance(event, Progress)]
    checked = [StepStart, *[CheckEvaluation] * len(EMBEDDING_CHECKS), StepSuccess]
    made = [StepStart, Materialization, StepSuccess]
    gated = [StepStart, *[CheckEvaluation] * len(INDEX_CHECKS), StepSuccess]
    assert kinds == [*made, *made, *checked, *made, *gated, *made]
    assert [str(event.step) for event in events if isinstance(event, StepStart)] == [
        *(MEDIA, TOY, f"{TOY}, checks", FOUND, f"{FOUND}, checks", POINTER)
    ]
    # A catalog that takes its time tells of it too.
    assert {event.step for event in events if isinstance(event, Progress)} >= {TOY, FOUND}
    assert set(statuses(outcome).values()) == {"success"}
    assert gallery.rows().keys() == gallery.captions.keys()


@after(Gallery.run)
def test_with_nothing_to_do_nothing_is_written_and_no_model_asked(gallery):
    before, _ = gallery.versions(), gallery.forget_calls()
    outcome, _ = run(gallery)
    assert (outcome.success, gallery.versions(), gallery.calls()) == (True, before, [])
    assert [asset.get("moved") for asset in outcome.assets] == [None, None, None, False]


def test_a_failed_step_stops_what_waits_for_it_and_nothing_else(gallery):
    gallery.model("other", name="other", broken=True)
    gallery.declare(indexes={"found": {"vectors": ["toy"]}, "else": {"vectors": ["other"]}})
    outcome, events = run(gallery)
    reason = "the counting provider is configured as broken"
    assert (outcome.success, outcome.errors) == (False, [reason])
    assert [event.step.asset for event in events if isinstance(event, StepFailure)] == [OTHER]
    skipped = {"embeddings/other, checks", "index/else", "index/else, checks", "published/else"}
    assert {name for name, status in statuses(outcome).items() if status == "skipped"} == skipped
    assert {str(event.step.asset) for event in events if isinstance(event, StepSkip)} == {OTHER, ELSE, ELSE_POINTER}
    assert statuses(outcome)["published/found"] == "success"


@after(Gallery.run)
def test_a_failed_blocking_check_keeps_the_pointer_where_it_is(gallery):
    published = gallery.rows().keys()
    gallery.add("new.png")
    gallery.declare(
        indexes={
            "found": {
                "vectors": ["toy"],
                "full_text": ["caption"],
                "checks": {"golden": [{"query": "picture 1", "expect": ["gone.png"]}]},
            }
        }
    )
    outcome, _ = run(gallery)
    assert outcome.success is False
    assert outcome.errors == [f"{FOUND}: what follows was stopped by a failed check: golden"]
    assert (statuses(outcome)["index/found, checks"], statuses(outcome)["published/found"]) == ("failure", "skipped")
    assert gallery.rows().keys() == published


def test_failed_contents_are_warnings_as_they_happen_and_rows_of_the_outcome(gallery):
    gallery.model(input="caption", reject="picture 3")
    gallery.tolerate_failures()
    outcome, events = run(gallery)
    (warning,) = [event for event in events if isinstance(event, StepWarning)]
    assert (warning.step.asset, "p003.png" in warning.message) == (TOY, True)
    (failure,) = outcome.item_failures()
    assert failure.item.endswith("p003.png")


@after(Gallery.run)
def test_a_selection_runs_its_steps_alone(gallery):
    outcome, _ = run(gallery, selection=[TOY])
    assert list(statuses(outcome)) == ["embeddings/toy", "embeddings/toy, checks"]
    gallery.add("new.png")
    outcome, _ = run(gallery, selection=[MEDIA, TOY, FOUND])
    assert outcome.success is True
    # The checks of that run have passed, so that another may publish what it built.
    outcome, _ = run(gallery, selection=[POINTER])
    assert (outcome.success, "new.png" in gallery.rows()) == (True, True)


@after(Gallery.run)
def test_published_alone_refuses_what_was_not_checked(gallery):
    gallery.declare(indexes={"found": {"vectors": ["toy"], "full_text": ["caption"], "metric": "l2"}})
    outcome, _ = run(gallery, selection=[POINTER])
    assert (outcome.success, len(outcome.errors)) == (False, 1)
    assert "nothing to publish" in outcome.errors[0]


def test_what_failed_for_good_is_tried_again_where_that_is_asked(gallery):
    gallery.model(input="caption", reject="picture 3")
    gallery.tolerate_failures()
    run(gallery)
    gallery.model(reject="")
    assert run(gallery)[0].count_failed_items() == {str(TOY): 1}
    assert run(gallery, settings=RunSettings(retry_failed=True))[0].count_failed_items() == {}


@pytest.fixture
def _in_foreground():
    """Ctrl-C as in a terminal: a shell starts what it has in the background with it ignored, the tests too."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_in_foreground")
@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_run_and_what_was_committed_is_kept(gallery, monkeypatch, signum):
    gallery.model(batch_size=2, delay=0.01)
    run(gallery)
    for number in range(6):
        gallery.add(f"late{number}.png")
    before = signal.getsignal(signum)
    calls = []
    embed = CountingEmbedder.embed

    def interrupted(self, batch):
        calls.append(batch)
        if len(calls) == 3:
            os.kill(os.getpid(), signum)
        return embed(self, batch)

    with monkeypatch.context() as patch:
        patch.setattr(CountingEmbedder, "embed", interrupted)
        outcome, _ = run(gallery)
    assert (outcome.success, outcome.interrupted) == (False, True)
    assert outcome.errors == [f"{TOY}: interrupted; what was committed is kept, run again to go on"]
    assert statuses(outcome)["index/found"] == "skipped"
    assert signal.getsignal(signum) is before
    pipeline = gallery.pipeline()
    kept = len(pipeline.store.vectors(pipeline.spec.embeddings["toy"].config.fingerprint()).keys())
    assert kept >= 12
    gallery.forget_calls()
    outcome, _ = run(gallery)
    # What was committed is not paid again.
    assert (outcome.success, outcome.assets[1]["reused"], gallery.items()) == (True, kept, 18 - kept)


@after(Gallery.run)
@pytest.mark.parametrize("moment", [StepStart, StepSuccess])
def test_a_signal_while_an_event_is_told_ends_the_run(gallery, moment):
    def interrupt(event):
        if isinstance(event, moment) and event.step.asset == MEDIA:
            os.kill(os.getpid(), signal.SIGTERM)

    with listen(interrupt):
        outcome = execute_steps(gallery.pipeline().spec, selection=[MEDIA, POINTER])
    assert (outcome.success, outcome.interrupted) == (False, True)
    assert outcome.errors == ["gallery: interrupted; what was committed is kept, run again to go on"]
    assert statuses(outcome)["published/found"] == "skipped"


class PanicError(BaseException):
    """As those of Rust libraries: no Exception."""


@pytest.mark.parametrize(
    ("error", "reason"), [(SystemExit(0), "SystemExit: 0"), (PanicError("lost"), "PanicError: lost")]
)
def test_what_ends_a_process_elsewhere_fails_the_step_and_is_no_interruption(gallery, monkeypatch, error, reason):
    def wrong(self, batch):
        raise error

    gallery.declare(
        indexes={"found": {"vectors": ["toy"]}, "else": {"vectors": ["other"]}},
        embeddings={**gallery.attributes["embeddings"], "other": {"provider": "counting", "dim": 9}},
    )
    embed = CountingEmbedder.embed
    monkeypatch.setattr(
        CountingEmbedder, "embed", lambda self, batch: (wrong if self.config.dim == 8 else embed)(self, batch)
    )
    outcome, _ = run(gallery)
    assert (outcome.success, outcome.interrupted, outcome.errors) == (False, False, [f"{TOY}: {reason}"])
    assert (statuses(outcome)["published/found"], statuses(outcome)["published/else"]) == ("skipped", "success")


def test_the_reason_of_a_failure_is_its_first_cause(gallery, monkeypatch):
    def wrong(*_, **__):
        first = ValueError("first")
        first.__cause__ = first
        raise RuntimeError("then") from first

    monkeypatch.setattr("embeddings_orch.pipeline.run.assets.embed", wrong)
    assert run(gallery)[0].errors == [f"{TOY}: ValueError: first"]


def test_an_error_of_a_plugin_is_named_and_its_place_in_the_code_is_logged(gallery, monkeypatch, caplog):
    def wrong(*_, **__):
        raise ZeroDivisionError("of the\nplugin")

    monkeypatch.setattr("embeddings_orch.pipeline.run.assets.embed", wrong)
    with caplog.at_level(logging.ERROR):
        outcome, _ = run(gallery)
    assert outcome.errors == [f"{TOY}: ZeroDivisionError: of the plugin"]
    assert "in wrong" in caplog.text


def test_a_run_in_another_thread_is_no_part_of_the_outcome(gallery, make_gallery):
    other = make_gallery(folder="other", pictures=3)
    others = []

    def begin_another(event):
        if isinstance(event, StepSuccess) and event.step.asset == MEDIA and not others:
            others.append(None)  # the other tells of its own catalog too
            thread = threading.Thread(target=lambda: others.append(execute_steps(other.pipeline().spec)))
            thread.start()
            thread.join()

    with listen(begin_another):
        outcome = execute_steps(gallery.pipeline().spec, selection=[MEDIA, TOY])
    steps = ["raw_media", "embeddings/toy", "embeddings/toy, checks"]
    assert (list(statuses(outcome)), outcome.assets[1]["embedded"], len(outcome.checks)) == (
        steps,
        12,
        len(EMBEDDING_CHECKS),
    )
    assert (len(others[1].steps), others[1].assets[1]["embedded"], len(others[1].checks)) == (
        6,
        3,
        len(EMBEDDING_CHECKS + INDEX_CHECKS),
    )
