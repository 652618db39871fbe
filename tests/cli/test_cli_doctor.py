"""``doctor`` makes one tiny call for each side, says what is wrong at once, and what would be better."""

from __future__ import annotations

import io
import itertools
import json
import re
import socket
from types import SimpleNamespace

import pytest
from PIL import Image

from embeddings_orch.cli.commands.probe import advice
from embeddings_orch_testing.servers.faults import Fault

pytest.importorskip("embeddings_orch_plugins.openai.embedder")
from embeddings_orch_plugins.openai import OpenAIConfig, OpenAIEmbedder
from embeddings_orch_testing.servers.openai import OpenAIServer

KEY = "sk-doctors-own-key-0123456789"


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with OpenAIServer() as running:
        running.key = KEY
        yield running


@pytest.fixture
def waits(monkeypatch):
    """The seconds that were to be waited between two tries; nobody waits for them here."""
    seconds = []
    monkeypatch.setattr("embeddings_orch.policy.stopping.Stop.wait", lambda _, wait: seconds.append(wait))
    return seconds


@pytest.fixture
def doctor(cli, declare, tmp_path):
    """What doctor finds of one embedding, and all that it printed."""

    def examine(status=0, **settings):
        file = declare(tmp_path / f"project{len(list(tmp_path.iterdir()))}", embeddings={"toy": settings}, indexes={})
        result = cli("doctor", "--file", file, "--json", status=status)
        (found,) = [one for one in json.loads(result.stdout)["findings"] if one["what"].startswith("embedding ")]
        return found, result.output

    return examine


def openai(server, **settings):
    return {"provider": "openai", "base_url": server.url, "input": "caption", **settings}


def test_one_call_a_side_and_no_more(doctor, server):
    found, _ = doctor(**openai(server))
    assert found["ok"]
    assert re.fullmatch(r"1536 dimensions, a text \d+\.\d s, a query \d+\.\d s, fingerprint \w{16}", found["detail"])
    assert len(server.requests) == 2


def test_pictures_and_texts_are_both_tried(doctor, tmp_path):
    log = tmp_path / "calls"
    found, _ = doctor(provider="counting", log=str(log))
    assert log.read_text().splitlines() == ["image 1", "text 1", "text 1"]
    assert "8 dimensions, a picture 0.0 s, a text 0.0 s, a query 0.0 s, fingerprint " in found["detail"]


def test_a_missing_key_names_its_variable(doctor, server, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY")
    found, _ = doctor(1, **openai(server))
    assert not found["ok"]
    assert "OPENAI_API_KEY" in found["detail"]
    assert server.requests == []


def test_a_wrong_key_is_said_and_not_shown(doctor, server, monkeypatch):
    wrong = "sk-wrong-key-9876543210abcdef"
    monkeypatch.setenv("OPENAI_API_KEY", wrong)
    found, printed = doctor(1, **openai(server))
    assert "401" in found["detail"]
    assert wrong not in printed
    assert KEY not in printed


def test_an_unknown_model_is_the_providers_own_word(doctor, server):
    found, _ = doctor(1, **openai(server, name="text-embedding-9"))
    assert "text-embedding-9" in found["detail"]
    assert len(server.requests) <= 2  # with and without /v1


def test_a_wrong_length_is_said(doctor, monkeypatch):
    from embeddings_orch_testing import CountingEmbedder

    monkeypatch.setattr(CountingEmbedder, "dimensions", lambda self: 9)
    found, _ = doctor(1, provider="counting")
    assert "returned vectors of 8 dimensions, not of 9" in found["detail"]


def test_a_server_that_is_down_is_said_within_seconds(doctor, monkeypatch, waits):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
    found, _ = doctor(1, provider="openai", base_url=address, input="caption")
    assert "onnect" in found["detail"]
    assert len(waits) == 1
    assert waits[0] <= 2


def test_a_provider_that_asks_for_a_long_wait_is_not_waited_for(doctor, server, waits):
    server.faults.always(Fault.status_code(429, headers={"retry-after": "120"}))
    found, _ = doctor(1, **openai(server))
    assert "429" in found["detail"]
    assert len(server.requests) == 1
    assert waits == []


def test_a_fault_that_passes_is_no_finding(doctor, server):
    server.faults.script(Fault.status_code(503))
    found, _ = doctor(**openai(server))
    assert found["ok"]
    assert len(server.requests) == 3


def test_an_answer_is_waited_for_some_seconds_only(doctor, server, monkeypatch, waits):
    monkeypatch.setattr("embeddings_orch.cli.commands.probe.TIMEOUT", 0.3)
    server.faults.always(Fault.hang(120))  # then the right answer, which is no finding
    found, _ = doctor(1, **openai(server))
    assert "did not answer in time" in found["detail"]
    assert {request.headers["x-stainless-read-timeout"] for request in server.requests} == {"0.3"}


def test_a_plugin_that_breaks_does_not_stop_the_others(cli, declare, tmp_path, monkeypatch):
    from embeddings_orch_testing import CountingEmbedder

    def broken(self, item):
        raise KeyError("broken plugin")

    monkeypatch.setattr(CountingEmbedder, "dimensions", broken)
    both = {"one": {"provider": "counting"}, "two": {"provider": "open-clip", "name": "emoji-xs", "device": "cpu"}}
    shown = cli("doctor", "--file", declare(tmp_path, embeddings=both, indexes={}), status=1).stdout
    assert "wrong embedding one (counting): " in shown
    assert "ok    embedding two (open-clip): 64 dimensions, a picture " in shown


def test_advice_is_shown_below_what_it_is_about(cli, declare, tmp_path, server, monkeypatch):
    # Of a server that answers within a tenth of a second.
    moments = itertools.count(0, 0.1)
    monkeypatch.setattr("embeddings_orch.cli.commands.probe.time", SimpleNamespace(monotonic=lambda: next(moments)))
    settings = openai(server, concurrency=1, requests_per_minute=60)
    file = declare(tmp_path, embeddings={"toy": settings}, indexes={})
    lines = cli("doctor", "--file", file).stdout.splitlines()
    at = next(number for number, line in enumerate(lines) if "embedding toy" in line)
    said = "\n".join(lines[at + 1 :])
    assert said.count("      advice: ") == len(lines) - at - 1
    assert "concurrency: 1 waits for each answer" in said
    assert "requests_per_minute: 60 is what limits a run" in said
    assert "prices is not set" in said


@pytest.mark.parametrize(
    ("settings", "seconds", "tokens", "said"),
    [
        ({}, 0.1, 0, []),
        ({"prices": {"per_million_tokens": 0.02}}, 0.1, 5, []),
        ({}, 0.1, 5, ["prices is not set"]),
        ({"requests_per_minute": 60}, 10.0, 0, []),  # 8 at once, 10 s each: 48 a minute
        ({"requests_per_minute": 47}, 10.0, 0, ["could make 48"]),
        ({"batch_size": 1}, 0.1, 0, ["batch_size: 1"]),
    ],
)
def test_advice_is_given_where_it_is_due(settings, seconds, tokens, said):
    config = OpenAIConfig(**settings)
    given = [one for one in advice(config, OpenAIEmbedder(config), seconds, tokens) if one not in own_advice(config)]
    assert len(given) == len(said), given
    assert all(part in one for part, one in zip(said, given, strict=True))


def own_advice(config):
    return OpenAIEmbedder(config).advice() if hasattr(OpenAIEmbedder, "advice") else []


def test_the_picture_it_tries_is_one():
    from embeddings_orch.cli.commands.probe import _content

    assert Image.open(io.BytesIO(_content("image"))).size == (64, 64)
