"""Faults that a loopback server shows instead of an answer, or to it."""

from __future__ import annotations

import json
import random
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

FaultKind = Literal["status", "hang", "reset", "reset_in_body", "truncate", "slow", "body", "change"]


@dataclass(frozen=True)
class Fault:
    """One fault; made by the functions below."""

    kind: FaultKind
    status: int = 200
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    change: Callable[[Any], Any] | None = None

    @classmethod
    def status_code(
        cls, status: int, body: Any = None, headers: Mapping[str, str] | None = None, seconds: float = 0.0
    ) -> Fault:
        """An answer with another status; ``body`` is JSON, text or bytes, by default the server's own error body."""
        return cls("status", status, _encode(body), dict(headers or {}), seconds)

    @classmethod
    def hang(cls, seconds: float) -> Fault:
        """No answer for so many seconds, then the right one."""
        return cls("hang", seconds=seconds)

    @classmethod
    def reset(cls) -> Fault:
        """The connection is reset before any answer."""
        return cls("reset")

    @classmethod
    def reset_in_body(cls) -> Fault:
        """The connection is reset in the middle of the right answer."""
        return cls("reset_in_body")

    @classmethod
    def truncate(cls) -> Fault:
        """Half of the right answer, with a length that says it is whole."""
        return cls("truncate")

    @classmethod
    def slow(cls, seconds: float) -> Fault:
        """The right answer, its bytes spread over so many seconds."""
        return cls("slow", seconds=seconds)

    @classmethod
    def page(cls, body: str = "<html><head><title>502 Bad Gateway</title></head></html>", status: int = 200) -> Fault:
        """An HTML page, as a proxy sends it."""
        return cls("body", status, body.encode(), {"content-type": "text/html"})

    @classmethod
    def change_answer(cls, change: Callable[[Any], Any]) -> Fault:
        """The right answer's JSON, changed: a vector too few, another order, NaN."""
        return cls("change", change=change)


class Faults:
    """Which fault the next request meets: scripted ones first, in order, then by chance, or by the request."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._scripted: deque[Fault | None] = deque()
        self._chance: tuple[float, Sequence[Fault], random.Random] | None = None
        self._rule: Callable[[Any], Fault | None] | None = None

    def script(self, *faults: Fault | None) -> None:
        """The next requests meet these, in order; None is a right answer."""
        with self._lock:
            self._scripted.extend(faults)

    def always(self, fault: Fault | None) -> None:
        """Every request meets this one, until it is called with None."""
        self.when((lambda _: fault) if fault is not None else None)

    def when(self, rule: Callable[[Any], Fault | None] | None) -> None:
        """Decide by the request (a `RecordedRequest`), where nothing is scripted."""
        with self._lock:
            self._rule = rule

    def by_chance(self, share: float, *faults: Fault, seed: int = 0) -> None:
        """This share of the requests meets one of these faults, where nothing is scripted."""
        with self._lock:
            self._chance = (share, faults, random.Random(seed)) if faults else None

    def clear(self) -> None:
        """Forget all faults."""
        with self._lock:
            self._scripted.clear()
            self._chance = self._rule = None

    def next(self, request: Any) -> Fault | None:
        """The fault of one request."""
        with self._lock:
            if self._scripted:
                return self._scripted.popleft()
            rule = self._rule
            if self._chance is not None:
                share, faults, chance = self._chance
                if chance.random() < share:
                    return chance.choice(list(faults))
        return rule(request) if rule is not None else None


def _encode(body: Any) -> bytes | None:
    if body is None or isinstance(body, bytes):
        return body
    return body.encode() if isinstance(body, str) else json.dumps(body).encode()
