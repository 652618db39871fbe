"""HTTP as the core's errors: JSON out, an answer in. One client for all threads of an embedder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from embeddings_orch.models import ProviderError, ResponseError, TransientError, error_from_status, message_in

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

    def list_in(self, key: str) -> list[Any]:
        """The list that the body's JSON has under a key.

        Raises:
            ResponseError: it has none.
        """
        answer = self.json()
        value = answer.get(key) if isinstance(answer, dict) else None
        if not isinstance(value, list):
            raise ResponseError(f"the answer has no list {key!r}")
        return value

    def message(self) -> str:
        """The server's own words."""
        return message_in(self.body)

    def error(self) -> ProviderError:
        """What the status means where the server gives it no meaning of its own."""
        return error_from_status(self.status, self.message(), self.headers)


class HttpClient:
    """An HTTP client; for any number of threads.

    Args:
        timeout: seconds until an answer must come.
        connections: open at once, at the most.
    """

    def __init__(self, timeout: float, connections: int) -> None:
        import httpx

        self._timeout = timeout
        self._client = httpx.Client(
            timeout=httpx.Timeout(timeout, connect=min(timeout, _CONNECT_SECONDS)),
            limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
        )

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
        """Close all connections."""
        self._client.close()

    def _send(self, method: str, url: str, content: bytes | None) -> Reply:
        import httpx

        headers = {"content-type": "application/json"} if content is not None else None
        try:
            response = self._client.request(method, url, content=content, headers=headers)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise UnreachableError(f"{url} cannot be reached: {_reason(error)}") from error
        except httpx.TimeoutException as error:
            raise TransientError(f"{url} gave no answer within {self._timeout:g} s") from error
        except httpx.TransportError as error:
            raise TransientError(f"the connection to {url} broke: {_reason(error)}") from error
        return Reply(response.status_code, response.headers, response.content)


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__
