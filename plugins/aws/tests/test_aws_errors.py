"""What each of Bedrock's and botocore's errors becomes, each from a real request."""

from __future__ import annotations

from typing import Any

import pytest
from botocore import exceptions

from embeddings_orch.embedding.step import EmbedStep
from embeddings_orch.errors import (
    ItemError,
    ProviderError,
    RateLimitedError,
    ResponseError,
    SuspectError,
    TerminalError,
    TransientError,
    UnavailableError,
)
from embeddings_orch.models.base import Batch
from embeddings_orch.models.content import Item
from embeddings_orch_plugins.aws import BedrockConfig, BedrockEmbedder
from embeddings_orch_testing.servers import Fault
from embeddings_orch_testing.servers.bedrock import bedrock_fault

pytestmark = pytest.mark.usefixtures("keys")


def classified(server: Any, fault: Fault, **settings: Any) -> ProviderError:
    server.faults.always(fault)
    embedder = BedrockEmbedder(BedrockConfig(endpoint_url=server.url, **settings))
    try:
        with pytest.raises(Exception) as caught:
            embedder.embed(Batch("text", ["a"]))
        return embedder.classify(caught.value)
    finally:
        embedder.close()


@pytest.mark.parametrize(
    ("code", "kind", "said"),
    [
        ("ThrottlingException", RateLimitedError, "ThrottlingException: scripted"),
        ("ModelNotReadyException", TransientError, "ModelNotReadyException"),
        ("ModelTimeoutException", TransientError, "ModelTimeoutException"),
        ("InternalServerException", TransientError, "InternalServerException"),
        ("ServiceUnavailableException", TransientError, "ServiceUnavailableException"),
        ("ModelErrorException", SuspectError, "ModelErrorException"),
        ("AccessDeniedException", TerminalError, "allow bedrock:InvokeModel"),
        ("ServiceQuotaExceededException", TerminalError, "raise the quota"),
        ("ResourceNotFoundException", TerminalError, "check the name"),
        ("ExpiredTokenException", TerminalError, "sign in again"),
        ("UnrecognizedClientException", TerminalError, "AWS_ACCESS_KEY_ID"),
        ("InvalidSignatureException", TerminalError, "clock is wrong"),
        ("MissingAuthenticationTokenException", TerminalError, "AWS_ACCESS_KEY_ID"),
    ],
)
def test_bedrocks_errors(server: Any, code: str, kind: type[ProviderError], said: str) -> None:
    error = classified(server, bedrock_fault(code))
    assert type(error) is kind
    assert said in str(error)
    assert f"scripted {code}" in str(error)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("message", "kind", "certain"),
    [
        ("Too many input tokens. Max input tokens: 8192, request input token count: 9279", ItemError, True),
        ("Malformed input request: #/texts/0: expected maxLength: 2048, actual: 19882, please", ItemError, True),
        ("Malformed input request: #/inputText: expected minLength: 1, actual: 0, please", ItemError, True),
        ("Input is too long for requested model.", ItemError, True),
        ("Unable to process the provided image.", ItemError, True),
        ("This image format isn\u2019t supported.", ItemError, True),
        ("Value at 'body' failed: Member must have length less than or equal to 25000000", ItemError, True),
        ("Malformed input request: #: required key [texts] not found, please", ItemError, False),
        ("Malformed input request: #: extraneous key [image] is not permitted, please", ItemError, False),
        ("Malformed input request: 2 schema violations found, please reformat", ItemError, False),
        ("Something else.", ItemError, False),
        ("The provided model identifier is invalid.", TerminalError, None),
        ("Invocation of model ID x with on-demand throughput isn\u2019t supported.", TerminalError, None),
    ],
)  # fmt: skip
def test_a_validation_exception_is_an_input_a_request_or_a_model(
    server: Any, message: str, kind: type[ProviderError], certain: bool | None
) -> None:
    error = classified(server, bedrock_fault("ValidationException", message))
    assert type(error) is kind
    assert getattr(error, "certain", None) is certain
    assert message in str(error)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault.reset(), TransientError),
        (Fault.reset_in_body(), ResponseError),
        (Fault.truncate(), ResponseError),
        (Fault.page(), ResponseError),
        (Fault.page(status=502), TransientError),
        (Fault.page(status=403), TerminalError),
        (Fault.hang(5), TransientError),
        (Fault.status_code(413, b""), ItemError),
        (Fault.status_code(302, b"", {"location": "http://127.0.0.1:9/"}), TerminalError),
    ],
)
def test_what_comes_from_the_way_there(server: Any, fault: Fault, kind: type[ProviderError]) -> None:
    error = classified(server, fault, timeout=0.3)
    assert type(error) is kind, error


def test_what_is_wrong_before_anything_is_sent() -> None:
    embedder = BedrockEmbedder(BedrockConfig())
    url = "https://bedrock-runtime.us-east-1.amazonaws.com"

    def kind(error: Exception) -> type[ProviderError]:
        return type(embedder.classify(error))

    assert kind(exceptions.EndpointConnectionError(endpoint_url=url)) is TransientError
    assert kind(exceptions.ConnectTimeoutError(endpoint_url=url)) is TransientError
    assert kind(exceptions.ConnectionClosedError(endpoint_url=url)) is TransientError
    assert kind(exceptions.SSLError(endpoint_url=url, error="CERTIFICATE_VERIFY_FAILED")) is TerminalError
    assert kind(exceptions.SSLError(endpoint_url=url, error="UNEXPECTED_EOF_WHILE_READING")) is TransientError
    assert kind(exceptions.UnknownEndpointError(service_name="bedrock", region_name="moon-1")) is TerminalError
    assert kind(exceptions.NoCredentialsError()) is TerminalError
    assert kind(exceptions.ProfileNotFound(profile="nobody")) is TerminalError
    assert kind(ValueError("Invalid endpoint")) is TerminalError


def test_nobody_listens_at_the_address() -> None:
    step = EmbedStep(BedrockConfig(endpoint_url="http://127.0.0.1:9", retry={"max_retries": 2}), sleep=lambda _: None)
    with pytest.raises(UnavailableError, match=r"Could not connect to the endpoint URL.*Are region and endpoint_url"):
        step([step.prepare(Item(b"k", "text", "a"))])


def test_a_model_error_is_tried_once_more_and_the_other_items_have_their_vectors(server: Any) -> None:
    server.faults.when(lambda request: bedrock_fault("ModelErrorException") if b"poison" in request.raw else None)
    step = EmbedStep(BedrockConfig(name="cohere.embed-english-v3", endpoint_url=server.url), sleep=lambda _: None)
    prepared = [step.prepare(Item(str(n).encode(), "text", f"text {n}" if n != 5 else "poison")) for n in range(16)]
    outcome = step(prepared)
    step.close()
    assert len(outcome.keys) == 15
    assert [(failure.key, failure.kind) for failure in outcome.failures] == [(b"5", "item")]
    alone = [request for request in server.requests if request.body["texts"] == ["poison"]]
    assert len(alone) == 2
