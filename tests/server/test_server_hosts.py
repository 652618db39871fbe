"""Whom a request calls: a name is read by its grammar, and what only resembles one is refused."""

import pytest

from embeddings_orch.server.gate.hosts import host_of


@pytest.fixture(scope="module")
def http(words, shared_served):
    return shared_served(words).http


@pytest.mark.parametrize(
    ("header", "host"),
    [
        ("localhost", "localhost"),
        ("LocalHost.:80", "localhost"),
        ("a-b_c.example:", "a-b_c.example"),
        ("127.0.0.1:8080", "127.0.0.1"),
        ("[::1]", "::1"),
        ("[0:0:0:0:0:0:0:1]:8080", "::1"),
        ("[::ffff:127.0.0.1]", "::ffff:127.0.0.1"),
        ("127.1", "127.1"),
    ],
)
def test_a_host_is_read_by_its_grammar(header, host):
    read = host_of(header)
    assert read == host or (":" in host and read == "::ffff:7f00:1")


HOSTILE = [
    "[::1]evil.example",
    "[::1]:80:evil.example",
    "[::1].evil.example",
    "[::1",
    "::1",
    "::1]",
    "[]",
    "[127.0.0.1]",
    "[localhost]",
    "[::1%25eth0]",
    "[v1.x]",
    "localhost:80evil",
    "localhost:80:80",
    "localhost:999999",
    "localhost,evil.example",
    "localhost evil.example",
    "localhost/evil.example",
    "localhost\\evil.example",
    "localhost@evil.example",
    "evil.example@localhost",
    "evil.example#localhost",
    "evil.example?localhost",
    "http://localhost",
    "localhost%00",
    "localhost\tevil",
    "localhost..",
    ".localhost",
    "localhost:\u0661",
    "\u212aocalhost",
    "localhost;",
    "*",
    ":80",
    "",
]


@pytest.mark.parametrize("header", HOSTILE)
def test_what_only_resembles_a_host_is_none(header):
    assert host_of(header) is None


@pytest.mark.parametrize("header", [header for header in HOSTILE if header.isascii() and "\t" not in header])
def test_a_request_to_what_is_no_host_is_refused(http, header):
    answer = http.get("/v1/indexes", headers={"Host": header})
    assert answer.status_code in (400, 403)
    assert "indexes" not in answer.text
