"""Google's Gemini API for embeddings, after ai.google.dev/api/embeddings and google.rpc.error_details."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image

from embeddings_orch_testing.servers.base import Answer, LoopbackServer, RecordedRequest, RefusedError
from embeddings_orch_testing.servers.vectors import tokens_of, vector_of

TASK_TYPES = (
    "TASK_TYPE_UNSPECIFIED",
    "RETRIEVAL_QUERY",
    "RETRIEVAL_DOCUMENT",
    "SEMANTIC_SIMILARITY",
    "CLASSIFICATION",
    "CLUSTERING",
    "QUESTION_ANSWERING",
    "FACT_VERIFICATION",
    "CODE_RETRIEVAL_QUERY",
)

_PATH = re.compile(r"/(?:v1|v1beta)/(models/[^/:]+):(embedContent|batchEmbedContents)")
_MAX_BATCH = 100
_MAX_BYTES = 20 * 2**20
_MAX_IMAGES = 6
_FULL, _LEAST = 3072, 128
_IMAGE_TOKENS = 258
_TYPE = "type.googleapis.com/google.rpc."
_STATUS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


@dataclass(frozen=True)
class _Model:
    tokens: int  # of a text; what is longer is cut
    pictures: bool
    task_types: bool
    unit_length: bool  # also where the vectors were cut


_MODELS: Mapping[str, _Model] = {
    "models/gemini-embedding-001": _Model(2048, pictures=False, task_types=True, unit_length=False),
    "models/gemini-embedding-2": _Model(8192, pictures=True, task_types=False, unit_length=True),
    "models/gemini-embedding-2-preview": _Model(8192, pictures=True, task_types=False, unit_length=True),
}


class GeminiServer(LoopbackServer):
    """``POST /v1beta/models/MODEL:batchEmbedContents`` and ``:embedContent`` (``/v1`` as well).

    gemini-embedding-001 reads texts, tells task types apart, and leaves shortened vectors as they are;
    gemini-embedding-2 reads texts and pictures, and ignores the task type. All parts of one content become ONE vector.
    """

    def answer(self, request: RecordedRequest) -> Answer:
        """The API's answer to one request."""
        match = _PATH.fullmatch(request.path)
        if request.method != "POST" or match is None:
            raise RefusedError(404, "Requested entity was not found.")
        self._authorize(request)
        if len(request.raw) > _MAX_BYTES:
            raise RefusedError(400, f"Request payload size exceeds the limit: {_MAX_BYTES} bytes.")
        name, method = match.groups()
        if name not in _MODELS:
            raise RefusedError(404, f"{name} is not found for API version v1beta, or is not supported for {method}.")
        if not isinstance(request.body, dict):
            raise RefusedError(400, "Invalid JSON payload received.")
        if method == "embedContent":
            vector, tokens = self._embed(name, request.body, "EmbedContentRequest")
            return Answer(200, {"embedding": {"values": vector}, **_usage(tokens)})
        requests = request.body.get("requests")
        if not isinstance(requests, list) or not requests:
            raise RefusedError(400, "* BatchEmbedContentsRequest.requests: requests must not be empty\n")
        if len(requests) > _MAX_BATCH:
            raise RefusedError(
                400, f"* BatchEmbedContentsRequest.requests: at most {_MAX_BATCH} requests can be in one batch\n"
            )
        embedded = []
        for index, item_request in enumerate(requests):
            where = f"BatchEmbedContentsRequest.requests[{index}]"
            if item_request.get("model") != name:
                raise RefusedError(400, f"* {where}.model: model must match the model of the batch\n")
            embedded.append(self._embed(name, item_request, where))
        values = [{"values": vector} for vector, _ in embedded]
        return Answer(200, {"embeddings": values, **_usage(sum(tokens for _, tokens in embedded))})

    def refusal(self, error: RefusedError) -> Any:
        """``{"error": {"code", "message", "status", "details"}}``."""
        status = _STATUS.get(error.status, "UNKNOWN")
        body: dict[str, Any] = {"code": error.status, "message": error.message, "status": status}
        if error.code == "API_KEY_INVALID":
            domain = {"reason": error.code, "domain": "googleapis.com"}
            body["details"] = [{"@type": f"{_TYPE}ErrorInfo", **domain}]
        if error.status == 429:
            wait = float(error.headers.get("retry-after", 0))
            return quota_error(retry_delay=wait or None, message=error.message)
        return {"error": body}

    def _authorize(self, request: RecordedRequest) -> None:
        if self.key is None:
            return
        key = request.headers.get("x-goog-api-key") or request.query.get("key")
        if not key:
            raise RefusedError(403, "Method doesn't allow unregistered callers (callers without established identity).")
        if key != self.key:
            raise RefusedError(400, "API key not valid. Please pass a valid API key.", "API_KEY_INVALID")

    def _embed(self, name: str, request: Any, where: str) -> tuple[list[float], int]:
        model = _MODELS[name]
        task = request.get("taskType", request.get("task_type", "TASK_TYPE_UNSPECIFIED"))
        if task not in TASK_TYPES:
            raise RefusedError(400, f"Invalid value at '{where}.task_type' (TaskType), \"{task}\"")
        length = request.get("outputDimensionality", request.get("output_dimensionality", _FULL))
        if not isinstance(length, int) or not _LEAST <= length <= _FULL:
            raise RefusedError(400, f"* {where}.output_dimensionality: must be from {_LEAST} to {_FULL}\n")
        content = request.get("content")
        parts = content.get("parts") if isinstance(content, dict) else None
        if not parts:
            raise RefusedError(400, f"* {where}.content: contents is not specified\n")
        read = [self._part(part, model, where) for part in parts]
        pictures = sum(isinstance(content_part, bytes) for content_part in read)
        if pictures > _MAX_IMAGES:
            raise RefusedError(400, f"* {where}.content: at most {_MAX_IMAGES} images are supported\n")
        data, tokens = [], 0
        for content_part in read:
            if isinstance(content_part, bytes):
                data.append(content_part)
                tokens += _IMAGE_TOKENS
            else:
                data.append(content_part[: model.tokens * 4].encode())
                tokens += min(tokens_of(content_part), model.tokens)
        space = f"gemini {name} {task if model.task_types else ''}"
        # As with the real models, a shorter vector is the beginning of the long one.
        vector = vector_of(space, b"\0".join(data), _FULL)[:length]
        if model.unit_length:
            vector = vector / np.linalg.norm(vector)
        return [round(float(number), 7) for number in vector], tokens

    def _part(self, part: Any, model: _Model, where: str) -> str | bytes:
        blob = part.get("inlineData") or part.get("inline_data")
        if blob is None:
            text = part.get("text")
            if not isinstance(text, str) or not text:
                raise RefusedError(400, f"* {where}.content: empty Part\n")
            if self.rejects(text):
                raise RefusedError(400, f"* {where}.content: the text holds {self.reject!r}")
            return text
        if not model.pictures:
            raise RefusedError(400, f"* {where}.content: only text is supported by this model\n")
        mime = blob.get("mimeType") or blob.get("mime_type")
        if mime not in ("image/png", "image/jpeg"):
            raise RefusedError(400, f"Unsupported MIME type: {mime}")
        try:
            # The SDK sends URL-safe base64; the API reads both.
            data = base64.b64decode(blob["data"].replace("-", "+").replace("_", "/"), validate=True)
            with Image.open(BytesIO(data)) as picture:
                picture.convert("RGB")
                if picture.get_format_mimetype() != mime:
                    raise ValueError(mime)
        except (KeyError, AttributeError, ValueError, binascii.Error, OSError) as error:
            raise RefusedError(400, "Unable to process input image. Please retry or report.") from error
        if self.rejects(data):
            raise RefusedError(400, f"Unable to process input image: it holds {self.reject!r}.")
        return data


def quota_error(
    *,
    per: str = "Minute",
    retry_delay: float | None = None,
    value: int = 100,
    message: str = "You exceeded your current quota, please check your plan and billing details.",
) -> dict[str, Any]:
    """The body of a 429: which quota it is, and how long to wait.

    Args:
        per: what the quota counts in: ``Minute`` or ``Day``.
        retry_delay: seconds, None for no ``RetryInfo``.
        value: of the quota.
        message: in the API's words.
    """
    violation = {
        "quotaMetric": "generativelanguage.googleapis.com/embed_content_free_tier_requests",
        "quotaId": f"EmbedContentRequestsPer{per}PerUserPerProjectPerModel-FreeTier",
        "quotaDimensions": {"location": "global", "model": "gemini-embedding-001"},
        "quotaValue": str(value),
    }
    details: list[dict[str, Any]] = [{"@type": f"{_TYPE}QuotaFailure", "violations": [violation]}]
    if retry_delay is not None:
        details.append({"@type": f"{_TYPE}RetryInfo", "retryDelay": f"{retry_delay:g}s"})
    return {"error": {"code": 429, "message": message, "status": "RESOURCE_EXHAUSTED", "details": details}}


def _usage(tokens: int) -> dict[str, Any]:
    return {"usageMetadata": {"promptTokenCount": tokens}}
