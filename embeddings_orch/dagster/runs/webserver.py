"""A running Dagster webserver, through its GraphQL API."""

from __future__ import annotations

import json
import os
import socket
import ssl
from collections.abc import Mapping
from typing import TypeVar
from urllib.parse import unquote, urlsplit, urlunsplit

import requests
from pydantic import ValidationError
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase, HTTPBasicAuth

from embeddings_orch.dagster.runs.remote_answers import GraphQLAnswer
from embeddings_orch.errors import EmbeddingsOrchError, TransientError
from embeddings_orch.policy.retry import Attempts, Retrier, RetryPolicy
from embeddings_orch.policy.secrets import remember

TOKEN = "DAGSTER_CLOUD_API_TOKEN"  # the variable's name, as Dagster's own tools call it
_AGAIN = {408, 425, 429, 500, 502, 503, 504}

ASKING = RetryPolicy(max_retries=2, initial_wait=0.5, deadline=60)
"""Before a run is launched: who mistyped a URL is told at once."""
WAITING = RetryPolicy(max_retries=20, initial_wait=0.5, max_wait=30, deadline=600)
"""While a run goes on: a webserver may be restarted meanwhile."""

AnswerT = TypeVar("AnswerT", bound=GraphQLAnswer)


class _NoAuth(AuthBase):
    """Sends neither user nor password, where requests would look for them in ~/.netrc."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        return request


class _MachinesCertificates(HTTPAdapter):
    """Trusts the certificates that this machine trusts, beside those that requests brings along.

    Loading them takes some 20 ms, so that it happens once and not for each question.
    """

    def __init__(self) -> None:
        self._context = ssl.create_default_context()
        super().__init__()

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **options: object) -> None:
        super().init_poolmanager(connections, maxsize, block, ssl_context=self._context, **options)

    def proxy_manager_for(self, proxy: str, **options: object) -> object:
        return super().proxy_manager_for(proxy, ssl_context=self._context, **options)


class Webserver:
    """Asks one webserver, through the proxies of the environment.

    Args:
        url: of its page, as a browser shows it; user and password may stand before the host.
        timeout: seconds that a connection may take, and as many that an answer may.

    Raises:
        EmbeddingsOrchError: this is no URL.
    """

    def __init__(self, url: str, *, timeout: float = 60.0) -> None:
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            parts, host, port = urlsplit(""), None, None
        if parts.scheme not in ("http", "https") or not host:
            # Without the URL itself, as a password may stand in it.
            raise EmbeddingsOrchError("the URL of a Dagster webserver is like http://127.0.0.1:3000")
        path = parts.path.rstrip("/").removesuffix("/graphql")
        place = f"[{host}]" if ":" in host else host
        self.url = urlunsplit((parts.scheme, f"{place}:{port}" if port else place, path, "", ""))
        self._timeout = timeout
        self._session = requests.Session()
        self._session.mount("https://", _MachinesCertificates())
        # Each question has a new connection: a launch is not tried again, and one that was kept open may have died.
        self._session.headers.update(
            {"Content-Type": "application/json", "Accept": "application/json", "Connection": "close"}
        )
        self._session.auth = _NoAuth()
        if parts.username:
            # As bytes, as requests takes text for Latin-1.
            remember(unquote(parts.password or ""))
            self._session.auth = HTTPBasicAuth(unquote(parts.username).encode(), unquote(parts.password or "").encode())
        if token := os.environ.get(TOKEN, "").strip():
            remember(token)
            if not (token.isascii() and token.isprintable()):
                raise EmbeddingsOrchError(f"the environment variable {TOKEN} holds characters that no token has")
            self._session.headers["Dagster-Cloud-Api-Token"] = token

    def run_page(self, run_id: str) -> str:
        """The URL of a run's page."""
        return f"{self.url}/runs/{run_id}"

    def ask(
        self,
        document: str,
        shape: type[AnswerT],
        variables: Mapping[str, object] | None = None,
        *,
        policy: RetryPolicy = ASKING,
    ) -> AnswerT:
        """The data of an answer.

        Args:
            document: the GraphQL query or mutation.
            shape: of the data.
            variables: its variables.
            policy: how often to try again where the network or the server fails.

        Raises:
            TransientError: the network or the server failed, and all retries are used up.
            EmbeddingsOrchError: this is not a Dagster webserver, it refuses the question, or its answer has another
                shape.
        """
        data = Retrier(policy).call(lambda: self._answer(document, variables or {}), Attempts())
        try:
            return shape.model_validate(data)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"])) or "data"
            raise EmbeddingsOrchError(
                f"Dagster at {self.url} answers in a shape that is not known, its version may be another: "
                f"{place}: {first['msg']}"
            ) from error

    def _answer(self, document: str, variables: Mapping[str, object]) -> object:
        try:
            response = self._post_question(document, variables)
        except OSError as error:  # all errors of requests are such
            cause = _find_cause(error)
            if not isinstance(error, requests.RequestException):
                raise EmbeddingsOrchError(f"{self.url} cannot be asked: {cause}") from error
            if isinstance(cause, socket.gaierror):
                raise EmbeddingsOrchError(f"{self.url} cannot be reached: {cause.strerror}") from error
            raise TransientError(f"{self.url} cannot be reached: {str(cause) or type(cause).__name__}") from error
        if not 200 <= response.status_code < 300:
            raise self._explain_refusal(response)
        try:
            answer: object = response.json()
        except ValueError:
            answer = None
        if not isinstance(answer, dict) or not ({"data", "errors"} & set(answer)):
            raise EmbeddingsOrchError(f"{self.url} does not answer as a Dagster webserver does; look at the URL")
        if errors := answer.get("errors"):
            messages = "; ".join(str(error.get("message", error)) for error in errors if isinstance(error, dict))
            raise EmbeddingsOrchError(f"Dagster at {self.url} does not understand the question: {messages[:600]}")
        return answer.get("data")

    def _post_question(self, document: str, variables: Mapping[str, object]) -> requests.Response:
        return self._session.post(
            f"{self.url}/graphql",
            data=json.dumps({"query": document, "variables": dict(variables)}).encode(),
            timeout=self._timeout,
            # A redirect would carry the token to another host, and turn the question into a GET.
            allow_redirects=False,
        )

    def _explain_refusal(self, response: requests.Response) -> EmbeddingsOrchError:
        code = response.status_code
        status = f"{code} {response.reason}".strip()
        if code in _AGAIN:
            wait = response.headers.get("Retry-After") or ""
            return TransientError(f"{self.url} answers {status}", retry_after=float(wait) if wait.isdigit() else None)
        if code in (401, 403):
            return EmbeddingsOrchError(f"{self.url} refuses access ({status}); set the environment variable {TOKEN}")
        if 300 <= code < 400:
            there = response.headers.get("Location") or "elsewhere"
            return EmbeddingsOrchError(f"{self.url} sends on to {there.removesuffix('/graphql')}; give that URL")
        return EmbeddingsOrchError(
            f"{self.url} does not answer as a Dagster webserver does ({status}); look at the URL"
        )


def _find_cause(error: BaseException) -> BaseException:
    """The error that others were raised from: the network's own, without what requests and urllib3 wrap around it."""
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    return error
