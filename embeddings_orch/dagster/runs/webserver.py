"""A running Dagster webserver, through its GraphQL API."""

from __future__ import annotations

import base64
import http.client
import json
import os
import socket
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

from embeddings_orch.errors import EmbeddingsOrchError, TransientError
from embeddings_orch.policy.retry import Attempts, Retrier, RetryPolicy

TOKEN = "DAGSTER_CLOUD_API_TOKEN"  # the variable's name, as Dagster's own tools call it
_TIMEOUT = 60.0
_AGAIN = {408, 425, 429, 500, 502, 503, 504}

ASKING = RetryPolicy(max_retries=2, initial_wait=0.5, deadline=60)
"""Before a run is launched: who mistyped a URL is told at once."""
WAITING = RetryPolicy(max_retries=20, initial_wait=0.5, max_wait=30, deadline=600)
"""While a run goes on: a webserver may be restarted meanwhile."""


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirect would carry the token to another host, and turn the question into a GET."""

    def redirect_request(self, *_: Any) -> None:
        return None


class Webserver:
    """Asks one webserver.

    Args:
        url: of its page, as a browser shows it; user and password may stand before the host.

    Raises:
        EmbeddingsOrchError: this is no URL.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        try:
            host, port = parts.hostname, parts.port
        except ValueError:
            host, port = None, None
        if parts.scheme not in ("http", "https") or not host:
            raise EmbeddingsOrchError("--remote takes the URL of a Dagster webserver, as http://127.0.0.1:3000")
        path = parts.path.rstrip("/").removesuffix("/graphql")
        place = f"[{host}]" if ":" in host else host
        self.url = urlunsplit((parts.scheme, f"{place}:{port}" if port else place, path, "", ""))
        self._headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if parts.username:
            pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            self._headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        if token := os.environ.get(TOKEN, "").strip():
            if not (token.isascii() and token.isprintable()):
                raise EmbeddingsOrchError(f"the environment variable {TOKEN} holds characters that no token has")
            self._headers["Dagster-Cloud-Api-Token"] = token
        self._opener = urllib.request.build_opener(_NoRedirects)

    def run_page(self, run_id: str) -> str:
        """The URL of a run's page."""
        return f"{self.url}/runs/{run_id}"

    def ask(self, document: str, variables: Mapping[str, Any] | None = None, *, policy: RetryPolicy = ASKING) -> Any:
        """The data of an answer.

        Args:
            document: the GraphQL query or mutation.
            variables: its variables.
            policy: how often to try again where the network or the server fails.

        Raises:
            TransientError: the network or the server failed, and all retries are used up.
            EmbeddingsOrchError: this is not a Dagster webserver, or it refuses the question.
        """
        body = json.dumps({"query": document, "variables": dict(variables or {})}).encode()
        return Retrier(policy).call(lambda: self._answer(body), Attempts())

    def _answer(self, body: bytes) -> Any:
        request = urllib.request.Request(f"{self.url}/graphql", data=body, headers=self._headers)
        try:
            with self._opener.open(request, timeout=_TIMEOUT) as response:
                raw = response.read()
        except urllib.error.HTTPError as error:
            raise self._explain_refusal(error) from error
        except (urllib.error.URLError, http.client.HTTPException, OSError) as error:
            reason = getattr(error, "reason", None) or error
            if isinstance(reason, socket.gaierror):
                raise EmbeddingsOrchError(f"{self.url} cannot be reached: {reason.strerror}") from error
            raise TransientError(f"{self.url} cannot be reached: {reason or type(error).__name__}") from error
        try:
            answer = json.loads(raw)
        except ValueError:
            answer = None
        if not isinstance(answer, dict) or not ({"data", "errors"} & set(answer)):
            raise EmbeddingsOrchError(f"{self.url} does not answer as a Dagster webserver does; look at the URL")
        if errors := answer.get("errors"):
            said = "; ".join(str(error.get("message", error)) for error in errors if isinstance(error, dict))
            raise EmbeddingsOrchError(f"Dagster at {self.url} does not understand: {said[:600]}")
        return answer["data"]

    def _explain_refusal(self, error: urllib.error.HTTPError) -> EmbeddingsOrchError:
        status = f"{error.code} {error.reason}".strip()
        if error.code in _AGAIN:
            asked = error.headers.get("Retry-After") or ""
            return TransientError(f"{self.url} answers {status}", retry_after=float(asked) if asked.isdigit() else None)
        if error.code in (401, 403):
            return EmbeddingsOrchError(f"{self.url} refuses access ({status}); set the environment variable {TOKEN}")
        if 300 <= error.code < 400:
            there = error.headers.get("Location") or "elsewhere"
            return EmbeddingsOrchError(f"{self.url} sends on to {there.removesuffix('/graphql')}; give that URL")
        return EmbeddingsOrchError(
            f"{self.url} does not answer as a Dagster webserver does ({status}); look at the URL"
        )
