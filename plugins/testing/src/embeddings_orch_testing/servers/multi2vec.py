"""Weaviate's inference container for CLIP, after github.com/weaviate/multi2vec-clip-inference (app.py, clip.py)."""

from __future__ import annotations

import base64
import binascii
from io import BytesIO
from typing import Any

from PIL import Image

from embeddings_orch_testing.servers.base import Answer, Bucket, LoopbackServer, RecordedRequest, RefusedError
from embeddings_orch_testing.servers.vectors import vector_of


class Multi2VecServer(LoopbackServer):
    """``POST /vectorize``, ``GET /meta``, ``/.well-known/live`` and ``/.well-known/ready``.

    As with the container, one bad item fails its whole request with status 500 and nobody counts tokens; vectors are
    not of unit length, as some of its backends leave them.

    Args:
        model: what the container runs; another one has other vectors.
        dimensions: of its vectors.

    Attributes:
        ready: False while the model loads: everything but ``/.well-known/live`` is a 503, as through a load balancer.
    """

    def __init__(
        self,
        *,
        model: str = "sentence-transformers-clip-ViT-B-32",
        dimensions: int = 512,
        latency: float = 0.0,
        bucket: Bucket | None = None,
        port: int = 0,
    ) -> None:
        super().__init__(latency=latency, bucket=bucket, port=port)
        self.model = model
        self.dimensions = dimensions
        self.ready = True

    def answer(self, request: RecordedRequest) -> Answer:
        """The container's answer to one request."""
        if request.path == "/.well-known/live":
            return Answer(204)
        if not self.ready:
            raise RefusedError(503, "no healthy upstream")
        if (request.method, request.path) == ("GET", "/.well-known/ready"):
            return Answer(204)
        if (request.method, request.path) == ("GET", "/meta"):
            return Answer(200, self.meta())
        if (request.method, request.path) != ("POST", "/vectorize"):
            raise RefusedError(404, "Not Found", "detail")
        body = request.body
        if not isinstance(body, dict):
            raise RefusedError(422, "Input should be a valid dictionary", "detail")
        texts, images = body.get("texts", []), body.get("images", [])
        for name, value in (("texts", texts), ("images", images)):
            if not isinstance(value, list):
                raise RefusedError(422, "Input should be a valid list", name)
        return Answer(
            200,
            {
                "textVectors": [self._vector(self._text(text)) for text in texts],
                "imageVectors": [self._vector(self._image(image)) for image in images],
            },
        )

    def meta(self) -> dict[str, Any]:
        """The model's config, as Hugging Face's CLIPConfig gives it."""
        config = {
            "_name_or_path": self.model,
            "model_type": "clip",
            "projection_dim": self.dimensions,
            "transformers_version": "4.48.0",
        }
        return {"clip_model": config, "text_model": config}

    def refusal(self, error: RefusedError) -> Any:
        """``{"error": ...}``; FastAPI's ``{"detail": ...}`` where the request does not fit its schema."""
        if error.code == "detail":
            return {"detail": error.message}
        if error.status == 422:
            return {"detail": [{"type": "list_type", "loc": ["body", error.code], "msg": error.message}]}
        return {"error": error.message}

    def _vector(self, content: str | bytes) -> list[float]:
        vector = vector_of(f"multi2vec {self.model}", content, self.dimensions)
        return [round(float(number) * 10, 5) for number in vector]

    def _text(self, text: Any) -> str:
        if not isinstance(text, str):
            raise RefusedError(500, f"{type(text).__name__!r} object has no attribute 'strip'")
        if self.rejects(text):
            raise RefusedError(500, f"cannot embed a text with {self.reject!r}")
        return text

    def _image(self, encoded: Any) -> bytes:
        try:
            data = base64.b64decode(encoded, validate=True)
            with Image.open(BytesIO(data)) as image:
                image.convert("RGB")
        except (TypeError, ValueError, binascii.Error, OSError) as error:
            raise RefusedError(500, str(error) or "cannot identify image file") from error
        if self.rejects(data):
            raise RefusedError(500, f"cannot embed an image with {self.reject!r}")
        return data
