from __future__ import annotations

from typing import Any, ClassVar

from embeddings_orch_plugins.openai import OpenAIConfig
from embeddings_orch_testing.remote_conformance import RemoteConformance
from embeddings_orch_testing.servers import Fault
from embeddings_orch_testing.servers.openai import OpenAIServer

DIMENSIONS = 32  # short ones are compared faster


def _data(change: Any) -> Fault:
    return Fault.change_answer(lambda body: {**body, "data": change(body["data"])})


def _first(**changes: Any) -> Fault:
    return _data(lambda data: [{**data[0], **changes}, *data[1:]])


class TestOpenAI(RemoteConformance):
    key_variable = "OPENAI_API_KEY"
    golden = "ecad816f5f08df259ce05f216b0cf9993a05b6596faca6f0c09674b8a20ad5ac"
    variations: ClassVar = {
        "name": ["text-embedding-3-large", "some-other-model"],
        "dimensions": [512, 256],
        "api_key_env": ["ANOTHER_KEY"],
        "base_url": ["http://127.0.0.1:9"],
        "organization": ["org-other"],
    }

    def make_server(self):
        return OpenAIServer()

    def make_config(self):
        return OpenAIConfig(base_url=self.server.url, dimensions=DIMENSIONS)

    def make_fingerprint_config(self):
        return OpenAIConfig()

    def malformed(self):
        numbers = [0.1] * DIMENSIONS
        return {
            "a vector too few": _data(lambda data: data[:-1]),
            "a vector too many": _data(lambda data: [*data, {**data[-1], "index": len(data)}]),
            "no vectors": Fault.change_answer(lambda body: {}),
            "an index twice": _data(lambda data: [data[0], *({**one, "index": 0} for one in data[1:])]),
            "an index beyond the inputs": _first(index=99),
            "no index": _first(index=None),
            "NaN": _first(embedding=[float("nan"), *numbers[1:]]),
            "null for a number": _first(embedding=[None, *numbers[1:]]),
            "text instead of numbers": _first(embedding=["0.1"] * DIMENSIONS),
            "text that is not base64": _first(embedding="no vector, sorry"),
            "base64 cut off": _data(lambda data: [{**one, "embedding": one["embedding"][:10]} for one in data]),
            "a number instead of a vector": _first(embedding=0.1),
            "an empty vector": _first(embedding=[]),
            "vectors of several dimensions": _first(embedding=numbers[:10]),
            "another dimension": _data(lambda data: [{**one, "embedding": numbers[:10]} for one in data]),
            "no JSON": Fault.status_code(200, b"certainly!"),
        }

    def reordered(self):
        return _data(lambda data: data[::-1])

    def terminal(self):
        def refused(status: int, message: str, **said: Any) -> Fault:
            error = {"message": message, "type": "invalid_request_error", "param": None, "code": None, **said}
            return Fault.status_code(status, {"error": error})

        return {
            "an exhausted quota": OpenAIServer.insufficient_quota(),
            "a wrong key": refused(401, "Incorrect API key provided", code="invalid_api_key"),
            "no permission": refused(403, "Country, region, or territory not supported"),
            "an unknown model": refused(404, "The model `x` does not exist", code="model_not_found"),
            "wrong dimensions": refused(400, "This model does not support specifying dimensions."),
        }
