"""Where credentials come from, that they last, and that nobody sees them."""

from __future__ import annotations

import logging
import re
import time
import traceback
from pathlib import Path
from typing import Any

import pytest

from embeddings_orch.embedding.runners import Content
from embeddings_orch.embedding.runners.local import LocalRunner
from embeddings_orch.embedding.step import EmbedStep
from embeddings_orch.errors import TerminalError
from embeddings_orch.models.base import Batch
from embeddings_orch.models.content import Item
from embeddings_orch_plugins.aws import BedrockConfig, BedrockEmbedder
from embeddings_orch_testing.servers import Fault
from embeddings_orch_testing.servers.bedrock import bedrock_fault

from .conftest import KEY, SECRET

ROLE = "arn:aws:iam::123456789012:role/embedder"
TITAN = "amazon.titan-embed-text-v2:0"


def embed_one(**settings: Any) -> None:
    embedder = BedrockEmbedder(BedrockConfig(name=TITAN, **settings))
    try:
        embedder.embed(Batch("text", ["a"]))
    except Exception as error:
        raise embedder.classify(error) from error
    finally:
        embedder.close()


def signer(request: Any) -> str:
    return re.search(r"Credential=([^/]+)/", request.headers["authorization"])[1]


@pytest.fixture
def profiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "credentials"
    file.write_text(
        f"[default]\naws_access_key_id = AKIDDEFAULT\naws_secret_access_key = other\n"
        f"[analytics]\naws_access_key_id = {KEY}\naws_secret_access_key = {SECRET}\n"
    )
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    return file


@pytest.mark.usefixtures("profiles")
def test_a_profile_of_the_credentials_file(server: Any) -> None:
    embed_one(endpoint_url=server.url, profile_name="analytics")
    assert [signer(request) for request in server.requests] == [KEY]
    with pytest.raises(TerminalError, match="UnrecognizedClientException"):
        embed_one(endpoint_url=server.url)


@pytest.mark.usefixtures("profiles")
def test_a_profile_that_is_not_there_is_said_to_be_missing(server: Any) -> None:
    with pytest.raises(TerminalError, match=r"\(nobody\) could not be found: write it into ~/.aws/config"):
        embed_one(endpoint_url=server.url, profile_name="nobody")
    assert not server.requests


@pytest.mark.usefixtures("profiles")
def test_a_profile_comes_before_keys_of_the_environment(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDOTHER")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "other")
    embed_one(endpoint_url=server.url, profile_name="analytics")
    assert signer(server.requests[0]) == KEY


def test_no_credentials_are_said_to_be_missing_and_nothing_is_sent(server: Any) -> None:
    with pytest.raises(TerminalError, match="no AWS credentials: set AWS_ACCESS_KEY_ID"):
        embed_one(endpoint_url=server.url)
    with pytest.raises(TerminalError, match="no AWS credentials"):
        BedrockEmbedder(BedrockConfig()).account()
    assert not server.requests


@pytest.mark.usefixtures("keys")
def test_temporary_credentials_are_sent_with_their_token(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    server.token = "session-token-0123456789"
    with pytest.raises(TerminalError, match="UnrecognizedClientException"):
        embed_one(endpoint_url=server.url)
    monkeypatch.setenv("AWS_SESSION_TOKEN", server.token)
    embed_one(endpoint_url=server.url)
    assert server.requests[-1].headers["x-amz-security-token"] == server.token


def test_a_bedrock_api_key_is_taken_unless_a_profile_or_role_is_named(
    server: Any, profiles: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", KEY)
    # botocore takes it, and sends it over TLS only.
    with pytest.raises(TerminalError, match="Bearer authorization requires an HTTPS endpoint"):
        embed_one(endpoint_url=server.url)
    assert not server.requests
    embed_one(endpoint_url=server.url, profile_name="analytics")
    embed_one(endpoint_url=server.url, profile_name="analytics", assumed_role=ROLE)
    assert [signer(request) for request in server.requests] == [KEY, KEY, server.issued[0].access_key]


@pytest.mark.usefixtures("keys")
def test_a_role_is_assumed_with_the_session_name_and_region(server: Any) -> None:
    embed_one(endpoint_url=server.url, assumed_role=ROLE, region="eu-west-1")
    assume, invoke = server.requests
    assert (server.issued[0].role, server.issued[0].session_name) == (ROLE, "lancedb-embeddings")
    assert signer(assume) == KEY
    assert signer(invoke) == server.issued[0].access_key
    assert invoke.headers["x-amz-security-token"] == server.issued[0].token
    assert "/eu-west-1/bedrock/aws4_request" in invoke.headers["authorization"]


@pytest.mark.usefixtures("profiles")
def test_a_role_is_assumed_with_the_profiles_keys(server: Any) -> None:
    embed_one(endpoint_url=server.url, assumed_role=ROLE, profile_name="analytics", role_session_name="nightly")
    assert signer(server.requests[0]) == KEY
    assert server.issued[0].session_name == "nightly"


@pytest.mark.usefixtures("keys")
def test_a_role_that_may_not_be_assumed_stops_the_run(server: Any) -> None:
    server.roles = set()
    step = EmbedStep(BedrockConfig(name=TITAN, endpoint_url=server.url, assumed_role=ROLE))
    with pytest.raises(TerminalError, match=r"not authorized to perform: sts:AssumeRole.*trust policy"):
        step([step.prepare(Item(b"k", "text", "a"))])
    step.close()
    assert len(server.requests) == 1


@pytest.mark.usefixtures("keys")
def test_a_throttled_sts_is_tried_again_by_the_policy_alone(server: Any) -> None:
    body = b"<ErrorResponse><Error><Code>Throttling</Code><Message>Rate exceeded</Message></Error></ErrorResponse>"
    server.faults.script(Fault.status_code(400, body, {"content-type": "text/xml"}))
    step = EmbedStep(BedrockConfig(name=TITAN, endpoint_url=server.url, assumed_role=ROLE), sleep=lambda _: None)
    outcome = step([step.prepare(Item(b"k", "text", "a"))])
    step.close()
    assert outcome.keys
    assert [request.path for request in server.requests[:2]] == ["/", "/"]
    assert (len(server.requests), outcome.usage.retries) == (3, 1)


@pytest.mark.slow
@pytest.mark.usefixtures("keys")
def test_a_roles_credentials_are_fetched_anew_in_a_long_run(server: Any) -> None:
    # botocore fetches new ones 900 s before the announced end: here that is 1 s after they were given. The server
    # refuses them after 2.5 s, so the run only ends well if new ones come in time.
    server.announced, server.lifetime, server.latency = 901.0, 2.5, 0.05
    config = BedrockConfig(name=TITAN, endpoint_url=server.url, assumed_role=ROLE, concurrency=2, dimensions=256)
    step = EmbedStep(config)
    done: list[str] = []
    failures: list[Any] = []

    def commit(outcome: Any) -> None:
        done.extend(outcome.keys)
        failures.extend(outcome.failures)

    contents = [Content(str(number).encode(), "text", str(number), "", f"text {number}") for number in range(160)]
    started = time.monotonic()
    LocalRunner(2).run(step, contents, lambda one: Item(one.key, "text", one.text or ""), commit)
    took = time.monotonic() - started
    step.close()
    signers = {signer(request) for request in server.requests if request.path != "/"}
    assert took > server.lifetime
    assert len(done) == 160
    assert not failures
    assert len(signers) >= 3
    assert len(server.issued) < 20


@pytest.mark.usefixtures("keys")
def test_credentials_that_did_expire_stop_the_run_with_what_to_do(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    server.lifetime = 0.0
    server.announced = 3600.0
    with pytest.raises(TerminalError, match=r"ExpiredTokenException: .* is expired; .*sign in again"):
        embed_one(endpoint_url=server.url, assumed_role=ROLE)


@pytest.mark.usefixtures("keys")
def test_what_shares_a_quota_is_region_model_and_key_or_role(monkeypatch: pytest.MonkeyPatch) -> None:
    def account(**settings: Any) -> str:
        return BedrockEmbedder(BedrockConfig(**{"name": "cohere.embed-v4:0", **settings})).account()

    assert account() == account(name="us.cohere.embed-v4:0", dimensions=512, batch_size=3)
    others = [account(region="eu-west-1"), account(name=TITAN), account(assumed_role=ROLE)]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDOTHER")
    others.append(account())
    assert len({account(assumed_role=ROLE), *others}) == 4
    assert others[2] == account(assumed_role=ROLE)
    assert KEY not in "".join(others)


@pytest.mark.usefixtures("keys")
def test_no_secret_is_shown(server: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    token = "temporary-session-token-0123456789"
    monkeypatch.setenv("AWS_SESSION_TOKEN", token)
    server.token = token
    caplog.set_level(logging.DEBUG, logger="embeddings_orch")
    caplog.set_level(logging.DEBUG, logger="embeddings_orch_plugins")
    caplog.set_level(logging.INFO, logger="botocore")
    config = BedrockConfig(name=TITAN, endpoint_url=server.url, assumed_role=ROLE, retry={"max_retries": 1})
    shown = [repr(config), str(config.settings())]
    step = EmbedStep(config, sleep=lambda _: None)
    item = step.prepare(Item(b"k", "text", "a"))
    step([item])
    shown += [repr(step), repr(step.embedder), repr(vars(step.embedder)), step.embedder.account()]
    issued = server.issued[0]
    secrets = [KEY, SECRET, token, issued.access_key, issued.secret_key, issued.token]
    # As AWS does: the words of a refused signature have the headers that were signed.
    words = "The Canonical String should have been " + " ".join(secrets)
    for code in ("InvalidSignatureException", "ThrottlingException", "ValidationException"):
        server.faults.always(bedrock_fault(code, words))
        try:
            shown.append(repr(step([item]).failures))
        except TerminalError as error:
            shown += [str(error), repr(error), "".join(traceback.format_exception(error))]
            logging.getLogger("embeddings_orch.test").exception("as expected")
    step.close()
    everything = "\n".join([*shown, caplog.text])
    assert "[secret]" in everything
    for secret in secrets:
        assert secret not in everything
