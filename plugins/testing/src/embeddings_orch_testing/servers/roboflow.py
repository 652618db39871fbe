"""Roboflow Inference's CLIP routes, after github.com/roboflow/inference (http_api.py, error_handlers.py)."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image

from embeddings_orch.models.content import Vectors
from embeddings_orch_testing.servers.base import Answer, LoopbackServer, RecordedRequest, RefusedError
from embeddings_orch_testing.servers.vectors import vector_of

DIMENSIONS: Mapping[str, int] = {
    "RN50": 1024,
    "RN101": 512,
    "RN50x4": 640,
    "RN50x16": 768,
    "RN50x64": 1024,
    "ViT-B-16": 512,
    "ViT-B-32": 512,
    "ViT-L-14": 768,
    "ViT-L-14-336px": 768,
}
"""The versions that it serves, OpenAI's, and the length of their vectors."""

_MAX_BATCH = 8
_MAX_WORDS = 75  # CLIP reads 77 tokens, two of them for start and end; a word is at least one
_UNAUTHORIZED = (
    "Unauthorized access to roboflow API - check API key and make sure the key is valid for workspace you use. "
    "Visit https://docs.roboflow.com/api-reference/authentication#retrieve-an-api-key to learn how to retrieve one."
)
_NO_KEY = (
    "Required Roboflow API key is missing. Visit https://docs.roboflow.com/api-reference/authentication"
    "#retrieve-an-api-key to learn how to retrieve one."
)


class RoboflowServer(LoopbackServer):
    """``POST /clip/embed_text``, ``/clip/embed_image``, ``/clip/compare``; ``GET /info``.

    The key may stand in the query, in an ``Authorization: Bearer`` header or in the body's ``api_key``. Vectors are not
    of unit length. More than 8 images, or a text of more than 77 tokens, is an internal error of the whole request, and
    an unreadable image a 400.
    """

    def answer(self, request: RecordedRequest) -> Answer:
        """The server's answer to one request."""
        if (request.method, request.path) == ("GET", "/info"):
            return Answer(200, {"name": "Roboflow Inference Server", "version": "1.0.0"})
        routes = {
            "/clip/embed_text": self._embed_text,
            "/clip/embed_image": self._embed_image,
            "/clip/compare": self._compare,
        }
        if request.method != "POST" or request.path not in routes:
            raise RefusedError(404, "Not Found", "detail")
        body = request.body
        if not isinstance(body, dict):
            raise RefusedError(422, "Input should be a valid dictionary or object", "body")
        self._authorize(request, body)
        version = body.get("clip_version_id", "ViT-B-16")
        if version not in DIMENSIONS:
            raise RefusedError(404, "Requested Roboflow resource not found. Make sure that workspace, project or model "
                               "you referred in request exists.")  # fmt: skip
        return Answer(200, {**routes[request.path](body, version), "time": 0.01, "resolved_model": f"clip/{version}"})

    def refusal(self, error: RefusedError) -> Any:
        """``{"message": ...}``; FastAPI's ``{"detail": ...}`` where the request does not fit its schema."""
        if error.code == "detail":
            return {"detail": error.message}
        if error.status == 422:
            return {"detail": [{"type": "missing", "loc": ["body", error.code], "msg": error.message}]}
        return {"message": error.message}

    def _authorize(self, request: RecordedRequest, body: dict[str, Any]) -> None:
        if self.key is None:
            return
        bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
        key = request.query.get("api_key") or bearer or body.get("api_key")
        if not key:
            raise RefusedError(400, _NO_KEY)
        if key != self.key:
            raise RefusedError(401, _UNAUTHORIZED)

    def _embed_text(self, body: dict[str, Any], version: str) -> dict[str, Any]:
        text = body.get("text")
        texts = text if isinstance(text, list) else [text]
        if not all(isinstance(entry, str) for entry in texts):
            raise RefusedError(422, "Input should be a valid string", "text")
        return {"embeddings": _numbers(self._texts(texts, version))}

    def _embed_image(self, body: dict[str, Any], version: str) -> dict[str, Any]:
        if "image" not in body:
            raise RefusedError(422, "Field required", "image")
        image = body["image"]
        images = image if isinstance(image, list) else [image]
        if len(images) > _MAX_BATCH:
            raise RefusedError(500, "Internal error.")
        return {"embeddings": _numbers(self._images(images, version))}

    def _compare(self, body: dict[str, Any], version: str) -> dict[str, Any]:
        for name in ("subject", "prompt"):
            if name not in body:
                raise RefusedError(422, "Field required", name)
        kinds = {"image": self._images, "text": self._texts}
        subject_type, prompt_type = body.get("subject_type", "image"), body.get("prompt_type", "text")
        prompt = body["prompt"]
        named = isinstance(prompt, dict) and not {"type", "value"} <= prompt.keys()
        prompts = list(prompt.values()) if named else prompt if isinstance(prompt, list) else [prompt]
        if subject_type not in kinds or prompt_type not in kinds or len(prompts) > _MAX_BATCH:
            raise RefusedError(500, "Internal error.")
        (subject,) = kinds[subject_type]([body["subject"]], version)
        figures = [_cosine(subject, vector) for vector in kinds[prompt_type](prompts, version)]
        return {"similarity": dict(zip(prompt, figures, strict=True)) if named else figures}

    def _texts(self, texts: list[Any], version: str) -> list[Vectors]:
        for text in texts:
            if len(re.findall(r"\w+", text)) > _MAX_WORDS or self.rejects(text):
                raise RefusedError(500, "Internal error.")
        return [self._vector(text, version) for text in texts]

    def _images(self, images: list[Any], version: str) -> list[Vectors]:
        return [self._vector(self._decode(image), version) for image in images]

    def _vector(self, content: str | bytes, version: str) -> Vectors:
        vector: Vectors = vector_of(f"roboflow {version}", content, DIMENSIONS[version]) * np.float32(10)
        return vector

    def _decode(self, image: Any) -> bytes:
        if not isinstance(image, dict) or "type" not in image:
            raise RefusedError(422, "Field required", "image")
        if image["type"] != "base64":
            raise RefusedError(
                400, "Could not load input image. Cause: Providing images via this type is not supported."
            )
        try:
            data = base64.b64decode(image["value"], validate=True)
            with Image.open(BytesIO(data)) as picture:
                picture.convert("RGB")
        except (TypeError, ValueError, binascii.Error, OSError) as error:
            reason = "Could not load input image. Cause: Could not decode bytes into image."
            raise RefusedError(400, reason) from error
        if self.rejects(data):
            raise RefusedError(400, f"Could not load input image. Cause: it holds {self.reject!r}.")
        return data


def _numbers(vectors: list[Vectors]) -> list[list[float]]:
    return [[round(float(number), 5) for number in vector] for vector in vectors]


def _cosine(first: Vectors, second: Vectors) -> float:
    return float(first @ second / np.linalg.norm(first) / np.linalg.norm(second))
