"""How questions reach a webserver, and what is told of answers that are none."""

import base64
import json
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from embeddings_orch.dagster.automation.reload import reload_location
from embeddings_orch.dagster.runs.remote import RemoteJob
from embeddings_orch.dagster.runs.remote_answers import JobsAnswer
from embeddings_orch.dagster.runs.remote_event_answers import EventsAnswer, MaterializationEvent
from embeddings_orch.dagster.runs.remote_queries import EVENTS, JOBS
from embeddings_orch.dagster.runs.webserver import Webserver
from embeddings_orch.errors import EmbeddingsOrchError, TransientError
from embeddings_orch.policy.retry import RetryPolicy

ONCE = RetryPolicy(max_retries=0)


class Page:
    """A webserver that gives one answer to all questions and keeps them."""

    def __init__(self):
        self.asked, self.status, self.answer, self.headers = [], 200, {"data": {}}, {}
        page = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                page.asked.append((self.path, dict(self.headers), json.loads(body)))
                self.send_response(page.status)
                for name, value in page.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(json.dumps(page.answer).encode())

            def log_message(self, *_):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.http.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.http.server_port}"

    def close(self):
        self.http.shutdown()
        self.http.server_close()


@pytest.fixture
def page():
    made = Page()
    yield made
    made.close()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "DAGSTER_CLOUD_API_TOKEN"):
        monkeypatch.delenv(name, raising=False)


EMPTY = {"data": {"workspaceOrError": {"__typename": "Workspace", "locationEntries": []}}}


def ask(url, page):
    page.answer = EMPTY
    with pytest.raises(EmbeddingsOrchError, match="has no job"):
        RemoteJob.find(Webserver(url), "photos")


def test_user_and_password_of_the_url_are_sent_and_nothing_of_netrc(page, tmp_path, monkeypatch):
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login other password secret")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    ask(page.url, page)
    assert "Authorization" not in page.asked[-1][1]
    ask(page.url.replace("http://", "http://j%C3%B6rg:p%40ss@"), page)
    assert base64.b64decode(page.asked[-1][1]["Authorization"].removeprefix("Basic ")).decode() == "jörg:p@ss"
    reload_location(page.url, "here")
    assert "Authorization" not in page.asked[-1][1]


def test_a_proxy_of_the_environment_is_used(page, monkeypatch):
    monkeypatch.setenv("http_proxy", page.url)
    ask("http://dagster.example:3000", page)
    assert page.asked[-1][0] == "http://dagster.example:3000/graphql"


def test_a_redirect_is_not_followed(page):
    page.status, page.headers = 307, {"Location": f"{page.url}/elsewhere"}
    with pytest.raises(EmbeddingsOrchError, match="sends on to .*/elsewhere; give that URL"):
        RemoteJob.find(Webserver(page.url), "photos")
    assert "sends on to" in reload_location(page.url, "here")
    assert len(page.asked) == 2


@pytest.mark.parametrize(
    ("data", "place"),
    [
        (None, "data: "),
        ({}, "workspaceOrError: "),
        ({"workspaceOrError": {"__typename": "Workspace", "locationEntries": [{"name": "a"}]}}, "workspaceOrError.*: "),
        ({"workspaceOrError": {"__typename": "Workspace", "locationEntries": None}}, "workspaceOrError.*: "),
    ],
)
def test_an_answer_of_another_shape_is_told_with_its_place(page, data, place):
    page.answer = {"data": data}
    with pytest.raises(EmbeddingsOrchError, match=f"answers in a shape that is not known.*: {place}"):
        RemoteJob.find(Webserver(page.url), "photos")


def test_the_events_of_a_run_are_read_by_their_kinds(page):
    entries = [
        {"label": "rows", "intRepr": "5"},
        {"label": "seconds", "floatValue": 0.5},
        {"label": "note", "text": ""},
        {"label": "held", "boolValue": False},
        {"label": "failures", "table": {"records": ['{"item": "a"}']}},
        {"label": "picture"},
    ]
    common = {"message": "", "stepKey": "photos__raw_media"}
    made = {"__typename": "MaterializationEvent", **common, "assetKey": {"path": ["photos", "raw_media"]}}
    events = [{"__typename": "EngineEvent", **common}, {**made, "metadataEntries": entries}]
    run = {"status": "STARTED", "startTime": 1.0, "endTime": None}
    data = {"runOrError": run, "logsForRun": {"cursor": "1", "hasMore": False, "events": events}}
    page.answer = {"data": data}
    answer = Webserver(page.url).ask(EVENTS, EventsAnswer, {"id": "x", "cursor": None})
    read = answer.logs_for_run.events[1]
    assert isinstance(read, MaterializationEvent)
    assert {entry.label: entry.value for entry in read.metadata_entries} == {
        "rows": 5,
        "seconds": 0.5,
        "note": "",
        "held": False,
        "failures": [{"item": "a"}],
        "picture": None,
    }
    del events[1]["assetKey"]
    with pytest.raises(EmbeddingsOrchError, match="assetKey"):
        Webserver(page.url).ask(EVENTS, EventsAnswer, {"id": "x", "cursor": None})


def test_why_a_webserver_cannot_be_reached_is_told_without_what_wraps_it(page):
    page.close()
    with pytest.raises(TransientError) as raised:
        Webserver(page.url).ask(JOBS, EventsAnswer, policy=ONCE)
    assert str(raised.value) == f"{page.url} cannot be reached: [Errno 111] Connection refused"
    told = reload_location(page.url, "here")
    assert told == f"here could not be reloaded: {page.url} cannot be reached: [Errno 111] Connection refused"


def test_a_reload_tells_what_went_wrong(page):
    page.answer = {"data": {"reloadRepositoryLocation": {"locationOrLoadError": {"message": "it is broken\nat once"}}}}
    assert reload_location(page.url, "here") == "here could not be reloaded: it is broken"
    page.answer = {"data": {"reloadRepositoryLocation": {"locationOrLoadError": {"__typename": "RepositoryLocation"}}}}
    assert reload_location(page.url, "here") == ""
    assert page.asked[-1][2]["variables"] == {"location": "here"}
    page.answer = {"data": {"reloadRepositoryLocation": {"message": "it is not there"}}}
    assert reload_location(page.url, "here") == "here could not be reloaded: it is not there"


@pytest.mark.parametrize(
    ("status", "answer", "reason"),
    [
        (200, {"data": {"reloadRepositoryLocation": None}}, "answers in a shape that is not known"),
        (200, {"data": None}, "answers in a shape that is not known"),
        (200, {"errors": []}, "answers in a shape that is not known"),
        (200, {"errors": [{"message": "no such field"}]}, "does not understand the question: no such field"),
        (200, [], "does not answer as a Dagster webserver does"),
        (503, {}, "answers 503"),
    ],
)
def test_a_reload_that_fails_is_told_and_not_tried_again(page, status, answer, reason):
    page.status, page.answer = status, answer
    told = reload_location(page.url, "here")
    assert told.startswith("here could not be reloaded: ")
    assert reason in told
    assert len(page.asked) == 1


@pytest.mark.parametrize("url", ["127.0.0.1:3000", "http://[::1", "http://host:port", "ftp://host"])
def test_a_url_that_is_none_is_told_without_its_password(url):
    told = reload_location(url.replace("//", "//me:secret@"), "here")
    assert told == "here could not be reloaded: the URL of a Dagster webserver is like http://127.0.0.1:3000"


def test_a_bundle_of_certificates_that_is_gone_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "gone.pem"))
    assert "https://127.0.0.1:1 cannot be asked: " in reload_location("https://127.0.0.1:1", "here")


def test_the_machines_certificates_are_loaded_once_and_each_question_has_a_new_connection(page, monkeypatch):
    contexts = []
    create = ssl.create_default_context
    monkeypatch.setattr(ssl, "create_default_context", lambda: contexts.append(create()) or contexts[-1])
    server = Webserver(page.url)
    page.answer = EMPTY
    for _ in range(3):
        server.ask(JOBS, JobsAnswer, policy=ONCE)
    assert len(contexts) == 1
    assert [headers["Connection"] for _, headers, _ in page.asked] == ["close"] * 3
