"""Projects as ``dg`` and ``dagster`` see them, in processes of their own."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import dagster as dg
import pytest
from dagster.components.testing import create_defs_folder_sandbox

import warm
from embeddings_orch import EmbeddingPipeline
from embeddings_orch.errors import SpecError
from embeddings_orch.spec.yaml_file import load_pipeline

ROOT = Path(__file__).parents[2]
PIPELINE = """\
type: embeddings_orch.EmbeddingPipeline
attributes:
  name: photos
  media: { path: media }
  embeddings: { toy: { provider: counting } }
  indexes: { found: { vectors: [toy], full_text: [caption] } }
"""


def dg_in(folder, *arguments):
    done = warm.run("dg", *arguments, cwd=folder)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.process
@pytest.mark.usefixtures("dagster_home")
def test_the_repositorys_own_definitions_load():
    assert "All definitions loaded successfully" in dg_in(ROOT, "check", "defs")


@pytest.mark.process
def test_the_component_is_listed_with_a_summary(project):
    listed = json.loads(dg_in(project.root, "list", "components", "--json"))["items"]
    summaries = {item["key"]: item["summary"] for item in listed}
    assert "assets" in summaries["embeddings_orch.EmbeddingPipeline"]


@pytest.mark.process
def test_a_scaffolded_pipeline_loads_and_its_assets_can_be_launched(project, in_process):
    """The whole path of a newcomer: scaffold, launch with `dg` and with `dagster`, look."""
    project.scaffold("photos")
    spec = load_pipeline(project.file("photos"))
    assert (spec.name, list(spec.indexes)) == ("photos", ["photos_search"])
    assert spec.embeddings["clip"].provider == "open-clip"
    assert (project.file("photos").parent / "media").is_dir()

    project.with_counting("photos")
    said = project.command("dg", "launch", "--assets", "*", "--config-json", in_process)
    assert "RUN_SUCCESS" in said
    store = project.file("photos").parent / ".embeddings_orch"
    assert store.is_dir()

    said = project.command(
        "dagster", "asset", "materialize", "--select", "photos/raw_media,photos/embeddings/clip",
        "-m", "acme.definitions", "--config-json", in_process,
    )  # fmt: skip
    assert "RUN_SUCCESS" in said
    with dg.DagsterInstance.from_config(str(project.home)) as instance:
        event = instance.get_latest_materialization_event(dg.AssetKey(["photos", "embeddings", "clip"]))
        metadata = event.asset_materialization.metadata
        assert (metadata["embedded"].value, metadata["reused"].value) == (0, 3)
        event = instance.get_latest_materialization_event(dg.AssetKey(["photos", "published", "photos_search"]))
        assert event.asset_materialization.metadata["dagster/row_count"].value == 3


@pytest.mark.process
def test_a_failed_launch_exits_with_an_error_and_the_reason(project, in_process):
    project.write("photos", PIPELINE.replace("path: media", "path: gone"))
    said = project.command("dg", "launch", "--assets", "photos/raw_media", "--config-json", in_process, status=1)
    assert "acme/defs/photos/gone does not exist" in said


@pytest.mark.process
def test_a_wrong_yaml_fails_the_check_with_file_line_and_the_nearest_key(project):
    project.write("photos", PIPELINE.replace("full_text", "fulltext"))
    said = project.command("dg", "check", "defs", "--no-check-yaml", status=1)
    assert "defs.yaml:6: indexes.found.fulltext: unknown key; did you mean 'full_text'?" in said


@pytest.mark.process
def test_a_wrong_yaml_fails_the_check_of_yaml_too(project):
    project.write("photos", PIPELINE.replace("full_text", "fulltext"))
    assert "fulltext" in project.command("dg", "check", "yaml", status=1)


@pytest.mark.process
@pytest.mark.usefixtures("dagster_home")
def test_a_second_code_location_with_the_typed_resource_is_valid():
    location = Path(__file__).parent / "second_location" / "definitions.py"
    environment = {**os.environ, "CLIP_DEVICE": "cpu"}
    done = warm.run("dagster", "definitions", "validate", "-f", location, env=environment)
    assert done.returncode == 0, done.stderr
    assert re.search(r"Validation successful for code location .*definitions\.py", done.stdout + done.stderr)


@pytest.mark.process
@pytest.mark.parametrize(
    ("options", "status"), [("", 0), (", language: German, stop_words: [der]", 0), (", langauge: German", 1)]
)
def test_a_full_text_may_be_a_mapping_for_the_check_of_yaml(project, options, status):
    # One pipeline: of several components of one type `dg` checks the last alone.
    project.write("photos", PIPELINE.replace("[caption]", f"{{ columns: [caption]{options} }}"))
    said = project.command("dg", "check", "yaml", status=status)
    assert ("langauge" in said) is bool(status)


# The component, in this process


def test_two_documents_of_one_file_are_two_pipelines():
    with create_defs_folder_sandbox() as sandbox:
        folder = sandbox.defs_folder_path / "media"
        folder.mkdir()
        document = (
            "type: embeddings_orch.EmbeddingPipeline\nattributes:\n  name: {}\n  media: {{ path: media }}\n"
            "  embeddings:\n    toy: {{ provider: counting }}\n"
        )
        (folder / "defs.yaml").write_text("---\n".join(document.format(name) for name in ("photos", "films")))
        with sandbox.build_all_defs() as defs:
            keys = {key.to_user_string() for key in defs.resolve_asset_graph().get_all_asset_keys()}
    assert keys == {f"{name}/{asset}" for name in ("photos", "films") for asset in ("raw_media", "embeddings/toy")}


@pytest.mark.parametrize(("folder", "name"), [("my-photos", "my_photos"), ("2024", "p_2024"), ("a b", "a_b")])
def test_the_scaffolder_makes_a_valid_name_of_any_folder(folder, name):
    with create_defs_folder_sandbox() as sandbox:
        file = Path(sandbox.scaffold_component(EmbeddingPipeline, defs_path=folder)) / "defs.yaml"
        # The sandbox scaffolds by the class, `dg` by the name that is registered.
        file.write_text(re.sub(r"^type: .*", "type: embeddings_orch.EmbeddingPipeline", file.read_text()))
        spec = load_pipeline(file)
    assert (spec.name, list(spec.indexes)) == (name, [f"{name}_search"])


def test_the_components_schema_has_the_keys_of_the_plugins():
    schema = EmbeddingPipeline.get_model_cls().model_json_schema()
    text = json.dumps(schema)
    assert "$ref" not in text, "an editor could not resolve it"
    for key in ("keep_generations", "min_recall", "batch_size", "include", "max_retries"):
        assert f'"{key}"' in text


def test_what_is_wrong_is_said_when_the_definitions_load():
    with create_defs_folder_sandbox() as sandbox:
        folder = sandbox.defs_folder_path / "photos"
        folder.mkdir()
        (folder / "defs.yaml").write_text("type: embeddings_orch.EmbeddingPipeline\nattributes:\n  nam: photos\n")
        with pytest.raises(Exception, match="photos") as caught, sandbox.build_all_defs():
            pass
    error = caught.value
    while not isinstance(error, SpecError) and error is not None:
        error = error.__cause__
    assert "defs.yaml:3: nam: unknown key; did you mean 'name'?" in str(error)
