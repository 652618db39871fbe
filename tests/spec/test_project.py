from __future__ import annotations

import os
from pathlib import Path

import pytest

from embeddings_orch.errors import EmbeddingsOrchError, SpecError
from embeddings_orch.spec.project import dagster_home, find, find_root, load_declared, prepare_home, select

PIPELINE = """\
type: embeddings_orch.EmbeddingPipeline
attributes:
  name: {name}
  media: {{ path: media }}
  embeddings:
    clip: {{ provider: counting }}
"""


def project(folder, *names, root_module="definitions", base="", settings="", defs=None):
    """A dg project with a pipeline for each name, each in its own folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pyproject.toml").write_text(
        f'[tool.dg]\ndirectory_type = "project"\n\n[tool.dg.project]\nroot_module = "{root_module}"\n{settings}'
    )
    for name in names:
        file = folder / base / (defs or f"{root_module}.defs").replace(".", "/") / name / "defs.yaml"
        file.parent.mkdir(parents=True)
        file.write_text(PIPELINE.format(name=name))
    return folder


@pytest.fixture
def no_home(monkeypatch):
    """DAGSTER_HOME is not set, and whatever a test sets is undone."""
    monkeypatch.setenv("DAGSTER_HOME", "recorded, so that it is undone")
    monkeypatch.delenv("DAGSTER_HOME")


def names_of(pipelines):
    return [one.spec.name for one in pipelines]


def test_all_pipelines_of_a_project_are_found_by_folder_name(tmp_path):
    found = load_declared(start=project(tmp_path, "photos", "films"))
    assert names_of(found) == ["films", "photos"]
    assert {one.root for one in found} == {tmp_path}
    assert found[0].file == tmp_path / "definitions" / "defs" / "films" / "defs.yaml"


def test_a_project_is_found_from_any_folder_in_it(tmp_path, monkeypatch):
    project(tmp_path, "photos")
    monkeypatch.chdir(tmp_path / "definitions" / "defs" / "photos")
    assert names_of(load_declared()) == ["photos"]


def test_the_nearest_project_counts(tmp_path):
    project(tmp_path, "outer")
    inner = project(tmp_path / "inner", "inner")
    assert find_root(inner / "definitions") == inner
    assert names_of(load_declared(start=inner)) == ["inner"]


def test_a_pyproject_of_something_else_is_passed_over(tmp_path):
    project(tmp_path, "photos")
    (tmp_path / "sub").mkdir()
    for text in ("[project]\nname = 'x'\n", "[tool.dg]\ndirectory_type = 'workspace'\n", "this is no TOML ["):
        (tmp_path / "sub" / "pyproject.toml").write_text(text)
        assert find_root(tmp_path / "sub") == tmp_path


def test_a_root_module_may_be_nested(tmp_path):
    found = load_declared(start=project(tmp_path, "photos", root_module="acme.data"))
    assert names_of(found) == ["photos"]


def test_pipelines_may_lie_deeper_and_several_to_a_file(tmp_path):
    project(tmp_path, "photos")
    deep = tmp_path / "definitions" / "defs" / "media" / "films" / "defs.yaml"
    deep.parent.mkdir(parents=True)
    deep.write_text(f"{PIPELINE.format(name='films')}---\n{PIPELINE.format(name='sounds')}")
    assert names_of(load_declared(start=tmp_path)) == ["films", "sounds", "photos"]


def test_other_components_in_the_project_do_not_disturb(tmp_path):
    project(tmp_path, "photos")
    other = tmp_path / "definitions" / "defs" / "other" / "defs.yaml"
    other.parent.mkdir()
    other.write_text("type: acme.Component\nattributes:\n  query: \"{{ load_query('a') }}\"\n")
    assert names_of(load_declared(start=tmp_path)) == ["photos"]


def test_outside_any_project_the_error_says_what_to_do(tmp_path):
    with pytest.raises(SpecError, match="is in no dg project.*--file"):
        load_declared(start=tmp_path)


def test_a_project_without_pipelines_says_how_to_make_one(tmp_path):
    with pytest.raises(
        SpecError, match=r"declares no pipeline.*dg scaffold defs embeddings_orch\.EmbeddingPipeline NAME"
    ):
        load_declared(start=project(tmp_path))


def test_two_pipelines_of_one_name_are_refused_by_their_files(tmp_path):
    project(tmp_path, "photos", "films")
    (tmp_path / "definitions" / "defs" / "films" / "defs.yaml").write_text(PIPELINE.format(name="photos"))
    with pytest.raises(
        SpecError, match=r"photos/defs\.yaml: the pipeline 'photos' is declared in .*films/defs\.yaml too"
    ):
        load_declared(start=tmp_path)


def test_one_wrong_pipeline_is_an_error_with_its_file(tmp_path):
    project(tmp_path, "photos", "films")
    file = tmp_path / "definitions" / "defs" / "films" / "defs.yaml"
    file.write_text(PIPELINE.format(name="films").replace("media:", "medium:"))
    with pytest.raises(SpecError, match=r"films/defs\.yaml:4: medium: unknown key"):
        load_declared(start=tmp_path)


# Where dg looks


def test_a_project_may_keep_its_modules_below_src(tmp_path):
    assert names_of(load_declared(start=project(tmp_path, "photos", root_module="acme", base="src"))) == ["photos"]


def test_a_src_folder_of_something_else_does_not_disturb(tmp_path):
    (tmp_path / "src" / "javascript").mkdir(parents=True)
    assert names_of(load_declared(start=project(tmp_path, "photos"))) == ["photos"]


@pytest.mark.parametrize("base", ["", "src"])
def test_the_defs_may_be_in_another_module(tmp_path, base):
    settings = 'defs_module = "acme.pipelines"\n'
    found = project(tmp_path, "photos", root_module="acme", base=base, settings=settings, defs="acme.pipelines")
    assert names_of(load_declared(start=found)) == ["photos"]


def test_dgs_other_usual_name_is_found_too(tmp_path):
    assert names_of(load_declared(start=project(tmp_path, "photos", root_module="acme", defs="acme.definitions"))) == [
        "photos"
    ]


def test_without_pipelines_the_folder_is_named_where_dg_would_look(tmp_path):
    root = project(tmp_path, root_module="acme")
    (root / "src" / "acme").mkdir(parents=True)
    with pytest.raises(SpecError, match=r"/src/acme/defs declares no pipeline"):
        load_declared(start=root)


def test_what_lies_below_a_component_or_is_hidden_is_not_looked_at(tmp_path):
    project(tmp_path, "photos")
    defs = tmp_path / "definitions" / "defs"
    for place in (defs / "photos" / "media", defs / ".cache", defs / "__pycache__"):
        place.mkdir()
        (place / "defs.yaml").write_text(PIPELINE.format(name="unseen"))
    assert names_of(load_declared(start=tmp_path)) == ["photos"]


def test_a_folder_component_has_others_below(tmp_path):
    project(tmp_path, "photos")
    defs = tmp_path / "definitions" / "defs"
    (defs / "defs.yaml").write_text("type: dagster.DefsFolderComponent\npost_processing: {}\n")
    assert names_of(load_declared(start=tmp_path)) == ["photos"]


# A broken one beside others

BROKEN = {
    "a wrong key": PIPELINE.format(name="films").replace("media:", "medium:"),
    "no YAML": "type: [",
    "a variable that is not set": PIPELINE.format(name="films").replace("path: media", "path: '{{ env.NOT_SET }}'"),
    "no name": PIPELINE.format(name="films").replace("  name: films\n", ""),
}


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN)
def test_a_broken_pipeline_does_not_stop_another(tmp_path, text, monkeypatch):
    monkeypatch.delenv("NOT_SET", raising=False)
    project(tmp_path, "photos", "films")
    (tmp_path / "definitions" / "defs" / "films" / "defs.yaml").write_text(text)
    assert select(find(start=tmp_path), "photos").load().spec.name == "photos"
    with pytest.raises(SpecError, match=r"films/defs\.yaml"):
        select(find(start=tmp_path), "films").load()


def test_of_several_one_must_be_chosen_before_any_is_validated(tmp_path):
    project(tmp_path, "photos", "films")
    (tmp_path / "definitions" / "defs" / "films" / "defs.yaml").write_text(BROKEN["a wrong key"])
    with pytest.raises(SpecError, match="several pipelines; choose one with --pipeline: films, photos"):
        select(find(start=tmp_path), None)


def test_two_of_one_name_are_refused_though_one_is_broken(tmp_path):
    project(tmp_path, "photos", "films")
    (tmp_path / "definitions" / "defs" / "photos" / "defs.yaml").write_text(BROKEN["a wrong key"])
    with pytest.raises(SpecError, match=r"the pipeline 'films' is declared in .*films/defs\.yaml too"):
        find(start=tmp_path)


# One file


def test_a_file_needs_no_project_around_it(tmp_path):
    file = tmp_path / "anywhere.yaml"
    file.write_text(PIPELINE.format(name="photos"))
    (one,) = load_declared(file=file)
    assert (one.spec.name, one.root) == ("photos", tmp_path)
    assert Path(one.spec.media.config.path) == tmp_path / "media"


def test_a_file_in_a_project_shares_the_projects_home(tmp_path):
    project(tmp_path, "photos")
    (one,) = load_declared(file=tmp_path / "definitions" / "defs" / "photos" / "defs.yaml")
    assert one.root == tmp_path


def test_a_relative_file_is_found_from_where_one_stands(tmp_path, monkeypatch):
    (tmp_path / "defs.yaml").write_text(PIPELINE.format(name="photos"))
    monkeypatch.chdir(tmp_path)
    (one,) = load_declared(file=Path("defs.yaml"))
    assert one.root == tmp_path


def test_a_file_without_a_pipeline_is_refused(tmp_path):
    (tmp_path / "defs.yaml").write_text("")
    with pytest.raises(SpecError, match=r"declares no pipeline \(type: embeddings_orch\.EmbeddingPipeline\)"):
        load_declared(file=tmp_path / "defs.yaml")


# Choosing


def test_the_only_pipeline_needs_no_name(tmp_path):
    assert select(load_declared(start=project(tmp_path, "photos")), None).spec.name == "photos"


def test_of_several_one_is_chosen_by_name(tmp_path):
    pipelines = load_declared(start=project(tmp_path, "photos", "films"))
    assert select(pipelines, "films").spec.name == "films"
    with pytest.raises(SpecError, match="several pipelines; choose one with --pipeline: films, photos"):
        select(pipelines, None)


def test_a_name_of_no_pipeline_is_answered_with_the_nearest(tmp_path):
    pipelines = load_declared(start=project(tmp_path, "photos", "films"))
    with pytest.raises(SpecError, match=r"no pipeline 'photo'; did you mean 'photos'\? allowed: films, photos"):
        select(pipelines, "photo")


# The Dagster home


@pytest.mark.usefixtures("no_home")
def test_the_home_is_in_the_project_unless_the_environment_says_otherwise(tmp_path, monkeypatch):
    assert dagster_home(tmp_path) == tmp_path / ".dagster"
    monkeypatch.setenv("DAGSTER_HOME", "/srv/dagster")
    assert dagster_home(tmp_path) == Path("/srv/dagster")


@pytest.mark.usefixtures("no_home")
def test_preparing_the_home_makes_it_and_sets_the_environment(tmp_path):
    home = prepare_home(tmp_path)
    assert home == tmp_path / ".dagster"
    assert (home / "dagster.yaml").is_file()
    assert os.environ["DAGSTER_HOME"] == str(home)


def test_a_home_of_ones_own_is_used_as_it_is(tmp_path, monkeypatch):
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "own"))
    assert prepare_home(tmp_path / "project") == tmp_path / "own"
    assert list((tmp_path / "own").iterdir()) == []


@pytest.mark.usefixtures("no_home")
def test_settings_in_the_home_are_not_overwritten(tmp_path):
    (tmp_path / ".dagster").mkdir()
    (tmp_path / ".dagster" / "dagster.yaml").write_text("concurrency: {}\n")
    prepare_home(tmp_path)
    assert (tmp_path / ".dagster" / "dagster.yaml").read_text() == "concurrency: {}\n"


def test_a_home_that_cannot_be_made_is_one_error(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "file" / "home"))
    with pytest.raises(EmbeddingsOrchError, match="cannot be used.*set DAGSTER_HOME"):
        prepare_home(tmp_path)
