"""Requests and tokens per minute, kept by all threads and processes of one machine that use the same account.

The arithmetic is the generic cell rate algorithm (GCRA, ITU-T I.371): one number per limit, the theoretical arrival
time. That number stands in a small file with a lock beside it; it is a time of the monotonic clock, which is the same
for all processes of a machine.
"""

from __future__ import annotations

import json
import logging
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

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
        clock: seconds, monotonic, the same for all processes.
    """

    def __init__(
        self,
        account: str,
        limits: RateLimits,
        folder: Path | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        path = _state_file(account, folder)
        self._state = _State() if path is None else _FileState(path)
        self._clock = clock
        rates = {"requests": limits.requests_per_minute, "tokens": limits.tokens_per_minute}
        self._rates = {name: rate for name, rate in rates.items() if rate is not None}

    def acquire(self, tokens: int, sleep: Callable[[float], None] = time.sleep) -> float:
        """Wait until a request of so many tokens may be sent.

        Returns:
            Seconds waited.
        """
        waited = 0.0
        for name, rate in self._rates.items():
            left, burst = 1 if name == "requests" else tokens, _burst(rate)
            while left > 0:
                # What is more than may be sent at once is let in bit by bit; so the rate holds for any size.
                cost = min(left, burst)
                pause = self._take(name, cost, burst, 60 / rate)
                if pause <= 0:
                    left -= cost
                    continue
                pause = max(pause, 0.001)
                waited += pause
                sleep(pause)
        return waited

    def _take(self, name: str, cost: int, burst: int, interval: float) -> float:
        """Take ``cost`` now, or give the seconds after which that is asked for again."""
        with self._state.change() as arrivals:
            now = self._clock()
            known = arrivals.get(name, now)
            # One that lies too far ahead is of before a restart of the machine.
            arrival = (max(known, now) if known <= now + _HORIZON else now) + cost * interval
            pause = arrival - burst * interval - now
            if pause <= 0:
                arrivals[name] = arrival
            return pause


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


class _State:
    """The theoretical arrival times by the names of the limits, for any number of threads."""

    def __init__(self) -> None:
        self._arrivals: dict[str, float] = {}
        self._threads = threading.Lock()

    @contextmanager
    def change(self) -> Iterator[dict[str, float]]:
        """The times, to be changed in place by one caller at a time."""
        with self._threads:
            yield self._arrivals


class _FileState(_State):
    """The times in a file, for any number of processes."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        self._processes = FileLock(path.with_suffix(".lock"))

    @contextmanager
    def change(self) -> Iterator[dict[str, float]]:
        """The times, to be changed in place by one caller at a time."""
        # The lock of threads stands first: who waits for a file's lock looks for it again and again.
        with self._threads, self._processes:
            before = self._read()
            arrivals = dict(before)
            yield arrivals
            if arrivals != before:
                # A file that is replaced whole is never read half written, whoever is killed when.
                temporary = self._path.with_suffix(f".{os.getpid()}.tmp")
                temporary.write_text(json.dumps(arrivals))
                temporary.replace(self._path)

    def _read(self) -> dict[str, float]:
        try:
            return {str(name): float(arrival) for name, arrival in json.loads(self._path.read_text()).items()}
        except (OSError, ValueError, AttributeError, TypeError):
            return {}
