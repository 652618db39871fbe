"""What a config accepts, what it says of a wrong one, and where it differs from LanceDB's function."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from embeddings_orch.models.identity import role_of
from embeddings_orch_plugins.openai import OpenAIConfig, OpenAIEmbedder


def error_of(**settings):
    with pytest.raises(ValidationError) as caught:
        OpenAIConfig(**settings)
    (problem,) = caught.value.errors()
    return f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}"


def test_defaults_follow_lancedb_where_it_is_not_out_of_date():
    from lancedb.embeddings import get_registry

    theirs = get_registry().get("openai").create(api_key="$var:none:x")
    ours = OpenAIConfig()
    assert (theirs.dim, theirs.base_url, theirs.organization) == (ours.dimensions, ours.base_url, ours.organization)
    assert theirs.max_retries == ours.retry.max_retries == 7
    # On purpose another model: OpenAI names text-embedding-3-small as ada-002's successor, at a fifth of its price.
    assert theirs.name == "text-embedding-ada-002"
    assert ours.name == "text-embedding-3-small"


def test_the_same_models_have_the_same_lengths_as_lancedbs():
    from lancedb.embeddings import get_registry

    function = get_registry().get("openai")
    for name in function.model_names():
        theirs = function.create(name=name, api_key="$var:none:x").ndims()
        assert OpenAIEmbedder(OpenAIConfig(name=name)).dimensions() == theirs


def test_identity_is_what_changes_a_vector():
    roles = {name: role_of(field) for name, field in OpenAIConfig.model_fields.items()}
    assert {name for name, role in roles.items() if role == "identity"} == {"name", "dimensions", "normalize"}


def test_the_same_model_at_another_address_keeps_its_vectors():
    there = OpenAIConfig(base_url="https://gateway.example/openai/v1")
    assert there.fingerprint() == OpenAIConfig().fingerprint()


def test_writing_the_full_length_down_embeds_nothing_again():
    assert OpenAIConfig(dimensions=1536).fingerprint() == OpenAIConfig().fingerprint()
    assert OpenAIConfig(dimensions=512).fingerprint() != OpenAIConfig().fingerprint()
    # Of a model that is not known, nobody can say whether it is the full one.
    assert OpenAIConfig(name="mine", dimensions=384).fingerprint() != OpenAIConfig(name="mine").fingerprint()


def test_dimensions_are_known_for_openais_models():
    def length(**settings):
        return OpenAIEmbedder(OpenAIConfig(**settings)).dimensions()

    assert length() == 1536
    assert length(name="text-embedding-3-large") == 3072
    assert length(name="text-embedding-3-large", dimensions=256) == 256
    assert length(name="bge-m3") is None


def test_impossible_dimensions_are_refused():
    assert "at most 1536" in error_of(dimensions=2000)
    assert "cannot be shortened" in error_of(name="text-embedding-ada-002", dimensions=512)
    assert error_of(dimensions=0).startswith("dimensions: ")
    assert OpenAIConfig(name="text-embedding-ada-002", dimensions=1536).dimensions == 1536
    assert OpenAIConfig(name="mine", dimensions=9999).dimensions == 9999


@pytest.mark.parametrize(
    ("base_url", "address", "other"),
    [
        (None, "https://api.openai.com/v1", None),
        ("http://localhost:7997", "http://localhost:7997/v1", "http://localhost:7997"),
        ("http://localhost:7997/", "http://localhost:7997/v1", "http://localhost:7997"),
        ("http://localhost:11434/v1", "http://localhost:11434/v1", None),
        ("http://localhost:11434/v1/", "http://localhost:11434/v1", None),
        ("https://gateway.example/openai/v1/embeddings", "https://gateway.example/openai/v1", None),
        ("https://gateway.example/teams/a", "https://gateway.example/teams/a", None),
    ],
)
def test_addresses_are_understood_with_and_without_v1(base_url, address, other):
    config = OpenAIConfig(base_url=base_url)
    assert (config.address, config.other_address) == (address, other)


@pytest.mark.parametrize("wrong", ["localhost:7997", "ftp://host", "http://", "minilm"])
def test_what_is_no_address_is_refused(wrong):
    assert "write it like http://" in error_of(base_url=wrong)


@pytest.mark.parametrize("wrong", ["https://user:secret@host/v1", "https://host/v1?api_key=secret"])
def test_an_address_with_a_key_is_refused(wrong):
    assert "name the variable that holds the secret" in error_of(base_url=wrong)


def test_a_key_in_the_config_is_refused_and_not_shown():
    for settings in ({"api_key": "sk-abcdefghijklmnopqrstuvwxyz"}, {"api_key_env": "sk-abcdefghijklmnopqrstuvwxyz"}):
        with pytest.raises(ValidationError) as caught:
            OpenAIConfig(**settings)
        assert "environment variable" in str(caught.value.errors()[0]["msg"])


def test_openai_itself_wants_a_key():
    assert "OpenAI wants a key" in error_of(api_key_env=None)
    assert OpenAIConfig(api_key_env=None, base_url="http://localhost:7997").api_key_env is None


def test_a_request_has_at_most_2048_texts():
    assert OpenAIConfig().batch_size == 2048
    assert error_of(batch_size=2049).startswith("batch_size: ")
