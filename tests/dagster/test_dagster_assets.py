"""A pipeline's assets as Dagster sees them: what they are called, what they record, when they change."""

import base64
import io

import dagster as dg
import pytest
from PIL import Image

from embeddings_orch import PipelineSpec, build_pipeline
from embeddings_orch.errors import EmbeddingsOrchError
from embeddings_orch.pipeline.checks import recall as recall_check
from embeddings_orch.pipeline.checks.run import EMBEDDING_CHECKS, INDEX_CHECKS, INDEX_GATES
from embeddings_orch.spec.yaml_file import load_pipeline
from kept_run import KeptRun

MEDIA, TOY, INDEX, PUBLISHED = (
    "gallery/raw_media",
    "gallery/embeddings/toy",
    "gallery/index/found",
    "gallery/published/found",
)
ALL = [MEDIA, TOY, INDEX, PUBLISHED]


class Runs:
    """Runs of a gallery's pipeline in one Dagster instance."""

    def __init__(self, gallery, instance):
        self.gallery = gallery
        self.instance = instance

    def definitions(self):
        return build_pipeline(load_pipeline(self.gallery.file))

    def specs(self):
        return {spec.key.to_user_string(): spec for spec in self.definitions().resolve_all_asset_specs()}

    def materialize(self, selection=None, **options):
        definitions = self.definitions()
        return dg.materialize(
            [*definitions.assets, *definitions.asset_checks],
            instance=self.instance,
            selection=selection,
            raise_on_error=False,
            **options,
        )

    def event(self, key):
        """The materialization that the UI shows last."""
        return self.instance.get_latest_materialization_event(dg.AssetKey(key.split("/"))).asset_materialization

    def metadata(self, key):
        return {name: value.value for name, value in self.event(key).metadata.items()}

    def data_versions(self):
        return {key: self.event(key).tags["dagster/data_version"] for key in ALL}


@pytest.fixture
def runs(gallery):
    with dg.DagsterInstance.ephemeral() as instance:
        yield Runs(gallery, instance)


@pytest.fixture(scope="module")
def kept(shared_gallery):
    """A gallery that a first run has materialized."""
    with dg.DagsterInstance.ephemeral() as instance:
        runs = Runs(shared_gallery(), instance)
        assert runs.materialize().success
        return KeptRun.of(runs.gallery, instance)


@pytest.fixture
def ran(kept):
    """The `runs` after the first."""
    with dg.DagsterInstance.ephemeral() as instance:
        kept.replay(instance)
        yield Runs(kept.gallery.restore(), instance)


# What they are


def test_keys_groups_and_dependencies_follow_the_declaration(runs):
    specs = runs.specs()
    assert set(specs) == set(ALL)
    assert {spec.group_name for spec in specs.values()} == {"gallery"}
    depends = {key: {dep.asset_key.to_user_string() for dep in spec.deps} for key, spec in specs.items()}
    assert depends == {MEDIA: set(), TOY: {MEDIA}, INDEX: {MEDIA, TOY}, PUBLISHED: {INDEX}}


def test_every_asset_is_described_and_owned(runs):
    runs.gallery.declare(description="Pictures of the gallery.", owners=["team:search", "a@example.com"])
    for spec in runs.specs().values():
        assert spec.description.endswith("Pictures of the gallery.")
        assert list(spec.owners) == ["team:search", "a@example.com"]


def test_kinds_say_what_makes_and_keeps_an_asset(runs):
    kinds = {key: set(spec.kinds) for key, spec in runs.specs().items()}
    assert kinds == {
        MEDIA: {"folder", "lancedb"},
        TOY: {"counting", "lancedb"},
        INDEX: {"lancedb"},
        PUBLISHED: {"lancedb"},
    }


def test_the_models_kinds_are_shown_where_it_has_any(runs):
    runs.gallery.declare(embeddings={"toy": {"provider": "open-clip", "name": "emoji-s"}})
    assert runs.specs()[TOY].kinds == {"pytorch", "lancedb"}


def test_the_embeddings_asset_shows_its_config(runs):
    metadata = runs.specs()[TOY].metadata
    assert metadata["provider"] == "counting"
    assert metadata["config"]["dim"] == 8
    assert len(metadata["fingerprint"]) == 64


@pytest.mark.slow
def test_there_is_one_job_a_pipeline_of_all_its_assets(runs):
    job = runs.definitions().resolve_job_def("gallery_pipeline")
    assert {key.to_user_string() for key in job.asset_layer.executable_asset_keys} == set(ALL)
    assert job.execute_in_process(instance=runs.instance).success
    assert runs.metadata(PUBLISHED)["moved"] is True


def test_no_step_has_a_retry_policy_of_dagsters(runs):
    """Attempts would multiply with those of the shared policy."""
    job = runs.definitions().resolve_job_def("gallery_pipeline")
    assert [node.retry_policy for node in job.nodes if node.retry_policy] == []
    assert [node.definition.retry_policy for node in job.nodes if node.definition.retry_policy] == []


def test_two_pipelines_make_one_code_location(runs, make_gallery):
    other = make_gallery(pictures=3, folder="other", name="other")
    merged = dg.Definitions.merge(runs.definitions(), build_pipeline(load_pipeline(other.file)))
    dg.Definitions.validate_loadable(merged)
    assert len(list(merged.resolve_all_asset_specs())) == 8


def test_a_model_whose_weights_are_gone_is_an_error_that_names_them(tmp_path):
    spec = PipelineSpec.model_validate(
        {
            "name": "photos",
            "media": {"path": str(tmp_path)},
            "embeddings": {"clip": {"provider": "open-clip", "name": f"local-dir:{tmp_path}/gone"}},
        }
    )
    with pytest.raises(EmbeddingsOrchError, match="gone"):
        build_pipeline(spec)


# What they record


@pytest.mark.slow
def test_a_run_records_counts_columns_and_a_picture(ran):
    media, toy, index, published = map(ran.metadata, ALL)
    for metadata in (media, toy, index):
        assert metadata["dagster/row_count"] == 12
        assert (metadata["new"], metadata["changed"], metadata["unchanged"], metadata["deleted"]) == (12, 0, 0, 0)
        assert metadata["failed"] == 0
        assert metadata["seconds"] >= 0
    columns = {column.name: column for column in media["dagster/column_schema"].columns}
    assert {"id", "uri", "content_hash", "modality", "caption"} <= set(columns)
    assert not columns["id"].constraints.nullable
    assert not any(name.startswith("_") for name in columns)
    assert "toy" in {column.name for column in index["dagster/column_schema"].columns}
    assert (toy["embedded"], toy["reused"], toy["requests"], toy["retries"], toy["dimensions"]) == (12, 0, 1, 0, 8)
    assert toy["reason"] == "never materialized"
    assert (published["generation"], published["previous"]) == (index["generation"], "none")


def test_the_picture_is_one_that_the_ui_renders(runs):
    runs.materialize(selection=[dg.AssetKey(key.split("/")) for key in (MEDIA, TOY)])
    value = runs.event(TOY).metadata["preview"]
    assert isinstance(value, dg.MarkdownMetadataValue)
    head, _, data = value.value.partition(";base64,")
    assert head.startswith("![")
    assert head.endswith(("(data:image/png", "(data:image/jpeg"))
    picture = Image.open(io.BytesIO(base64.b64decode(data.removesuffix(")"))))
    assert min(picture.size) > 100


@pytest.mark.slow
def test_sounds_are_counted_and_pass_the_checks_as_pictures_do(runs):
    runs.gallery.declare(media={"path": "media", "include": ["**/*.{png,wav}"]})
    runs.gallery.add("bark.wav", b"the counting model reads any bytes", caption="a dog")
    assert runs.materialize().success
    assert [runs.metadata(key)["dagster/row_count"] for key in (MEDIA, TOY, INDEX)] == [13, 13, 13]
    assert runs.metadata(TOY)["failed"] == 0
    assert "preview" in runs.metadata(TOY)


@pytest.mark.slow
def test_contents_that_failed_are_a_table_of_items_and_reasons(runs):
    runs.gallery.model(decode=True)
    runs.gallery.declare(indexes={"found": {"vectors": ["toy"], "checks": {"max_failed": 1}}})
    for name in ("broken.png", "copy.png"):
        runs.gallery.add(name, b"this is no picture")
    runs.gallery.media.joinpath("phone.heic").write_bytes(b"?")
    assert runs.materialize().success
    toy = runs.metadata(TOY)
    assert (toy["unit"], toy["failed"], toy["embedded"]) == ("contents", 1, 12)
    assert (toy["items"], toy["items_failed"], toy["items_without_vector"]) == (14, 2, 2)
    records = runs.event(TOY).metadata["failures"].records
    assert [record.data["item"].rpartition("/")[2] for record in records] == ["broken.png", "copy.png"]
    assert all(record.data["reason"] for record in records)
    assert (runs.metadata(INDEX)["unit"], runs.metadata(INDEX)["failed"]) == ("items", 2)
    assert runs.metadata(MEDIA)["passed_over"] == 1
    (kind,) = runs.event(MEDIA).metadata["passed_over_kinds"].records
    assert (kind.data["kind"], kind.data["count"], kind.data["examples"]) == (".heic", 1, "phone.heic")


@pytest.mark.slow
def test_asset_checks_are_recorded_with_their_numbers(runs):
    result = runs.materialize()
    evaluations = {
        (evaluation.asset_key.to_user_string(), evaluation.check_name): evaluation
        for evaluation in result.get_asset_check_evaluations()
    }
    assert set(evaluations) == {
        *((TOY, name) for name in EMBEDDING_CHECKS),
        *((INDEX, name) for name in INDEX_CHECKS),
    }
    assert all(evaluation.passed for evaluation in evaluations.values())
    assert all(evaluation.description for evaluation in evaluations.values())
    assert evaluations[TOY, "coverage"].metadata["with_vector"].value == 12
    assert evaluations[INDEX, "recall_at_10"].metadata["recall"].value == 1.0


def test_only_the_indexs_gates_block(runs):
    specs = [spec for checks in runs.definitions().asset_checks for spec in checks.check_specs]
    assert {spec.asset_key.to_user_string() for spec in specs if spec.blocking} == {INDEX}
    assert sorted(spec.name for spec in specs if spec.blocking) == sorted(INDEX_GATES)
    assert all(spec.description for spec in specs)


# When they change


@pytest.mark.slow
def test_a_second_run_changes_no_data_version_and_embeds_nothing(ran):
    before = ran.data_versions()
    ran.gallery.forget_calls()
    assert ran.materialize().success
    assert ran.data_versions() == before
    assert ran.gallery.calls() == []
    assert (ran.metadata(TOY)["embedded"], ran.metadata(TOY)["reused"]) == (0, 12)
    assert ran.metadata(PUBLISHED)["moved"] is False


@pytest.mark.slow
def test_a_new_picture_changes_every_data_version(ran):
    before = ran.data_versions()
    ran.gallery.add("new.png")
    ran.materialize()
    after = ran.data_versions()
    assert all(after[key] != before[key] for key in ALL)
    assert ran.metadata(TOY)["embedded"] == 1
    assert ran.metadata(PUBLISHED)["previous"] == before[PUBLISHED]


@pytest.mark.slow
def test_an_edited_caption_changes_all_but_the_vectors_of_the_pictures(ran):
    before = ran.data_versions()
    ran.gallery.captions["p000.png"] = {"caption": "another caption"}
    ran.gallery.write_captions()
    ran.materialize()
    after = ran.data_versions()
    assert {key for key in ALL if after[key] != before[key]} == {MEDIA, INDEX, PUBLISHED}


@pytest.mark.slow
def test_an_edited_model_changes_its_code_version_and_data_version(ran):
    codes, data = {key: spec.code_version for key, spec in ran.specs().items()}, ran.data_versions()
    ran.gallery.model(dim=4)
    edited = {key: spec.code_version for key, spec in ran.specs().items()}
    assert {key for key in ALL if edited[key] != codes[key]} == {TOY, INDEX}
    ran.materialize()
    after = ran.data_versions()
    assert {key for key in ALL if after[key] != data[key]} == {TOY, INDEX, PUBLISHED}
    assert ran.metadata(TOY)["reason"].startswith("model config changed: dim 8 -> 4")


@pytest.mark.slow
def test_an_operational_edit_changes_nothing(ran):
    codes, data = {key: spec.code_version for key, spec in ran.specs().items()}, ran.data_versions()
    ran.gallery.model(batch_size=3, retry={"max_retries": 1})
    assert {key: spec.code_version for key, spec in ran.specs().items()} == codes
    ran.gallery.forget_calls()
    ran.materialize()
    assert ran.data_versions() == data
    assert ran.gallery.calls() == []


# When something is wrong


def failure_of(result, step):
    (event,) = [event for event in result.get_step_failure_events() if event.step_key == step]
    return event.step_failure_data


def test_a_missing_folder_fails_the_step_with_the_reason(runs):
    runs.gallery.declare(media={"source": "folder", "path": "gone"})
    result = runs.materialize()
    assert not result.success
    data = failure_of(result, "gallery__raw_media").user_failure_data
    assert data.description == (
        f"the media folder {runs.gallery.root / 'gone'} does not exist (a relative path is relative to the YAML file)"
    )
    assert len(result.get_step_failure_events()) == 1


def test_what_failed_with_a_reason_is_not_tried_again_by_dagster_either(runs):
    """Even where a user's own job has a retry policy."""
    runs.gallery.declare(media={"source": "folder", "path": "gone"})
    definitions = runs.definitions()
    job = dg.define_asset_job("patient", selection="*", op_retry_policy=dg.RetryPolicy(max_retries=3))
    job = dg.Definitions(assets=definitions.assets, jobs=[job]).resolve_job_def("patient")
    result = job.execute_in_process(instance=runs.instance, raise_on_error=False)
    kinds = [event.event_type for event in result.all_events]
    assert kinds.count(dg.DagsterEventType.STEP_FAILURE) == 1
    assert dg.DagsterEventType.STEP_UP_FOR_RETRY not in kinds


def test_a_provider_that_says_no_fails_the_step_with_its_own_words(runs):
    runs.gallery.model(broken=True)
    result = runs.materialize()
    data = failure_of(result, "gallery__embeddings__toy").user_failure_data
    assert data.description == "the counting provider is configured as broken"
    assert result.asset_materializations_for_node("gallery__raw_media")


def test_embeddings_without_a_catalog_say_what_to_materialize_first(runs):
    result = runs.materialize(selection=[dg.AssetKey(TOY.split("/"))])
    data = failure_of(result, "gallery__embeddings__toy").user_failure_data
    assert "gallery/raw_media was never materialized" in data.description


@pytest.mark.slow
def test_a_failed_blocking_check_leaves_the_published_generation_as_it_is(ran, monkeypatch):
    published = ran.data_versions()[PUBLISHED]
    monkeypatch.setattr(recall_check, "recall", lambda *_: 0.5)
    ran.gallery.add("new.png")
    result = ran.materialize()
    assert not result.success
    failed = [check for check in result.get_asset_check_evaluations() if not check.passed]
    assert [(check.check_name, check.severity) for check in failed] == [("recall_at_10", dg.AssetCheckSeverity.ERROR)]
    assert "0.500" in failed[0].description
    assert not result.asset_materializations_for_node("gallery__published__found")
    assert ran.data_versions()[PUBLISHED] == published
    assert len(ran.gallery.rows()) == 12


@pytest.mark.slow
def test_publishing_alone_refuses_what_did_not_pass(runs, monkeypatch):
    monkeypatch.setattr(recall_check, "recall", lambda *_: 0.5)
    runs.materialize()
    result = runs.materialize(selection=[dg.AssetKey(PUBLISHED.split("/"))])
    assert not result.success
    description = failure_of(result, "gallery__published__found").user_failure_data.description
    assert "recall_at_10" in description
    assert "stays as it is" in description


@pytest.mark.slow
def test_a_run_can_be_told_to_retry_what_failed(runs):
    runs.gallery.model(input="caption", reject="picture 3")
    runs.gallery.declare(indexes={"found": {"vectors": ["toy"], "checks": {"max_failed": 1}}})
    runs.materialize()
    assert runs.metadata(TOY)["failed"] == 1
    runs.gallery.model(reject="")
    runs.materialize()
    assert (runs.metadata(TOY)["failed"], runs.metadata(TOY)["embedded"]) == (1, 0)
    runs.materialize(run_config={"ops": {"gallery__embeddings__toy": {"config": {"retry_failed": True}}}})
    assert (runs.metadata(TOY)["failed"], runs.metadata(TOY)["embedded"]) == (0, 1)
