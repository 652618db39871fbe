"""A server with OpenAI's embeddings protocol: its paths, limits, headers and error bodies, and another's model names.

After the API reference (https://platform.openai.com/docs/api-reference/embeddings) and error bodies that users of the
service have published: ``{"error": {"message", "type", "param", "code"}}``.
"""

from __future__ import annotations

import base64
import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np

from embeddings_orch.models.content import Vectors
from embeddings_orch_testing.servers.base import Answer, Bucket, LoopbackServer, RecordedRequest, RefusedError
from embeddings_orch_testing.servers.faults import Fault
from embeddings_orch_testing.servers.vectors import tokens_of, vector_of

MODELS: Mapping[str, int] = {
    "text-embedding-ada-002": 1536,
    "text-embedding-3-small": 1536,
    "text-embedding-3-large": 3072,
}
"""OpenAI's models and the length of their vectors."""

MOST_INPUTS = 2048
MOST_TOKENS_OF_AN_INPUT = 8192
MOST_TOKENS = 300_000

_FIXED_LENGTH = "text-embedding-ada-002"
_INVALID = "invalid_request_error"
_INPUT_IS_INVALID = (
    "'$.input' is invalid. Please check the API reference: https://platform.openai.com/docs/api-reference."
)
_NO_KEY = (
    "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth "
    "(i.e. Authorization: Bearer YOUR_KEY)."
)
_NO_QUOTA = "You exceeded your current quota, please check your plan and billing details."


class _RefusedLikeOpenAIError(RefusedError):
    def __init__(
        self, status: int, message: str, code: str = "", *, kind: str = _INVALID, param: str | None = None
    ) -> None:
        super().__init__(status, message, code)
        self.kind, self.param = kind, param


class OpenAIServer(LoopbackServer):
    """OpenAI's ``/v1/embeddings`` and ``/v1/models``, as real HTTP on loopback.

    Args:
        models: names, and the full length of their vectors.
        any_model: answer to every name, as a server of one's own does that serves one model.
        dimensions: of the vectors of a name that is not among ``models``.
        prefixes: where the routes are: below ``/v1``, or at the root, or both.
        latency, bucket: see `LoopbackServer`.

    Example:
        >>> with OpenAIServer(any_model=True, dimensions=384) as server:  # doctest: +SKIP
        ...     client = openai.OpenAI(base_url=f"{server.url}/v1", api_key="any")
        ...     client.embeddings.create(model="minilm", input=["a dog"])
    """

    def __init__(
        self,
        *,
        models: Mapping[str, int] = MODELS,
        any_model: bool = False,
        dimensions: int = 384,
        prefixes: tuple[str, ...] = ("/v1", ""),
        latency: float = 0.0,
        bucket: Bucket | None = None,
    ) -> None:
        super().__init__(latency=latency, bucket=bucket)
        self.models, self.any_model, self.dimensions, self.prefixes = dict(models), any_model, dimensions, prefixes
        self._numbers = itertools.count(1)

    @staticmethod
    def insufficient_quota() -> Fault:
        """The refusal of an account without money: a 429 that no waiting helps."""
        error = {"message": _NO_QUOTA, "type": "insufficient_quota", "param": None, "code": "insufficient_quota"}
        return Fault.status_code(429, {"error": error})

    @staticmethod
    def request_too_large(limit: int = 10_000, requested: int = 20_000) -> Fault:
        """The refusal of a request with more tokens than the account may send in a minute: a 429 as well."""
        message = (
            "Request too large for text-embedding-3-small in organization org-loopback on tokens per min (TPM): "
            f"Limit {limit}, Requested {requested}. The input or output tokens must be reduced in order to run "
            "successfully."
        )
        error = {"message": message, "type": "tokens", "param": None, "code": "rate_limit_exceeded"}
        return Fault.status_code(429, {"error": error})

    def answer(self, request: RecordedRequest) -> Answer:
        """The answer to one request.

        Raises:
            RefusedError: as OpenAI refuses: 401 without the key, 404 for an unknown path or model, 400 for a request
                that it cannot use.
        """
        self._authorize(request)
        routes = {
            f"{prefix}{path}": handle
            for prefix in self.prefixes
            for path, handle in (("/embeddings", self._embeddings), ("/models", self._models))
        }
        expected = "GET" if request.path.endswith("/models") else "POST"
        if request.path not in routes or request.method != expected:
            raise _RefusedLikeOpenAIError(404, f"Invalid URL ({request.method} {request.path})")
        return Answer(200, routes[request.path](request), self._headers())

    def refusal(self, error: RefusedError) -> Any:
        """OpenAI's error body."""
        if isinstance(error, _RefusedLikeOpenAIError):
            kind, param = error.kind, error.param
        else:
            kind = "requests" if error.status == 429 else "server_error" if error.status >= 500 else _INVALID
            param = None
        return {"error": {"message": error.message, "type": kind, "param": param, "code": error.code or None}}

    def vector(self, model: str, text: str, dimensions: int | None = None) -> Vectors:
        """The vector of one text: shape (dimensions,); a shorter one is the beginning of the full one, scaled again."""
        full = vector_of(model, text, self.models.get(model, self.dimensions))
        short = full[:dimensions]
        unit: Vectors = (short / np.linalg.norm(short)).astype(np.float32)
        return unit

    def _authorize(self, request: RecordedRequest) -> None:
        if self.key is None:
            return
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not key:
            raise _RefusedLikeOpenAIError(401, _NO_KEY)
        if key != self.key:
            masked = f"{key[:3]}{'*' * 8}{key[-4:]}" if len(key) > 12 else "*" * 8
            raise _RefusedLikeOpenAIError(
                401,
                f"Incorrect API key provided: {masked}. "
                "You can find your API key at https://platform.openai.com/account/api-keys.",
                "invalid_api_key",
            )

    def _models(self, request: RecordedRequest) -> Any:
        listed = [{"id": name, "object": "model", "created": 0, "owned_by": "system"} for name in self.models]
        return {"object": "list", "data": listed}

    def _embeddings(self, request: RecordedRequest) -> Any:
        body = request.body
        if not isinstance(body, Mapping):
            raise _RefusedLikeOpenAIError(400, "We could not parse the JSON body of your request.")
        model, texts = self._model(body), self._texts(body)
        dimensions = self._dimensions(model, body)
        encoding = body.get("encoding_format", "float")
        if encoding not in ("float", "base64"):
            raise _RefusedLikeOpenAIError(
                400, f"Invalid value: '{encoding}'. Supported values are: 'float', 'base64'.", param="encoding_format"
            )
        tokens = sum(map(tokens_of, texts))
        vectors = [self.vector(model, text, dimensions) for text in texts]
        data = [
            {"object": "embedding", "index": index, "embedding": _encode(vector, encoding)}
            for index, vector in enumerate(vectors)
        ]
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        return {"object": "list", "data": data, "model": model, "usage": usage}

    def _model(self, body: Mapping[str, Any]) -> str:
        model = body.get("model")
        if not isinstance(model, str) or not model:
            raise _RefusedLikeOpenAIError(400, "you must provide a model parameter")
        if model not in self.models and not self.any_model:
            raise _RefusedLikeOpenAIError(
                404, f"The model `{model}` does not exist or you do not have access to it.", "model_not_found"
            )
        return model

    def _texts(self, body: Mapping[str, Any]) -> list[str]:
        value = body.get("input")
        texts = [value] if isinstance(value, str) else value
        if not isinstance(texts, list) or not texts or not all(isinstance(text, str) for text in texts):
            raise _RefusedLikeOpenAIError(400, _INPUT_IS_INVALID)
        if len(texts) > MOST_INPUTS:
            raise _RefusedLikeOpenAIError(
                400,
                f"Invalid 'input': array too long. Expected an array with maximum length {MOST_INPUTS}, but got an "
                f"array with length {len(texts)} instead.",
                "array_above_max_length",
                param="input",
            )
        for index, text in enumerate(texts):
            if not text:
                raise _RefusedLikeOpenAIError(
                    400, f"Invalid 'input[{index}]': input cannot be an empty string.", param=f"input[{index}]"
                )
            if self.rejects(text):
                raise _RefusedLikeOpenAIError(400, _INPUT_IS_INVALID)
            if (tokens := tokens_of(text)) > MOST_TOKENS_OF_AN_INPUT:
                raise _RefusedLikeOpenAIError(
                    400,
                    f"This model's maximum context length is {MOST_TOKENS_OF_AN_INPUT} tokens, however you requested "
                    f"{tokens} tokens ({tokens} in your prompt; 0 for the completion). Please reduce your prompt; or "
                    "completion length.",
                )
        if (tokens := sum(map(tokens_of, texts))) > MOST_TOKENS:
            kind = "max_tokens_per_request"
            message = f"Requested {tokens} tokens, max {MOST_TOKENS} tokens per request"
            raise _RefusedLikeOpenAIError(400, message, kind, kind=kind)
        return texts

    def _dimensions(self, model: str, body: Mapping[str, Any]) -> int | None:
        dimensions, full = body.get("dimensions"), self.models.get(model, self.dimensions)
        if dimensions is None:
            return None
        if model == _FIXED_LENGTH:
            raise _RefusedLikeOpenAIError(400, "This model does not support specifying dimensions.")
        if not isinstance(dimensions, int) or dimensions < 1:
            raise _RefusedLikeOpenAIError(400, f"{dimensions} is not of type 'integer' - 'dimensions'")
        if dimensions > full:
            raise _RefusedLikeOpenAIError(
                400, f"Invalid value for 'dimensions' = {dimensions}. Must be less than or equal to {full}."
            )
        return dimensions

    def _headers(self) -> dict[str, str]:
        bucket = self.bucket
        limit = round(bucket.rate * 60) if bucket is not None else 10_000
        return {
            "x-request-id": f"req_{next(self._numbers):032x}",
            "openai-version": "2020-10-01",
            "openai-organization": "org-loopback",
            "x-ratelimit-limit-requests": str(limit),
            "x-ratelimit-remaining-requests": str(max(1, limit - 1)),
            "x-ratelimit-reset-requests": "6ms",
            "x-ratelimit-limit-tokens": "10000000",
            "x-ratelimit-remaining-tokens": "9999990",
            "x-ratelimit-reset-tokens": "0s",
        }


def _encode(vector: Vectors, encoding: str) -> list[float] | str:
    if encoding == "base64":
        return base64.b64encode(vector.astype("<f4").tobytes()).decode("ascii")
    numbers: list[float] = vector.tolist()
    return numbers
