"""The Bedrock server as a client without any SDK sees it."""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Iterator
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote, urlencode
from urllib.request import Request, urlopen

import numpy as np
import pytest

from embeddings_orch_testing.servers import Fault
from embeddings_orch_testing.servers.bedrock import BedrockServer, bedrock_fault
from embeddings_orch_testing.servers.bedrock_call import STATUS

KEY = "AKIDEXAMPLE"
PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n and so on").decode()
V1, V2 = "amazon.titan-embed-text-v1", "amazon.titan-embed-text-v2:0"
IMAGE, NOVA = "amazon.titan-embed-image-v1", "amazon.nova-2-multimodal-embeddings-v1:0"
V3, V4 = "cohere.embed-english-v3", "cohere.embed-v4:0"
M27, M30 = "us.twelvelabs.marengo-embed-2-7-v1:0", "us.twelvelabs.marengo-embed-3-0-v1:0"


@pytest.fixture
def server() -> Iterator[BedrockServer]:
    with BedrockServer() as running:
        running.key = KEY
        yield running


def signed(key: str = KEY, service: str = "bedrock", token: str = "") -> dict[str, str]:
    scope = f"20260101/us-east-1/{service}/aws4_request"
    said = {"authorization": f"AWS4-HMAC-SHA256 Credential={key}/{scope}, SignedHeaders=host, Signature=00"}
    return {**said, "x-amz-security-token": token} if token else said


def post(server: BedrockServer, path: str, data: bytes, headers: dict[str, str]) -> tuple[int, Any, bytes]:
    try:
        with urlopen(Request(f"{server.url}{path}", data, headers), timeout=10) as answer:
            return answer.status, answer.headers, answer.read()
    except HTTPError as error:
        return error.code, error.headers, error.read()


def ask(server: BedrockServer, model: str, body: Any, **signing: str) -> tuple[int, Any, Any]:
    path = f"/model/{quote(model, safe='')}/invoke"
    status, headers, data = post(server, path, json.dumps(body).encode(), signed(**signing))
    return status, headers, json.loads(data)


def refusal(server: BedrockServer, model: str, body: Any) -> str:
    status, headers, answer = ask(server, model, body)
    assert status == 400
    assert headers["x-amzn-errortype"].partition(":")[0] == "ValidationException"
    assert headers["x-amzn-requestid"]
    assert list(answer) == ["message"]
    return answer["message"]


def nova(**changes: Any) -> dict[str, Any]:
    params = {"embeddingPurpose": "GENERIC_INDEX", "text": {"truncationMode": "END", "value": "a"}, **changes}
    return {"taskType": "SINGLE_EMBEDDING", "singleEmbeddingParams": params}


def cohere(**changes: Any) -> dict[str, Any]:
    return {"input_type": "search_document", "texts": ["a"], **changes}


def vectors_of(server: BedrockServer, model: str, body: Any) -> np.ndarray[Any, Any]:
    status, headers, answer = ask(server, model, body)
    assert status == 200, answer
    assert headers["x-amzn-bedrock-input-token-count"].isdecimal()
    if "data" in answer:
        return np.array([answer["data"][0]["embedding"]])
    if "embedding" in answer:
        return np.array([answer["embedding"]])
    found = answer["embeddings"]
    found = found["float"] if isinstance(found, dict) else found
    return np.array([one["embedding"] for one in found] if isinstance(found[0], dict) else found)


@pytest.mark.parametrize(
    ("model", "body", "shape"),
    [
        (V1, {"inputText": "a"}, (1, 1536)),
        (V2, {"inputText": "a"}, (1, 1024)),
        (V2, {"inputText": "a", "dimensions": 256}, (1, 256)),
        (IMAGE, {"inputText": "a", "embeddingConfig": {"outputEmbeddingLength": 384}}, (1, 384)),
        (IMAGE, {"inputImage": PNG}, (1, 1024)),
        (IMAGE, {"inputImage": PNG, "inputText": "a"}, (1, 1024)),
        (V3, cohere(texts=["a", "b"]), (2, 1024)),
        (V3, {"input_type": "image", "images": [f"data:image/png;base64,{PNG}"]}, (1, 1024)),
        (V4, cohere(texts=["a", "b"]), (2, 1536)),
        (V4, cohere(texts=["a"], embedding_types=["float"], output_dimension=512), (1, 512)),
        (NOVA, nova(), (1, 3072)),
        (NOVA, nova(embeddingDimension=256), (1, 256)),
        (M27, {"inputType": "text", "inputText": "a"}, (1, 1024)),
        (M30, {"inputType": "text", "text": {"inputText": "a"}}, (1, 512)),
        (M30, {"inputType": "image", "image": {"mediaSource": {"base64String": PNG}}}, (1, 512)),
    ],
)
def test_a_models_answer_has_its_form_and_length(server: BedrockServer, model: str, body: Any, shape: Any) -> None:
    assert vectors_of(server, model, body).shape == shape


def test_cohere_v4_takes_texts_and_pictures_in_one_input(server: BedrockServer) -> None:
    picture = {"type": "image_url", "image_url": f"data:image/png;base64,{PNG}"}
    body = {"input_type": "search_document", "inputs": [{"content": [{"type": "text", "text": "a"}, picture]}]}
    mixed = vectors_of(server, V4, body)
    assert not np.allclose(mixed, vectors_of(server, V4, cohere()))


def test_the_same_text_has_another_vector_where_the_model_gives_another(server: BedrockServer) -> None:
    vectors = [
        vectors_of(server, V2, {"inputText": "a"}),
        vectors_of(server, V3, cohere()),
        vectors_of(server, V3, cohere(input_type="search_query")),
        vectors_of(server, IMAGE, {"inputText": "a"}),
    ]
    close = [[np.allclose(one, other) for other in vectors] for one in vectors]
    assert np.array_equal(close, np.eye(4, dtype=bool))
    plain = vectors_of(server, V2, {"inputText": "a", "normalize": False})
    assert np.linalg.norm(plain) > 2
    assert np.allclose(plain / np.linalg.norm(plain), vectors[0], atol=1e-6)


def test_cut_texts_have_the_vector_of_what_is_left(server: BedrockServer) -> None:
    long = "x" * 8190 + "yz"
    kept = nova(text={"truncationMode": "END", "value": long})
    assert vectors_of(server, NOVA, kept).shape == (1, 3072)
    text = "ab" * 1024
    cut = vectors_of(server, M27, {"inputType": "text", "inputText": text})
    assert np.allclose(cut, vectors_of(server, M27, {"inputType": "text", "inputText": text[: 77 * 4]}))


@pytest.mark.parametrize(
    ("model", "body", "said"),
    [
        ("amazon.titan-embed-text-v9", {"inputText": "a"}, "The provided model identifier is invalid."),
        ("twelvelabs.marengo-embed-2-7-v1:0", {"inputType": "text", "inputText": "a"}, "on-demand throughput isn"),
        (V1, {"text": "a"}, "#: required key [inputText] not found#: extraneous key [text] is not permitted"),
        (V1, {"inputText": "a", "dimensions": 256}, "extraneous key [dimensions] is not permitted"),
        (V2, {"inputText": ""}, "#/inputText: expected minLength: 1, actual: 0"),
        (V2, {"inputText": "x" * 50_001}, "expected maxLength: 50000, actual: 50001"),
        (V2, {"inputText": "x" * 40_000}, "Max input tokens: 8192, request input token count: 10000"),
        (V2, {"inputText": "a", "dimensions": 300}, "#/dimensions: 300 is not a valid enum value"),
        (IMAGE, {"inputText": "x" * 2000}, "Max input tokens: 256"),
        (IMAGE, {"inputImage": "no base64!"}, "not valid base64"),
        (IMAGE, {"inputImage": base64.b64encode(b"GIF89a").decode()}, "Unsupported image format"),
        (IMAGE, {}, "required key [inputText] not found"),
        (V3, {"texts": ["a"]}, "required key [input_type] not found"),
        (V3, cohere(texts=["a"] * 97), "#/texts: expected maximum item count: 96, found: 97"),
        (V3, cohere(texts=["a", "x" * 2049]), "#/texts/1: expected maxLength: 2048, actual: 2049"),
        (V3, cohere(input_type="image"), "image is for images"),
        (V3, {"input_type": "image", "images": [f"data:image/png;base64,{PNG}"] * 2}, "maximum item count: 1"),
        (V3, {"input_type": "image", "images": [PNG]}, "not a valid data URI"),
        (V4, cohere(truncate="END"), "#/truncate: END is not a valid enum value"),
        (V4, cohere(texts=["x" * 520_000]), "Max input tokens: 128000"),
        (V4, {"input_type": "search_document"}, "required key [texts] not found"),
        (NOVA, nova(embeddingPurpose="INDEX"), "#/embeddingPurpose: INDEX"),
        (NOVA, nova(text={"truncationMode": "END", "value": "x" * 8193}), "maxLength: 8192, actual: 8193"),
        (NOVA, nova(image={}), "exactly one of text, image, video, audio"),
        (NOVA, {"taskType": "SEGMENTED_EMBEDDING", "singleEmbeddingParams": {}}, "#/taskType"),
        (M30, {"inputType": "text", "inputText": "a"}, "required key [text] not found"),
        (M30, {"inputType": "text", "text": {"inputText": "x" * 2004}}, "Max input tokens: 500"),
        (M27, {"inputType": "text", "inputText": "x" * 400, "textTruncate": "none"}, "Max input tokens: 77"),
        (V1, {"inputText": "x" * 25_000_001}, "less than or equal to 25000000"),
        (V1, ["a"], "Malformed input request"),
    ],
)
def test_what_a_model_does_not_take_is_refused_in_bedrocks_words(
    server: BedrockServer, model: str, body: Any, said: str
) -> None:
    assert said in refusal(server, model, body)


@pytest.mark.parametrize(
    "name",
    [
        "us.cohere.embed-v4:0",
        "arn:aws:bedrock:us-east-1::foundation-model/cohere.embed-v4:0",
        "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.cohere.embed-v4:0",
        "arn:aws:bedrock:us-east-1:123456789012:provisioned-model/abcdefgh1234",
    ],
)
def test_profiles_and_arns_are_the_model_behind_them(server: BedrockServer, name: str) -> None:
    server.models["arn:aws:bedrock:us-east-1:123456789012:provisioned-model/abcdefgh1234"] = V4
    assert np.allclose(vectors_of(server, name, cohere()), vectors_of(server, V4, cohere()))


def test_one_input_can_be_refused(server: BedrockServer) -> None:
    server.reject = "poison"
    assert "Input is too long" in refusal(server, V3, cohere(texts=["good", "poison"]))
    data = base64.b64encode(b"\x89PNG poison").decode()
    assert "Unable to process" in refusal(server, IMAGE, {"inputImage": data})


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, "MissingAuthenticationTokenException"),
        (signed("AKIDOTHER"), "UnrecognizedClientException"),
        ({"authorization": "Basic abc"}, "UnrecognizedClientException"),
        (signed(service="s3"), "UnrecognizedClientException"),
    ],
)
def test_who_is_not_known_is_refused(server: BedrockServer, headers: dict[str, str], code: str) -> None:
    status, answered, _ = post(server, f"/model/{V1}/invoke", b'{"inputText": "a"}', headers)
    assert (status, answered["x-amzn-errortype"].partition(":")[0]) == (403, code)


def test_an_api_key_is_taken_too(server: BedrockServer) -> None:
    headers = {"authorization": f"Bearer {KEY}"}
    assert post(server, f"/model/{V1}/invoke", b'{"inputText": "a"}', headers)[0] == 200


def test_a_temporary_key_needs_its_token(server: BedrockServer) -> None:
    server.token = "the-token"
    assert ask(server, V1, {"inputText": "a"})[0] == 403
    assert ask(server, V1, {"inputText": "a"}, token="the-token")[0] == 200


def assume(server: BedrockServer, role: str = "arn:aws:iam::123456789012:role/r", **signing: str) -> tuple[int, str]:
    form = {"Action": "AssumeRole", "Version": "2011-06-15", "RoleArn": role, "RoleSessionName": "mine"}
    status, headers, data = post(server, "/", urlencode(form).encode(), signed(service="sts", **signing))
    assert headers["content-type"] == "text/xml"
    return status, data.decode()


def test_a_roles_credentials_count_until_they_expire(server: BedrockServer) -> None:
    server.lifetime = 0.3
    status, xml = assume(server)
    key, token = re.search("<AccessKeyId>(.*)</AccessKeyId>", xml)[1], re.search("<SessionToken>(.*?)<", xml)[1]
    assert (status, key, token) == (200, server.issued[0].access_key, server.issued[0].token)
    assert "assumed-role/r/mine</Arn>" in xml
    assert ask(server, V1, {"inputText": "a"}, key=key)[0] == 403
    assert ask(server, V1, {"inputText": "a"}, key=key, token=token)[0] == 200
    time.sleep(0.35)
    status, headers, _ = ask(server, V1, {"inputText": "a"}, key=key, token=token)
    assert (status, headers["x-amzn-errortype"].partition(":")[0]) == (403, "ExpiredTokenException")
    assert "<Code>ExpiredToken</Code>" in assume(server, key=key, token=token)[1]


def test_sts_refuses_in_xml(server: BedrockServer) -> None:
    server.roles = set()
    status, xml = assume(server)
    assert (status, "<Code>AccessDenied</Code>" in xml) == (403, True)
    assert "<Code>InvalidClientTokenId</Code>" in assume(server, key="AKIDOTHER")[1]


@pytest.mark.parametrize("code", STATUS)
def test_faults_are_bedrocks_errors(server: BedrockServer, code: str) -> None:
    server.faults.script(bedrock_fault(code, "for a test"))
    status, headers, answer = ask(server, V1, {"inputText": "a"})
    assert (status, headers["x-amzn-errortype"], answer) == (STATUS[code], code, {"message": "for a test"})


def test_a_bare_status_names_its_error(server: BedrockServer) -> None:
    server.faults.script(Fault.status_code(429), Fault.status_code(503), Fault.status_code(502))
    found = [ask(server, V1, {"inputText": "a"})[1]["x-amzn-errortype"] for _ in range(3)]
    assert found == ["ThrottlingException", "ServiceUnavailableException", None]


def test_tokens_are_counted(server: BedrockServer) -> None:
    assert ask(server, V1, {"inputText": "x" * 9})[2]["inputTextTokenCount"] == 3
    assert ask(server, V4, cohere(texts=["x" * 9, "y"]))[1]["x-amzn-bedrock-input-token-count"] == "4"
    assert server.counted == [3, 4]
    server.clear()
    assert server.counted == []
