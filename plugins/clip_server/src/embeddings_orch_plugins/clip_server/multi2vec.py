"""The multi2vec-clip embedder: Weaviate's inference container, one or several. Importing it loads no HTTP client."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable
from typing import Any, ClassVar

from embeddings_orch.media import portable_image
from embeddings_orch.models import (
    Batch,
    EmbedResult,
    Item,
    Limits,
    Modality,
    ProviderError,
    RemoteEmbedder,
    ResponseError,
    SuspectError,
    TerminalError,
    TransientError,
    account_of,
    vectors_from,
)
from embeddings_orch_plugins.clip_server.client import HttpClient, Reply, UnreachableError
from embeddings_orch_plugins.clip_server.config import Multi2VecClipConfig
from embeddings_orch_plugins.clip_server.fleet import Fleet, FleetServer, difference

_REQUEST_BYTES = 16 * 2**20
_DOWN = frozenset({502, 503, 504})


class Multi2VecClipEmbedder(RemoteEmbedder[Multi2VecClipConfig, HttpClient]):
    """Embeds images and texts with the model of one or several containers.

    A container that cannot be reached is taken out at once and its request goes to another; one that answers 502, 503
    or 504 is taken out, and the retry goes to another. It is tried again after a pause, by one request.

    Args:
        config: its settings.
        clock: seconds, monotonic.
    """

    config_class = Multi2VecClipConfig
    modalities: frozenset[Modality] = frozenset({"image", "text"})
    kinds: ClassVar[tuple[str, ...]] = ("weaviate",)

    def __init__(self, config: Multi2VecClipConfig, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(config)
        self._fleet = Fleet(config.servers(), clock)
        self._lock, self._model_lock = threading.Lock(), threading.Lock()
        self._met = len(self._fleet.servers) == 1
        self._model: tuple[str, Any] | None = None

    def dimensions(self) -> int | None:
        """As configured; else the first answer tells it."""
        return self.config.dimensions

    def limits(self, modality: Modality) -> Limits:
        """``batch_size`` items, and 16 MiB, so that no proxy has to take more."""
        return Limits(self.config.batch_size, size=_REQUEST_BYTES)

    def account(self) -> str:
        """All who use the same containers."""
        return account_of(self.config.provider, *sorted(self.config.servers()))

    def prepare(self, item: Item) -> str:
        """A text as it is; a picture as base64, for the server's decoder.

        Raises:
            ItemError: the picture cannot be decoded.
        """
        if isinstance(item.content, str):
            return item.content
        data, _ = portable_image(item.content)
        return base64.b64encode(data).decode()

    def connect(self) -> HttpClient:
        """A client with a connection for each request under way."""
        return HttpClient(self.config.timeout, self.config.concurrency)

    def embed(self, batch: Batch) -> EmbedResult:
        """Embed texts or pictures: vectors of shape (n, dimensions), as the model gives them.

        Raises:
            SuspectError: status 500, which one bad item causes for the whole request.
            TransientError: no container can be reached, or an answer cannot be used.
            TerminalError: the containers run different models.
        """
        texts, images = (batch.contents, []) if batch.modality == "text" else ([], batch.contents)
        reply = self._ask({"texts": list(texts), "images": list(images)})
        if reply.status == 500:
            raise SuspectError(f"HTTP 500: {reply.message()}")
        if reply.status != 200:
            raise reply.error()
        key = "textVectors" if batch.modality == "text" else "imageVectors"
        return EmbedResult(vectors_from(reply.list_in(key), len(batch)))

    def _ask(self, body: dict[str, Any]) -> Reply:
        """The answer of the first server that can be reached."""
        self._meet()
        unreachable: dict[str, TransientError] = {}
        while (server := self._fleet.take(unreachable)) is not None:
            try:
                self._join(server)
                reply = self.client.post(f"{server.url}/vectorize", body)
                down = reply.error() if reply.status in _DOWN else None
            except UnreachableError as error:
                self._fleet.count_failure(server)
                unreachable[server.url] = error  # nothing was sent, so it is no attempt: on to the next one
            except TransientError:
                self._fleet.count_failure(server)
                raise
            except BaseException:
                self._fleet.count_answer(server)
                raise
            else:
                if down is None:
                    self._fleet.count_answer(server)
                    return reply
                self._fleet.count_failure(server)
                raise self._elsewhere(down)
        raise TransientError("; ".join(map(str, unreachable.values())))

    def _elsewhere(self, error: ProviderError) -> ProviderError:
        # A server's Retry-After is its own: the retry goes to another.
        return TransientError(str(error)) if self._fleet.any_in_use() else error

    def _meet(self) -> None:
        """Compare the models of all servers that are up, before the first vector is made."""
        if self._met:
            return
        with self._lock:
            if self._met:
                return
            for server in self._fleet.servers:
                try:
                    self._join(server)
                except TransientError:
                    self._fleet.take_out(server)
            self._met = True

    def _join(self, server: FleetServer) -> None:
        """Make sure that a server runs the model of the others, when it comes in (again)."""
        if len(self._fleet.servers) == 1:
            return
        with server.lock:
            if server.known:
                return
            reply = self.client.get(f"{server.url}/meta")
            if reply.status in _DOWN:
                raise TransientError(f"{server.url} is not ready: {reply.error()}")
            self._compare(server.url, _config_in(reply))
            server.known = True

    def _compare(self, url: str, model: Any) -> None:
        if model is None:
            return
        with self._model_lock:
            self._model = self._model or (url, model)
            first, known = self._model
        if contradiction := difference(known, model):
            raise TerminalError(
                f"{first} and {url} run different models ({contradiction}): their vectors must not be mixed"
            )


def _config_in(reply: Reply) -> Any:
    """The model's config; None from a server that does not tell it."""
    try:
        return reply.json() if reply.status == 200 else None
    except ResponseError:
        return None
