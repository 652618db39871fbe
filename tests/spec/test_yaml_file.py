from __future__ import annotations

import textwrap
from pathlib import Path

import pytest
from pydantic import ValidationError

from embeddings_orch.errors import SpecError
from embeddings_orch.spec.pipeline import PipelineSpec
from embeddings_orch.spec.yaml_file import is_pipeline, load_document, load_pipeline, read_documents

WHOLE = """\
type: embeddings_orch.EmbeddingPipeline
attributes:
  name: photos
  media:
    source: folder
    path: media
  embeddings:
    clip:
      provider: counting
      dim: 4
      retry: { max_retries: 3 }
  indexes:
    photo_search:
      vectors: [clip]
      metric: cosine
      checks: { min_recall: 0.9 }
"""


@pytest.fixture
def file(tmp_path):
    return tmp_path / "defs.yaml"


def load_pipelines(file):
    return [load_document(document) for document in read_documents(file) if is_pipeline(document)]


def refused(file, text):
    """What is said of a file, without its folder."""
    file.write_text(text) if isinstance(text, str) else file.write_bytes(text)
    with pytest.raises(SpecError) as caught:
        load_pipelines(file)
    return str(caught.value).replace(f"{file.parent}/", "")


def edited(old, new):
    assert WHOLE.count(old) == 1
    return WHOLE.replace(old, new)


def test_the_whole_declaration_is_read(file):
    file.write_text(WHOLE)
    (spec,) = load_pipelines(file)
    assert spec.name == "photos"
    assert spec.embeddings["clip"].config.dim == 4
    assert spec.embeddings["clip"].config.retry.max_retries == 3
    assert spec.indexes["photo_search"].checks.min_recall == 0.9


@pytest.mark.parametrize(
    ("old", "new", "line", "path", "nearest", "allowed"),
    [
        ("  name: photos", "  nam: photos", 3, "nam", "name", "auto, description, embeddings, indexes, media, name"),
        ("  media:", "  medium:", 4, "medium", "media", "auto, description"),
        (
            "    path: media",
            "    path: media\n    includes: ['*']",
            7,
            "media.includes",
            "include",
            "columns, exclude, include",
        ),
        ("dim: 4", "dimm: 4", 10, "embeddings.clip.dimm", "dim", "batch_size, broken, concurrency"),
        ("max_retries", "max_retrys", 11, "embeddings.clip.retry.max_retrys", "max_retries", "deadline, initial_wait"),
        ("metric", "metrik", 15, "indexes.photo_search.metrik", "metric", "checks, full_text, keep_generations"),
        (
            "min_recall",
            "min_recal",
            16,
            "indexes.photo_search.checks.min_recal",
            "min_recall",
            "golden, max_failed, min_overlap, min_recall",
        ),
    ],
)
def test_an_unknown_key_is_named_with_its_line_the_nearest_and_the_allowed(
    file, old, new, line, path, nearest, allowed
):
    said = refused(file, edited(old, new))
    expected = f"defs.yaml:{line}: {path}: unknown key; did you mean {nearest!r}? allowed: {allowed}"
    assert any(row.startswith(expected) for row in said.splitlines()), said


def test_a_plugins_allowed_keys_are_ours_and_its_own(file):
    said = refused(file, edited("dim: 4", "dimm: 4"))
    for key in ("provider", "input", "dim", "flaky", "batch_size", "retry"):
        assert key in said.partition("allowed: ")[2]


def test_a_key_named_config_is_unknown_like_any_other(file):
    said = refused(file, edited("dim: 4", "config: { dim: 4 }"))
    assert said.startswith("defs.yaml:10: embeddings.clip.config: unknown key; allowed: batch_size")


def test_an_unknown_key_beside_attributes_is_named(file):
    said = refused(file, edited("attributes:", "atributes:"))
    assert said.startswith("defs.yaml:2: unknown key 'atributes'; did you mean 'attributes'? allowed: attributes,")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("dim: 4", "dim: four", "10: embeddings.clip.dim: Input should be a valid integer"),
        ("dim: 4", "dim: 1", "10: embeddings.clip.dim: Input should be greater than or equal to 2 (given: 1)"),
        ("dim: 4", "dim: [4]", "10: embeddings.clip.dim: Input should be a valid integer"),
        ("max_retries: 3", "max_retries: -3", "11: embeddings.clip.retry.max_retries: Input should be greater"),
        ("{ max_retries: 3 }", "3", "11: embeddings.clip.retry: a mapping is expected (given: 3)"),
        (
            "metric: cosine",
            "metric: cosinus",
            "15: indexes.photo_search.metric: Input should be 'cosine', 'l2' or 'dot'",
        ),
        ("min_recall: 0.9", "min_recall: 9", "16: indexes.photo_search.checks.min_recall: Input should be less than"),
        ("vectors: [clip]", "vectors: clip", "14: indexes.photo_search.vectors: a list is expected (given: 'clip')"),
        (
            "vectors: [clip]",
            "vectors:\n      - clip\n      - 3",
            "16: indexes.photo_search.vectors.1: text is expected; quote it (given: 3)",
        ),
        ("name: photos", "name: 3", "3: name: text is expected; quote it (given: 3)"),
        ("name: photos", "name: yes", "3: name: text is expected; quote it (given: yes)"),
        ("name: photos", "name:", "3: name: text is expected"),
        (
            "name: photos",
            "name: photos\n  description: 2024-01-05",
            "4: description: text is expected; quote it (given: 2024-01-05)",
        ),
        ("dim: 4", "dim: 2024-01-05", "10: embeddings.clip.dim: Input should be a valid integer (given: 2024-01-05)"),
        (
            "name: photos",
            'name: photos\n  owners: ["a@b.io", bob]',
            "4: owners.1: an owner is an e-mail address or team:NAME (given: 'bob')",
        ),
        ("name: photos", "name: my-photos", "3: name: a name has letters, digits and _, begins with a letter"),
        ("    clip:", "    my-clip:", "8: embeddings.my-clip: a name has letters, digits and _"),
        ("name: photos", "name: photos\n  store: here", "4: store: a mapping is expected (given: 'here')"),
        (
            "name: photos",
            "name: photos\n  auto: { max_items: all }",
            "4: auto.max_items: Input should be a valid integer",
        ),
    ],
)
def test_a_wrong_value_is_named_with_its_line_and_what_is_expected(file, old, new, said):
    assert f"defs.yaml:{said}" in refused(file, edited(old, new))


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        ("  name: photos\n", "2: name: this key is missing"),
        ("    path: media\n", "4: media.path: this key is missing"),
        ("      provider: counting\n", "8: embeddings.clip: 'provider' is missing; allowed: "),
        ("      vectors: [clip]\n", "13: indexes.photo_search.vectors: this key is missing"),
    ],
)
def test_a_missing_key_is_named_with_the_line_it_belongs_to(file, missing, said):
    assert refused(file, edited(missing, "")).startswith(f"defs.yaml:{said}")


def test_all_that_is_wrong_is_said_at_once_a_line_each(file):
    said = refused(file, edited("metric: cosine", "metrik: cosine").replace("dim: 4", "dim: four"))
    assert [row.split(": ")[0] for row in said.splitlines()] == ["defs.yaml:10", "defs.yaml:15"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "provider: counting",
            "provider: countin",
            "9: embeddings.clip: there is no embedder 'countin'; did you mean 'c",
        ),
        (
            "source: folder",
            "source: foldr",
            "5: media: there is no source 'foldr'; did you mean 'folder'? allowed: folder",
        ),
        ("source: folder", "source:", "5: media: 'source' is missing; allowed: folder"),
        (
            "provider: counting",
            "provider: 3",
            "9: embeddings.clip: 'provider' is missing; allowed: bedrock, counting, ",
        ),
        (
            "vectors: [clip]",
            "vectors: [clp]",
            "14: indexes.photo_search.vectors: index 'photo_search' names the embedding 'clp', which is not declared; "
            "did you mean 'clip'? allowed: clip",
        ),
        ("vectors: [clip]", "vectors: [clip, clip]", "14: indexes.photo_search.vectors: index 'photo_search' names an"),
        (
            "    clip:",
            "    caption:",
            "7: embeddings: an embedding cannot be named 'caption': the catalog has a column",
        ),
    ],
)
def test_a_name_of_nothing_is_answered_with_what_there_is(file, old, new, said):
    assert f"defs.yaml:{said}" in refused(file, edited(old, new))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (edited("dim: 4", "dim: 4\n      dim: 5"), "defs.yaml:11: the name 'dim' stands here twice (first in line 10)"),
        (WHOLE + "  name: again\n", "defs.yaml:17: the name 'name' stands here twice (first in line 3)"),
        (edited("    path: media", "    path: [media"), "defs.yaml:7: this is not valid YAML: "),
        (edited("    path: media", "    path: 'media"), "defs.yaml:17: this is not valid YAML: "),
        (edited("  name: photos", "\tname: photos"), "defs.yaml:3: this is not valid YAML: "),
        (edited("name: photos", "name: photos\n  3: 4"), "defs.yaml:4: the key 3 is not text; quote it"),
        (edited("path: media", "path: {{ env.MEDIA }}"), "defs.yaml:6: a list or mapping is no key; quote it"),
        (edited("name: photos", "<<: { name: photos }"), "defs.yaml:3: '<<' merges nothing here; write the keys out"),
        (edited("name: photos", "name: &n [*n]"), "defs.yaml: it is nested too deeply, or an alias refers to itself"),
        (edited("name: photos", "name: !!python/name:os.system"), "defs.yaml:3: this is not valid YAML: could not"),
        (
            edited("name: photos", "description: 2024-13-45"),
            "defs.yaml:3: 2024-13-45 is no sound timestamp (month must be in 1..12); quote it if it is text",
        ),
        (edited("name: photos", "name: photos\n  2024-13-45: x"), "defs.yaml:4: 2024-13-45 is no sound timestamp"),
        (edited("name: photos", "name: photos\n  2024-01-05: x"), "defs.yaml:4: the key 2024-01-05 is not text; quote"),
        (edited("name: photos", "name: !!timestamp soon"), "defs.yaml:3: soon is no sound timestamp"),
        (edited("name: photos", "name: !!int ''"), "defs.yaml:3:  is no sound int"),
        (edited("dim: 4", "dim: 1:30"), "defs.yaml:10: 1:30 is a number of base 60 in YAML (90); quote it, or write"),
        (edited("name: photos", "name: *nothing"), "defs.yaml:3: this is not valid YAML: found undefined alias"),
        (edited("name: photos", "name: a\0b"), "defs.yaml: this is not valid YAML: "),
        ("type: embeddings_orch.EmbeddingPipeline\n", "defs.yaml:1: name: this key is missing"),
        ("type: embeddings_orch.EmbeddingPipeline\nattributes: [a]\n", "defs.yaml:2: attributes: "),
        (WHOLE.encode("utf-16"), "defs.yaml: cannot be read: 'utf-8' codec can't decode"),
        (edited("name: photos", "description: Größe").encode("latin-1"), "defs.yaml: cannot be read: 'utf-8' codec"),
    ],
)
def test_what_is_no_sound_yaml_is_one_error_with_its_line(file, text, said):
    assert refused(file, text).startswith(said)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(SpecError, match=r"gone\.yaml: there is no such file"):
        load_pipelines(tmp_path / "gone.yaml")


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(SpecError, match="cannot be read"):
        load_pipelines(tmp_path)


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n---\n", "- a list\n", "text\n", "type: other.Component\n"])
def test_a_file_without_a_pipeline_declares_none(file, text):
    file.write_text(text)
    assert load_pipelines(file) == []


def test_a_byte_order_mark_does_not_matter(file):
    file.write_bytes(b"\xef\xbb\xbf" + WHOLE.encode())
    assert load_pipelines(file)[0].name == "photos"


def test_anchors_and_aliases_are_followed(file):
    text = edited("{ max_retries: 3 }", "&patient { max_retries: 5 }")
    file.write_text(text.replace("  indexes:", "    more: { provider: counting, retry: *patient }\n  indexes:"))
    embeddings = load_pipelines(file)[0].embeddings
    assert embeddings["more"].config.retry == embeddings["clip"].config.retry
    assert embeddings["more"].config.retry.max_retries == 5


def test_aliases_of_aliases_are_counted_and_refused(file):
    lines = ["  a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"  a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]" for level in range(1, 40)]
    told = refused(file, "\n".join([WHOLE.rstrip(), *lines]))
    assert "the document has more than 20,000 values" in told
    hidden = edited("name: photos", "name: photos\n" + "\n".join(lines) + "\n  ? *a39\n  : x")
    assert "more than 20,000 values" in refused(file, hidden)
    assert "a list or mapping is no key" in refused(file, edited("name: photos", "? &a [1, 2]\n  : x"))


# Documents


def test_several_documents_are_several_pipelines(file):
    file.write_text(f"{WHOLE}---\n{WHOLE.replace('photos', 'films')}")
    assert [spec.name for spec in load_pipelines(file)] == ["photos", "films"]
    assert load_pipeline(file, 1).name == "films"


def test_lines_are_counted_from_the_start_of_the_file(file):
    said = refused(file, f"{WHOLE}---\n{WHOLE.replace('metric', 'metrik')}")
    assert said.startswith("defs.yaml:32: indexes.photo_search.metrik: unknown key")


def test_documents_of_other_components_are_none_of_our_business(file):
    other = textwrap.dedent("""\
        type: acme.Component
        attributes:
          query: "{{ load_query('a') }}"
          1: one
          1: two
          <<: { a: b }
        """)
    file.write_text(f"{other}---\n{WHOLE}")
    assert [spec.name for spec in load_pipelines(file)] == ["photos"]
    assert load_pipeline(file, 1).name == "photos"
    with pytest.raises(SpecError, match="document 1 is not of type embeddings_orch.EmbeddingPipeline"):
        load_pipeline(file, 0)


def test_a_document_that_is_not_there_is_named(file):
    file.write_text(WHOLE)
    with pytest.raises(SpecError, match="document 2 is not of type"):
        load_pipeline(file, 1)


def test_what_dagster_allows_beside_attributes_is_allowed(file):
    file.write_text(f"{WHOLE}requirements:\n  env: [MEDIA]\npost_processing: {{}}\n")
    assert load_pipelines(file)[0].name == "photos"


# Templates


@pytest.mark.parametrize(
    "template",
    ["{{ env.MEDIA }}", "{{env.MEDIA}}", "{{ env('MEDIA') }}", '{{ env("MEDIA") }}', "{{ env('MEDIA', 'x') }}"],
)
def test_an_environment_variable_can_stand_in_a_value(file, monkeypatch, template):
    monkeypatch.setenv("MEDIA", "/mnt/pictures")
    file.write_text(edited("path: media", f"path: >-\n      {template}/new"))
    assert Path(load_pipelines(file)[0].media.config.path) == Path("/mnt/pictures/new")


def test_a_default_stands_in_for_a_variable_that_is_not_set(file, monkeypatch):
    monkeypatch.delenv("MEDIA", raising=False)
    file.write_text(edited("path: media", "path: \"{{ env('MEDIA', '/mnt/default') }}\""))
    assert Path(load_pipelines(file)[0].media.config.path) == Path("/mnt/default")


def test_a_variable_that_is_not_set_is_named(file, monkeypatch):
    monkeypatch.delenv("MEDIA", raising=False)
    said = refused(file, edited("path: media", "path: '{{ env.MEDIA }}'"))
    assert said == "defs.yaml:6: the environment variable MEDIA is not set"


@pytest.mark.parametrize("template", ["{{ load('a') }}", "{{ context.x }}", "{{ env }}", "{{ env.A | lower }}", "{{}}"])
def test_other_templates_are_refused(file, template):
    said = refused(file, edited("path: media", f'path: "{template}"'))
    assert said == f"defs.yaml:6: '{template}' is not understood; allowed: {{{{ env.NAME }}}}"


# Paths


def test_relative_paths_are_relative_to_the_yaml_wherever_one_stands(file, monkeypatch, tmp_path_factory):
    file.write_text(edited("name: photos", "name: photos\n  store: { uri: ../store }"))
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    (spec,) = load_pipelines(file)
    assert Path(spec.media.config.path) == file.parent / "media"
    assert spec.store.uri == str(file.parent.parent / "store")


def test_the_default_store_is_beside_the_yaml(file, monkeypatch, tmp_path_factory):
    file.write_text(WHOLE)
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    assert load_pipelines(file)[0].store.uri == str(file.parent / ".embeddings_orch")


def test_absolute_paths_and_addresses_stay_as_they_are(file):
    text = edited("name: photos", "name: photos\n  store: { uri: 's3://bucket/prefix' }")
    file.write_text(text.replace("path: media", "path: /mnt/media"))
    (spec,) = load_pipelines(file)
    assert Path(spec.media.config.path) == Path("/mnt/media")
    assert spec.store.uri == "s3://bucket/prefix"


# One document does not stop another


def test_what_is_wrong_in_one_document_stays_with_it(file, monkeypatch):
    monkeypatch.delenv("NOT_SET", raising=False)
    wrong = edited("path: media", "path: '{{ env.NOT_SET }}'").replace("name: photos", "name: films")
    file.write_text(f"{wrong}---\n{WHOLE}")
    first, second = read_documents(file)
    assert (first.name, second.name) == ("films", "photos")
    assert load_document(second).name == "photos"
    assert load_pipeline(file, 1).name == "photos"
    for action in (lambda: load_document(first), lambda: load_pipelines(file)):
        with pytest.raises(SpecError, match=r"defs\.yaml:6: the environment variable NOT_SET is not set"):
            action()


@pytest.mark.parametrize(
    ("owner", "taken"),
    [
        *((owner, True) for owner in ("bob@example.com", "a.b+c@d-e.co.uk", "team:search", "team:the search team")),
        *((owner, False) for owner in ("bob", "team:", "bob@example", "@example.com", "Bob <bob@example.com>", "")),
    ],
)
def test_an_owner_is_what_dagster_takes(owner, taken):
    import dagster as dg

    def dagsters():
        dg.AssetSpec("a", owners=[owner])

    def ours():
        base = {"name": "a", "media": {"path": "m"}, "embeddings": {"toy": {"provider": "counting"}}}
        PipelineSpec.model_validate({**base, "owners": [owner]})

    for verdict in (dagsters, ours):
        if taken:
            verdict()
        else:
            with pytest.raises((dg.DagsterInvalidDefinitionError, ValidationError)):
                verdict()


def test_braces_that_nothing_closes_are_text(tmp_path, monkeypatch):
    monkeypatch.setenv("MEDIA", "media")
    path = "{{ {{{ {x} }" + "{{" * 50_000
    file = tmp_path / "defs.yaml"
    file.write_text(edited("path: media", f"path: |-\n        {{{{ env.MEDIA }}}}/{path}\n        {{{{ env.MEDIA }}}}"))
    (document,) = read_documents(file)
    assert document.data["attributes"]["media"]["path"] == f"media/{path}\nmedia"
