"""The roboflow-clip embedder: CLIP of a Roboflow Inference server. Importing it loads no HTTP client."""

from __future__ import annotations

import base64
import html
import re
from typing import Any, ClassVar

from embeddings_orch.media import portable_image
from embeddings_orch.models import (
    Batch,
    BatchTooLargeError,
    EmbedResult,
    Item,
    ItemError,
    Limits,
    Modality,
    ProviderError,
    RemoteEmbedder,
    SuspectError,
    TerminalError,
    account_of,
    read_secret,
    vectors_from,
)
from embeddings_orch_plugins.clip_server.client import HttpClient, Reply
from embeddings_orch_plugins.clip_server.config import DIMENSIONS, RoboflowClipConfig

_REQUEST_BYTES = 16 * 2**20
_CONTEXT = 75
"""Tokens of the longest text: CLIP reads 77, with one for the start and one for the end."""

# What CLIP's tokenizer splits a text into first (openai/CLIP, simple_tokenizer.py), or fewer: each becomes one token or
# more. Python's classes differ a little from the regular expressions there, always towards fewer.
_WORDS = re.compile(r"<\|(?:start|end)oftext\|>|'(?:s|t|re|ve|m|ll|d)|[^\W\d_]+|\d|(?:[^\w\s]|_)+", re.IGNORECASE)
_OF_THE_REQUEST = ("API key is missing", "Invalid Model ID")
_TOO_MANY = "The maximum number of"


class RoboflowClipEmbedder(RemoteEmbedder[RoboflowClipConfig, HttpClient]):
    """Embeds images and texts with one of OpenAI's CLIP models.

    The key goes into the body's ``api_key``, which the server reads as it reads the query's: so it stands in no address
    and in no log of one.
    """

    config_class = RoboflowClipConfig
    modalities: frozenset[Modality] = frozenset({"image", "text"})
    kinds: ClassVar[tuple[str, ...]] = ("roboflow",)

    def dimensions(self) -> int:
        """Of the version's vectors."""
        return DIMENSIONS[self.config.clip_version_id]

    def limits(self, modality: Modality) -> Limits:
        """``batch_size`` items, 8 at the most: the ninth image is an internal error of the server."""
        return Limits(self.config.batch_size, size=_REQUEST_BYTES)

    def account(self) -> str:
        """All who use the same server with the same key.

        Raises:
            TerminalError: the key is missing.
        """
        return account_of(self.config.provider, self.config.base_url, self._key())

    def prepare(self, item: Item) -> str:
        """A text as it is; a picture as base64, for the server's decoder.

        Raises:
            ItemError: the picture cannot be decoded, or the text is longer than CLIP reads.
        """
        if isinstance(item.content, str):
            words = len(_WORDS.findall(html.unescape(html.unescape(item.content))))
            if words > _CONTEXT:
                raise ItemError(
                    f"the text has {words} tokens or more; CLIP reads {_CONTEXT}, and Roboflow Inference refuses "
                    "longer ones: shorten it"
                )
            return item.content
        data, _ = portable_image(item.content)
        return base64.b64encode(data).decode()

    def connect(self) -> HttpClient:
        """A client with a connection for each request under way."""
        return HttpClient(self.config.timeout, self.config.concurrency)

    def embed(self, batch: Batch) -> EmbedResult:
        """Embed texts or pictures: vectors of shape (n, dimensions), as the model gives them.

        Raises:
            SuspectError: status 500, which a text that is too long causes for the whole request.
            ItemError: a picture was refused.
            TerminalError: the key is missing or refused, the version unknown.
        """
        content: dict[str, Any]
        if batch.modality == "text":
            route, content = "embed_text", {"text": list(batch.contents)}
        else:
            pictures = [{"type": "base64", "value": picture} for picture in batch.contents]
            route, content = "embed_image", {"image": pictures}
        key = self._key()
        body = {"clip_version_id": self.config.clip_version_id, **content, **({"api_key": key} if key else {})}
        reply = self.client.post(f"{self.config.base_url}/clip/{route}", body)
        if reply.status != 200:
            raise _refusal(reply)
        return EmbedResult(vectors_from(reply.list_in("embeddings"), len(batch)))

    def _key(self) -> str | None:
        name = self.config.api_key_env
        return read_secret(name, "the Roboflow API key") if name else None


def _refusal(reply: Reply) -> ProviderError:
    message = reply.message()
    text = f"HTTP {reply.status}: {message}"
    if reply.status == 500:
        return SuspectError(text)
    if reply.status == 501 or any(words in message for words in _OF_THE_REQUEST):
        return TerminalError(text)
    if reply.status == 400 and message.startswith(_TOO_MANY):
        return BatchTooLargeError(text)  # CLIP_MAX_BATCH_SIZE is smaller on this server
    return reply.error()
