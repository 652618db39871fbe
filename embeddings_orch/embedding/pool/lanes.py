"""What waits for a model: contents of one modality and side, whose callers take turns."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TypeAlias

from embeddings_orch.embedding.outcome import Prepared
from embeddings_orch.models.content import Failure, Modality, Side, Vectors
from embeddings_orch.policy.packing import Limits

Embedded: TypeAlias = Vectors | Failure
"""What becomes of a content: its vector, shape (dimensions,), or why it has none."""


@dataclass(eq=False)
class Entry:
    """One content, and all who wait for it.

    Attributes:
        at: when it was handed in.
    """

    prepared: Prepared
    at: float
    futures: list[Future[Embedded]] = field(default_factory=list)

    @property
    def wanted(self) -> bool:
        """Whether anybody still waits for it."""
        return not all(future.cancelled() for future in self.futures)


class BatchLane:
    """The contents of one modality and side; not for several threads at once.

    Attributes:
        gathering: whether a thread puts a batch together.
    """

    def __init__(self, modality: Modality, side: Side) -> None:
        self.modality: Modality = modality
        self.side: Side = side
        self.gathering = False
        self._callers: deque[deque[Entry]] = deque()
        self._entries: dict[bytes, Entry] = {}  # that wait or are under way, by the content's key
        self._before = 0  # callers of the batch before
        self._ended = 0.0

    def __len__(self) -> int:
        return len(self._callers)

    def add(self, contents: list[tuple[Prepared, Future[Embedded]]], now: float) -> None:
        """What one caller asks for; a content that waits or is under way is joined."""
        queue: deque[Entry] = deque()
        for content, future in contents:
            entry = self._entries.get(content.key)
            if entry is None:
                entry = self._entries[content.key] = Entry(content, now)
                queue.append(entry)
            entry.futures.append(future)
        if queue:
            self._callers.append(queue)

    def since(self) -> float:
        """When the first of what waits was handed in; something must be waiting."""
        return min(queue[0].at for queue in self._callers)

    def complete(self, limits: Limits, now: float, memory: float) -> bool:
        """Whether there is nothing to wait for: the batch is full, or as many callers are here as can be expected.

        Expected are as many as the batch before had, if it ended within ``memory`` seconds.
        """
        if len(self) >= (self._before if now - self._ended <= memory else 0):
            return True
        waiting = [entry.prepared for queue in self._callers for entry in queue]
        return (
            len(waiting) >= limits.items
            or (limits.tokens is not None and sum(content.tokens for content in waiting) >= limits.tokens)
            or (limits.size is not None and sum(content.size for content in waiting) >= limits.size)
        )

    def take(self, limits: Limits) -> list[Entry]:
        """The next batch: one content of each caller, then the next of each; nothing that nobody waits for any more."""
        taken: list[Entry] = []
        callers: dict[int, deque[Entry]] = {}
        tokens = size = 0
        while self._callers and len(taken) < limits.items:
            queue = self._callers[0]
            content = queue[0].prepared
            if not queue[0].wanted:
                del self._entries[content.key]
                queue.popleft()
            else:
                tokens, size = tokens + content.tokens, size + content.size
                over = (limits.tokens is not None and tokens > limits.tokens) or (
                    limits.size is not None and size > limits.size
                )
                if taken and over:
                    break
                taken.append(queue.popleft())
                callers[id(queue)] = queue
            self._callers.popleft()
            if queue:
                self._callers.append(queue)
        self._before = len(callers) or self._before
        return taken

    def settle(self, taken: list[Entry], now: float) -> list[list[Future[Embedded]]]:
        """End a batch: who waits for each of its contents."""
        self._ended = now
        return [self._entries.pop(entry.prepared.key).futures for entry in taken]

    def drain(self) -> list[Entry]:
        """All that waits, which is to be settled."""
        waiting = [entry for queue in self._callers for entry in queue]
        self._callers.clear()
        return waiting
