"""Settings of an embedding model of OpenAI, or of a server that speaks its protocol."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self
from urllib.parse import urlsplit

from pydantic import ValidationInfo, field_validator, model_validator

from embeddings_orch.models import RemoteConfig, SecretName, identity, operational

FULL_LENGTHS: Mapping[str, int] = {
    "text-embedding-3-small": 1536,
    "text-embedding-3-large": 3072,
    "text-embedding-ada-002": 1536,
}
"""OpenAI's models and the length of their vectors, of https://platform.openai.com/docs/guides/embeddings."""

FIXED_LENGTH = "text-embedding-ada-002"
"""The model whose vectors cannot be shortened."""

OPENAI = "https://api.openai.com/v1"

MOST_INPUTS = 2048
MOST_TOKENS = 300_000
MOST_TOKENS_OF_AN_INPUT = 8192


class OpenAIConfig(RemoteConfig):
    """A model behind ``/v1/embeddings``.

    Example:
        >>> OpenAIConfig(name="text-embedding-3-large", dimensions=1024).full_length
        3072
        >>> OpenAIConfig(name="bge-m3", base_url="http://localhost:7997", api_key_env=None).address
        'http://localhost:7997/v1'
    """

    provider: ClassVar[str] = "openai"

    name: str = identity(
        "text-embedding-3-small", min_length=1, description="A model of OpenAI, or the name that base_url's server has."
    )
    dimensions: int | None = identity(
        None, ge=1, description="Length of the vectors, where the model can shorten them; by default its full length."
    )
    base_url: str | None = operational(
        None, description="Address of another server with OpenAI's protocol, with or without /v1; never with a key."
    )
    organization: str | None = operational(None, description="OpenAI organization that pays, where you are in several.")
    api_key_env: SecretName | None = operational(
        "OPENAI_API_KEY",
        description="Environment variable with the key; null for a server at base_url that has none.",
    )
    batch_size: int = operational(MOST_INPUTS, ge=1, le=MOST_INPUTS, description="Texts in one request, at the most.")

    @field_validator("base_url", mode="before")
    @classmethod
    def _an_address(cls, value: Any) -> Any:
        # Dagster's EnvVar is a subclass of str whose text is only known at run time; it is validated again then.
        if type(value) is not str:
            return value
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("is no address; write it like http://localhost:7997/v1")
        if "@" in parts.netloc or parts.query or parts.fragment:
            raise ValueError("must be an address alone: a key belongs into the variable that api_key_env names")
        return value.rstrip("/").removesuffix("/embeddings").rstrip("/")

    @field_validator("dimensions")
    @classmethod
    def _possible(cls, value: int | None, info: ValidationInfo) -> int | None:
        name = info.data.get("name", "")
        full = FULL_LENGTHS.get(name)
        if value is None or full is None:
            return value
        if name == FIXED_LENGTH and value != full:
            raise ValueError(f"the vectors of {name} cannot be shortened: remove it, or choose text-embedding-3-small")
        if value > full:
            raise ValueError(f"the vectors of {name} have at most {full}")
        return value

    @model_validator(mode="after")
    def _needs_a_key(self) -> Self:
        if self.api_key_env is None and self.base_url is None:
            raise ValueError("api_key_env can be null only where base_url is another server's: OpenAI wants a key")
        return self

    @property
    def address(self) -> str:
        """Where requests go first: ``/v1`` is added to an address without a path."""
        if self.base_url is None:
            return OPENAI
        return f"{self.base_url}/v1" if self.other_address is not None else self.base_url

    @property
    def other_address(self) -> str | None:
        """The bare address, where it is not said whether the server's paths begin with ``/v1``."""
        return self.base_url if self.base_url and urlsplit(self.base_url).path in ("", "/") else None

    @property
    def full_length(self) -> int | None:
        """Length of the model's vectors where nothing shortens them, None for a model that is not OpenAI's."""
        return FULL_LENGTHS.get(self.name)

    def identity(self) -> dict[str, Any]:
        """The identity fields; the full length is the same whether it is written down or not."""
        fields = super().identity()
        if self.dimensions == self.full_length:
            fields["dimensions"] = None
        return fields
