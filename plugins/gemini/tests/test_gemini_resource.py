"""The Dagster resource: typed settings, and vectors for a user's own asset."""

import dagster as dg
import numpy as np
import pytest
from pydantic import ValidationError

from embeddings_orch_plugins.gemini import GeminiConfig
from embeddings_orch_plugins.gemini.resources import GeminiResource
from embeddings_orch_testing.servers.gemini import GeminiServer

KEY = "AIza-test-0123456789abcdef"


def test_an_ordinary_asset_embeds_documents_and_queries(monkeypatch):
    monkeypatch.setenv("MY_KEY", KEY)

    @dg.asset
    def mine(gemini: GeminiResource):
        return gemini.embed_texts(["a", "b"]), gemini.embed_texts(["a"], side="query")

    with GeminiServer() as server:
        server.key = KEY
        monkeypatch.setenv("GEMINI_URL", server.url)
        resource = GeminiResource(base_url=dg.EnvVar("GEMINI_URL"), api_key_env="MY_KEY", dimensions=1536)
        documents, query = dg.materialize([mine], resources={"gemini": resource}).output_for_node("mine")
    assert (documents.shape, query.shape) == ((2, 1536), (1, 1536))
    assert np.allclose(np.linalg.norm(documents, axis=1), 1)
    assert not np.allclose(documents[0], query[0])
    assert KEY not in repr(resource)


def test_it_has_the_defaults_and_the_fingerprint_of_its_config():
    assert GeminiResource().settings() == GeminiConfig().settings()
    assert GeminiResource(dimensions=256).fingerprint() == GeminiConfig(dimensions=256).fingerprint()


def test_wrong_settings_are_refused_when_the_definitions_load():
    with pytest.raises(ValidationError, match="gemini-embedding-001"):
        GeminiResource(name="text-embedding-3-small")
