"""Progress as data: steps report it, the command line draws it, Dagster logs it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Progress:
    """How far a step is.

    Attributes:
        step: the asset's key, ``pipeline/embeddings/clip``.
        unit: what is counted.
        rate: units a second since the step began.
        remaining: seconds left at that rate, or None where unknown.
    """

    step: str
    unit: str
    done: int
    total: int | None
    rate: float
    remaining: float | None
    finished: bool = False

    def __str__(self) -> str:
        of = f"/{self.total:,}" if self.total is not None else ""
        text = f"{self.step}: {self.done:,}{of} {self.unit}"
        if self.done:
            text += f", {self.rate:,.0f}/s" if self.rate >= 10 else f", {self.rate:.1f}/s"
        return text if self.remaining is None else f"{text}, {_minutes(self.remaining)} left"


Listener = Callable[[Progress], None]
_listeners: list[Listener] = []


@contextmanager
def listen(listener: Listener) -> Iterator[None]:
    """Tell a listener of all progress in this process meanwhile."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


@dataclass
class Meter:
    """Counts a step's units and tells the listeners: at the start where there is work, then every few seconds."""

    step: str
    unit: str
    total: int | None = None
    listener: Listener | None = None
    interval: float = 3.0
    clock: Callable[[], float] = time.monotonic
    done: int = 0
    _started: float = field(init=False)
    _told: float = field(init=False)

    def __post_init__(self) -> None:
        self._started = self._told = self.clock()
        if self.total:
            self._tell(finished=False)

    @property
    def seconds(self) -> float:
        """Since the step began."""
        return self.clock() - self._started

    def add(self, count: int) -> None:
        """Count units done."""
        self.to(self.done + count)

    def to(self, done: int) -> None:
        """Set the number of units done."""
        self.done = done
        if self.done != self.total and self.clock() - self._told >= self.interval:
            self._tell(finished=False)

    def finish(self) -> None:
        """Tell of the end; silent where nothing was done."""
        if self.done:
            self._tell(finished=True)

    def _tell(self, *, finished: bool) -> None:
        self._told = self.clock()
        rate = self.done / self.seconds if self.seconds > 0 else 0.0
        left = None if self.total is None or not rate or finished else (self.total - self.done) / rate
        progress = Progress(self.step, self.unit, self.done, self.total, rate, left, finished)
        for listener in (*_listeners, *((self.listener,) if self.listener else ())):
            listener(progress)


def _minutes(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole} s" if whole < 90 else f"{whole // 60} min {whole % 60:02d} s"
