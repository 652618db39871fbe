"""The bedrock embedder. Importing this module imports neither boto3 nor botocore."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from embeddings_orch.models import (
    Batch,
    EmbedResult,
    Item,
    ItemError,
    Limits,
    Modality,
    ProviderError,
    RemoteEmbedder,
    Side,
    account_of,
    vectors_from,
)
from embeddings_orch_plugins.aws.config import BedrockConfig
from embeddings_orch_plugins.aws.errors import classify
from embeddings_orch_plugins.aws.families.base import BODY, TEXT, ModelCall

if TYPE_CHECKING:
    from embeddings_orch_plugins.aws.client import BedrockClient


class BedrockEmbedder(RemoteEmbedder[BedrockConfig, "BedrockClient"]):
    """Embeds texts and, with some models, pictures by InvokeModel of Amazon Bedrock."""

    config_class = BedrockConfig
    modalities: frozenset[Modality] = frozenset({"image", "text"})
    kinds: ClassVar[tuple[str, ...]] = ("aws",)

    def __init__(self, config: BedrockConfig) -> None:
        super().__init__(config)
        self._model = config.model
        # Of this model; the class says what any of them reads.
        self.modalities = frozenset(self._model.items)

    def dimensions(self) -> int | None:
        """As configured, else the model's default."""
        return self.config.dimensions

    def limits(self, modality: Modality) -> Limits:
        """One item where the model takes one, else ``batch_size`` up to what it takes; and a body of 25 MB."""
        items = min(self.config.batch_size, self._model.items.get(modality, 1))
        return Limits(items, size=BODY if modality == "image" else TEXT)

    def tokens(self, modality: Modality, content: Any) -> int:
        """A text's bound, no more than the model reads of one; a picture's where the model counts some."""
        if modality == "text":
            return min(super().tokens(modality, content), self._model.tokens)
        return self._model.pictures.tokens if self._model.pictures else 0

    def account(self) -> str:
        """Region, model (AWS counts for each), and the role or access key.

        Raises:
            TerminalError: there are no credentials.
        """
        config = self.config
        who = config.assumed_role or self.client.key()
        return account_of("bedrock", config.endpoint_url, config.region, config.base, who)

    def prepare(self, item: Item) -> str:
        """A text, cut where ``truncate`` says so and the model cannot; a picture as a data URI.

        Raises:
            ItemError: the picture cannot be decoded; the text or picture is too large for the model.
        """
        if isinstance(item.content, str):
            return self._text(item.content)
        from embeddings_orch_plugins.aws.pictures import data_uri

        assert self._model.pictures is not None, "a model of texts is given no pictures"
        return data_uri(item.content, self._model.pictures, self.config.base)

    def embed(self, batch: Batch) -> EmbedResult:
        """Vectors of shape (n, dimensions), as the model gives them.

        Raises:
            ResponseError: the answer is not one vector for each input.
            ClientError: Bedrock refuses.
            BotoCoreError: there was no answer.
        """
        client, most = self.client, self._model.items[batch.modality]
        parts, tokens = [], 0
        for start in range(0, len(batch), most):
            contents = batch.contents[start : start + most]
            answer, header = client.invoke(self._model.body(self._call(batch.modality, contents, batch.side)))
            parts.append(vectors_from(self._model.vectors(answer), len(contents)))
            tokens += header or self._count_tokens(answer)
        return EmbedResult(parts[0] if len(parts) == 1 else np.concatenate(parts), tokens)

    def classify(self, error: Exception) -> ProviderError:
        """See `embeddings_orch_plugins.aws.errors`."""
        if isinstance(error, ProviderError):
            return error
        return classify(error) or super().classify(error)

    def advice(self) -> list[str]:
        """What would be faster or last longer."""
        config, many = self.config, max(self._model.items.values())
        lines = []
        if config.batch_size < many:
            lines.append(f"batch_size: {many} sends fewer requests: {config.base} takes as many inputs in one")
        if config.base == "twelvelabs.marengo-embed-2-7-v1:0":
            lines.append("Marengo 2.7 is going to be withdrawn; 3.0 has other vectors, so changing embeds all again")
        return lines

    def connect(self) -> BedrockClient:
        """A client of Bedrock's runtime.

        Raises:
            TerminalError: there is no such profile, or no credentials.
        """
        from embeddings_orch_plugins.aws.client import BedrockClient

        try:
            return BedrockClient(self.config)
        except Exception as error:
            raise self.classify(error) from error

    def _call(self, modality: Modality, contents: Any, side: Side) -> ModelCall:
        config, model = self.config, self._model
        return ModelCall(
            modality,
            contents,
            config.input_type(side),
            config.dimensions or model.dimensions[0],
            config.truncate or model.truncates[0],
            config.normalize,
        )

    def _text(self, text: str) -> str:
        most, truncate = self._model.characters, self.config.truncate
        if most is None or len(text) <= most:
            return text
        if truncate == "none":
            raise ItemError(f"{len(text):,} characters; {self.config.base} takes {most:,} at the most")
        return text[-most:] if truncate == "start" else text[:most]

    def _count_tokens(self, answer: Any) -> int:
        key = self._model.tokens_key
        counted = answer.get(key) if key and isinstance(answer, dict) else 0
        return counted if isinstance(counted, int) else 0
