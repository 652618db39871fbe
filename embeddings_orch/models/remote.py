"""What all remote providers have in common: their configs, their client, and the check of their answers."""

from __future__ import annotations

import threading
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Generic, Protocol, Self, TypeVar

import numpy as np
from pydantic import ConfigDict, model_validator

from embeddings_orch.errors import ResponseError
from embeddings_orch.models.base import Embedder, EmbedderConfig
from embeddings_orch.models.content import Vectors
from embeddings_orch.models.identity import operational
from embeddings_orch.policy.limiter import RateLimits
from embeddings_orch.policy.secrets import refuse_addresses_with_secrets, refuse_literals


class RemoteConfig(EmbedderConfig):
    """Settings of a provider that is asked over a network.

    A provider's config derives from it, and adds ``api_key_env`` (a `embeddings_orch.models.SecretName`) where it
    has a key.
    """

    # A refused value may be the key itself.
    model_config = ConfigDict(hide_input_in_errors=True)

    secret_keys: ClassVar[Mapping[str, str]] = {"api_key": "api_key_env"}
    """What a person could take for a place for a secret, and the key that names its variable."""

    concurrency: int = operational(8, ge=1, le=256, description="Requests under way at once; fewer after 429s.")
    timeout: float = operational(60.0, gt=0, description="Seconds until an answer must have come.")
    requests_per_minute: int | None = operational(
        None, ge=1, description="Most requests a minute, over all runs on this machine with the same key."
    )
    tokens_per_minute: int | None = operational(
        None, ge=1, description="Most tokens a minute, over all runs on this machine with the same key."
    )

    @model_validator(mode="before")
    @classmethod
    def _no_secrets(cls, value: Any) -> Any:
        if isinstance(value, Mapping):
            refuse_literals(value, cls.secret_keys)
            refuse_addresses_with_secrets(value)
        return value

    def rate_limits(self) -> RateLimits:
        """As configured."""
        return RateLimits(self.requests_per_minute, self.tokens_per_minute)

    def costs_money(self) -> bool:
        """Always taken to: prices may be left out."""
        return True


class RemoteClient(Protocol):
    """What a remote embedder needs of its provider's client, beside its calls."""

    def close(self) -> None:
        """Close the connections."""


RemoteConfigT = TypeVar("RemoteConfigT", bound=RemoteConfig)
ClientT = TypeVar("ClientT", bound=RemoteClient)


class RemoteEmbedder(Embedder[RemoteConfigT], Generic[RemoteConfigT, ClientT]):
    """An embedder with one client, made by the first request and shared by all threads; it is pickled as its config.

    Subclasses implement `connect` and `embed`, which asks ``self.client``.
    """

    def __init__(self, config: RemoteConfigT) -> None:
        super().__init__(config)
        self._connecting = threading.Lock()
        self._client: ClientT | None = None

    def __reduce__(self) -> tuple[type[Self], tuple[RemoteConfigT]]:
        return type(self), (self.config,)

    @abstractmethod
    def connect(self) -> ClientT:
        """Make the client.

        Raises:
            ProviderError: or any error that `classify` knows: the key is missing, there are no credentials.
        """

    @property
    def client(self) -> ClientT:
        """The client, made on first use.

        Raises:
            ProviderError: as `connect`.
        """
        with self._connecting:
            if self._client is None:
                self._client = self.connect()
            return self._client

    def close(self) -> None:
        """Close the client; the next batch makes a new one."""
        with self._connecting:
            client, self._client = self._client, None
        if client is not None:
            client.close()


def vectors_from(rows: Any, count: int) -> Vectors:
    """The vectors of an answer, shape (count, dimensions), float32.

    Args:
        rows: as the provider gave them: a list with a list of numbers, or an array, for each input.
        count: inputs of the request.

    Raises:
        ResponseError: they are no list, too few or too many, of several lengths, empty, not numbers, not finite.
    """
    if not isinstance(rows, list):
        raise ResponseError(f"the answer has no list of vectors, but {type(rows).__name__}")
    if len(rows) != count:
        raise ResponseError(f"the answer has {len(rows)} vectors for {count} inputs")
    try:
        array = np.asarray(rows)
    except ValueError as error:
        lengths = sorted({len(row) for row in rows if hasattr(row, "__len__")})
        raise ResponseError(f"the answer's vectors are of several lengths: {lengths}") from error
    if array.ndim != 2 or array.dtype.kind not in "fiu" or not array.size:
        raise ResponseError(
            f"the answer's vectors are not lists of numbers of one length ({array.dtype}, {array.ndim} axes)"
        )
    with np.errstate(over="ignore"):  # too large for float32 is infinite, and found below
        vectors: Vectors = array.astype(np.float32)
    if not np.isfinite(vectors).all():
        raise ResponseError("the answer has a vector that is not finite")
    return vectors
