"""Requests and tokens per minute, kept by all threads and processes of one machine that use the same account.

The arithmetic is throttled-py's generic cell rate algorithm (GCRA, ITU-T I.371): one number per limit, the
theoretical arrival time. Here that number stands in a small file with a lock beside it; it is a time of the
monotonic clock, which is the same for all processes of a machine.
"""

from __future__ import annotations

import json
import logging
import os
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from filelock import FileLock
from throttled.rate_limiter import per_min
from throttled.rate_limiter.gcra import GCRARateLimiter
from throttled.store import MemoryStore
from throttled.store.memory import MemoryStoreBackend

logger = logging.getLogger(__name__)

_BURST_SECONDS = 0.5
"""How much may be sent at once, as seconds of the rate: providers count in windows as short as a second."""

_HORIZON = 120.0
"""Seconds by which a stored time may lie ahead; more is of before a restart of the machine."""


@dataclass(frozen=True)
class RateLimits:
    """What an account may send in a minute; None for no limit."""

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None

    @property
    def any(self) -> bool:
        """Whether there is a limit at all."""
        return self.requests_per_minute is not None or self.tokens_per_minute is not None


class Limiter:
    """Keeps the limits of one account.

    Args:
        account: its name, see `embeddings_orch.policy.secrets.account_of`.
        limits: requests and tokens per minute.
        folder: where the state is kept; the default is the user's cache folder.
    """

    def __init__(self, account: str, limits: RateLimits, folder: Path | None = None) -> None:
        path = _state_file(account, folder)
        store = MemoryStore() if path is None else _FileStore(options={"PATH": path})
        self._limits = [
            (name, GCRARateLimiter(per_min(rate, _burst(rate)), store), _burst(rate))
            for name, rate in (("requests", limits.requests_per_minute), ("tokens", limits.tokens_per_minute))
            if rate is not None
        ]

    def acquire(self, tokens: int, sleep: Callable[[float], None] = time.sleep) -> float:
        """Wait until a request of so many tokens may be sent.

        Returns:
            Seconds waited.
        """
        waited = 0.0
        for name, limiter, burst in self._limits:
            left = 1 if name == "requests" else tokens
            while left > 0:
                # What is more than may be sent at once is let in bit by bit; so the rate holds for any size.
                cost = min(left, burst)
                result = limiter.limit(name, cost)
                if not result.limited:
                    left -= cost
                    continue
                pause = max(result.state.retry_after, 0.001)
                waited += pause
                sleep(pause)
        return waited


def _burst(rate: int) -> int:
    return max(1, int(rate / 60 * _BURST_SECONDS))


def _state_file(account: str, folder: Path | None) -> Path | None:
    """The file of an account; None where nothing can be written: then the limit holds in this process only."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = folder or cache / "embeddings_orch" / "limits"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder):
            pass
    except OSError as error:
        logger.warning("rate limits are kept by this process alone: %s cannot be written (%s)", folder, error)
        return None
    return folder / f"{account}.json"


class _FileBackend(MemoryStoreBackend):
    """throttled-py's memory store, whose two numbers are read from a file and written back under its lock."""

    def __init__(self, server: str | None = None, options: dict[str, Any] | None = None) -> None:
        super().__init__(server, options)
        self._path: Path = self.options["PATH"]
        self.lock = cast(Any, _Locked(self._path.with_suffix(".lock")))

    def _read(self) -> dict[str, float]:
        try:
            kept = json.loads(self._path.read_text())
            return {str(key): float(value) for key, value in kept.items()}
        except (OSError, ValueError, AttributeError, TypeError):
            return {}

    def get(self, key: str) -> float | None:
        """The number of a limit."""
        value = self._read().get(key)
        return value if value is not None and value <= time.monotonic() + _HORIZON else None

    def set(self, key: str, value: Any, timeout: int) -> None:
        """Keep the number of a limit."""
        kept = {**self._read(), key: value}
        # A file that is replaced whole is never read half written, whoever is killed when.
        temporary = self._path.with_suffix(f".{os.getpid()}.tmp")
        temporary.write_text(json.dumps(kept))
        temporary.replace(self._path)


class _FileStore(MemoryStore):
    _BACKEND_CLASS = _FileBackend


class _Locked:
    """A lock among threads and processes."""

    def __init__(self, path: Path) -> None:
        self._threads = threading.Lock()
        self._processes = FileLock(path)

    def __enter__(self) -> None:
        self._threads.acquire()
        try:
            self._processes.acquire()
        except BaseException:
            self._threads.release()
            raise

    def __exit__(self, *_: object) -> None:
        self._processes.release()
        self._threads.release()
