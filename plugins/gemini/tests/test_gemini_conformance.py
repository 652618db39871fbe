"""What every remote embedder promises, for both models."""

from __future__ import annotations

from typing import ClassVar

import pytest

from embeddings_orch_plugins.gemini import GeminiConfig
from embeddings_orch_testing.remote_conformance import RemoteConformance
from embeddings_orch_testing.servers import Fault
from embeddings_orch_testing.servers.gemini import GeminiServer, quota_error


def spoiled(change):
    """The values of all embeddings, changed: a list of lists in, a list of anything out."""

    def changed(answer):
        rows = change([one["values"] for one in answer["embeddings"]])
        return {**answer, "embeddings": [{"values": row} for row in rows]}

    return Fault.change_answer(changed)


def refusal(status, name, message, **detail):
    error = {"code": status, "status": name, "message": message, "details": [detail] if detail else []}
    return Fault.status_code(status, {"error": error})


class TestGemini001(RemoteConformance):
    key_variable = "GEMINI_API_KEY"
    golden = "85fce53884c0179cd9d75b5d17062c5effd611835852a3b293ba0ed6324e9975"
    variations: ClassVar = {
        "base_url": ["http://127.0.0.1:9"],
        "api_key_env": ["ANOTHER_KEY"],
        "batch_size": [1, 7],
        "dimensions": [128, 3072],
    }

    def make_server(self):
        return GeminiServer()

    def make_config(self):
        return GeminiConfig(base_url=self.server.url, dimensions=128)

    def make_fingerprint_config(self):
        return GeminiConfig()

    def malformed(self):
        return {
            "one vector too few": spoiled(lambda rows: rows[:-1]),
            "one vector too many": spoiled(lambda rows: [*rows, rows[0]]),
            "one vector shorter": spoiled(lambda rows: [rows[0][:-1], *rows[1:]] if len(rows) > 1 else [[]]),
            "all vectors empty": spoiled(lambda rows: [[] for _ in rows]),
            "a vector missing": spoiled(lambda rows: [None, *rows[1:]]),
            "NaN": spoiled(lambda rows: [[float("nan"), *rows[0][1:]], *rows[1:]]),
            "a number too large": spoiled(lambda rows: [[1e300, *rows[0][1:]], *rows[1:]]),
            "text instead of numbers": spoiled(lambda rows: [["a", *row[1:]] for row in rows]),
            "base64 instead of numbers": spoiled(lambda rows: ["AAAA" for _ in rows]),
            "no embeddings": Fault.change_answer(lambda _: {"usageMetadata": {}}),
            "one embedding instead of a list": Fault.change_answer(
                lambda answer: {"embedding": answer["embeddings"][0]}
            ),
            "a list": Fault.change_answer(lambda _: []),
        }

    def terminal(self):
        info = "type.googleapis.com/google.rpc.ErrorInfo"
        key = {"@type": info, "reason": "API_KEY_INVALID", "domain": "googleapis.com"}
        return {
            "wrong key": refusal(400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.", **key),
            "key without rights": refusal(403, "PERMISSION_DENIED", "Your API key was reported as leaked."),
            "unknown model": refusal(404, "NOT_FOUND", "models/gemini-embedding-001 is not found"),
            "quota of the day": Fault.status_code(429, quota_error(per="Day", retry_delay=30)),
            "no quota at all": Fault.status_code(429, quota_error(value=0, retry_delay=30)),
            "wrong region": refusal(400, "FAILED_PRECONDITION", "User location is not supported for the API use."),
        }


@pytest.mark.slow
class TestGemini2(TestGemini001):
    golden = "8ee3c541288e326dbae5d5fdc6eb739e935f9f761f41449d36069abc2e40046f"

    def make_config(self):
        return GeminiConfig(name="gemini-embedding-2", base_url=self.server.url, dimensions=128)

    def make_fingerprint_config(self):
        return GeminiConfig(name="gemini-embedding-2", dimensions=1536)
