"""Settings of the two CLIP servers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Literal, Self

from pydantic import field_validator, model_validator

from embeddings_orch.models import RemoteConfig, SecretName, identity, operational

DEFAULT_MULTI2VEC_URL = "http://localhost:8080"
DEFAULT_ROBOFLOW_URL = "http://localhost:9001"

ClipVersion = Literal[
    "RN50", "RN101", "RN50x4", "RN50x16", "RN50x64", "ViT-B-16", "ViT-B-32", "ViT-L-14", "ViT-L-14-336px"
]

DIMENSIONS: Mapping[str, int] = MappingProxyType(
    {
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
)
"""Length of the vectors of OpenAI's CLIP models, which Roboflow Inference serves."""

_URL = re.compile(r"https?://[^\s/?#@]+(/[^\s?#@]*)?")


class Multi2VecClipConfig(RemoteConfig):
    """Weaviate's multi2vec-clip container, one or several that run the same model.

    Example:
        >>> Multi2VecClipConfig(name="ViT-B-32", inference_urls=["http://gpu-1:8080", "http://gpu-2:8080"]).servers()
        ('http://gpu-1:8080', 'http://gpu-2:8080')
    """

    provider: ClassVar[str] = "multi2vec-clip"

    name: str = identity(
        min_length=1,
        description="The model that the container runs, in your words: another name embeds everything anew.",
    )
    dimensions: int | None = identity(
        None,
        ge=1,
        description="Length that the vectors must have; any other stops the run. Default: the first answer's.",
    )
    inference_url: str | None = operational(
        None, description=f"The container's address; {DEFAULT_MULTI2VEC_URL} where no address is given."
    )
    inference_urls: list[str] = operational(
        [], description="Addresses of several containers with the same model, used side by side."
    )
    batch_size: int = operational(32, ge=1, description="Items per request.")
    concurrency: int = operational(4, ge=1, le=256, description="Requests under way at once, over all containers.")

    @field_validator("inference_url", mode="before")
    @classmethod
    def _address(cls, value: Any) -> Any:
        return address(value)

    @field_validator("inference_urls", mode="before")
    @classmethod
    def _addresses(cls, value: Any) -> Any:
        return [address(url) for url in value] if isinstance(value, list | tuple) else value

    @model_validator(mode="after")
    def _different(self) -> Self:
        if len(set(self.servers())) < len(self.servers()):
            raise ValueError("an address stands in 'inference_url' and 'inference_urls' twice")
        return self

    def servers(self) -> tuple[str, ...]:
        """All addresses, without a slash at the end."""
        first = (self.inference_url,) if self.inference_url else ()
        return (*first, *self.inference_urls) or (DEFAULT_MULTI2VEC_URL,)


class RoboflowClipConfig(RemoteConfig):
    """CLIP of a Roboflow Inference server, one's own or Roboflow's.

    Example:
        >>> RoboflowClipConfig(clip_version_id="ViT-L-14", api_key_env=None).base_url
        'http://localhost:9001'
    """

    provider: ClassVar[str] = "roboflow-clip"

    clip_version_id: ClipVersion = identity("ViT-B-16", description="The version of OpenAI's CLIP.")
    base_url: str = operational(DEFAULT_ROBOFLOW_URL, description="The server's address.")
    api_key_env: SecretName | None = operational(
        "ROBOFLOW_API_KEY",
        description="The variable with the API key; null where the server has its own or needs none.",
    )
    batch_size: int = operational(8, ge=1, le=8, description="Items per request; the server takes 8 at the most.")
    concurrency: int = operational(4, ge=1, le=256, description="Requests under way at once.")

    @field_validator("base_url", mode="before")
    @classmethod
    def _address(cls, value: Any) -> Any:
        return address(value)


def address(url: Any) -> Any:
    """A server's address without a slash at the end; anything but a text as it is, for pydantic to refuse.

    Raises:
        ValueError: it is none, or holds a user, a password or a query; the message does not show it.
    """
    if type(url) is not str:
        return url  # Dagster's EnvVar, a subclass, has its text only when it is run; it is validated again then
    if not _URL.fullmatch(url):
        raise ValueError("is not an address as http://HOST:PORT, without user, password and query")
    return url.rstrip("/")
