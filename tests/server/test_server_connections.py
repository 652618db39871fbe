"""Connections: nobody can take them all, and who comes too many is told when to come again."""

import asyncio
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

import httpx
import pytest
from fastapi import FastAPI

from embeddings_orch.server import connections as connections_module
from embeddings_orch.server import protocol
from embeddings_orch.server.connections import Connections, peer_of
from embeddings_orch.server.gate.safety import SPARE
from embeddings_orch.server.running import bind, in_thread
from embeddings_orch.server.settings import ServeSettings

HEALTH = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
SEARCH = b"POST /v1/search HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 14\r\n\r\n"
REFUSED = b"POST /v1/search HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/csv\r\nContent-Length: 1000000\r\n\r\n"


class Client:
    def __init__(self, peer="192.0.2.1", silent_since=None):
        self.peer, self.silent_since, self.closed = peer, silent_since, False

    def close(self):
        self.closed = True


def in_loop(call):
    async def run():
        return call(asyncio.get_running_loop().time())

    return asyncio.run(run())


def test_a_new_connection_takes_the_place_of_the_one_that_was_silent_longest():
    def check(now):
        limit = Connections(most=10, of_peer=3)
        busy, older, old = Client(), Client(silent_since=now - 60), Client(silent_since=now - 30)
        assert all(map(limit.add, (busy, old, older)))
        newest = Client(silent_since=now)
        assert limit.add(newest)
        assert [one.closed for one in (busy, old, older, newest)] == [False, False, True, False]
        assert limit.add(Client())
        assert old.closed
        # Of those that are left none has been silent for long.
        assert not limit.add(Client())
        assert limit.add(Client("192.0.2.2"))

    in_loop(check)


def test_where_all_are_too_many_the_peer_with_most_of_them_loses_one():
    def check(now):
        limit = Connections(most=4, of_peer=3)
        few, many = Client("a", now - 90), [Client("b", now - 10) for _ in range(3)]
        assert all(map(limit.add, [few, *many]))
        assert limit.add(Client("c"))
        assert not few.closed
        assert sum(one.closed for one in many) == 1

    in_loop(check)


def test_spare_connections_have_a_limit_too(monkeypatch):
    monkeypatch.setattr(connections_module, "SPARE_CONNECTIONS", 2)

    def check(_):
        limit = Connections(most=1, of_peer=1)
        assert limit.add(Client())
        spares = [Client("b") for _ in range(3)]
        assert not any(map(limit.add, spares))
        assert [one.closed for one in spares] == [True, False, False]

    in_loop(check)


def test_a_closed_connection_counts_no_longer():
    def check(_):
        limit = Connections(most=2, of_peer=1)
        gone = Client()
        assert limit.add(gone)
        limit.remove(gone)
        limit.remove(gone)
        assert limit.add(Client())

    in_loop(check)


@pytest.mark.parametrize(
    ("address", "peer"),
    [
        (("192.0.2.7", 1), "192.0.2.7"),
        (("::ffff:192.0.2.7", 1), "192.0.2.7"),
        (("2001:db8:0:1::5", 1), "2001:db8:0:1::/64"),
        (("fe80::1%eth0", 1), "fe80::/64"),
        (("a socket", 1), "a socket"),
        (None, ""),
    ],
)
def test_a_peer_is_an_address_or_a_network_of_ipv6(address, peer):
    assert peer_of(address) == peer


@contextmanager
def open_sockets(server, count, sent=b""):
    host, port = server.url.removeprefix("http://").split(":")
    with ExitStack() as stack:
        opened = [stack.enter_context(socket.create_connection((host, int(port)), timeout=30)) for _ in range(count)]
        for connection in opened:
            connection.sendall(sent)
        yield opened


@pytest.mark.parametrize("sent", [b"", b"GET /health HTTP/1.1\r\nHost: loc"])
def test_silent_connections_lock_nobody_out(words, served, monkeypatch, sent):
    monkeypatch.setattr(connections_module, "PATIENCE", 0.2)
    server = served(words, connections=20, peer_connections=10)
    with open_sockets(server, 60, sent):
        for _ in range(20):
            for path in ("/health", "/metrics"):
                assert httpx.get(server.url + path, verify=False, trust_env=False, timeout=30).status_code == 200
        # A search is one too many until those that say nothing have done so for a while.
        deadline = time.monotonic() + 30
        while (
            answer := httpx.post(f"{server.url}/v1/search", json={"text": "red"}, verify=False, trust_env=False)
        ).status_code != 200:
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
            assert "connections" in answer.json()["error"]["message"]
            assert time.monotonic() < deadline


def test_of_many_clients_those_within_the_limit_are_served_and_the_others_told_to_come_again(make_gallery, served):
    gallery = make_gallery()
    gallery.run()
    server = served(gallery, connections=30, peer_connections=30)
    together = threading.Barrier(100)

    def ask(number):
        with httpx.Client(verify=False, trust_env=False, timeout=60) as http:
            together.wait(60)
            answer = http.post(f"{server.url}/v1/search", json={"text": f"red {number}"})
            return answer.status_code, answer.headers.get("retry-after")

    gallery.model(delay=0.5)
    with ThreadPoolExecutor(100) as threads:
        answers = list(threads.map(ask, range(100)))
    assert set(answers) <= {(200, None), (503, "1")}
    assert answers.count((200, None)) >= 30
    assert server.http.get("/health").status_code == 200


def test_the_look_at_the_stores_is_shared_and_refused_to_none(words, served):
    server = served(words)
    together = threading.Barrier(60)

    def ask(_):
        with httpx.Client(verify=False, trust_env=False, timeout=60) as http:
            together.wait(60)
            return http.get(f"{server.url}/health").status_code

    with ThreadPoolExecutor(60) as threads:
        assert set(threads.map(ask, range(60))) == {200}


@contextmanager
def unread(size, buffered=None, **limits):
    """An answer of so many bytes whose client reads nothing, and what connects another client.

    Args:
        buffered: bytes that the system holds for each side, about.
    """

    async def send_much(scope, _, send):
        body = b"spare" if scope["state"].get(SPARE) else bytes(size)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})

    settings = ServeSettings(port=0, **limits)
    app = FastAPI()
    app.state.settings = settings
    app.mount("/much", send_much)
    listening = bind(settings)
    if buffered is not None:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffered)
    with in_thread(app, listening) as url, ExitStack() as stack:
        host, port = url.removeprefix("http://").split(":")

        def connect():
            client = stack.enter_context(socket.socket())
            client.settimeout(30)
            if buffered is not None:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffered)
            client.connect((host, int(port)))
            client.sendall(b"GET /much/ HTTP/1.1\r\nHost: localhost\r\n\r\n")
            return client

        first = connect()
        assert first.recv(12) == b"HTTP/1.1 200"
        yield first, connect


def write_until_closed(client):
    """Write until the server has thrown a connection away, whatever could still be read of it."""

    def write():
        while client.send(b"x"):
            time.sleep(0.02)

    with pytest.raises(ConnectionError):
        write()


@pytest.mark.parametrize(("size", "buffered"), [(50_000_000, None), (60_000, 4_096)])
def test_an_answer_that_nobody_reads_is_given_up(monkeypatch, size, buffered):
    monkeypatch.setattr(protocol, "READING_SECONDS", 0.2)
    with unread(size, buffered) as (client, _):
        write_until_closed(client)


def test_what_waits_to_be_read_keeps_its_place(monkeypatch):
    # It stays in memory, so that one more must not come in for it.
    monkeypatch.setattr(connections_module, "PATIENCE", 0.0)
    with unread(50_000_000, connections=1, peer_connections=1) as (_, connect):
        second = connect()
        answer = second.recv(65_536)
        while b"spare" not in answer and len(answer) < 1_000 and (part := second.recv(65_536)):
            answer += part
        assert b"spare" in answer


def test_who_never_ends_a_body_that_nobody_waits_for_keeps_no_connection(words, served, monkeypatch):
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.2)
    with open_sockets(served(words), 1, REFUSED) as (client,):
        assert client.recv(65_536).startswith(b"HTTP/1.1 415")
        client.sendall(b"x")
        while client.recv(65_536):
            pass


def test_who_never_ends_a_body_that_nobody_waits_for_makes_room(words, served, monkeypatch):
    monkeypatch.setattr(connections_module, "PATIENCE", 0.0)
    server = served(words, connections=1, peer_connections=1)
    with open_sockets(server, 1, REFUSED) as (client,):
        assert client.recv(65_536).startswith(b"HTTP/1.1 415")
        client.sendall(b"x")
        assert httpx.get(f"{server.url}/v1/indexes", verify=False, trust_env=False).status_code == 200


def test_a_spare_connection_is_closed_behind_its_answer(words, served):
    server = served(words, connections=1, peer_connections=1)
    with open_sockets(server, 1, SEARCH), open_sockets(server, 1, HEALTH) as (spare,):
        answer = b""
        while part := spare.recv(65_536):
            answer += part
        assert answer.startswith(b"HTTP/1.1 200")


FEW_FILES = """
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (120, 120))
from fastapi import FastAPI
from embeddings_orch.server.running import address, bind, run
from embeddings_orch.server.settings import ServeSettings
app = FastAPI()
app.state.settings = ServeSettings(port=0)
app.get("/health")(lambda: open("/dev/null").close())
listening = bind(app.state.settings)
print(address(listening), flush=True)
run(app, listening)
"""


@pytest.mark.process
@pytest.mark.skipif(sys.platform == "win32", reason="has no such limit")
def test_where_few_files_may_be_open_silent_connections_lock_nobody_out_either():
    command = [sys.executable, "-c", FEW_FILES]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process, ExitStack() as stack:
        try:
            url = process.stdout.readline().strip()
            host, port = url.removeprefix("http://").split(":")
            for _ in range(150):
                stack.enter_context(socket.create_connection((host, int(port)), timeout=30))
            assert httpx.get(f"{url}/health", verify=False, trust_env=False, timeout=30).status_code == 200
        finally:
            process.kill()
