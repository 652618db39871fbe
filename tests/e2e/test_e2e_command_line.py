"""The command line with Dagster underneath: what a run says, what it leaves, and how it fails."""

import json
import os
import signal
import time

import lancedb
import pytest
from click.testing import CliRunner

import warm
from embeddings_orch.cli import main
from embeddings_orch.dagster.runs.local import execute
from embeddings_orch.pipeline.run.settings import RunSettings
from embeddings_orch.spec.project import load_declared
from embeddings_orch.store import Store
from embeddings_orch.store.database import FORMAT


def command(gallery, *arguments, json_output=True):
    """Run a command in this process: its exit status, what it printed, and what it said on standard error."""
    options = ["--file", gallery.file, *(["--json"] if json_output else [])]
    result = CliRunner().invoke(main, [str(argument) for argument in (*arguments, *options)])
    out = json.loads(result.stdout) if json_output and result.stdout else result.stdout
    return result.exit_code, out, result.stderr


def process(gallery, *arguments):
    """Start the installed command in a process of its own."""
    return warm.start("embeddings-orch", *arguments, "--file", gallery.file, cwd=gallery.root)


def run(gallery, **options):
    """Run in this process, as the command does; the assets by key without the pipeline's name."""
    outcome = execute(load_declared(file=gallery.file)[0], **options)
    return outcome, {asset["asset"].split("/", 1)[1]: asset for asset in outcome.assets}


def fingerprint(gallery):
    return gallery.pipeline().spec.embeddings["toy"].config.fingerprint()


@pytest.mark.slow
def test_plan_run_search_and_status_agree(gallery, dagster_home):
    home = {path: path.stat().st_mtime_ns for path in dagster_home.rglob("*")}
    status, plan, _ = command(gallery, "plan")
    assert status == 0
    assert plan["changes"] is True
    assert [asset["new"] for asset in plan["assets"]] == [12, 12, 12, 1]
    assert plan["assets"][1]["estimate"] == {"contents": 12, "tokens": 0, "cost_usd": 0.0, "seconds": None}
    assert not (gallery.root / "store").exists()
    assert {path: path.stat().st_mtime_ns for path in dagster_home.rglob("*")} == home

    status, ran, err = command(gallery, "run")
    assert (status, ran["success"]) == (0, True), err
    assert [asset["asset"] for asset in ran["assets"]] == [asset["asset"] for asset in plan["assets"]]
    assert (ran["assets"][1]["embedded"], ran["assets"][1]["requests"], ran["assets"][1]["failed"]) == (12, 1, 0)

    status, found, _ = command(gallery, "search", "--image", str(gallery.media / "p004.png"), "--limit", "2")
    assert (status, found["index"], len(found["hits"])) == (0, "found", 2)
    assert found["hits"][0]["id"] == "p004.png"
    status, made, _ = command(gallery, "status")
    assert made["indexes"][0]["published"] == found["generation"]
    assert (status, made["failures"]) == (0, 0)
    status, out, _ = command(gallery, "plan", json_output=False)
    assert status == 0
    assert "gallery: nothing to do" in out


@pytest.mark.slow
def test_the_runs_report_has_the_plans_counts_and_a_second_run_does_nothing(gallery, dagster_home):
    run(gallery)
    for name in ("new1.png", "new2.png", "new3.png"):
        gallery.add(name)
    for name in ("p000.png", "p001.png"):
        gallery.add(name, b"edited " + name.encode())
    (gallery.media / "p002.png").rename(gallery.media / "renamed.png")
    (gallery.media / "copied.png").write_bytes((gallery.media / "p003.png").read_bytes())
    gallery.captions.pop("p002.png")
    for name in ("p004.png", "p005.png", "p006.png", "p007.png"):
        gallery.remove(name)
    gallery.forget_calls()
    plan = gallery.plan()

    outcome, assets = run(gallery)

    assert outcome.success
    assert gallery.items() == assets["embeddings/toy"]["embedded"] == 5
    for asset in ("raw_media", "embeddings/toy", "index/found"):
        for count in ("new", "changed", "unchanged", "deleted"):
            assert assets[asset][count] == getattr(plan[asset], count), f"{asset}: {count}"
    assert assets["published/found"]["moved"] is True
    before = gallery.versions()
    gallery.forget_calls()

    outcome, assets = run(gallery)

    assert outcome.success
    assert gallery.calls() == []
    assert gallery.versions() == before
    assert [assets[asset]["unchanged"] for asset in ("raw_media", "embeddings/toy", "index/found")] == [12, 11, 12]
    assert assets["published/found"]["moved"] is False


@pytest.mark.slow
def test_failed_contents_are_listed_and_tried_again_only_when_asked(gallery, dagster_home):
    gallery.tolerate_failures()
    gallery.model(reject="poison")
    gallery.add("bad.png", "poison")
    outcome, assets = run(gallery)
    assert outcome.success
    assert assets["embeddings/toy"]["failed"] == 1
    assert assets["embeddings/toy"]["failures"] == [
        {"item": str(gallery.media / "bad.png"), "reason": "an input holds 'poison'"}
    ]
    gallery.forget_calls()
    gallery.model(reject="")

    run(gallery)
    assert gallery.calls() == []
    outcome, assets = run(gallery, settings=RunSettings(retry_failed=True))
    assert gallery.calls() == [("image", 1)]
    assert (assets["embeddings/toy"]["embedded"], assets["embeddings/toy"]["failed"]) == (1, 0)


@pytest.mark.slow
def test_transient_errors_show_as_retries_of_a_run_that_succeeds(gallery, dagster_home):
    gallery.model(flaky=3, retry={"initial_wait": 0.0})
    outcome, assets = run(gallery)
    assert outcome.success
    assert (assets["embeddings/toy"]["requests"], assets["embeddings/toy"]["retries"]) == (4, 3)


@pytest.mark.process
def test_a_terminal_error_fails_the_command_with_the_providers_words(gallery, dagster_home):
    gallery.run()
    rows = gallery.rows()
    gallery.add("new.png")
    gallery.model(broken=True)
    gallery.forget_calls()

    failed = process(gallery, "run", "--json")
    out, err = failed.communicate(timeout=120)

    assert (failed.returncode, json.loads(out)["success"]) == (1, False)
    assert "error: the counting provider is configured as broken" in err
    assert "Traceback" not in err
    assert len(gallery.calls()) == 1
    assert gallery.rows() == rows


@pytest.mark.slow
def test_media_that_are_not_there_fail_the_command_with_the_reason(gallery, dagster_home):
    gallery.run()
    rows = gallery.rows()
    gallery.media.rename(gallery.root / "elsewhere")

    status, _, err = command(gallery, "run", json_output=False)
    assert status == 1
    assert f"error: the media folder {gallery.media} does not exist" in err
    assert "Traceback" not in err
    assert gallery.rows() == rows
    status, out, err = command(gallery, "plan", json_output=False)
    assert (status, out) == (1, "")
    assert f"error: the media folder {gallery.media} does not exist" in err


def make_a_file(gallery):
    (gallery.root / "store").write_text("a file")
    return f"the store {gallery.root}/store cannot be used"


def make_newer(gallery):
    gallery.run()
    meta = lancedb.connect(str(gallery.root / "store")).open_table("meta")
    meta.update(where="key = 'format'", values={"value": str(FORMAT + 1)})
    return f"has format {FORMAT + 1}, this version reads up to {FORMAT}: upgrade embeddings-orch"


def make_read_only(gallery):
    if os.geteuid() == 0:
        pytest.skip("root may write anywhere")
    (gallery.root / "store").mkdir(mode=0o500)
    return f"the store {gallery.root}/store cannot be"


@pytest.mark.parametrize("make", [make_a_file, make_newer, make_read_only], ids=["file", "newer format", "read-only"])
def test_a_store_that_cannot_be_used_fails_the_run_with_the_reason(gallery, dagster_home, make):
    reason = make(gallery)
    gallery.forget_calls()

    status, _, err = command(gallery, "run", json_output=False)

    assert status == 1
    assert f"error: {reason}" in err or (f"error: the store {gallery.root}/store {reason}" in err), err
    assert "Traceback" not in err
    assert gallery.calls() == []


@pytest.mark.slow
def test_a_failed_blocking_check_keeps_what_is_published_also_from_a_publish_on_its_own(
    gallery, dagster_home, monkeypatch
):
    import dagster as dg

    from embeddings_orch.dagster.definitions import build_pipeline
    from embeddings_orch.pipeline.catalog.scan import scan_media
    from embeddings_orch.pipeline.run import assets as steps

    run(gallery)
    published, build = gallery.rows(), steps.build_index

    def build_while_media_change(pipeline, *args, **options):
        report = build(pipeline, *args, **options)
        gallery.add("late.png")
        scan_media(pipeline)
        return report

    monkeypatch.setattr(steps, "build_index", build_while_media_change)
    gallery.add("new.png")
    outcome, assets = run(gallery)
    assert not outcome.success
    assert "published/found" not in assets
    assert gallery.rows() == published
    monkeypatch.undo()
    monkeypatch.setenv("DAGSTER_HOME", str(dagster_home))

    definitions = build_pipeline(gallery.pipeline().spec)
    with dg.DagsterInstance.get() as instance:
        result = definitions.resolve_implicit_global_asset_job_def().execute_in_process(
            instance=instance,
            asset_selection=[dg.AssetKey(["gallery", "published", "found"])],
            raise_on_error=False,
        )
    assert not result.success
    (failure,) = [event for event in result.all_events if event.event_type == dg.DagsterEventType.STEP_FAILURE]
    reason = failure.step_failure_data.user_failure_data.description
    assert "gallery/published/found: generation" in reason
    assert "failed row_parity: 13 rows for 14 items: 1 missing, 0 stale, 0 too many" in reason
    assert "The published index stays as it is" in reason
    assert gallery.rows() == published

    assert run(gallery)[0].success
    assert len(gallery.rows()) == 14


@pytest.mark.process
def test_a_killed_run_loses_at_most_a_checkpoint_and_ends_as_if_it_had_not_been_killed(make_gallery, dagster_home):
    pictures, checkpoint, batch = 2500, 1024, 64
    killed = make_gallery(pictures, "killed")
    whole = make_gallery(0, "whole", media={"source": "folder", "path": "../killed/media"})
    killed.model(batch_size=batch, delay=0.1, prices={"per_million_tokens": 1.0})
    vectors = killed.pipeline().store.vectors(fingerprint(killed))
    running = process(killed, "run")
    try:
        deadline = time.monotonic() + 100
        while not (committed := len(vectors.keys())) >= checkpoint <= killed.items() - 700:
            assert running.poll() is None, running.communicate()
            assert time.monotonic() < deadline, "the run does not come along"
            time.sleep(0.05)
    finally:
        os.kill(running.pid, signal.SIGKILL)
        running.communicate()
    assert running.returncode == -signal.SIGKILL
    embedded, committed = killed.items(), len(vectors.keys())
    assert committed < embedded < pictures
    assert embedded - committed <= checkpoint + 4 * batch  # with the batches in flight
    killed.model(delay=0.0)
    assert killed.plan()["embeddings/toy"].estimate.contents == pictures - committed

    after = killed.run()

    assert killed.items() - embedded == after.embedded() == pictures - committed
    undisturbed = whole.run()
    assert undisturbed.embedded() == pictures
    assert after.embeddings["toy"].digest == undisturbed.embeddings["toy"].digest
    assert after.scan.digest == undisturbed.scan.digest
    rows, expected = killed.rows(), whole.rows()
    assert len(rows) == pictures
    assert rows == expected


@pytest.mark.process
def test_an_interrupted_run_keeps_what_it_embedded(make_gallery, dagster_home):
    gallery = make_gallery(200)
    gallery.model(batch_size=4, delay=0.05)
    running = process(gallery, "run")
    deadline = time.monotonic() + 60
    while gallery.items() < 60:
        assert running.poll() is None, running.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    running.send_signal(signal.SIGINT)
    _, err = running.communicate(timeout=60)

    assert running.returncode != 0, err
    assert gallery.items() < 200
    committed = len(Store(str(gallery.root / "store")).vectors(fingerprint(gallery)).keys())
    assert committed >= 60 - 3 * 4
