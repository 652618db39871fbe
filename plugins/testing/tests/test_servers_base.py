"""The loopback kit: every fault over real HTTP, a rate limit, and what was under way."""

from __future__ import annotations

import http.client
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from embeddings_orch_testing.servers import Answer, Bucket, Fault, LoopbackServer, RefusedError, tokens_of, vector_of


class Echo(LoopbackServer):
    def answer(self, request):
        if self.rejects(request.raw):
            raise RefusedError(400, "not this one", headers={"x-why": "reject"})
        return Answer(body={"path": request.path, "query": dict(request.query), "body": request.body})

    def refusal(self, error):
        return {"error": error.message}


@pytest.fixture
def server():
    with Echo() as server:
        yield server


def ask(server, body=None, path="/embed?model=a", timeout=5):
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=timeout)
    try:
        connection.request("POST", path, json.dumps(body), {"X-Name": "Value"})
        answer = connection.getresponse()
        return answer.status, answer.read(), {name.lower(): value for name, value in answer.getheaders()}
    finally:
        connection.close()


def test_a_request_is_recorded_and_answered(server):
    status, body, headers = ask(server, ["a"])
    assert (status, json.loads(body)) == (200, {"path": "/embed", "query": {"model": "a"}, "body": ["a"]})
    assert headers["content-type"] == "application/json"
    (request,) = server.requests
    assert (request.method, request.path, request.body) == ("POST", "/embed", ["a"])
    assert request.headers["x-name"] == "Value"


def test_what_is_refused_is_told_as_the_provider_does(server):
    server.reject = "poison"
    status, body, headers = ask(server, "a poisoned text")
    assert (status, json.loads(body), headers["x-why"]) == (400, {"error": "not this one"}, "reject")
    assert [error.message for error in server.refused] == ["not this one"]
    assert ask(server, "a good text")[0] == 200


def test_faults_come_in_order_and_then_by_rule(server):
    server.faults.script(Fault.status_code(503), None, Fault.status_code(418, {"error": "teapot"}, {"x-a": "b"}))
    server.faults.when(lambda request: Fault.page() if request.body == "page" else None)
    assert json.loads(ask(server)[1]) == {"error": "scripted fault 503"}
    assert ask(server)[0] == 200
    status, body, headers = ask(server)
    assert (status, json.loads(body), headers["x-a"]) == (418, {"error": "teapot"}, "b")
    status, body, headers = ask(server, "page")
    assert (status, headers["content-type"]) == (200, "text/html")
    assert b"502 Bad Gateway" in body
    assert ask(server)[0] == 200
    server.faults.always(Fault.status_code(500))
    assert [ask(server)[0] for _ in range(3)] == [500, 500, 500]
    server.faults.clear()
    assert ask(server)[0] == 200


def test_connections_break_where_they_should(server):
    server.faults.script(Fault.reset(), Fault.reset_in_body(), Fault.truncate())
    with pytest.raises(ConnectionResetError):
        ask(server)
    with pytest.raises((ConnectionResetError, http.client.IncompleteRead)):
        ask(server)
    status, body, _ = ask(server)
    assert status == 200
    with pytest.raises(ValueError):
        json.loads(body)


def test_a_hang_is_longer_than_a_timeout_and_slow_bytes_are_not(server):
    server.faults.script(Fault.hang(1.0), Fault.slow(0.4))
    with pytest.raises(TimeoutError):
        ask(server, timeout=0.2)
    started = time.monotonic()
    assert json.loads(ask(server, timeout=0.2)[1])["path"] == "/embed"
    assert time.monotonic() - started > 0.25


def test_a_changed_answer_is_the_right_one_but_for_the_change(server):
    server.faults.script(Fault.change_answer(lambda body: {**body, "path": "elsewhere"}))
    assert json.loads(ask(server, 7)[1]) == {"path": "elsewhere", "query": {"model": "a"}, "body": 7}


def test_faults_by_chance_have_their_share(server):
    server.faults.by_chance(0.2, Fault.status_code(500), Fault.status_code(503))
    found = [server.faults.next(None) for _ in range(1000)]
    assert 150 <= sum(fault is not None for fault in found) <= 250
    assert {fault.status for fault in found if fault} == {500, 503}


def test_a_bucket_gives_its_burst_and_then_its_rate():
    now = [0.0]
    bucket = Bucket(60, 3, lambda: now[0])
    assert [bucket.take() for _ in range(4)] == [0, 0, 0, pytest.approx(1.0)]
    now[0] += 1.0
    assert [bucket.take(), bucket.take()] == [0, pytest.approx(1.0)]


def test_a_servers_own_rate_limit_says_how_long_to_wait():
    with Echo(bucket=Bucket(60, 1)) as server:
        assert ask(server)[0] == 200
        status, _, headers = ask(server)
    assert status == 429
    assert 0.5 < float(headers["retry-after"]) <= 1.0


def test_what_is_under_way_at_once_is_counted(server):
    server.latency = 0.1
    together = threading.Barrier(5)

    def one(_):
        together.wait()
        return ask(server)[0]

    with ThreadPoolExecutor(5) as pool:
        assert list(pool.map(one, range(5))) == [200] * 5
    assert server.most_under_way == 5
    server.clear()
    assert (server.most_under_way, server.requests) == (0, [])


def test_vectors_follow_from_the_content_alone_for_ever():
    vector = vector_of("model/query", "a dog", 4)
    np.testing.assert_allclose(vector, GOLDEN, rtol=1e-5)
    assert vector.dtype == np.float32
    np.testing.assert_array_equal(vector, vector_of("model/query", b"a dog", 4))
    assert np.linalg.norm(vector) == pytest.approx(1)
    for other in (vector_of("model/query", "a cat", 4), vector_of("model/passage", "a dog", 4)):
        assert np.linalg.norm(vector - other) > 0.1
    assert [tokens_of(text) for text in ("", "a", "abcd", "abcde")] == [0, 1, 1, 2]


GOLDEN = [0.191832, -0.209233, -0.340383, -0.896416]
