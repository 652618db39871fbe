"""The promises of all embedders and of all remote ones, for one model of each family."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import pytest

from embeddings_orch_plugins.aws import BedrockConfig
from embeddings_orch_testing.remote_conformance import RemoteConformance
from embeddings_orch_testing.servers import Fault, LoopbackServer
from embeddings_orch_testing.servers.bedrock import BedrockServer, bedrock_fault

PROVISIONED = "arn:aws:bedrock:us-east-1:123456789012:provisioned-model/abcdefgh1234"


class BedrockConformance(RemoteConformance):
    key_variable = "AWS_ACCESS_KEY_ID"
    count = 60
    model: ClassVar[str]
    dimensions: ClassVar[int | None] = 256
    # Of cohere.embed-v4:0, whose fields all have other values.
    golden = "7cd48641752e3f301861184981b8e2dfd8c7f21040e73e06f4a14ddc0946d181"
    variations: ClassVar = {
        "name": ["cohere.embed-english-v3", "cohere.embed-multilingual-v3"],
        "arn": [PROVISIONED],
        "dimensions": [512, 256],
        "truncate": ["start", "none"],
        "source_input_type": ["clustering"],
        "query_input_type": ["search_document"],
        "profile_name": ["nobody"],
        "assumed_role": ["arn:aws:iam::123456789012:role/embedder"],
        "endpoint_url": ["http://127.0.0.1:9"],
        "region": ["eu-west-1"],
    }

    @classmethod
    def setup_class(cls) -> None:
        super().setup_class()
        cls._set("AWS_SECRET_ACCESS_KEY", "conformance-secret-key")
        cls._set("AWS_ENDPOINT_URL_STS", cls.server.url)

    def make_server(self) -> LoopbackServer:
        return BedrockServer()

    def make_config(self) -> BedrockConfig:
        return BedrockConfig(name=self.model, dimensions=self.dimensions, endpoint_url=self.server.url)

    def make_fingerprint_config(self) -> BedrockConfig:
        return BedrockConfig(name="cohere.embed-v4:0", dimensions=1024)

    def tokens_in(self, body: Any) -> int:
        # In the answer's header.
        assert isinstance(self.server, BedrockServer)
        return self.server.counted.pop(0)

    def terminal(self) -> Mapping[str, Fault]:
        return {
            "no access": bedrock_fault("AccessDeniedException", "You don't have access to the model"),
            "unknown model": bedrock_fault("ValidationException", "The provided model identifier is invalid."),
            "expired": bedrock_fault("ExpiredTokenException", "The security token included in the request is expired"),
            "quota": bedrock_fault("ServiceQuotaExceededException", "Your quota is exceeded"),
            "no such model": bedrock_fault("ResourceNotFoundException", "Could not resolve the foundation model"),
        }

    def malformed(self) -> Mapping[str, Fault]:
        changes = {
            "text instead of numbers": lambda vector: [str(number) for number in vector],
            "null instead of a number": lambda vector: [None, *vector[1:]],
            "NaN": lambda vector: [float("nan"), *vector[1:]],
            "a wrong dimension": lambda vector: vector[:-1],
            "no list": lambda _: "AAAA",
        }
        faults = {
            name: Fault.change_answer(lambda body, change=change: self.with_vectors(body, change))
            for name, change in changes.items()
        }
        return {
            **faults,
            "an empty object": Fault.change_answer(lambda _: {}),
            "a list": Fault.change_answer(lambda _: []),
        }

    def with_vectors(self, body: Any, change: Any) -> Any:
        """An answer with its vectors changed."""
        return {**body, "embedding": change(body["embedding"])}


@pytest.mark.slow
class TestTitanTextV2(BedrockConformance):
    model = "amazon.titan-embed-text-v2:0"


class TestTitanImage(BedrockConformance):
    model = "amazon.titan-embed-image-v1"


@pytest.mark.slow
class TestCohereV3(BedrockConformance):
    model = "cohere.embed-english-v3"
    dimensions = None
    count = 200

    def with_vectors(self, body: Any, change: Any) -> Any:
        first, *rest = body["embeddings"]
        return {**body, "embeddings": [change(first), *rest]}

    def malformed(self) -> Mapping[str, Fault]:
        return {
            **super().malformed(),
            "a vector too few": Fault.change_answer(lambda body: {**body, "embeddings": body["embeddings"][1:]}),
            "a vector too many": Fault.change_answer(
                lambda body: {**body, "embeddings": [*body["embeddings"], body["embeddings"][0]]}
            ),
        }


@pytest.mark.slow
class TestCohereV4(BedrockConformance):
    model = "us.cohere.embed-v4:0"
    count = 200

    def with_vectors(self, body: Any, change: Any) -> Any:
        first, *rest = body["embeddings"]["float"]
        return {**body, "embeddings": {"float": [change(first), *rest]}}

    def malformed(self) -> Mapping[str, Fault]:
        def few(body: Any) -> Any:
            return {**body, "embeddings": {"float": body["embeddings"]["float"][:-1]}}

        def many(body: Any) -> Any:
            return {**body, "embeddings": {"float": body["embeddings"]["float"] * 2}}

        return {
            **super().malformed(),
            "a vector too few": Fault.change_answer(few),
            "twice the vectors": Fault.change_answer(many),
            "another type": Fault.change_answer(lambda body: {**body, "embeddings": {"int8": [[1, 2]]}}),
        }


@pytest.mark.slow
class TestNova(BedrockConformance):
    model = "amazon.nova-2-multimodal-embeddings-v1:0"

    def with_vectors(self, body: Any, change: Any) -> Any:
        (one,) = body["embeddings"]
        return {"embeddings": [{**one, "embedding": change(one["embedding"])}]}


@pytest.mark.slow
class TestMarengo(BedrockConformance):
    model = "us.twelvelabs.marengo-embed-3-0-v1:0"
    dimensions = None

    def with_vectors(self, body: Any, change: Any) -> Any:
        return {"data": [{"embedding": change(body["data"][0]["embedding"])}]}
