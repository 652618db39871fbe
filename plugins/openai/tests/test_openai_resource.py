"""The Dagster resource: typed settings, and vectors for a user's own asset."""

from __future__ import annotations

import dagster as dg
import numpy as np
import pytest
from pydantic import ValidationError

from embeddings_orch.errors import EmbeddingsOrchError, ItemError
from embeddings_orch_plugins.openai import OpenAIConfig
from embeddings_orch_plugins.openai.resources import OpenAIResource, RetryConfig
from embeddings_orch_testing.servers.openai import OpenAIServer


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-0123456789abcdef")
    with OpenAIServer() as server:
        server.key = "sk-test-0123456789abcdef"
        monkeypatch.setenv("EMBEDDINGS_URL", server.url)
        yield server


def in_an_asset(resource, use, **run):
    @dg.asset
    def my_asset(embeddings: OpenAIResource):
        return use(embeddings)

    return dg.materialize([my_asset], resources={"embeddings": resource}, **run).output_for_node("my_asset")


def test_an_ordinary_asset_embeds_texts(server):
    resource = OpenAIResource(base_url=dg.EnvVar("EMBEDDINGS_URL"), dimensions=16)
    vectors = in_an_asset(resource, lambda embeddings: embeddings.embed_texts(["a dog", "a cat"]))
    assert (vectors.shape, vectors.dtype) == ((2, 16), np.float32)
    assert np.allclose(vectors[1], server.vector("text-embedding-3-small", "a cat", 16))


def test_settings_can_be_given_at_launch(server):
    config = {"base_url": server.url, "dimensions": 4, "retry": {"max_retries": 1}, "prices": {"per_million_tokens": 1}}
    shape = in_an_asset(
        OpenAIResource.configure_at_launch(),
        lambda embeddings: (embeddings.retry.max_retries, embeddings.embed_texts(["a"]).shape),
        run_config={"resources": {"embeddings": {"config": config}}},
    )
    assert shape == (1, (1, 4))


def test_texts_that_fail_are_named(server):
    server.reject = "bad"
    with pytest.raises(ItemError, match=r"text 1: .*is invalid"):
        OpenAIResource(base_url=server.url).embed_texts(["good", "a bad one", "fine"])


def test_an_error_of_the_server_fails_the_asset_with_its_own_words(server):
    server.faults.always(server.insufficient_quota())
    with pytest.raises(EmbeddingsOrchError, match="exceeded your current quota"):
        OpenAIResource(base_url=server.url).embed_texts(["a"])


@pytest.mark.parametrize("worked", [False, True])
def test_a_key_that_was_set_right_is_used_by_the_next_call(server, monkeypatch, worked):
    resource = OpenAIResource(base_url=server.url, dimensions=16)
    if worked:
        resource.embed_texts(["a"])
    server.key = "sk-another-0123456789abcdef"
    with pytest.raises(EmbeddingsOrchError, match="API key"):
        resource.embed_texts(["a"])
    monkeypatch.setenv("OPENAI_API_KEY", server.key)
    assert resource.embed_texts(["a"]).shape == (1, 16)


def test_a_resource_has_the_fingerprint_of_its_config_and_refuses_wrong_settings():
    assert OpenAIResource(retry=RetryConfig(max_retries=2)).fingerprint() == OpenAIConfig().fingerprint()
    with pytest.raises(ValidationError, match="at most 1536"):
        OpenAIResource(dimensions=9999)
