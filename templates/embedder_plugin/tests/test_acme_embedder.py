from __future__ import annotations

import dagster as dg
import numpy as np
import pytest
from acme_server import AcmeServer
from embeddings_orch_acme.resources import AcmeResource


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("ACME_API_KEY", "the-key-of-a-test")
    with AcmeServer() as server:
        server.key = "the-key-of-a-test"
        yield server


def test_documents_and_queries_are_told_apart(server):
    acme = AcmeResource(base_url=server.url)
    documents = acme.embed_texts(["a dog"])
    queries = acme.embed_texts(["a dog"], side="query")
    assert documents.shape == queries.shape == (1, 64)
    assert not np.allclose(documents, queries)
    assert [request.body["side"] for request in server.requests] == ["passage", "query"]


def test_an_asset_of_ones_own_gets_the_resource(server):
    @dg.asset
    def slogans(acme: AcmeResource) -> int:
        return len(acme.embed_texts(["a dog", "a cat"]))

    result = dg.materialize([slogans], resources={"acme": AcmeResource(base_url=server.url)})
    assert result.output_for_node("slogans") == 2
