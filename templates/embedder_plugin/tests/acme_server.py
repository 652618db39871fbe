"""Acme's API on loopback: what it takes, what it refuses, and how it says so."""

from __future__ import annotations

from typing import Any

from embeddings_orch_acme.config import DIMENSIONS

from embeddings_orch_testing.servers import Answer, LoopbackServer, RecordedRequest, RefusedError, tokens_of, vector_of


class AcmeServer(LoopbackServer):
    def answer(self, request: RecordedRequest) -> Answer:
        if request.path != "/v1/embed":
            raise RefusedError(404, f"no route {request.path}")
        if self.key is not None and request.headers.get("authorization") != f"Bearer {self.key}":
            raise RefusedError(401, "the API key is not valid", "bad_key")
        model, texts = request.body["model"], request.body["texts"]
        if model not in DIMENSIONS:
            raise RefusedError(404, f"the model {model!r} does not exist", "unknown_model")
        if len(texts) > 96:
            raise RefusedError(400, "at most 96 texts")
        for index, text in enumerate(texts):
            if not text or self.rejects(text):
                raise RefusedError(400, f"text {index} is not allowed", "bad_text")
        # The side makes another vector, as with the real models.
        space = f"{model}/{request.body['side']}"
        data = [
            {"index": index, "vector": vector_of(space, text, DIMENSIONS[model]).tolist()}
            for index, text in enumerate(texts)
        ]
        return Answer(body={"data": data, "usage": {"total_tokens": sum(map(tokens_of, texts))}})

    def refusal(self, error: RefusedError) -> Any:
        return {"error": {"code": error.code, "message": error.message}}
