"""What goes to Google, one vector for each item, and what each refusal means."""

from __future__ import annotations

import base64
import io
import logging

import numpy as np
import pytest
from lancedb.embeddings import get_registry
from PIL import Image
from pydantic import ValidationError

from embeddings_orch.embedding.step import EmbedStep
from embeddings_orch.errors import ItemError, RateLimitedError, ResponseError, TerminalError, TransientError
from embeddings_orch.models.base import Batch
from embeddings_orch.models.content import Failure, Item
from embeddings_orch_plugins.gemini import GeminiConfig, GeminiEmbedder
from embeddings_orch_plugins.gemini.tasks import PROMPTS
from embeddings_orch_testing.servers import Fault
from embeddings_orch_testing.servers.gemini import TASK_TYPES, GeminiServer, quota_error

KEY = "AIza-test-0123456789abcdef"


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("GEMINI_API_KEY", KEY)
    monkeypatch.delenv("GOOGLE_API_KEY", raising=False)
    with GeminiServer() as server:
        server.key = KEY
        yield server


def embedder_for(server, **settings):
    return GeminiEmbedder(GeminiConfig(base_url=server.url, **settings))


def embed(embedder, *contents, side="document"):
    modality = "text" if isinstance(contents[0], str) else "image"
    prepared = [
        embedder.prepare(Item(str(index).encode(), modality, content)) for index, content in enumerate(contents)
    ]
    return np.asarray(embedder.embed(Batch(modality, prepared, side)).vectors)


def picture(kind="PNG", mode="RGB", colour="red"):
    data = io.BytesIO()
    Image.new(mode, (30, 20), colour).save(data, kind)
    return data.getvalue()


def test_the_defaults_are_lancedbs():
    theirs = get_registry().get("gemini-text").create()
    ours = GeminiConfig()
    assert ours.name == theirs.name
    assert ours.source_task_type == theirs.source_task_type
    assert ours.query_task_type == theirs.query_task_type
    assert ours.retry.max_retries == theirs.max_retries
    # LanceDB's None stands for 768 everywhere; here the number itself is said.
    assert theirs.dim is None
    assert ours.dimensions == theirs.ndims() == 768
    # GEMINI_API_KEY is the name that Google's documentation gives today; LanceDB reads GOOGLE_API_KEY alone.
    assert ours.api_key_env == "GEMINI_API_KEY"


def test_every_task_of_the_api_is_allowed_in_capitals_and_small_letters():
    tasks = [task for task in TASK_TYPES if task != "TASK_TYPE_UNSPECIFIED"]
    assert {task.lower() for task in tasks} == set(PROMPTS)
    for task in tasks:
        config = GeminiConfig(source_task_type=task, query_task_type=task.lower())
        assert config.source_task_type == config.query_task_type == task.lower()
    with pytest.raises(ValidationError, match="retrieval_document"):
        GeminiConfig(source_task_type="search")


@pytest.mark.parametrize("settings", [{"dimensions": 127}, {"dimensions": 3073}, {"batch_size": 101}, {"name": "gpt"}])
def test_what_google_refuses_is_refused_before(settings):
    with pytest.raises(ValidationError):
        GeminiConfig(**settings)


def test_the_name_may_be_written_as_google_does():
    assert (
        GeminiConfig(name="models/gemini-embedding-2").fingerprint()
        == GeminiConfig(name="gemini-embedding-2").fingerprint()
    )


@pytest.mark.slow
def test_001_is_told_the_task_and_the_dimensions(server):
    embedder = embedder_for(server, dimensions=1536, query_task_type="question_answering")
    assert embed(embedder, "a", "b").shape == (2, 1536)
    assert embed(embedder, "a", side="query").shape == (1, 1536)
    documents, query = server.requests
    assert documents.path == "/v1beta/models/gemini-embedding-001:batchEmbedContents"
    assert documents.body["requests"] == [
        {
            "model": "models/gemini-embedding-001",
            "content": {"parts": [{"text": text}]},
            "taskType": "RETRIEVAL_DOCUMENT",
            "outputDimensionality": 1536,
        }
        for text in ("a", "b")
    ]
    assert query.body["requests"][0]["taskType"] == "QUESTION_ANSWERING"


@pytest.mark.parametrize("task", PROMPTS)
def test_2_is_told_the_task_in_the_text(server, task):
    embedder = embedder_for(server, name="gemini-embedding-2", source_task_type=task)
    embed(embedder, "a dog")
    embed(embedder, "a dog", side="query")
    sent = [request.body["requests"][0] for request in server.requests]
    assert [one["content"]["parts"] for one in sent] == [
        [{"text": f"{PROMPTS[task]}a dog"}],
        [{"text": "task: search result | query: a dog"}],
    ]
    assert not any("taskType" in one for one in sent)


def test_each_item_has_a_vector_of_its_own(server):
    """The SDK merges strings in a list for gemini-embedding-2: its own answer to two of them is one vector."""
    embedder = embedder_for(server, name="gemini-embedding-2")
    merged = embedder.client.models.embed_content(model="gemini-embedding-2", contents=["a", "b"])
    assert len(merged.embeddings) == 1
    together = embed(embedder, "a", "b", "a")
    assert together.shape == (3, 768)
    assert np.array_equal(together[0], together[2])
    assert np.array_equal(together[1], embed(embedder, "b")[0])
    assert len(embed(embedder, picture(), picture(colour="blue"))) == 2


def test_pictures_go_inline_as_jpeg_or_png(server):
    embedder = embedder_for(server, name="gemini-embedding-2")
    plain = picture("JPEG")
    assert embed(embedder, plain, picture("WEBP"), picture("PNG", "RGBA")).shape == (3, 768)
    blobs = [one["content"]["parts"][0]["inline_data"] for one in server.requests[0].body["requests"]]
    assert [blob["mime_type"] for blob in blobs] == ["image/jpeg", "image/png", "image/png"]
    assert base64.urlsafe_b64decode(blobs[0]["data"]) == plain


def test_001_reads_no_pictures(server):
    found = EmbedStep(GeminiConfig(base_url=server.url)).prepare(Item(b"a", "image", picture()))
    assert isinstance(found, Failure)
    assert "reads text" in found.reason


@pytest.mark.slow
def test_no_more_than_google_takes(server):
    for name, modality, most in (
        ("gemini-embedding-001", "text", 100),
        ("gemini-embedding-2", "text", 100),
        ("gemini-embedding-2", "image", 6),
    ):
        step = EmbedStep(GeminiConfig(name=name, base_url=server.url))
        contents = [f"text {n}" if modality == "text" else picture() + str(n).encode() for n in range(250)]
        server.clear()
        step([step.prepare(Item(str(n).encode(), modality, content)) for n, content in enumerate(contents)])
        sizes = [len(request.body["requests"]) for request in server.requests]
        assert (max(sizes), sum(sizes)) == (most, 250)


def test_short_vectors_of_001_are_brought_to_unit_length(server):
    assert not np.allclose(np.linalg.norm(embed(embedder_for(server), "a", "b"), axis=1), 1)
    step = EmbedStep(GeminiConfig(base_url=server.url))
    outcome = step([step.prepare(Item(b"a", "text", "a"))])
    assert np.linalg.norm(outcome.vectors[0]) == pytest.approx(1)


def test_usage_is_googles(server):
    step = EmbedStep(GeminiConfig(base_url=server.url))
    outcome = step([step.prepare(Item(text.encode(), "text", text)) for text in ("a" * 40, "b" * 20)])
    assert outcome.usage.tokens == 15


def test_the_key_goes_into_a_header_alone_and_into_no_log(server, caplog):
    caplog.set_level(logging.DEBUG)
    embedder = embedder_for(server)
    embed(embedder, "a")
    (request,) = server.requests
    assert request.headers["x-goog-api-key"] == KEY
    assert request.query == {}
    assert KEY.encode() not in request.raw
    assert KEY not in caplog.text + repr(embedder.config) + embedder.account()


def test_a_missing_key_is_named_with_its_other_name(server, monkeypatch):
    monkeypatch.delenv("GEMINI_API_KEY")
    monkeypatch.setenv("GOOGLE_API_KEY", KEY)
    with pytest.raises(TerminalError, match=r"GEMINI_API_KEY, or name .* api_key_env: GOOGLE_API_KEY"):
        embed(embedder_for(server), "a")
    assert embed(embedder_for(server, api_key_env="GOOGLE_API_KEY"), "a").shape == (1, 768)


def test_switches_of_the_environment_lead_nowhere_else(server, monkeypatch):
    for name in ("GOOGLE_GENAI_USE_VERTEXAI", "GOOGLE_GENAI_USE_ENTERPRISE"):
        monkeypatch.setenv(name, "true")
    monkeypatch.setenv("GOOGLE_GENAI_API_VERSION", "v9")
    monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", "http://127.0.0.1:9")
    assert embed(embedder_for(server), "a").shape == (1, 768)


def refused(status, name, message, **detail):
    error = {"code": status, "status": name, "message": message, "details": [detail] if detail else []}
    return Fault.status_code(status, {"error": error})


INVALID = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        (refused(400, "INVALID_ARGUMENT", "API key not valid.", **INVALID), TerminalError, "API key not valid"),
        (refused(400, "INVALID_ARGUMENT", "API key expired. Renew it."), TerminalError, "API key expired"),
        (refused(400, "FAILED_PRECONDITION", "User location is not supported"), TerminalError, "location"),
        (refused(400, "INVALID_ARGUMENT", "Unable to process input image."), ItemError, "Unable to process"),
        (refused(401, "UNAUTHENTICATED", "invalid credentials"), TerminalError, "HTTP 401"),
        (refused(403, "PERMISSION_DENIED", "reported as leaked"), TerminalError, "HTTP 403"),
        (refused(404, "NOT_FOUND", "models/x is not found"), TerminalError, "models/x is not found"),
        (refused(500, "INTERNAL", "An internal error"), TransientError, "HTTP 500"),
        (refused(503, "UNAVAILABLE", "The model is overloaded."), TransientError, "overloaded"),
        (refused(504, "DEADLINE_EXCEEDED", "Deadline expired"), TransientError, "HTTP 504"),
        (Fault.status_code(429, quota_error(retry_delay=34.07)), RateLimitedError, "exceeded your current quota"),
        (Fault.status_code(429, quota_error(), {"retry-after": "7"}), RateLimitedError, "HTTP 429"),
        (Fault.status_code(429, quota_error(per="Day", retry_delay=34)), TerminalError, "PerDay"),
        (Fault.status_code(429, quota_error(value=0)), TerminalError, "PerMinute"),
        (Fault.status_code(429, "slow down"), RateLimitedError, "slow down"),
        (Fault.page(status=502), TransientError, "an HTML page, .* 502 Bad Gateway"),
        (Fault.page(), ResponseError, "cannot be read"),
        (Fault.truncate(), ResponseError, "cannot be read"),
        (Fault.reset(), TransientError, "connection failed"),
        (Fault.reset_in_body(), TransientError, "connection failed"),
        (Fault.hang(0.5), TransientError, "no answer in time"),
    ],
)
def test_what_went_wrong(server, fault, kind, words):
    embedder = embedder_for(server, timeout=0.25)
    server.faults.script(fault)
    with pytest.raises(Exception) as raised:
        embed(embedder, "a")
    known = embedder.classify(raised.value)
    assert type(known) is kind, f"{known!r} of {raised.value!r}"
    assert len(server.requests) == 1, "the SDK has tried again"
    with pytest.raises(kind, match=words):
        raise known
    if isinstance(known, ItemError):
        assert not known.certain


@pytest.mark.parametrize(
    ("fault", "seconds"),
    [
        (Fault.status_code(429, quota_error(retry_delay=34.07)), 34.07),
        (Fault.status_code(429, quota_error(), {"retry-after": "7"}), 7.0),
        (Fault.status_code(429, quota_error()), None),
        (Fault.status_code(503, {}, {"retry-after": "3"}), 3.0),
    ],
)
def test_how_long_google_asks_to_wait(server, fault, seconds):
    embedder = embedder_for(server)
    server.faults.script(fault)
    with pytest.raises(Exception) as raised:
        embed(embedder, "a")
    assert embedder.classify(raised.value).retry_after == seconds


def test_an_unreachable_server_is_worth_another_try(server):
    embedder = GeminiEmbedder(GeminiConfig(base_url="http://127.0.0.1:9"))
    with pytest.raises(Exception) as raised:
        embed(embedder, "a")
    assert type(embedder.classify(raised.value)) is TransientError


def test_our_own_mistakes_are_terminal(server):
    assert type(embedder_for(server).classify(ValueError("wrong"))) is TerminalError


def test_the_client_is_closed_and_made_again(server):
    embedder = embedder_for(server)
    embed(embedder, "a")
    first = embedder._client
    embedder.close()
    embed(embedder, "a")
    assert first is not embedder._client
