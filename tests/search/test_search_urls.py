"""Pictures by URL: fetched from a real server, within limits, and from no address that is not permitted."""

import ipaddress
import socket
import ssl
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from embeddings_orch.errors import EmbeddingsOrchError
from embeddings_orch.search.pictures import picture_bytes
from embeddings_orch.search.urls import fetch, is_public

BODY = b"\x89PNG" + bytes(range(256)) * 8


def here(address):
    """The address of the test's server, and no other."""
    return str(address) == "127.0.0.1"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.server.asked.append((self.path, self.headers["Host"]))
        kind, _, rest = self.path[1:].partition("/")
        if kind == "to":
            self.send_response(302)
            self.send_header("Location", self.server.targets[rest])
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif kind == "status":
            self.send_error(int(rest))
        elif kind == "drip":
            self.send_response(200)
            self.end_headers()
            self.close_connection = True
            for _ in range(1200):  # a minute
                self.wfile.write(b"x")
                time.sleep(0.05)
        elif kind == "silent":
            time.sleep(3)
        elif kind == "endless":
            self.send_response(200)
            self.end_headers()
            self.close_connection = True
            while True:
                self.wfile.write(b"x" * 65536)
        elif kind == "short":
            self.send_response(200)
            self.send_header("Content-Length", str(len(BODY) + 5))
            self.end_headers()
            self.wfile.write(BODY)
            self.close_connection = True
        else:
            self.send_response(200)
            self.send_header("Content-Length", str(len(BODY)))
            self.end_headers()
            self.wfile.write(BODY)


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        pass  # a client that hung up is what some tests do


def serving(context=None):
    server = Server(("127.0.0.1", 0), Handler)
    server.asked, server.targets = [], {}
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    return server


@pytest.fixture
def server():
    made = serving()
    yield made
    made.shutdown()
    made.server_close()


def url(server, path=""):
    return f"http://127.0.0.1:{server.server_port}/{path}"


def test_a_picture_is_fetched_whole(server):
    assert fetch(url(server, "a%20dog.png?size=3&name=é"), permitted=here) == BODY
    assert server.asked == [("/a%20dog.png?size=3&name=%C3%A9", f"127.0.0.1:{server.server_port}")]


def test_a_redirect_is_followed_relative_or_not(server):
    server.targets = {"a": "/to/b", "b": url(server, "picture")}
    assert fetch(url(server, "to/a"), permitted=here) == BODY
    assert [path for path, _ in server.asked] == ["/to/a", "/to/b", "/picture"]


@pytest.mark.parametrize(
    "target",
    [
        *("http://127.0.0.2:{port}/", "http://[::1]:{port}/", "http://[::ffff:127.0.0.2]:{port}/"),
        *("http://0.0.0.0:{port}/", "http://2130706434:{port}/", "http://169.254.169.254/latest/meta-data"),
        *("http://10.0.0.1/", "//192.168.0.1/x", "http://0x7f.2/"),
    ],
)
def test_a_redirect_to_an_address_that_is_not_permitted_is_refused(server, target):
    server.targets = {"it": target.format(port=server.server_port)}
    with pytest.raises(EmbeddingsOrchError, match=r"not on a public address|is not known"):
        fetch(url(server, "to/it"), permitted=here)
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    "target", ["file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://127.0.0.1/", "data:image/png,x"]
)
def test_a_redirect_to_another_protocol_is_refused(server, target):
    server.targets = {"it": target}
    with pytest.raises(EmbeddingsOrchError, match="begins with http:// or https://"):
        fetch(url(server, "to/it"), permitted=here)


def test_redirects_end(server):
    server.targets = {"round": "/to/round"}
    with pytest.raises(EmbeddingsOrchError, match="redirected more than 3 times"):
        fetch(url(server, "to/round"), permitted=here)


def test_by_default_this_machine_is_not_reached(server):
    for host in ("127.0.0.1", "localhost", "[::1]"):
        with pytest.raises(EmbeddingsOrchError, match=r"not on a public address|is not known"):
            fetch(f"http://{host}:{server.server_port}/")
    assert server.asked == []


@pytest.mark.parametrize(
    ("path", "options", "message"),
    [
        ("picture", {"max_bytes": 100}, "has 2,052 bytes; the limit is 100"),
        ("endless", {"max_bytes": 100_000}, "has more than 100,000 bytes"),
        ("drip", {"seconds": 0.4}, "took more than 0.4 s"),
        ("silent", {"seconds": 0.3}, "took more than 0.3 s"),
        ("status/404", {}, "/status/404 answered 404 Not Found"),
        ("short", {}, "cannot be read: IncompleteRead"),
    ],
)
def test_what_is_too_large_too_slow_or_not_there_is_said(server, path, options, message):
    started = time.monotonic()
    with pytest.raises(EmbeddingsOrchError, match=message):
        fetch(url(server, path), permitted=here, **options)
    assert time.monotonic() - started < 30


def test_a_server_that_is_gone_is_said():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(EmbeddingsOrchError, match="cannot be read: .*refused"):
        fetch(f"http://127.0.0.1:{port}/x", permitted=here)
    with pytest.raises(EmbeddingsOrchError, match="the host nothing.invalid is not known"):
        fetch("http://nothing.invalid/x.png")


@pytest.mark.parametrize("wrong", ["http://", "http:///x", "http://a:b/", "ftp://a/b", "http://[1/"])
def test_what_is_no_url_is_said(wrong):
    with pytest.raises(EmbeddingsOrchError, match="URL"):
        fetch(wrong)


def test_a_password_is_neither_sent_nor_shown():
    with pytest.raises(EmbeddingsOrchError, match="has a user name") as refused:
        fetch("http://me:hunter2@example.com/x.png")
    assert "hunter2" not in str(refused.value)


@pytest.mark.process
def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path):
    made = subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
        + ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", tmp_path / "key", "-out", tmp_path / "cert"],
        capture_output=True,
        check=False,
    )
    if made.returncode:
        pytest.skip("there is no openssl to make a certificate with")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert", tmp_path / "key")
    server = serving(context)
    try:
        with pytest.raises(EmbeddingsOrchError, match=r"certificate verify failed"):
            fetch(f"https://127.0.0.1:{server.server_port}/x", permitted=here)
        assert server.asked == []
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1::1", True),
        ("::ffff:93.184.216.34", True),
        ("64:ff9b::5db8:d822", True),
        *((one, False) for one in ("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254")),
        *((one, False) for one in ("0.0.0.0", "100.64.0.1", "224.0.0.1", "255.255.255.255", "198.18.0.1")),
        *((one, False) for one in ("::", "::1", "fe80::1", "fc00::1", "fd00:ec2::254", "ff02::1")),
        *((one, False) for one in ("fec0::1", "::127.0.0.1", "::ffff:0:127.0.0.1", "64:ff9b:1::a00:1")),
        *((one, False) for one in ("::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::")),
    ],
)
def test_which_addresses_are_public(address, public):
    assert is_public(ipaddress.ip_address(address)) is public


def test_urls_are_off_unless_allowed(server):
    with pytest.raises(EmbeddingsOrchError, match="URLs are off; allow them with allow_urls=True"):
        picture_bytes(url(server, "picture"))
    with pytest.raises(EmbeddingsOrchError, match="not on a public address"):
        picture_bytes(url(server, "picture"), allow_urls=True)
    assert server.asked == []
