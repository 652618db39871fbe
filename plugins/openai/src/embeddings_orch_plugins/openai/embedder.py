"""The openai embedder. Importing this module imports neither OpenAI's SDK nor tiktoken."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from embeddings_orch.models import (
    Batch,
    EmbedResult,
    Item,
    ItemError,
    Limits,
    Modality,
    ProviderError,
    RemoteEmbedder,
    account_of,
    read_secret,
)
from embeddings_orch_plugins.openai.config import (
    FIXED_LENGTH,
    MOST_INPUTS,
    MOST_TOKENS,
    MOST_TOKENS_OF_AN_INPUT,
    OpenAIConfig,
)
from embeddings_orch_plugins.openai.tokens import COUNTER, TokenCounter

if TYPE_CHECKING:
    from embeddings_orch_plugins.openai.client import Client


class OpenAIEmbedder(RemoteEmbedder[OpenAIConfig, "Client"]):
    """Embeds texts by one model of OpenAI, or of a server that speaks its protocol.

    Args:
        config: settings.
        counter: counts the tokens of OpenAI's models; by default the one of this process.
    """

    config_class = OpenAIConfig
    modalities: frozenset[Modality] = frozenset({"text"})
    kinds: ClassVar[tuple[str, ...]] = ("openai",)

    def __init__(self, config: OpenAIConfig, counter: TokenCounter = COUNTER) -> None:
        super().__init__(config)
        self._counter = counter

    def dimensions(self) -> int | None:
        """As configured, else the full length of one of OpenAI's models, else None."""
        return self.config.dimensions or self.config.full_length

    def limits(self, modality: Modality) -> Limits:
        """OpenAI's: 2,048 inputs and 300,000 tokens; other servers take no more."""
        return Limits(items=min(self.config.batch_size, MOST_INPUTS), tokens=MOST_TOKENS)

    def tokens(self, modality: Modality, content: Any) -> int:
        """Tokens of a text: counted where tiktoken has the model's table, else bounded by its bytes."""
        counted = self._count_tokens(content)
        return counted if counted is not None else super().tokens(modality, content)

    def account(self) -> str:
        """Address, organization and key together have one rate limit.

        Raises:
            TerminalError: the key is missing.
        """
        return account_of(self.config.provider, self.config.address, self.config.organization, self._key())

    def prepare(self, item: Item) -> Any:
        """The text as it is.

        Raises:
            ItemError: it has more tokens than OpenAI's models read, as far as that can be counted here.
        """
        text = item.content
        # A token has at least one byte, so short texts need no count here.
        if isinstance(text, str) and len(text.encode()) > MOST_TOKENS_OF_AN_INPUT:
            counted = self._count_tokens(text)
            if counted is not None and counted > MOST_TOKENS_OF_AN_INPUT:
                raise ItemError(
                    f"more than {MOST_TOKENS_OF_AN_INPUT:,} tokens, which is the most that {self.config.name} reads: "
                    "split the text"
                )
        return text

    def connect(self) -> Client:
        """A client of OpenAI's SDK.

        Raises:
            TerminalError: the key is missing.
        """
        from embeddings_orch_plugins.openai.client import Client

        return Client(self.config, self._key())

    def embed(self, batch: Batch) -> EmbedResult:
        """Embed texts in one request: vectors of shape (n, dimensions), in order, as the server gives them.

        Raises:
            ProviderError: see `embeddings_orch_plugins.openai.errors` and `embeddings_orch_plugins.openai.answers`.
        """
        from embeddings_orch_plugins.openai.answers import result_of

        return result_of(self.client.ask(list(batch.contents)), len(batch))

    def classify(self, error: Exception) -> ProviderError:
        """What an error of the SDK, or of the network, means."""
        from embeddings_orch_plugins.openai.errors import translate_error

        return translate_error(error, self.config.address, ours=self.config.base_url is not None)

    def advice(self) -> list[str]:
        """What would be cheaper, or counted instead of bounded."""
        advice = []
        if self.config.name == FIXED_LENGTH:
            advice.append(
                "name: text-embedding-3-small finds better and costs a fifth; "
                "it is part of the fingerprint, so changing it embeds everything again"
            )
        if self.config.full_length is not None and not self._counter.available:
            advice.append(
                "tokens are bounded by bytes, about four times too high for English, because tiktoken has no table: "
                "where there is no network, put it into a folder and name that in TIKTOKEN_CACHE_DIR"
            )
        return advice

    def _count_tokens(self, text: str) -> int | None:
        return self._counter.count(text, MOST_TOKENS_OF_AN_INPUT) if self.config.full_length is not None else None

    def _key(self) -> str | None:
        variable = self.config.api_key_env
        if variable is None:
            return None
        hint = "" if self.config.base_url is None else " (api_key_env: null where it has none)"
        return read_secret(variable, f"the key for {self.config.address}{hint}")
