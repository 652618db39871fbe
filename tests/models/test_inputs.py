"""What an embedding reads: its plain form, and what a declaration may say."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embeddings_orch import PipelineSpec
from embeddings_orch.errors import SpecError
from embeddings_orch.models.inputs import Inputs
from embeddings_orch.spec.yaml_file import load_pipeline

YAML = """\
type: embeddings_orch.EmbeddingPipeline
attributes:
  name: photos
  media:
    path: media
  embeddings:
    clip:
      provider: counting
      {declared}
"""


@pytest.fixture
def declared(tmp_path):
    def load(text):
        file = tmp_path / "defs.yaml"
        file.write_text(YAML.format(declared=text))
        return load_pipeline(file).embeddings["clip"]

    return load


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("input: caption", "caption"),
        ("input: {media: 0.7, caption: 0.3}", "0.7 media + 0.3 caption"),
        ("input: {caption: 3, media: 7}", "0.7 media + 0.3 caption"),
        ("input: {title: 1, caption: 1, media: 2}", "0.5 media + 0.25 caption + 0.25 title"),
        ("input: {caption: 4}", "caption"),
        ("batch_size: 2", "media"),
        ("vectors: clip_vector", "ready-made clip_vector"),
    ],
)
def test_what_is_the_same_has_the_same_plain_form(declared, text, plain):
    assert str(declared(text).inputs) == plain


@given(st.dictionaries(st.sampled_from("abcdef"), st.floats(1e-300, 1e300), min_size=1))
def test_weights_have_the_sum_1_and_none_is_lost(weights):
    inputs = Inputs.from_weights(weights)
    assert math.isclose(sum(weight for _, weight in inputs.weights), 1, abs_tol=1e-7)
    assert all(weight > 0 for _, weight in inputs.weights)
    assert set(inputs.names) == weights.keys()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("input: {media: 0.7, caption: 0}", "defs.yaml:9: embeddings.clip.input.caption: .*greater than 0 .given: 0"),
        ("input: {media: 0.7, caption: -1}", "input.caption: .*greater than 0 .given: -1"),
        ("input: {media: .nan}", "input.media: .*finite"),
        ("input: {media: .inf, caption: 1}", "input.media: .*finite"),
        ("input: {media: true, caption: 1}", "input.media: .*number"),
        ("input: {media: a lot}", "input.media: .*number .given: 'a lot'"),
        ('input: {"": 1}', "input.: .*at least 1"),
        ("input: {}", "defs.yaml:9: embeddings.clip.input: .*at least 1"),
        ("input: [media, caption]", "defs.yaml:9: embeddings.clip.input: text is expected"),
        ('input: ""', "defs.yaml:9: embeddings.clip.input: .*at least 1"),
        ("vectors: {a: 1}", "defs.yaml:9: embeddings.clip.vectors: text is expected"),
        ("input: media\n      vectors: mine", "defs.yaml:10: embeddings.clip: give either 'input', .* or 'vectors'"),
        ("vector: mine", "defs.yaml:9: embeddings.clip.vector: unknown key; did you mean 'vectors'"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(declared, text, said):
    with pytest.raises(SpecError, match=said):
        declared(text)


@pytest.mark.parametrize("text", ["input: {media: 0.7, caption: 0.3}", "vectors: clip_vector", "input: caption"])
def test_a_declaration_dumps_and_loads_again(declared, text):
    spec = PipelineSpec(name="p", media={"path": "/m"}, embeddings={"clip": declared(text)})
    dumped = spec.model_dump(mode="json")
    assert PipelineSpec.model_validate(dumped) == spec
    assert ("input" in dumped["embeddings"]["clip"]) != ("vectors" in dumped["embeddings"]["clip"])


def index_version(**embedding):
    spec = {"name": "p", "media": {"path": "/m"}, "indexes": {"i": {"vectors": ["clip"]}}}
    return PipelineSpec(**spec, embeddings={"clip": {"provider": "counting", **embedding}}).index_version("i")


def test_weights_belong_to_the_index_and_not_to_the_model():
    assert index_version(input={"media": 7, "caption": 3}) == index_version(input={"caption": 0.3, "media": 0.7})
    assert index_version(input={"media": 1}) == index_version()
    several = [{}, {"input": {"media": 6, "caption": 4}}, {"input": {"media": 1, "caption": 1}}, {"vectors": "media"}]
    assert len({index_version(**one) for one in several}) == len(several)
