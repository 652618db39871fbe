"""The Dagster resource: typed settings, and vectors for a user's own asset."""

from __future__ import annotations

from typing import Any

import dagster as dg
import numpy as np
import pytest
from pydantic import ValidationError

from embeddings_orch_plugins.aws import BedrockConfig
from embeddings_orch_plugins.aws.resources import BedrockResource, RetryConfig

COHERE = "us.cohere.embed-v4:0"


def in_an_asset(resource: Any, use: Any) -> Any:
    @dg.asset
    def my_asset(model: BedrockResource) -> Any:
        return use(model)

    result = dg.materialize([my_asset], resources={"model": resource})
    return result.output_for_node("my_asset")


@pytest.mark.usefixtures("keys")
def test_an_ordinary_asset_embeds_texts_and_queries(server: Any) -> None:
    resource = BedrockResource(name=COHERE, endpoint_url=server.url, batch_size=2)

    def use(model: BedrockResource) -> Any:
        return model.embed_texts(["a", "b", "c"]), model.embed_texts(["a"], side="query")

    there, back = in_an_asset(resource, use)
    assert (there.shape, there.dtype, back.shape) == ((3, 1536), np.float32, (1, 1536))
    assert [request.body["input_type"] for request in server.requests] == 2 * ["search_document"] + ["search_query"]
    assert not np.allclose(there[0], back[0])


@pytest.mark.usefixtures("keys")
def test_settings_can_come_from_the_environment(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_MODEL", "amazon.titan-embed-text-v2:0")
    monkeypatch.setenv("MY_URL", server.url)
    resource = BedrockResource(name=dg.EnvVar("MY_MODEL"), endpoint_url=dg.EnvVar("MY_URL"))
    assert in_an_asset(resource, lambda model: model.embed_texts(["a"]).shape) == (1, 1024)


def test_wrong_settings_are_refused_when_the_definitions_load() -> None:
    with pytest.raises(ValidationError, match="did you mean 'cohere.embed-v4:0'"):
        BedrockResource(name="cohere.embed-v5:0")


def test_a_resource_has_the_fingerprint_of_its_config() -> None:
    resource = BedrockResource(name=COHERE, retry=RetryConfig(max_retries=2))
    assert resource.fingerprint() == BedrockConfig(name=COHERE).fingerprint()
