"""The declaration of a full text: both forms, what is refused, and the version of its index."""

from __future__ import annotations

import textwrap
from dataclasses import fields
from pathlib import Path

import jsonschema
import pytest

from embeddings_orch import PipelineSpec
from embeddings_orch.errors import SpecError
from embeddings_orch.models.analysis import Analysis
from embeddings_orch.spec.full_text import FullTextSpec
from embeddings_orch.spec.schema import attributes_schema
from embeddings_orch.spec.yaml_file import load_pipeline

OPTIONS = {name: field for name, field in FullTextSpec.model_fields.items() if name != "columns"}


def declared(full_text):
    return {
        "name": "photos",
        "media": {"path": "media"},
        "embeddings": {"clip": {"provider": "counting", "dim": 8}},
        "indexes": {"found": {"vectors": ["clip"], "full_text": full_text}},
    }


def spec_of(full_text):
    return PipelineSpec.model_validate(declared(full_text))


def version_of(full_text):
    return spec_of(full_text).index_version("found")


LANCEDBS_OWN = {"tokenizer": "simple", "language": "English", "max_token_length": 40}


@pytest.mark.parametrize(
    ("full_text", "version"),
    [
        (["caption", "title"], "313f61cee8f4ba266b734e7252aa007be7db8a90f371d30f88c7d9f96aa1ee9d"),
        # What tables that say nothing of their options were built with.
        (
            {"columns": ["caption", "title"], **LANCEDBS_OWN},
            "e3e7809649e440719942ddb7b4e527a536cfbac8a7b0a593f463d0c8dd727371",
        ),
        ([], "ad06796db4d2dfa3b80af99e26df839523280ec8aa4b3c5d8a31fe1bf9758b99"),
    ],
)
def test_what_is_declared_keeps_its_version_for_ever(full_text, version):
    assert version_of(full_text) == version


def test_a_mapping_without_options_is_the_list():
    as_list, as_mapping = spec_of(["caption", "title"]), spec_of({"columns": ["title", "caption"]})
    assert as_list.index_version("found") == as_mapping.index_version("found")
    assert as_mapping.indexes["found"].text_columns == ("title", "caption")
    assert as_mapping.indexes["found"].analysis == as_list.indexes["found"].analysis == Analysis.of_options({})


def test_a_default_that_is_written_out_keeps_the_version():
    written = {"tokenizer": "icu/split", "stem": False, "stop_words": False, "max_token_length": 160}
    assert version_of({"columns": ["caption"], **written}) == version_of(["caption"])


SETTINGS = [
    {},
    {"language": "German"},
    {"stem": True},
    {"stop_words": ["the"]},
    {"lower_case": False},
    {"ascii_folding": False},
    {"max_token_length": 80},
    {"tokenizer": "whitespace"},
    {"tokenizer": "simple"},
    {"tokenizer": "simple", "stop_words": True},
    {"tokenizer": "simple", "language": "English"},
    {"tokenizer": "icu"},
    {"tokenizer": "raw"},
    {"tokenizer": "ngram"},
    {"tokenizer": "ngram", "ngram_min_length": 2},
    {"tokenizer": "ngram", "ngram_max_length": 4},
]


def test_each_option_makes_another_version():
    versions = [version_of({"columns": ["caption"], **options}) for options in SETTINGS]
    assert len(set(versions)) == len(SETTINGS)
    assert set().union(*SETTINGS) == set(OPTIONS), "an option is not tried here"


def test_the_options_are_those_of_an_analysis():
    assert set(OPTIONS) == {field.name for field in fields(Analysis)}


@pytest.mark.parametrize("options", SETTINGS)
def test_a_declaration_with_options_dumps_and_loads_again(options):
    spec = spec_of({"columns": ["caption"], **options})
    assert PipelineSpec.model_validate(spec.model_dump(mode="json")) == spec


@pytest.mark.parametrize("full_text", [[], ["caption"], *({"columns": ["caption"], **options} for options in SETTINGS)])
def test_the_schema_takes_both_forms(full_text):
    jsonschema.validate(declared(full_text), attributes_schema())


@pytest.mark.parametrize(
    "full_text",
    [
        "caption",
        {"language": "German"},
        {"columns": []},
        {"columns": ["caption"], "langauge": "German"},
        {"columns": ["caption"], "language": "german"},
        {"columns": ["caption"], "tokenizer": "jieba/default"},
        {"columns": ["caption"], "stop_words": "the"},
        {"columns": ["caption"], "ngram_min_length": 0},
    ],
)
def test_the_schema_takes_nothing_else(full_text):
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(declared(full_text), attributes_schema())


def test_every_option_is_described_for_the_editor():
    assert all(field.description for field in FullTextSpec.model_fields.values())


def refused(tmp_path: Path, full_text: str) -> list[str]:
    """What is said of a YAML whose line 8 is the first of the full text."""
    file = tmp_path / "defs.yaml"
    head = """\
        type: embeddings_orch.EmbeddingPipeline
        attributes:
          name: photos
          media: { path: media }
          embeddings: { clip: { provider: counting } }
          indexes:
            found: { vectors: [clip], full_text:
        """
    file.write_text(textwrap.dedent(head) + textwrap.indent(f"{textwrap.dedent(full_text).strip()}\n}}\n", " " * 6))
    with pytest.raises(SpecError) as caught:
        load_pipeline(file)
    return str(caught.value).replace(f"{file}:", "").replace("indexes.found.full_text", "T").splitlines()


@pytest.mark.parametrize(
    ("full_text", "said"),
    [
        ("caption", "7: T: a list of columns is expected, or a mapping with columns (given: 'caption')"),
        ("[caption, 1]", "8: T.1: text is expected; quote it (given: 1)"),
        ("{ language: German }", "7: T.columns: this key is missing"),
        ("{ columns: [caption],\nlangauge: German }", "9: T.langauge: unknown key; did you mean 'language'? allowed: "),
        ("{ columns: [a, b, a] }", "8: T.columns: a stands here twice"),
        ("{ columns: [a],\nlanguage: german }", "9: T.language: Input should be 'Arabic', 'Danish'"),
        ("{ columns: [a],\ntokenizer: simpel }", "9: T.tokenizer: Input should be 'simple', 'whitespace', 'icu'"),
        ("{ columns: [a],\ntokenizer: jieba/default }", "9: T.tokenizer: this one reads model files of each machine"),
        ("{ columns: [a],\ntokenizer: lindera/ipadic }", "9: T.tokenizer: this one reads model files of each machine"),
        ("{ columns: [a],\nstop_words: some }", "9: T.stop_words: Input should be a valid boolean"),
        ("{ columns: [a],\nstop_words: [the,\nno] }", "10: T.stop_words.1: text is expected; quote it (given: no)"),
        ("{ columns: [a],\nstop_words: [as well] }", "9: T.stop_words: 'as well' is not one word"),
        ("{ columns: [a],\nmax_token_length: 0 }", "9: T.max_token_length: Input should be greater than or equal to 1"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tmp_path, full_text, said):
    (message,) = refused(tmp_path, full_text)
    assert message.startswith(said)


def test_stop_words_of_the_default_tokenizer_are_refused_with_the_one_that_has_them(tmp_path):
    (message,) = refused(tmp_path, "{ columns: [caption],\nstop_words: true }")
    assert message.startswith("9: T.stop_words: for the tokenizer icu/split LanceDB leaves out the stop words of")
    assert message.endswith("leave this out, list the words, or choose tokenizer: simple (given: True)")


WORDS = "makes no words, which this is about; leave it out, or choose simple, whitespace, icu or icu/split"


@pytest.mark.parametrize(
    ("tokenizer", "option", "said"),
    [
        ("simple", "ngram_min_length: 2", "this is for tokenizer: ngram, not simple; leave it out"),
        ("icu", "ngram_max_length: 2", "this is for tokenizer: ngram, not icu; leave it out"),
        ("ngram", "max_token_length: 9", "ngram_max_length says how long the pieces of ngram are; leave this out"),
        ("ngram", "stem: true", f"the tokenizer ngram {WORDS}"),
        ("ngram", "language: German", f"the tokenizer ngram {WORDS}"),
        ("raw", "language: German", f"the tokenizer raw {WORDS}"),
        ("raw", "stop_words: [the]", f"the tokenizer raw {WORDS}"),
        ("icu", "stop_words: true", "for the tokenizer icu LanceDB leaves out the stop words of all languages at once"),
        ("ngram", "ngram_max_length: 2, ngram_min_length: 3", "it is less than ngram_min_length, 3"),
    ],
)
def test_options_that_do_not_go_together_are_refused_with_what_to_do(tmp_path, tokenizer, option, said):
    (message,) = refused(tmp_path, f"{{ columns: [caption],\ntokenizer: {tokenizer},\n{option} }}")
    key = option.partition(":")[0]
    assert message.startswith(f"10: T.{key}: {said}")


@pytest.mark.parametrize(
    "options",
    [
        {"tokenizer": "ngram", "stem": False, "stop_words": False},
        {"tokenizer": "raw", "max_token_length": 100, "stop_words": []},
        {"tokenizer": "icu", "language": "German", "stop_words": ["der"]},
        {"tokenizer": "icu/split", "stop_words": False},
    ],
)
def test_options_that_go_together_are_taken(options):
    assert spec_of({"columns": ["caption"], **options}).indexes["found"].analysis.tokenizer == options["tokenizer"]
