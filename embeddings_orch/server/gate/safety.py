"""What every request passes before a route sees it: whom it calls, and who it is from."""

from __future__ import annotations

import socket
from urllib.parse import unquote_plus, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from embeddings_orch.server.gate.body_key import no_key, put_off
from embeddings_orch.server.gate.hosts import address_of, host_of
from embeddings_orch.server.gate.keys import Keys, cookie_name
from embeddings_orch.server.gate.limits import HEADER, URL
from embeddings_orch.server.gate.problems import HttpProblem
from embeddings_orch.server.settings import ServeSettings

_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' blob: data:; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_KEY_PARAMETER = "api_key"
SPARE = "spare"
"""In a request's state where its connection is one too many."""

_ALWAYS = frozenset({"/health", "/metrics"})
_READING = ("GET", "HEAD", "OPTIONS")


class SecurityHeaders:
    """Tells browsers to load nothing from elsewhere, and to show the page within no other."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with the headers."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                if not scope["path"].startswith("/static/"):
                    headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await self.app(scope, receive, with_headers)


class Gate:
    """Refuses requests for another host's name, from another site's page, and without the key.

    A page of another site can make a browser send requests here, and through DNS rebinding even read the answers:
    then it calls the server by a name that is not its own.
    """

    def __init__(self, app: ASGIApp, settings: ServeSettings, keys: Keys | None) -> None:
        self.app = app
        self._keys = keys
        self._names = _names(settings)
        # By address no other site's page can be meant.
        self._by_address = settings.host not in _LOOPBACK

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request pass, or answer with 401, 403, or 503."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if scope.get("state", {}).get(SPARE) and scope["path"] not in _ALWAYS:
            raise HttpProblem(
                503,
                "the server has as many connections as it takes; try again in a moment",
                headers={"Retry-After": "1", "Connection": "close"},
            )
        _check_sizes(scope)
        query_keys = _take_keys(scope)
        headers = Headers(scope=scope)
        self._check_host(headers.get("host", ""))
        if scope["method"] not in _READING:
            _check_origin(headers)
        needed = self._keys is not None and not _open(scope["method"], scope["path"])
        if needed and not self._has_key(headers, query_keys, cookie_of(scope)) and not put_off(scope):
            raise no_key()
        await self.app(scope, receive, send)

    def _check_host(self, host: str) -> None:
        name = host_of(host)
        if name is None:
            raise HttpProblem(400, f"{host[:100]!r} is no host; allow a name with --allowed-host")
        if name in self._names or (self._by_address and address_of(name) is not None):
            return
        raise HttpProblem(403, f"the server is not called {name[:100]!r}; allow the name with --allowed-host")

    def _has_key(self, headers: Headers, query_keys: list[str], cookie: str) -> bool:
        assert self._keys is not None
        kind, _, token = headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer" and self._keys.is_key(token.strip()):
            return True
        if self._keys.is_key(headers.get("x-api-key", "")):
            return True
        if any(self._keys.is_key(key) for key in query_keys):
            return True
        # The standard library's parser drops all of them for one of another program that it cannot read.
        return self._keys.is_session(cookie_parser(headers.get("cookie", "")).get(cookie, ""))


def cookie_of(scope: Scope) -> str:
    """The name of the session's cookie for a request."""
    return cookie_name(Headers(scope=scope).get("host", ""), (scope.get("server") or ("", None))[1])


def _check_origin(headers: Headers) -> None:
    """Refuse what a page of another site makes a browser send."""
    origin = headers.get("origin")
    if origin is None:
        if headers.get("sec-fetch-site", "none") in ("none", "same-origin"):
            return
    elif _netloc(origin) == headers.get("host", "").lower():
        return
    raise HttpProblem(403, "requests from the pages of other sites are refused")


def _netloc(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return None


def _open(method: str, path: str) -> bool:
    """Whether a route answers without the key."""
    if path in ("/", "/health", "/favicon.ico") or path.startswith(("/static/", "/.well-known/")):
        return True
    return path == "/v1/session" and method in ("POST", "DELETE")


def _names(settings: ServeSettings) -> frozenset[str]:
    names = {*_LOOPBACK, settings.host, *settings.allowed_hosts}
    if settings.host not in _LOOPBACK:
        names.add(socket.gethostname())
    # An address of IPv6 has no brackets there.
    return frozenset(host for name in names if (host := address_of(name) or host_of(name)) is not None)


def _take_keys(scope: Scope) -> list[str]:
    """The keys in the query string, which is left without them: whatever logs it later shows none."""
    keys, others = [], []
    for part in scope.get("query_string", b"").split(b"&"):
        name, _, value = part.decode("latin-1").partition("=")
        if unquote_plus(name) == _KEY_PARAMETER:
            keys.append(unquote_plus(value))
        else:
            others.append(part)
    if keys:
        scope["query_string"] = b"&".join(others)
    return keys


def _check_sizes(scope: Scope) -> None:
    """Refuse what no client of ours sends, before anything reads it."""
    if len(scope.get("raw_path") or b"") + len(scope.get("query_string", b"")) > URL:
        raise HttpProblem(414, f"the path and the query string have more than {URL:,} bytes")
    for name, value in scope["headers"]:
        if len(value) > HEADER:
            raise HttpProblem(431, f"the header {name[:100].decode('latin-1')} has more than {HEADER:,} bytes")
