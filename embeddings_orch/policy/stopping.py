"""Waits that end when nobody wants their outcome any more."""

from __future__ import annotations

import threading
from collections.abc import Callable

from embeddings_orch.errors import CancelledError


class Stop:
    """Whether what was asked for is still wanted; for any number of threads.

    Args:
        sleep: waits so many seconds; None waits until `set` at the latest.

    Attributes:
        at_terminal_errors: whether a terminal error of one is the end of all.
    """

    def __init__(self, sleep: Callable[[float], None] | None = None) -> None:
        self.at_terminal_errors = False
        self._event = threading.Event()
        self._sleep: Callable[[float], object] = sleep or self._event.wait

    def set(self) -> None:
        """It is wanted no more; whoever waits is woken."""
        self._event.set()

    @property
    def is_set(self) -> bool:
        """Whether it is wanted no more."""
        return self._event.is_set()

    def check(self) -> None:
        """See that it is still wanted.

        Raises:
            CancelledError: it is not.
        """
        if self._event.is_set():
            raise CancelledError("no request is made any more: the run was stopped")

    def wait(self, seconds: float) -> None:
        """Wait for so many seconds.

        Raises:
            CancelledError: it is wanted no more.
        """
        self.check()
        self._sleep(seconds)
        self.check()
