"""The API key and the sessions of browsers: compared in a time that tells nothing of them."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import threading
import time
from collections.abc import Callable

from cachetools import TTLCache

SESSION_SECONDS = 12 * 3600
_SESSIONS = 1000
_PORT = re.compile(r":([0-9]{1,5})$")


class Keys:
    """Knows the API key, and the sessions that were opened with it; for any number of threads.

    Args:
        key: the API key.
        clock: seconds, monotonic.
    """

    def __init__(self, key: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._digest = _digest(key)
        # By the digests of their tokens.
        self._sessions: TTLCache[bytes, bool] = TTLCache(_SESSIONS, SESSION_SECONDS, timer=clock)
        self._lock = threading.Lock()

    def is_key(self, key: str) -> bool:
        """Whether this is the key."""
        # Digests are all of one length, which a comparison's time would tell otherwise.
        return hmac.compare_digest(_digest(key), self._digest)

    def open_session(self) -> str:
        """The token of a new session."""
        token = secrets.token_urlsafe(32)
        with self._lock:
            self._sessions[_digest(token)] = True
        return token

    def is_session(self, token: str) -> bool:
        """Whether a session is open."""
        with self._lock:
            # Looked up by digest: what a dict's time tells of that leads to no token.
            return _digest(token) in self._sessions

    def close_session(self, token: str) -> None:
        """End a session."""
        with self._lock:
            self._sessions.pop(_digest(token), None)


def cookie_name(host: str, port: int | None) -> str:
    """What the session's cookie is called: browsers send one server's cookies to the others of its host too.

    Args:
        host: the request's Host header.
        port: the one that the server listens on, where the header has none.
    """
    match = _PORT.search(host)
    return f"embeddings_orch_session_{match[1] if match else port}"


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
