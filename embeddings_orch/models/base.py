"""What an embedding provider is: a config, the modalities it reads, and one call that embeds a batch.

Batching, retries, bisection, normalising, counting and caching belong to the core (`embeddings_orch.embedding.step`).
An embedder's module must import without its SDK and without torch: those load when the first batch is embedded.

Example:
    >>> class LengthConfig(EmbedderConfig):
    ...     provider: ClassVar[str] = "length"
    >>> class LengthEmbedder(Embedder):
    ...     config_class = LengthConfig
    ...     modalities = frozenset({"text"})
    ...     def embed(self, batch):
    ...         return EmbedResult(np.array([[len(text), 1.0] for text in batch.contents], dtype=np.float32))
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Self, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from embeddings_orch.errors import PluginError, ProviderError, TerminalError, TransientError
from embeddings_orch.models.content import Item, Modality, Side, Vectors
from embeddings_orch.models.identity import fingerprint, identity, operational, role_of
from embeddings_orch.policy.limiter import RateLimits
from embeddings_orch.policy.packing import Limits
from embeddings_orch.policy.prices import Prices
from embeddings_orch.policy.retry import RetryPolicy
from embeddings_orch.policy.secrets import account_of


class EmbedderConfig(BaseModel):
    """Settings every provider has; a provider's own config derives from it and adds its own.

    Every field is declared with `identity` (changes the vectors) or `operational` (does not).
    """

    # What is wrong may be a key in the wrong place: pydantic's own message would show it.
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    provider: ClassVar[str]
    vector_version: ClassVar[int] = 1
    """Raised by a provider when its code changes the vectors it makes for the same settings."""

    normalize: bool = identity(True, description="Scale every vector to unit length.")
    batch_size: int = operational(64, ge=1, description="Items per call of the model.")
    concurrency: int = operational(1, ge=1, le=256, description="Batches in flight; 1 for a model on one device.")
    retry: RetryPolicy = operational(RetryPolicy(), description="How often and how patiently to try again.")
    prices: Prices = operational(Prices(), description="US dollars, for estimates, reports and max_cost_usd.")
    max_cost_usd: float | None = operational(None, gt=0, description="Most that one run may spend on this model.")

    @model_validator(mode="after")
    def _check_prices(self) -> Self:
        if self.max_cost_usd is not None and not self.prices.known:
            raise ValueError("max_cost_usd needs prices: {per_million_tokens: ...} or {per_image: ...}")
        return self

    def rate_limits(self) -> RateLimits:
        """What may be sent in a minute; by default as much as goes."""
        return RateLimits()

    def costs_money(self) -> bool:
        """Whether a content that is embedded again is paid for again; by default where a price is set."""
        return self.prices.known

    def runs_here(self) -> bool:
        """Whether the model runs on the machine that asks it, so that a few contents may be embedded again to compare.

        By default it is not known to.
        """
        return False

    def identity(self) -> dict[str, Any]:
        """The plain values that the fingerprint covers; a provider may add more (a weights file's hash)."""
        fields = type(self).model_fields
        return {name: getattr(self, name) for name, field in fields.items() if role_of(field) == "identity"}

    def fingerprint(self) -> str:
        """64 hex digits that change exactly when the vectors would.

        Raises:
            EmbeddingsOrchError: where identity depends on a local file that cannot be read.
        """
        return fingerprint(self.provider, self.vector_version, self.identity())

    def declared_identity(self) -> dict[str, Any]:
        """Provider and identity as a person declared them, for messages: a bundled model's name beside its digest."""
        fields = type(self).model_fields
        declared = {name: getattr(self, name) for name, field in fields.items() if role_of(field) == "identity"}
        filled = {name: value for name, value in declared.items() if value is not None}
        return {"provider": self.provider, **self.identity(), **filled}

    def settings(self) -> dict[str, Any]:
        """All settings as plain JSON values; secrets are never among them, only the names of their variables."""
        return self.model_dump(mode="json")


ConfigT = TypeVar("ConfigT", bound=EmbedderConfig)


@dataclass(frozen=True)
class Batch:
    """Prepared contents of one modality, for one call of the model."""

    modality: Modality
    contents: Sequence[Any]
    side: Side = "document"

    def __len__(self) -> int:
        return len(self.contents)


@dataclass(frozen=True)
class EmbedResult:
    """What one call of a model gave.

    Attributes:
        vectors: shape (n, dimensions), in the order of the batch.
        tokens: tokens that the provider counted, 0 where it counts none.
    """

    vectors: Vectors | Sequence[Sequence[float]]
    tokens: int = 0


class Embedder(ABC, Generic[ConfigT]):
    """Turns contents into vectors. Subclasses implement `embed`; the rest has defaults."""

    config_class: ClassVar[type[EmbedderConfig]]
    modalities: frozenset[Modality]
    kinds: ClassVar[tuple[str, ...]] = ()
    """Kinds shown on the asset in Dagster's UI."""

    def __init__(self, config: ConfigT) -> None:
        self.config = config

    def dimensions(self) -> int | None:
        """The length of the vectors where the config tells it, else None (then the first batch does)."""
        return None

    def limits(self, modality: Modality) -> Limits:
        """What one call of `embed` may hold; by default ``batch_size`` items."""
        return Limits(items=self.config.batch_size)

    def tokens(self, modality: Modality, content: Any) -> int:
        """A bound on the tokens of one prepared content, for packing, rate limits and ``max_cost_usd``.

        By default a text's UTF-8 bytes and two, which no tokenizer in use exceeds, and none for anything else.
        """
        return len(content.encode()) + 2 if isinstance(content, str) else 0

    def account(self) -> str:
        """What shares its rate limits with this embedder, see `embeddings_orch.policy.secrets.account_of`.

        Raises:
            TerminalError: its key is missing.
        """
        return account_of(self.config.provider)

    def prepare(self, item: Item) -> Any:
        """Decode one item for the model; runs in the decode threads, several at a time.

        Raises:
            ItemError: this content cannot be decoded.
        """
        return item.content

    @abstractmethod
    def embed(self, batch: Batch) -> EmbedResult:
        """Embed one batch of prepared contents, in order, one vector each.

        Raises:
            ProviderError: or any SDK error that `classify` knows.
        """

    def classify(self, error: Exception) -> ProviderError:
        """Say what an SDK's error means: transient, terminal, item, or too large a batch."""
        if isinstance(error, ProviderError):
            return error
        if isinstance(error, ConnectionError | TimeoutError):
            return TransientError(f"{type(error).__name__}: {error}")
        return TerminalError(f"{type(error).__name__}: {error}")

    def close(self) -> None:
        """Release the model, connections and memory."""
        return


def embedder_for(config: EmbedderConfig) -> Embedder[Any]:
    """The embedder that runs a config, from the plugin of the config's provider.

    Raises:
        PluginError: the provider's plugin is missing or broken.
    """
    from embeddings_orch import plugins

    embedder_class: type[Embedder[Any]] = plugins.load("embedders", config.provider)
    return embedder_class(config)


def config_from(provider: str, settings: Mapping[str, Any]) -> EmbedderConfig:
    """A provider's config from stored settings (see `EmbedderConfig.settings`).

    Raises:
        PluginError: the plugin is missing, or of a version that the settings do not fit.
    """
    from embeddings_orch import plugins

    embedder_class: type[Embedder[Any]] = plugins.load("embedders", provider)
    try:
        return embedder_class.config_class.model_validate(dict(settings))
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, detail['loc']))}: {detail['msg']}" for detail in error.errors())
        raise PluginError(
            f"the settings kept for {provider!r} do not fit the installed plugin ({wrong}): "
            "install the version that wrote them, or run the pipeline again"
        ) from error
