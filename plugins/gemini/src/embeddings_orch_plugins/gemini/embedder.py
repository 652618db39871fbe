"""The gemini embedder. Importing this module does not import google-genai."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from embeddings_orch.media import portable_image
from embeddings_orch.models import (
    Batch,
    EmbedResult,
    Item,
    Limits,
    Modality,
    ProviderError,
    RemoteEmbedder,
    Side,
    TerminalError,
    account_of,
    read_secret,
    vectors_from,
)
from embeddings_orch_plugins.gemini.config import GeminiConfig
from embeddings_orch_plugins.gemini.tasks import LONGEST_PROMPT, PROMPTS, has_task_types, modalities_of

if TYPE_CHECKING:
    from google import genai
    from google.genai import types

_API_VERSION = "v1beta"
_IMAGES = 6
"""Google takes so many in one content, and does not say whether a batch may hold more."""

_REQUEST_BYTES = 14 * 2**20
"""20 MiB of JSON are the limit, and base64 makes a third more of a picture."""

_IMAGE_TOKENS = 1120
"""More than Google counts for any picture."""

_PNG = b"\x89PNG"


class GeminiEmbedder(RemoteEmbedder[GeminiConfig, "genai.Client"]):
    """Embeds texts, and with gemini-embedding-2 pictures, one vector for each."""

    config_class = GeminiConfig
    modalities: frozenset[Modality] = frozenset({"image", "text"})
    kinds: ClassVar[tuple[str, ...]] = ("googlecloud",)

    def __init__(self, config: GeminiConfig) -> None:
        super().__init__(config)
        self.modalities = modalities_of(config)  # they depend on the model

    def dimensions(self) -> int:
        """As configured."""
        return self.config.dimensions

    def limits(self, modality: Modality) -> Limits:
        """``batch_size`` items, 100 texts or 6 pictures at the most, and 14 MiB."""
        items = min(self.config.batch_size, _IMAGES) if modality == "image" else self.config.batch_size
        return Limits(items, size=_REQUEST_BYTES)

    def tokens(self, modality: Modality, content: Any) -> int:
        """A text's bytes with its prompt, or what no picture exceeds."""
        if modality == "image":
            return _IMAGE_TOKENS
        return super().tokens(modality, content) + (0 if has_task_types(self.config) else LONGEST_PROMPT)

    def account(self) -> str:
        """All who use the same key.

        Raises:
            TerminalError: the key is missing.
        """
        return account_of(self.config.provider, self.config.base_url, self._key())

    def prepare(self, item: Item) -> str | bytes:
        """A text as it is; a picture as JPEG or PNG.

        Raises:
            ItemError: the picture cannot be decoded.
        """
        return item.content if isinstance(item.content, str) else portable_image(item.content)[0]

    def embed(self, batch: Batch) -> EmbedResult:
        """Embed texts or pictures: vectors of shape (n, dimensions); shortened ones of 001 are not of unit length.

        Raises:
            TerminalError: the key is missing.
            ResponseError: the answer has not one vector of numbers for each content.
            Exception: the SDK's, for `classify`.
        """
        from google.genai import types

        task = self._task(batch.side)
        config = types.EmbedContentConfig(
            output_dimensionality=self.config.dimensions,
            task_type=task.upper() if has_task_types(self.config) else None,
        )
        prompt = "" if has_task_types(self.config) else PROMPTS[task]
        # One content each: gemini-embedding-2 makes ONE vector of all strings or parts in a list. As dicts, which the
        # SDK checks faster than its own objects, of 001 five times so.
        contents: list[Any] = [{"parts": [_part(content, prompt)]} for content in batch.contents]
        answer = self.client.models.embed_content(model=self.config.name, contents=contents, config=config)
        usage = answer.usage_metadata
        counted = (usage.prompt_token_count or 0) if usage is not None else 0
        rows = [embedding.values or [] for embedding in answer.embeddings or ()]
        return EmbedResult(vectors_from(rows, len(batch)), tokens=counted)

    def classify(self, error: Exception) -> ProviderError:
        """By status, and what Google's error details say."""
        if isinstance(error, ProviderError):
            return error
        from embeddings_orch_plugins.gemini.errors import classify

        return classify(error) or super().classify(error)

    def _task(self, side: Side) -> Any:
        return self.config.query_task_type if side == "query" else self.config.source_task_type

    def _key(self) -> str:
        try:
            return read_secret(self.config.api_key_env, "the Gemini API key")
        except TerminalError as error:
            raise TerminalError(
                f"{error}, or name the variable that holds it, as in api_key_env: GOOGLE_API_KEY"
            ) from error

    def connect(self) -> genai.Client:
        """A client of Google's SDK.

        Raises:
            TerminalError: the key is missing.
        """
        from google import genai
        from google.genai import types

        return genai.Client(
            api_key=self._key(),
            # Said and not left to the SDK, which would follow GOOGLE_GENAI_USE_VERTEXAI and the like.
            vertexai=False,
            http_options=types.HttpOptions(
                base_url=self.config.base_url or "https://generativelanguage.googleapis.com",
                api_version=_API_VERSION,
                timeout=max(1, int(self.config.timeout * 1000)),
                retry_options=types.HttpRetryOptions(attempts=1),
            ),
        )


def _part(content: str | bytes, prompt: str) -> types.PartDict:
    if isinstance(content, str):
        return {"text": prompt + content}
    mime = "image/png" if content.startswith(_PNG) else "image/jpeg"
    return {"inline_data": {"data": content, "mime_type": mime}}
