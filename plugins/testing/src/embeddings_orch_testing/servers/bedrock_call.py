"""One request to a model behind InvokeModel: its checks, in Bedrock's words, and its errors."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from embeddings_orch.models.content import Vectors
from embeddings_orch_testing.servers.base import RefusedError
from embeddings_orch_testing.servers.vectors import vector_of

STATUS: Mapping[str, int] = {
    "AccessDeniedException": 403,
    "ExpiredTokenException": 403,
    "InternalServerException": 500,
    "InvalidSignatureException": 403,
    "MissingAuthenticationTokenException": 403,
    "ModelErrorException": 424,
    "ModelNotReadyException": 429,
    "ModelTimeoutException": 408,
    "ResourceNotFoundException": 404,
    "ServiceQuotaExceededException": 400,
    "ServiceUnavailableException": 503,
    "ThrottlingException": 429,
    "UnrecognizedClientException": 403,
    "ValidationException": 400,
}
"""The errors of InvokeModel and of signing, with their status codes."""

_FORMATS = (("png", b"\x89PNG"), ("jpeg", b"\xff\xd8"), ("gif", b"GIF8"), ("webp", b"RIFF"))


def error(code: str, message: str) -> RefusedError:
    """An error as Bedrock gives it: the code in ``x-amzn-errortype``, the words in ``{"message"}``."""
    kind = {"x-amzn-errortype": f"{code}:http://internal.amazon.com/coral/com.amazon.bedrock/"}
    return RefusedError(STATUS[code], message, code, kind)


def schema_error(violations: str) -> RefusedError:
    """What Bedrock says when a body does not fit the model's JSON schema."""
    return error(
        "ValidationException", f"Malformed input request: {violations}, please reformat your input and try again."
    )


@dataclass(frozen=True)
class InvokeRequest:
    """One request to a model.

    Attributes:
        model: its base id.
        body: the request's JSON.
        profile: whether an inference profile was named.
        rejects: whether an input is one to refuse.
    """

    model: str
    body: dict[str, Any]
    profile: bool
    rejects: Callable[[str | bytes], bool]

    def keys(self, required: Collection[str], optional: Collection[str] = ()) -> None:
        """Refuse a body with other keys."""
        missing = [f"#: required key [{key}] not found" for key in required if key not in self.body]
        extra = [
            f"#: extraneous key [{key}] is not permitted" for key in self.body if key not in (*required, *optional)
        ]
        if missing or extra:
            raise schema_error("".join((*missing, *extra)))

    def choice(self, key: str, allowed: Collection[Any], default: Any, within: Mapping[str, Any] | None = None) -> Any:
        """The value of a key that has a few."""
        value = (self.body if within is None else within).get(key, default)
        if value not in allowed:
            raise schema_error(f"#/{key}: {value} is not a valid enum value")
        return value

    def text(self, where: str, value: Any, longest: int | None = None) -> str:
        """A text, neither empty nor longer than so many characters."""
        if not isinstance(value, str):
            raise schema_error(f"#/{where}: expected type: String, found: {type(value).__name__}")
        if not value:
            raise schema_error(f"#/{where}: expected minLength: 1, actual: 0")
        if longest is not None and len(value) > longest:
            raise schema_error(f"#/{where}: expected maxLength: {longest}, actual: {len(value)}")
        if self.rejects(value):
            raise error("ValidationException", "Input is too long for requested model.")
        return value

    def picture(self, value: Any, formats: Collection[str], most: int | None, kind: str | None = None) -> bytes:
        """A picture's file from base64, of one of the formats, and no larger than so many bytes."""
        try:
            data = base64.b64decode(value, validate=True)
        except (binascii.Error, TypeError, ValueError):
            raise error("ValidationException", "The image is not valid base64.") from None
        detected = next((name for name, start in _FORMATS if data.startswith(start)), None)
        if detected is None or detected not in formats or kind not in (None, detected):
            raise error("ValidationException", f"Unsupported image format; allowed: {', '.join(formats)}.")
        if most is not None and len(data) > most:
            raise error("ValidationException", f"The image exceeds the maximum size of {most} bytes.")
        if self.rejects(data):
            raise error("ValidationException", "Unable to process the provided image.")
        return data

    def vector(self, content: str | bytes, dimensions: int, side: str = "") -> Vectors:
        """The vector of one input; ``side`` is whatever makes the same model give another one."""
        return vector_of(f"bedrock {self.model} {side}", content, dimensions)
