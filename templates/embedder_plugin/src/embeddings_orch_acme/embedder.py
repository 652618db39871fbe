"""The embedder of the provider ``acme``: ``POST /v1/embed`` of Acme's HTTP API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from embeddings_orch.models import (
    Batch,
    EmbedderConfig,
    EmbedResult,
    Limits,
    Modality,
    ProviderError,
    RemoteEmbedder,
    ResponseError,
    TerminalError,
    TransientError,
    Vectors,
    account_of,
    error_from_status,
    message_in,
    read_secret,
    vectors_from,
)
from embeddings_orch_acme.config import DIMENSIONS, AcmeConfig

if TYPE_CHECKING:
    import httpx

_MOST_ITEMS = 96
_MOST_TOKENS = 100_000


class AcmeEmbedder(RemoteEmbedder[AcmeConfig, "httpx.Client"]):
    """Embeds texts; retries, packing, rate limits, bisection and normalising are the core's."""

    config_class: ClassVar[type[EmbedderConfig]] = AcmeConfig
    modalities: frozenset[Modality] = frozenset({"text"})
    kinds: ClassVar[tuple[str, ...]] = ("acme",)

    def dimensions(self) -> int | None:
        """Of the known models."""
        return DIMENSIONS.get(self.config.name)

    def limits(self, modality: Modality) -> Limits:
        """What the API takes in one request."""
        return Limits(items=min(self.config.batch_size, _MOST_ITEMS), tokens=_MOST_TOKENS)

    def account(self) -> str:
        """One rate limit for each key."""
        return account_of(self.config.provider, self.config.base_url, self._key())

    def connect(self) -> httpx.Client:
        """One client for all threads."""
        import httpx

        return httpx.Client(
            base_url=self.config.base_url,
            headers={"Authorization": f"Bearer {self._key()}"},
            timeout=self.config.timeout,
            limits=httpx.Limits(max_connections=self.config.concurrency),
        )

    def embed(self, batch: Batch) -> EmbedResult:
        """One request for the whole batch.

        Raises:
            ProviderError: or what `classify` knows.
        """
        side = "query" if batch.side == "query" else "passage"
        body = {"model": self.config.name, "side": side, "texts": list(batch.contents)}
        response = self.client.post("/v1/embed", json=body)
        if response.status_code != 200:
            raise error_from_status(response.status_code, message_in(response.content), response.headers)
        try:
            answer = response.json()
        except ValueError:
            raise ResponseError(f"the answer is no JSON: {message_in(response.content)}") from None
        return EmbedResult(_vectors_in(answer, len(batch)), tokens=_tokens_in(answer))

    def classify(self, error: Exception) -> ProviderError:
        """What httpx raises before there is a status."""
        import httpx

        if isinstance(error, httpx.TransportError):
            return TransientError(f"{self.config.base_url}: {type(error).__name__}: {error}")
        if isinstance(error, httpx.InvalidURL):
            return TerminalError(f"base_url {self.config.base_url!r}: {error}")
        return super().classify(error)

    def _key(self) -> str:
        return read_secret(self.config.api_key_env, "Acme's API key")


def _vectors_in(answer: Any, count: int) -> Vectors:
    """The vectors in the order of their indexes; shape (count, dimensions)."""
    try:
        rows = {int(row["index"]): row["vector"] for row in answer["data"]}
        found = len(answer["data"])
    except (KeyError, TypeError, ValueError) as error:
        raise ResponseError(f"the answer has no vectors: {type(error).__name__} {error}") from None
    if found != count or sorted(rows) != list(range(count)):
        raise ResponseError(f"the answer has {found} vectors with the indexes {sorted(rows)[:9]} for {count} texts")
    return vectors_from([rows[index] for index in range(count)], count)


def _tokens_in(answer: Any) -> int:
    usage = answer.get("usage")
    tokens = usage.get("total_tokens") if isinstance(usage, dict) else None
    return tokens if isinstance(tokens, int) else 0
