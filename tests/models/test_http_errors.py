"""What an HTTP answer means, and how long it asks to wait."""

import json
from email.utils import formatdate

import pytest

from embeddings_orch.errors import ItemError, RateLimitedError, TerminalError, TransientError
from embeddings_orch.models.http_errors import error_from_status, message_in, parse_duration, retry_after_in

NOW = 1_800_000_000.0


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, ItemError),
        (401, TerminalError),
        (402, TerminalError),
        (403, TerminalError),
        (404, TerminalError),
        (405, TerminalError),
        (408, TransientError),
        (409, TransientError),
        (413, ItemError),
        (422, ItemError),
        (425, TransientError),
        (429, RateLimitedError),
        (500, TransientError),
        (502, TransientError),
        (503, TransientError),
        (504, TransientError),
        (529, TransientError),
    ],
)
def test_the_class_of_each_status(status, kind):
    error = error_from_status(status, "the provider's words", {"retry-after": "7"})
    assert type(error) is kind
    assert str(error) == f"HTTP {status}: the provider's words"
    if isinstance(error, TransientError):
        assert error.retry_after == 7
    if isinstance(error, ItemError):
        assert error.certain is False


def test_what_the_body_asks_for_comes_before_the_headers():
    assert error_from_status(429, "busy", {"retry-after": "7"}, retry_after=34.0).retry_after == 34.0
    assert error_from_status(429, "busy", {"retry-after": "7"}, retry_after=0.0).retry_after == 0.0


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "7"}, 7.0),
        ({"retry-after": " 1.5 "}, 1.5),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": ""}, None),
        ({"Retry-After-Ms": "250", "retry-after": "7"}, 0.25),
        ({"retry-after-ms": "x", "retry-after": "7"}, 7.0),
        ({"retry-after": formatdate(NOW + 90, usegmt=True)}, 90.0),
        ({"retry-after": formatdate(NOW - 90, usegmt=True)}, 0.0),
        ({"retry-after": "Fri, 31 Dec 1999 25:61:61 GMT"}, None),
        ({"x-ratelimit-reset-requests": "6m0s"}, None),
        ({"x-ratelimit-remaining-requests": "3", "x-ratelimit-reset-requests": "6m0s"}, None),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "6m0s"}, 360.0),
        (
            {
                "x-ratelimit-remaining-requests": "0",
                "x-ratelimit-reset-requests": "120ms",
                "x-ratelimit-remaining-tokens": "0",
                "x-ratelimit-reset-tokens": "34s",
            },
            34.0,
        ),
        ({"retry-after": "1", "x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "34s"}, 1.0),
    ],
)
def test_retry_after(headers, seconds):
    assert retry_after_in(headers, lambda: NOW) == seconds


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("6m0s", 360.0),
        ("34s", 34.0),
        ("1.5s", 1.5),
        ("120ms", 0.12),
        ("1h2m3s", 3723.0),
        ("34", 34.0),
        ("0.5", 0.5),
        ("0s", 0.0),
        ("", None),
        ("soon", None),
        ("34 s", None),
        ("s34", None),
        ("-34s", None),
    ],
)
def test_durations(text, seconds):
    found = parse_duration(text)
    assert found == (None if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"error": {"message": "no such model", "code": "model_not_found"}}, "no such model"),
        ({"error": "no such model"}, "no such model"),
        ({"message": "Malformed input"}, "Malformed input"),
        ({"Message": "denied"}, "denied"),
        ({"detail": "Not Found"}, "Not Found"),
        ({"detail": [{"loc": ["body"], "msg": "too long"}, {"msg": "too many"}]}, "too long; too many"),
        ([{"error": {"code": 400, "message": "API key not valid"}}], "API key not valid"),
        ({"error": {}, "message": "second best"}, "second best"),
        ({"error": None}, '{"error": null}'),
    ],
)
def test_the_words_of_a_json_body(body, words):
    assert message_in(json.dumps(body)) == words
    assert message_in(json.dumps(body).encode()) == words


def test_the_words_of_other_bodies():
    page = b"<!DOCTYPE html>\n<html><title>\n 502 Bad\n Gateway</title>nginx</html>"
    assert message_in(page) == "an HTML page, not the provider's answer: 502 Bad Gateway"
    assert message_in("<html></html>") == "an HTML page, not the provider's answer: no title"
    assert message_in("upstream\n  connect error") == "upstream connect error"
    assert message_in("") == "no message"
    assert message_in(b"\xff\xfe") != ""
    assert len(message_in("word " * 1000)) == 500
