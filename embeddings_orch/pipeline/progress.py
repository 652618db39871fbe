"""Counts a step's units and tells how far it is."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from embeddings_orch.pipeline.events import EventListener, Progress, tell


@dataclass
class Meter:
    """Counts a step's units and tells the listeners: at the start where there is work, then every few seconds."""

    step: str
    unit: str
    total: int | None = None
    listener: EventListener | None = None
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
        tell(Progress(self.step, self.unit, self.done, self.total, rate, left, finished), self.listener)
