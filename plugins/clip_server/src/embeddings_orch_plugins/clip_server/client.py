"""HTTP as the core's errors: JSON out, an answer in. One client for all threads of an embedder."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from embeddings_orch.models import ProviderError, ResponseError, TransientError, Vectors, error_from_status, message_in

if TYPE_CHECKING:
    import httpx

_CONNECT_SECONDS = 10.0


class UnreachableError(TransientError):
    """There was no connection, so nothing was sent."""


@dataclass(frozen=True)
class Reply:
    """A server's answer, whatever its status."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body's JSON.

        Raises:
            ResponseError: it is none: cut off, or a proxy's page.
        """
        try:
            return json.loads(self.body)
        except ValueError as error:
            raise ResponseError(f"the answer is no JSON: {message_in(self.body)}") from error

    def message(self) -> str:
        """The server's own words."""
        return message_in(self.body)

    def error(self) -> ProviderError:
        """What the status means where the server gives it no meaning of its own."""
        return error_from_status(self.status, self.message(), self.headers)


class HttpClient:
    """An HTTP client that is made when first used; for any number of threads.

    Args:
        timeout: seconds until an answer must come.
        connections: open at once, at the most.
    """

    def __init__(self, timeout: float, connections: int) -> None:
        self._timeout, self._connections = timeout, connections
        self._lock = threading.Lock()
        self._client: httpx.Client | None = None

    def post(self, url: str, body: Mapping[str, Any]) -> Reply:
        """Send JSON.

        Raises:
            UnreachableError: no connection.
            TransientError: it broke, or no answer came in time.
        """
        return self._send("POST", url, json.dumps(body).encode())

    def get(self, url: str) -> Reply:
        """Ask for something.

        Raises:
            UnreachableError: no connection.
            TransientError: it broke, or no answer came in time.
        """
        return self._send("GET", url, None)

    def close(self) -> None:
        """Close all connections; a later request opens new ones."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    def _send(self, method: str, url: str, content: bytes | None) -> Reply:
        import httpx

        headers = {"content-type": "application/json"} if content is not None else None
        try:
            response = self._make().request(method, url, content=content, headers=headers)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise UnreachableError(f"{url} cannot be reached: {_reason(error)}") from error
        except httpx.TimeoutException as error:
            raise TransientError(f"{url} gave no answer within {self._timeout:g} s") from error
        except httpx.TransportError as error:
            raise TransientError(f"the connection to {url} broke: {_reason(error)}") from error
        return Reply(response.status_code, response.headers, response.content)

    def _make(self) -> httpx.Client:
        import httpx

        with self._lock:
            if self._client is None:
                self._client = httpx.Client(
                    timeout=httpx.Timeout(self._timeout, connect=min(self._timeout, _CONNECT_SECONDS)),
                    limits=httpx.Limits(max_connections=self._connections, max_keepalive_connections=self._connections),
                )
            return self._client


def vectors_in(answer: Any, key: str, count: int) -> Vectors:
    """The vectors under a key of an answer, shape (count, dimensions).

    Raises:
        ResponseError: too few, too many, of several lengths, not numbers, not finite.
    """
    rows = answer.get(key) if isinstance(answer, dict) else None
    if not isinstance(rows, list):
        raise ResponseError(f"the answer has no list {key!r}")
    if len(rows) != count:
        raise ResponseError(f"the answer has {len(rows)} vectors for {count} inputs")
    try:
        array = np.asarray(rows)
    except ValueError as error:
        raise ResponseError("the answer's vectors are not of one length") from error
    if array.ndim != 2 or array.dtype.kind not in "fiu" or not array.size:
        raise ResponseError("the answer's vectors are not lists of numbers of one length")
    with np.errstate(over="ignore"):  # too large for float32 is infinite, and found below
        vectors: Vectors = array.astype(np.float32)
    if not np.isfinite(vectors).all():
        raise ResponseError("the answer has a vector that is not finite")
    return vectors


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__
