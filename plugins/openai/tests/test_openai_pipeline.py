"""A whole pipeline over a table of texts: what it costs, what is kept when the money is spent."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
import yaml

from embeddings_orch.errors import TerminalError
from embeddings_orch.pipeline import Pipeline
from embeddings_orch.pipeline.catalog.scan import scan_media
from embeddings_orch.pipeline.checks.run import check_index
from embeddings_orch.pipeline.embeddings.embed import EmbedReport, embed
from embeddings_orch.pipeline.indexes.build import build_index
from embeddings_orch.pipeline.plan.plan import make_plan
from embeddings_orch.pipeline.published.publish import publish
from embeddings_orch.search import Index
from embeddings_orch.spec.yaml_file import load_pipeline
from embeddings_orch_testing.servers import Fault
from embeddings_orch_testing.servers.openai import OpenAIServer

KEY = "sk-test-0123456789abcdef"
TEXTS = 100


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with OpenAIServer() as server:
        server.key = KEY
        yield server


def text(number: int) -> str:
    return f"text {number:03} has forty characters in it..."[:40]


def declared(root: Path, server: OpenAIServer, **settings) -> Pipeline:
    """A table of texts, of 10 tokens each, and one embedding of ten texts a request; a retry waits for nothing."""
    with (root / "texts.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerows([("id", "text"), *((f"t{number:03}", text(number)) for number in range(TEXTS))])
    model = {
        "provider": "openai",
        "base_url": server.url,
        "dimensions": 8,
        "batch_size": 10,
        "retry": {"initial_wait": 0},
        "prices": {"per_million_tokens": 1},
        **settings,
    }
    attributes = {
        "name": "texts",
        "store": {"uri": "store"},
        "media": {"source": "table", "path": "texts.csv"},
        "embeddings": {"small": model},
        "indexes": {"found": {"vectors": ["small"]}},
    }
    file = root / "defs.yaml"
    file.write_text(yaml.safe_dump({"type": "embeddings_orch.EmbeddingPipeline", "attributes": attributes}))
    pipeline = Pipeline(load_pipeline(file))
    scan_media(pipeline)
    return pipeline


def run(root: Path, server: OpenAIServer, **settings) -> EmbedReport:
    return embed(declared(root, server, **settings), "small")


def test_a_run_reports_tokens_requests_retries_waits_and_cost(tmp_path, server):
    server.faults.script(
        None, Fault.reset(), Fault.status_code(429, headers={"retry-after": "0.3"}), Fault.page(), Fault.truncate()
    )
    report = run(tmp_path, server)
    usage = report.usage
    assert (report.embedded, report.failed) == (TEXTS, 0)
    assert (usage.requests, usage.retries) == (14, 4) == (len(server.requests), len(server.requests) - 10)
    assert usage.tokens == 10 * TEXTS
    assert usage.waited >= 0.3
    assert report.cost_usd == pytest.approx(10 * TEXTS / 1e6)
    again = run(tmp_path, server)
    assert (again.embedded, again.reused, again.usage.requests, again.cost_usd) == (0, TEXTS, 0, 0)


def test_a_budget_stops_the_run_and_keeps_what_was_bought(tmp_path, server):
    with pytest.raises(TerminalError, match="max_cost_usd"):
        run(tmp_path, server, max_cost_usd=0.0006)
    pipeline = declared(tmp_path, server)
    kept = pipeline.store.vectors(pipeline.spec.embeddings["small"].config.fingerprint()).keys()
    bought = sum(len(request.body["input"]) for request in server.requests)
    assert 0 < bought < TEXTS
    assert len(kept) == bought
    assert bought * 10 / 1e6 <= 0.0006
    report = run(tmp_path, server)
    assert (report.embedded, report.reused) == (TEXTS - bought, bought)


def test_an_exhausted_quota_stops_the_run_with_openais_words_and_the_next_goes_on(tmp_path, server):
    server.faults.script(None, None)
    server.faults.always(server.insufficient_quota())
    with pytest.raises(TerminalError, match="exceeded your current quota"):
        run(tmp_path, server, concurrency=1)
    assert len(server.requests) == 3
    server.faults.always(None)
    report = run(tmp_path, server)
    assert (report.embedded, report.reused) == (80, 20)


@pytest.mark.slow
def test_texts_are_found_by_a_query(tmp_path, server):
    pipeline = declared(tmp_path, server)
    estimate = {asset.asset: asset.estimate for asset in make_plan(pipeline).assets}["texts/embeddings/small"]
    assert estimate.contents == TEXTS
    assert estimate.cost_usd > 0
    embed(pipeline, "small")
    build_index(pipeline, "found")
    check_index(pipeline, "found")
    publish(pipeline, "found")
    hits = Index(pipeline.store, "texts", "found").search(text(42)).hits
    assert hits[0].id == "t042"
    assert hits[0].score == pytest.approx(1, abs=1e-3)


def test_the_key_is_nowhere_in_the_store(tmp_path, server):
    run(tmp_path, server)
    assert all(KEY.encode() not in file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
