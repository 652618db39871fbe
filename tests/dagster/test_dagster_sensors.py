"""The sensors on a real instance: ticks are evaluated as the daemon does, and the runs they ask for are executed."""

import os
import shutil
import time
from dataclasses import dataclass, field

import dagster as dg
import pytest

from embeddings_orch import build_pipeline
from embeddings_orch.dagster.automation.sensors import Declaration, media_sensor, model_config_sensor
from embeddings_orch.pipeline.automation.missing import definition_digest
from embeddings_orch.pipeline.published.rollback import rollback
from embeddings_orch.spec.yaml_file import load_pipeline
from kept_run import KeptRun

MEDIA, TOY, INDEX, PUBLISHED = (
    "gallery/raw_media",
    "gallery/embeddings/toy",
    "gallery/index/found",
    "gallery/published/found",
)
RUN_KEY = "dagster/run_key"


@dataclass
class Daemon:
    """A code location loaded once, with ticks at a time of the test's choosing; it launches a run key once."""

    gallery: object
    instance: dg.DagsterInstance
    now: float = field(default_factory=time.time)
    cursors: dict = field(default_factory=dict)
    skipped: str = ""

    def __post_init__(self):
        self.reload()

    def reload(self):
        spec = load_pipeline(self.gallery.file)
        self.definitions = build_pipeline(spec, file=self.gallery.file)
        self.job = self.definitions.resolve_job_def("gallery_pipeline")
        declaration = Declaration(spec, definition_digest(spec), self.gallery.file)
        job = next(iter(self.definitions.jobs))
        make = {"models": model_config_sensor, "media": media_sensor}
        self.sensors = {name: sensor(declaration, job, clock=lambda: self.now) for name, sensor in make.items()}

    def tick(self, sensor="models", after=30.0):
        """The runs that one tick asks for; the reason of a skip is in ``skipped``."""
        self.now += after
        repository = self.definitions.get_repository_def()
        context = dg.build_sensor_context(
            instance=self.instance, cursor=self.cursors.get(sensor), repository_def=repository
        )
        data = self.sensors[sensor].evaluate_tick(context)
        self.cursors[sensor] = data.cursor
        self.skipped = data.skip_message or ""
        launched = {run.tags.get(RUN_KEY) for run in self.instance.get_runs()}
        return [request for request in data.run_requests if request.run_key not in launched]

    def execute(self, request, **options):
        """Execute a requested run in a process that loads the definitions anew, as a run worker does."""
        definitions = build_pipeline(load_pipeline(self.gallery.file), file=self.gallery.file)
        return definitions.resolve_job_def("gallery_pipeline").execute_in_process(
            instance=self.instance,
            asset_selection=list(request.asset_selection),
            tags={**request.tags, RUN_KEY: request.run_key},
            raise_on_error=False,
            **options,
        )

    def settle(self, sensor="models"):
        """Tick and execute until nothing is asked for; the runs' results."""
        results = []
        while requests := self.tick(sensor):
            assert len(requests) == 1
            results.append(self.execute(requests[0]))
            assert len(results) < 5, "it does not come to rest"
        return results

    def planned(self, request):
        return ["/".join(key.path) for key in request.asset_selection]

    def published(self):
        pipeline = self.gallery.pipeline()
        return pipeline.store.generations.get(pipeline.store.published.get("gallery", "found").generation)


@pytest.fixture
def daemon(gallery):
    with dg.DagsterInstance.ephemeral() as instance:
        yield Daemon(gallery, instance)


@pytest.fixture(scope="module")
def kept(shared_gallery):
    """A gallery that the sensor has materialized in one run, and the sensors' cursors then."""
    gallery = shared_gallery()
    with dg.DagsterInstance.ephemeral() as instance:
        daemon = Daemon(gallery, instance)
        assert [result.success for result in daemon.settle()] == [True]
        gallery.forget_calls()
        return KeptRun.of(gallery, instance), daemon.cursors


@pytest.fixture
def settled(kept):
    """With everything materialized by the sensor."""
    run, cursors = kept
    with dg.DagsterInstance.ephemeral() as instance:
        run.replay(instance)
        yield Daemon(run.gallery.restore(), instance, cursors=dict(cursors))


@pytest.mark.slow
def test_a_new_pipeline_is_materialized_whole_in_one_run(daemon):
    (request,) = daemon.tick()
    assert daemon.planned(request) == [MEDIA, TOY, INDEX, PUBLISHED]
    result = daemon.execute(request)
    assert result.success
    assert {e.asset_key.to_user_string() for e in result.get_asset_materialization_events()} == {
        MEDIA,
        TOY,
        INDEX,
        PUBLISHED,
    }
    assert len(result.get_asset_check_evaluations()) >= 7
    assert daemon.tick() == []
    assert daemon.published().rows == 12


@pytest.mark.slow
def test_an_identity_edit_starts_one_run_for_the_embedding_and_what_hangs_on_it(settled):
    before = settled.gallery.pipeline().spec.embeddings["toy"].config.fingerprint()
    settled.gallery.model("other", name="another")
    settled.reload()
    settled.settle()
    settled.gallery.forget_calls()
    settled.gallery.model(name="b")
    after = settled.gallery.pipeline().spec.embeddings["toy"].config.fingerprint()

    (request,) = settled.tick()

    assert settled.planned(request) == [TOY, INDEX, PUBLISHED]
    assert request.tags["embeddings_orch/fingerprint.toy"] == after[:16]
    assert request.tags["embeddings_orch/previous_fingerprint.toy"] == before[:16]
    assert "name toy -> b" in request.tags["embeddings_orch/reason"]
    assert settled.execute(request).success
    assert settled.gallery.items() == 12
    assert settled.tick() == []
    assert after[:16] in settled.skipped
    assert settled.published().models[0].fingerprint == after


@pytest.mark.parametrize("edit", [{"batch_size": 7}, {"concurrency": 2}, {"retry": {"max_retries": 0}}])
def test_an_operational_edit_runs_nothing(settled, edit):
    settled.gallery.model(**edit)
    assert [settled.tick() for _ in range(3)] == [[], [], []]
    assert "up to date" in settled.skipped


def test_normalize_is_identity(settled):
    settled.gallery.model(normalize=False)
    (request,) = settled.tick()
    assert "normalize True -> False" in request.tags["embeddings_orch/reason"]


@pytest.mark.slow
def test_an_edit_of_an_index_starts_the_index_alone(settled):
    settled.gallery.declare(indexes={"found": {"vectors": ["toy"], "metric": "l2"}})
    (request,) = settled.tick()
    assert settled.planned(request) == [INDEX, PUBLISHED]
    assert settled.execute(request).success
    assert settled.gallery.items() == 0
    assert settled.tick() == []
    assert settled.published().metric == "l2"


@pytest.mark.slow
def test_back_to_the_former_model_before_its_run_starts_nothing_is_left_to_do(settled):
    settled.gallery.model(name="b")
    (request,) = settled.tick()
    settled.gallery.model(name="toy")
    assert settled.execute(request).success
    assert settled.tick() == []
    assert settled.gallery.items() == 0
    assert settled.published().models[0].settings["name"] == "toy"


@pytest.mark.slow
def test_back_to_the_former_model_during_the_run_ends_on_it_and_embeds_nothing_more(settled):
    settled.gallery.model(name="b")
    (request,) = settled.tick()
    worker = build_pipeline(load_pipeline(settled.gallery.file)).resolve_job_def("gallery_pipeline")
    settled.gallery.model(name="toy")
    worker.execute_in_process(
        instance=settled.instance,
        asset_selection=list(request.asset_selection),
        tags={**request.tags, RUN_KEY: request.run_key},
    )
    assert settled.gallery.items() == 12
    assert settled.published().models[0].settings["name"] == "b"
    settled.gallery.forget_calls()
    assert len(settled.settle()) == 1
    assert settled.gallery.items() == 0
    assert settled.published().models[0].settings["name"] == "toy"


@pytest.mark.slow
def test_there_and_back_after_the_run_is_an_epoch_of_its_own(settled):
    keys = []
    for name in ("b", "toy", "b"):
        settled.gallery.model(name=name)
        (request,) = settled.tick()
        keys.append(request.run_key)
        assert settled.execute(request).success
        assert settled.tick() == []
        assert settled.published().models[0].settings["name"] == name
    assert len(set(keys)) == 3
    assert settled.gallery.items() == 12


@pytest.mark.slow
def test_a_terminal_error_is_not_tried_again_and_the_published_index_stays(settled):
    rows = settled.gallery.rows()
    settled.gallery.model(name="b", broken=True)
    (request,) = settled.tick()
    assert not settled.execute(request).success
    for _ in range(5):
        assert settled.tick(after=3600) == []
    assert "configured as broken" in settled.skipped
    assert "Any edit of the YAML starts it again, or a run by hand" in settled.skipped
    assert settled.gallery.rows() == rows

    settled.gallery.model(broken=False)
    assert [result.success for result in settled.settle()] == [True]
    assert settled.published().models[0].settings["name"] == "b"


def test_weights_that_are_not_there_start_nothing_and_say_so(settled):
    embeddings = {"toy": {"provider": "open-clip", "name": "ViT-B-32", "pretrained": "weights/none.pt"}}
    settled.gallery.declare(embeddings=embeddings)
    assert settled.tick() == []
    assert "none.pt" in settled.skipped
    assert settled.gallery.rows()


@pytest.mark.slow
def test_a_transient_error_is_tried_three_times_with_growing_pauses(settled):
    settled.gallery.model(name="b", flaky=99, retry={"max_retries": 0})
    pauses, keys, failed = [], set(), None
    for attempt in (1, 2, 3):
        while not (requests := settled.tick(after=10)):
            assert f"attempt {attempt - 1} of 3" in settled.skipped
            assert "fails 99 times first" in settled.skipped
        if failed:
            pauses.append(settled.now - failed)
        keys.add(requests[0].run_key)
        assert requests[0].tags["embeddings_orch/attempt"] == str(attempt)
        assert not settled.execute(requests[0]).success
        settled.now = failed = time.time()
    assert len(keys) == 3
    assert 30 < pauses[0] < pauses[1] / 2
    for _ in range(5):
        assert settled.tick(after=3600) == []
    assert "failed 3 times" in settled.skipped
    assert "fails 99 times first" in settled.skipped
    assert settled.published().models[0].settings["name"] == "toy"
    settled.gallery.model(flaky=0)
    assert [result.success for result in settled.settle()] == [True]


@pytest.mark.slow
def test_a_failed_gate_is_not_tried_again(settled):
    rows = settled.gallery.rows()
    settled.gallery.declare(indexes={"found": {"vectors": ["toy"], "checks": {"max_failed": 0}}})
    settled.gallery.model(name="b", reject="p003")
    settled.gallery.add("p100.txt", "a text with p003 in it")
    (request,) = settled.tick()
    scan = settled.definitions.resolve_job_def("gallery_pipeline")
    scan.execute_in_process(instance=settled.instance, asset_selection=[dg.AssetKey(MEDIA.split("/"))])
    assert not settled.execute(request).success
    for _ in range(3):
        assert settled.tick(after=3600) == []
    assert "another try would fail as well" in settled.skipped
    assert settled.gallery.rows() == rows


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("type: embeddings_orch.EmbeddingPipeline\nattributes:\n  name: gallery\n  embe", "defs.yaml:4"),
        ("type: embeddings_orch.EmbeddingPipeline\nattributes: {name: gallery, store: {uri: [}", "not valid YAML"),
        ("type: embeddings_orch.EmbeddingPipeline\nattributes: {name: renamed}\n", "no longer declared"),
        ("", "no longer declared"),
        (None, "no such file"),
    ],
)
def test_a_yaml_that_cannot_be_used_is_a_skip_that_recovers_by_itself(settled, text, told):
    before = settled.gallery.file.read_text()
    settled.gallery.file.unlink()
    if text is not None:
        settled.gallery.file.write_text(text)
    for sensor in ("models", "media"):
        assert settled.tick(sensor) == []
        assert told in settled.skipped
        assert str(settled.gallery.file) in settled.skipped
    settled.gallery.file.write_text(before.replace("name: toy", "name: b"))
    (request,) = settled.tick()
    assert settled.planned(request) == [TOY, INDEX, PUBLISHED]


def test_a_yaml_that_is_a_folder_or_no_text_is_a_skip(settled):
    settled.gallery.file.unlink()
    settled.gallery.file.mkdir()
    assert settled.tick() == []
    assert "cannot be read" in settled.skipped
    settled.gallery.file.rmdir()
    settled.gallery.file.write_bytes(b"\xff\xfe\x00")
    assert settled.tick() == []
    assert "cannot be read" in settled.skipped


def test_a_wrong_key_is_told_with_its_line(settled):
    settled.gallery.model(nmae="b")
    assert settled.tick() == []
    assert "embeddings.toy.nmae: unknown key" in settled.skipped
    assert "defs.yaml:" in settled.skipped


def test_a_structural_edit_waits_for_the_definitions(settled):
    settled.gallery.model("second", name="second")
    assert settled.tick() == []
    assert "gallery/embeddings/second" in settled.skipped
    assert "reload the code location" in settled.skipped
    settled.reload()
    (request,) = settled.tick()
    assert settled.planned(request) == ["gallery/embeddings/second"]


def test_a_removed_embedding_is_not_asked_for(settled):
    settled.gallery.model("second", name="second")
    settled.reload()
    assert len(settled.settle()) == 1
    embeddings = dict(settled.gallery.attributes["embeddings"])
    del embeddings["second"]
    settled.gallery.declare(embeddings=embeddings)
    assert settled.tick() == []
    assert "up to date" in settled.skipped


@pytest.mark.slow
def test_ten_ticks_during_a_run_start_nothing(settled):
    settled.gallery.model(name="b")
    (request,) = settled.tick()
    job = settled.definitions.resolve_job_def("gallery_pipeline")
    run = settled.instance.create_run_for_job(
        job,
        status=dg.DagsterRunStatus.STARTED,
        tags={**request.tags, RUN_KEY: request.run_key},
        asset_selection=frozenset(request.asset_selection),
    )
    for _ in range(10):
        assert settled.tick() == []
        assert run.run_id[:8] in settled.skipped


@pytest.mark.parametrize("whole", [True, False])
def test_a_run_from_the_ui_is_waited_for_too(settled, whole):
    job = settled.definitions.resolve_job_def("gallery_pipeline")
    selection = None if whole else frozenset([dg.AssetKey(TOY.split("/"))])
    run = settled.instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED, asset_selection=selection)
    settled.gallery.model(name="b")
    for _ in range(10):
        assert settled.tick() == []
        assert run.run_id[:8] in settled.skipped
    settled.instance.report_run_canceled(settled.instance.get_run_by_id(run.run_id))
    # It was there before the edit, so that nobody meant the edit by cancelling it.
    assert len(settled.tick()) == 1


def test_a_cancelled_run_is_not_started_again_in_its_epoch(settled):
    settled.gallery.model(name="b")
    (request,) = settled.tick()
    job = settled.definitions.resolve_job_def("gallery_pipeline")
    run = settled.instance.create_run_for_job(
        job,
        status=dg.DagsterRunStatus.STARTED,
        tags={**request.tags, RUN_KEY: request.run_key},
        asset_selection=frozenset(request.asset_selection),
    )
    settled.instance.report_run_canceled(run)
    for _ in range(5):
        assert settled.tick(after=3600) == []
        assert "was cancelled, so it is not started again" in settled.skipped
    settled.gallery.model(batch_size=3)
    assert len(settled.tick()) == 1


@pytest.mark.process
def test_a_run_whose_process_was_killed_does_not_block_for_ever(settled):
    job = settled.definitions.resolve_job_def("gallery_pipeline")
    process = os.fork()
    if process == 0:
        os._exit(0)
    os.waitpid(process, 0)
    import socket

    tags = {"embeddings_orch/process": f"{socket.gethostname()}:{process}"}
    settled.instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED, tags=tags)
    settled.gallery.model(name="b")
    assert len(settled.tick()) == 1


@pytest.mark.slow
def test_a_fresh_instance_over_an_existing_store_ends_in_one_run_that_embeds_nothing(settled):
    generation = settled.published().id
    with dg.DagsterInstance.ephemeral() as instance:
        fresh = Daemon(settled.gallery, instance)
        (result,) = fresh.settle()
        assert result.success
        assert settled.gallery.items() == 0
        assert fresh.tick("media", after=300) == []
        assert settled.published().id == generation


@pytest.mark.slow
def test_an_existing_instance_over_an_emptied_store_rebuilds(settled):
    shutil.rmtree(settled.gallery.root / "store")
    (result,) = settled.settle()
    assert result.success
    assert settled.gallery.items() == 12
    assert len(settled.gallery.rows()) == 12


def test_a_lost_cursor_starts_nothing_where_nothing_is_missing(settled):
    settled.cursors.clear()
    assert settled.tick() == []
    settled.cursors["models"] = "not a cursor"
    assert settled.tick() == []


def test_what_exceeds_the_limit_is_a_skip_with_the_plan_and_the_command(settled):
    settled.gallery.declare(auto={"max_items": 11})
    settled.gallery.model(name="b")
    assert settled.tick() == []
    assert "12 contents are more than auto.max_items, 11" in settled.skipped
    assert "gallery/embeddings/toy: 12 contents" in settled.skipped
    assert "`embeddings-orch run --pipeline gallery`" in settled.skipped
    settled.gallery.declare(auto={"max_items": 12})
    assert len(settled.tick()) == 1


@pytest.mark.slow
def test_what_costs_more_than_the_limit_is_a_skip(settled):
    settled.gallery.declare(auto={"max_cost_usd": 0.01})
    settled.gallery.model(name="b", prices={"per_million_tokens": 1000})
    settled.gallery.declare(
        embeddings={"toy": {**settled.gallery.attributes["embeddings"]["toy"], "input": "caption"}},
    )
    assert settled.tick() == []
    assert "are more than auto.max_cost_usd, $0.01" in settled.skipped


def test_the_first_run_is_limited_too(make_gallery):
    gallery = make_gallery(folder="large", auto={"max_items": 11})
    with dg.DagsterInstance.ephemeral() as instance:
        daemon = Daemon(gallery, instance)
        assert daemon.tick() == []
        assert "auto.max_items" in daemon.skipped


def test_a_sensor_that_is_off_in_the_yaml_skips(settled):
    settled.gallery.declare(auto={"models": False, "media": False})
    settled.gallery.model(name="b")
    settled.gallery.add("new.png")
    assert settled.tick() == settled.tick("media", after=3600) == []
    assert "switched off in the YAML (auto.media: false)" in settled.skipped
    settled.reload()
    statuses = {sensor.name: sensor.default_status for sensor in settled.definitions.sensors}
    assert set(statuses.values()) == {dg.DefaultSensorStatus.STOPPED}


@pytest.mark.slow
def test_what_is_held_is_not_published_by_a_tick(settled):
    settled.gallery.model(name="b")
    assert len(settled.settle()) == 1
    rollback(settled.gallery.pipeline(), "found")
    assert settled.published().models[0].settings["name"] == "toy"
    assert settled.tick(after=3600) == []
    assert "found is held" in settled.skipped
    settled.gallery.model(batch_size=5)
    assert settled.tick() == []
    settled.gallery.declare(indexes={"found": {"vectors": ["toy"], "metric": "l2"}})
    assert [result.success for result in settled.settle()] == [True]
    assert settled.published().models[0].settings["name"] == "b"


@pytest.mark.slow
def test_new_changed_and_deleted_media_become_one_run_after_they_settled(settled):
    assert settled.tick("media") == []
    assert "12 media items, as at the last scan" in settled.skipped
    settled.gallery.add("new.png")
    assert settled.tick("media", after=10) == []
    assert "media: 1 new" in settled.skipped
    for number in range(3):  # a burst goes on
        settled.gallery.add(f"burst{number}.png")
        assert settled.tick("media", after=20) == []
    settled.gallery.remove("p001.png")
    assert settled.tick("media", after=20) == []
    assert settled.tick("media", after=29) == []
    (request,) = settled.tick("media", after=2)
    assert settled.planned(request) == [MEDIA, TOY, INDEX, PUBLISHED]
    assert "4 new" in request.tags["embeddings_orch/reason"]
    assert "1 deleted" in request.tags["embeddings_orch/reason"]
    assert settled.execute(request).success
    assert settled.gallery.items() == 4
    assert settled.tick("media", after=300) == []
    assert len(settled.gallery.rows()) == 15


def test_a_stream_that_never_settles_is_taken_up_all_the_same(settled):
    requests, seconds = [], 0
    while not requests and seconds < 1000:
        settled.gallery.add(f"stream{seconds}.png")
        requests = settled.tick("media", after=20)
        seconds += 20
    assert requests
    assert 200 <= seconds <= 400


@pytest.mark.slow
def test_an_edited_caption_is_noticed(settled):
    settled.gallery.captions["p000.png"]["caption"] = "an edited caption, longer than before"
    settled.gallery.write_captions()
    settled.tick("media")
    assert "captions, columns or settings changed" in settled.skipped
    (request,) = settled.tick("media", after=31)
    assert settled.execute(request).success
    assert settled.gallery.rows()["p000.png"]["caption"] == "an edited caption, longer than before"
    assert settled.gallery.items() == 0


def test_media_that_cannot_be_listed_are_a_skip(settled):
    settled.gallery.media.rename(settled.gallery.root / "away")
    assert settled.tick("media") == []
    assert "does not exist" in settled.skipped


@pytest.mark.slow
def test_files_that_a_scan_leaves_out_do_not_start_runs_for_ever(settled):
    (settled.gallery.media / "dangling.png").symlink_to("nowhere.png")
    settled.gallery.add("bad.png", b"no picture")
    assert settled.tick("media") == []
    (request,) = settled.tick("media", after=31)
    settled.execute(request)
    assert settled.tick("media", after=300) == []


def test_a_schedule_where_one_is_asked_for(gallery):
    assert list(build_pipeline(load_pipeline(gallery.file)).schedules) == []
    gallery.declare(auto={"cron": "0 3 * * 1-5", "timezone": "Europe/Berlin"})
    (schedule,) = build_pipeline(load_pipeline(gallery.file)).schedules
    assert schedule.name == "gallery_schedule"
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("0 3 * * 1-5", "Europe/Berlin")
    assert schedule.default_status == dg.DefaultScheduleStatus.RUNNING


def test_the_sensors_are_described_and_run_by_default(settled):
    sensors = {sensor.name: sensor for sensor in settled.definitions.sensors}
    assert set(sensors) == {"gallery_model_config_sensor", "gallery_media_sensor"}
    for sensor in sensors.values():
        assert sensor.default_status == dg.DefaultSensorStatus.RUNNING
        assert sensor.minimum_interval_seconds == 30
        assert "compares" in sensor.description


@pytest.mark.slow
def test_a_tick_of_one_of_several_pipelines_makes_a_bounded_number_of_calls(make_gallery, tmp_path, monkeypatch):
    from embeddings_orch.store.store import Store
    from embeddings_orch_testing.counting import CountingEmbedder

    galleries = []
    for number in range(3):
        name = f"p{number}"
        gallery = make_gallery(pictures=2, folder=name, name=name, store={"uri": str(tmp_path / "store")})
        for model in ("b", "c", "d"):
            gallery.model(model, name=model)
        gallery.declare(indexes={"found": {"vectors": ["toy", "b", "c", "d"], "checks": {"min_recall": 0}}})
        galleries.append(gallery)
    calls = []

    def count(owner, method):
        original = getattr(owner, method)

        def counted(self, *arguments, **options):
            calls.append(method)
            return original(self, *arguments, **options)

        monkeypatch.setattr(owner, method, counted)

    with dg.DagsterInstance.ephemeral() as instance:
        for gallery in galleries:
            if gallery in (galleries[0], galleries[-1]):
                definitions = build_pipeline(load_pipeline(gallery.file), file=gallery.file)
                job = definitions.resolve_job_def(f"{gallery.attributes['name']}_pipeline")
                assert job.execute_in_process(instance=instance).success
        for gallery in galleries:
            gallery.forget_calls()
        count(Store, "open")
        count(CountingEmbedder, "__init__")
        for method in ("get_asset_records", "get_runs", "get_run_records", "get_records_for_run"):
            count(type(instance), method)
        counts = []
        for gallery in (galleries[0], galleries[-1], galleries[1]):  # up to date, up to date, never materialized
            spec = load_pipeline(gallery.file)
            job = next(iter(build_pipeline(spec, file=gallery.file).jobs))
            sensor = model_config_sensor(Declaration(spec, definition_digest(spec), gallery.file), job)
            calls.clear()
            data = sensor.evaluate_tick(dg.build_sensor_context(instance=instance))
            counts.append((len(data.run_requests), calls.count("open"), len(calls) - calls.count("open")))
            assert "__init__" not in calls
            assert gallery.items() == 0
        # Four tables and the format on one side, materializations and unfinished runs on the other.
        assert counts[0] == counts[1]
        assert all(opened <= 8 and asked <= 4 for _, opened, asked in counts), counts
        assert [requests for requests, _, _ in counts] == [0, 0, 1]
