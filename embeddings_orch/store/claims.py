"""Claims of one step of one run: kept alive while it works, given up when it ends or fails."""

from __future__ import annotations

import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from embeddings_orch.errors import StoreError
from embeddings_orch.store.tables.claims import ClaimsTable
from embeddings_orch.store.watch import HERE, Sight, Watch

if TYPE_CHECKING:
    from embeddings_orch.store.database import LanceDatabase

SECONDS = 60.0
"""How long a claim lasts after it was last extended; a run on another machine that died blocks the others so long.

Who watches a claim goes by its own number, so all runs that share a store have to use the same.
"""

POLL = 0.25
"""Seconds between two looks at what other runs hold."""


class Claims:
    """What one step of one run has claimed; a context that gives it up at the end.

    A claim is over when it stood unchanged for ``seconds`` before the eyes of this process, or when its holder was a
    process of this machine that has ended. Who finds a claim therefore watches it that long before it takes it over.

    Args:
        store: where the claims are kept.
        seconds: how long a claim lasts; it is extended every third of that.
        sleep: waits for other runs.
        clock: the wall clock.
        watch: what this process has seen of claims.
    """

    def __init__(
        self,
        store: LanceDatabase,
        *,
        seconds: float = SECONDS,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.time,
        watch: Watch = HERE,
    ) -> None:
        self.table = ClaimsTable(store, clock)
        self.holder = f"{_machine()}#{os.getpid()}#{secrets.token_hex(4)}@{store.deployment}"
        self.seconds = seconds
        self._uri = store.uri
        self._sleep = sleep
        self._watch = watch
        self._ended = threading.Event()
        self._extender: threading.Thread | None = None
        self._any = False

    def __enter__(self) -> Claims:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        if self._extender is not None:
            self._extender.join()
        try:
            self.release()
        except StoreError:
            # The claims stay there, on a full disk for one, and nobody works for them any more.
            _given_up.add(self.holder)
            if error is None:  # else the error that ends the step is the one to show
                raise

    def take(self, keys: Sequence[str]) -> set[str]:
        """Claim those of some keys that no living run holds; returns what this one holds now."""
        self._any = True
        sights = self._look(keys)
        free = [key for key in keys if key not in sights]
        over = [sight.claim for sight in sights.values() if self._over(sight)]
        held = {key for key, sight in sights.items() if sight.claim.holder == self.holder}
        held |= self.table.take(free, self.holder, self.seconds, over)
        if held and self._extender is None:
            self._extender = threading.Thread(target=self._extend, name="claims", daemon=True)
            self._extender.start()
        return held

    def holds(self, key: str) -> bool:
        """Whether this one still holds a key: others take over what stood still for too long."""
        claim = self.table.of([key]).get(key)
        return claim is not None and claim.holder == self.holder

    def release(self) -> None:
        """Give up all that is held."""
        if self._any:
            self.table.release(self.holder)
            self._any = False

    def wait(self, keys: Sequence[str]) -> None:
        """Sleep until at least one of some keys, held by others, can be claimed."""
        while not self.free(keys):
            self._sleep(POLL)

    def watch(self, key: str) -> None:
        """Sleep until a key can be claimed, or its holder was seen to live."""
        first = sight = self._look([key]).get(key)
        while first and sight and sight.claim == first.claim and not self._over(sight):
            self._sleep(POLL)
            sight = self._look([key]).get(key)

    def free(self, keys: Sequence[str]) -> list[str]:
        """Those of some keys that could be claimed now."""
        sights = self._look(keys)
        return [key for key in keys if key not in sights or self._over(sights[key])]

    def _look(self, keys: Sequence[str]) -> dict[str, Sight]:
        return self._watch.look(self._uri, self.table, keys)

    def _over(self, sight: Sight) -> bool:
        """Whether a claim is no living run's."""
        return sight.claim.holder != self.holder and (sight.unchanged >= self.seconds or has_ended(sight.claim.holder))

    def _extend(self) -> None:
        while not self._ended.wait(self.seconds / 3):
            with suppress(StoreError):  # the next one may succeed, and what was lost is verified
                self.table.extend(self.holder, self.seconds)


_given_up: set[str] = set()
"""Holders of this process that have ended and could not take their claims back."""


@contextmanager
def alone(store: LanceDatabase, key: str, sleep: Callable[[float], None] = time.sleep) -> Iterator[None]:
    """Work while no other run does the same; waits for the one that does.

    A run that stood still for longer than its claim lasts may come to work beside another, so what was written has
    to be verified.
    """
    with Claims(store, sleep=sleep) as claims:
        while not claims.take([key]):
            claims.wait([key])
        yield


def deployment_of(holder: str) -> str:
    """The deployment that a holder works for."""
    return holder.rpartition("@")[2]


def has_ended(holder: str) -> bool:
    """Whether a holder was a process of this machine that has ended, or a step of this process that has."""
    if holder in _given_up:
        return True
    machine, pid, _ = holder.rsplit("#", 2)
    # Elsewhere than on POSIX, signal 0 is not harmless.
    if machine != _machine() or os.name != "posix":
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


@cache
def _machine() -> str:
    """This machine since it was started, and this container of it: where process numbers mean the same."""
    parts = [socket.gethostname()]
    with suppress(OSError):
        parts += [Path("/proc/sys/kernel/random/boot_id").read_text().strip(), os.readlink("/proc/self/ns/pid")]
    return "/".join(parts)
