"""Whatever form a server or a library writes a secret down in, `redact` finds it; ordinary text stays."""

import base64
import html
import json
import logging
import pickle
import random
import traceback
from urllib.parse import quote, quote_plus

import pytest

from embeddings_orch.dagster.runs.webserver import Webserver
from embeddings_orch.errors import TerminalError
from embeddings_orch.models.content import Failure
from embeddings_orch.models.remote import RemoteConfig
from embeddings_orch.policy import secrets
from embeddings_orch.policy.secrets import read_secret, redact, redact_remembered, remember, without_secrets

KEY = 'sk-proj-Zq7"Xw2/Lk9Vb4+Nm1~Ty6&Rd8Hs3'
DATA = KEY.encode()


@pytest.fixture(autouse=True)
def _forgotten(monkeypatch):
    monkeypatch.setattr(secrets, "_remembered", {})
    remember(KEY)


@pytest.mark.parametrize(
    "form",
    [
        KEY,
        json.dumps(KEY)[1:-1],
        json.dumps(KEY)[1:-1].replace("/", "\\/"),
        html.escape(KEY),
        quote(KEY),
        quote(KEY, safe=""),
        quote_plus(KEY),
        quote(KEY, safe="").replace("%2B", "%2b").replace("%2F", "%2f"),
        *(base64.b64encode(b"u" * length + b":" + DATA + b":after").decode() for length in range(4)),
        base64.urlsafe_b64encode(DATA).decode(),
        base64.encodebytes(b"a-user:" + DATA * 3).decode().strip(),
        DATA.hex(),
        DATA.hex().upper(),
        f"{KEY[:12]}\n   {KEY[12:]}",
        f"{KEY[:12]}\\n{KEY[12:]}",
        KEY[:12],
        KEY[-12:],
        f"{KEY[:11]}…{KEY[-4:]}",
        f"{KEY[:11]}...{KEY[-4:]}",
        f"{KEY[:3]}***{KEY[-4:]}",
        f"{KEY[:3]}*******",
        f"****{KEY[-4:]}",
        f"{KEY[:4]}[...]{KEY[-4:]}",
        f"{KEY[:3]}xxxxxxxx{KEY[-2:]}",
    ],
)
def test_a_form_of_a_secret_is_taken_out_and_what_is_beside_it_stays(form):
    if form == f"{KEY[:3]}*******":  # what every key of the provider begins with says nothing
        assert redact(f"a key {form} is wrong") == f"a key {form} is wrong"
    else:
        assert redact(f"a key, {form}, is wrong") == "a key, [secret], is wrong"


@pytest.mark.parametrize(
    "text",
    [
        "sk-proj- is how such keys begin",
        "three ... dots *** and stars, and wait…",
        "a folder proj-2024, a task of 8 items; 3*3 and 1...3",
        "abfss://container@account.dfs.core.windows.net/media and s3://bucket/a@b.jpg",
        "git@github.com:a/b.git, ssh://git@host/a and mail to someone@example.com",
        "http://localhost:8080/v1?limit=3&page=key#key=value, key=value, and what a token is",
        "C:\\new\\names\\readme",
    ],
)
def test_ordinary_text_stays(text):
    assert redact(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://me:pa55@host:8080/v1 failed", "https://[secret]@host:8080/v1 failed"),
        ("postgresql://me:p%40@host/db", "postgresql://[secret]@host/db"),
        ("https://a-token@github.com/a", "https://[secret]@github.com/a"),
        ("https://me:p@ss@host/", "https://[secret]@host/"),
        ("('https://me:pa55@host/', 3)", "('https://[secret]@host/', 3)"),
        ("GET /v1?api_key=abc&limit=3", "GET /v1?api_key=[secret]&limit=3"),
        ("/a.jpg?sv=1&sig=a%2Fb%3D", "/a.jpg?sv=1&sig=[secret]"),
        ("?X-Amz-Credential=AK%2Fx&X-Amz-Signature=0f1e", "?X-Amz-Credential=[secret]&X-Amz-Signature=[secret]"),
        ("?a=b&amp;token=xyz", "?a=b&amp;token=[secret]"),
    ],
)
def test_passwords_and_keys_within_addresses_are_taken_out_though_nobody_remembers_them(text, shown):
    assert redact(text) == shown
    assert redact_remembered(text) == text  # a person's own data


def test_a_secret_that_is_a_plain_word_is_no_part_of_others():
    remember("gallery")
    assert redact("the key gallery of a gallery-page, galleries, gallery_2") == (
        "the key [secret] of a [secret]-page, galleries, gallery_2"
    )


def test_a_secret_that_is_too_short_to_be_told_from_words_is_told_of_by_its_variable(monkeypatch, caplog):
    monkeypatch.setenv("A_SHORT_KEY", "test")
    for _ in range(2):
        assert read_secret("A_SHORT_KEY", "the key of the test") == "test"
    assert redact("a test of tests") == "a test of tests"
    assert [record.getMessage() for record in caplog.records] == [
        "the key of the test (A_SHORT_KEY) has fewer than 6 characters: messages that repeat it would show it"
    ]


@pytest.mark.parametrize("seed", range(20))
def test_no_part_of_ten_characters_of_a_random_key_is_left_at_its_ends(seed):
    draw = random.Random(seed)
    key = "".join(draw.choices("ABCDEFabcdef0123456789-_/+", k=draw.randint(16, 64)))
    remember(key)
    words = ["wrong key", key, "or", f"{key[:12]}...", f"...{key[-12:]}", base64.b64encode(key.encode()).decode()]
    draw.shuffle(words)
    text = redact(" ".join(words))
    assert key[:10] not in text
    assert key[-10:] not in text
    assert "wrong key" in text
    assert "or" in text


def test_the_token_and_the_password_of_a_dagster_webserver_are_hidden_too(monkeypatch):
    monkeypatch.setenv("DAGSTER_CLOUD_API_TOKEN", "user:0a1b2c3d4e5f")
    Webserver("http://me:pass%2Fword9@127.0.0.1:3000")
    assert redact("user:0a1b2c3d4e5f, pass/word9 and pass%2Fword9") == "[secret], [secret] and [secret]"


# Where text leaves


def test_no_log_record_has_a_secret_whoever_writes_it(caplog):
    log = logging.getLogger("an_sdk")
    with caplog.at_level(logging.DEBUG, "an_sdk"):
        log.debug("headers: %s", {"x-api-key": KEY})
        log.info("nothing of it %d", 3)
        try:
            raise ValueError(f"refused: {KEY}")
        except ValueError:
            log.exception("no luck")
    assert KEY not in caplog.text
    assert KEY not in pickle.dumps([vars(record) for record in caplog.records], protocol=0).decode()
    assert "headers: {'x-api-key': '[secret]'}" in caplog.text
    assert "nothing of it 3" in caplog.text
    assert "ValueError: refused: [secret]" in caplog.text


def test_a_failure_has_no_secret_in_its_reason():
    assert Failure(b"k", "a.txt", f"HTTP 401: {KEY}").reason == "HTTP 401: [secret]"


def test_an_error_that_leaves_a_step_has_none_in_text_causes_or_pickle():
    error = TerminalError(f"refused: {KEY}")
    error.__cause__ = ValueError({"authorization": KEY})
    safe = without_secrets(error, "a step failed")
    shown = "".join(traceback.format_exception(safe)) + repr(safe)
    assert "refused: [secret]" in shown
    assert KEY not in shown
    assert DATA not in pickle.dumps(safe)


class WebConfig(RemoteConfig):
    provider = "web"

    base_url: str = "http://localhost"


@pytest.mark.parametrize(
    "address", ["https://me:pa55word@host", "https://tok3n@host/v1", "http://host/v1?api_key=a1b2"]
)
def test_an_address_with_a_secret_is_refused_in_a_declaration_without_showing_it(address):
    with pytest.raises(ValueError, match="'base_url' has an address with a password or a key") as caught:
        WebConfig(base_url=address)
    assert not any(part in f"{caught.value!r}" for part in ("pa55word", "tok3n", "a1b2"))
