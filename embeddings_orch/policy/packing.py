"""Packing items into requests: as full as the provider's limits allow, in order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar


@dataclass(frozen=True)
class Limits:
    """What one request may hold; None for no limit.

    Attributes:
        items: inputs.
        tokens: of all inputs together.
        size: bytes of all inputs together.
    """

    items: int
    tokens: int | None = None
    size: int | None = None


class Weighed(Protocol):
    """Anything with a weight."""

    @property
    def tokens(self) -> int:
        """Tokens, at the most."""

    @property
    def size(self) -> int:
        """Bytes in a request."""


ItemT = TypeVar("ItemT", bound=Weighed)


class Packer(Generic[ItemT]):
    """Fills one request after the other; an item over a limit stands alone, for the provider to refuse."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._items: list[ItemT] = []
        self._tokens = 0
        self._size = 0

    def add(self, item: ItemT) -> Iterator[list[ItemT]]:
        """Put one item in, and hand out the requests that are full because of it."""
        limits = self.limits
        over_tokens = limits.tokens is not None and self._tokens + item.tokens > limits.tokens
        over_size = limits.size is not None and self._size + item.size > limits.size
        if self._items and (over_tokens or over_size):
            yield self.rest()
        self._items.append(item)
        self._tokens += item.tokens
        self._size += item.size
        if len(self._items) >= limits.items:
            yield self.rest()

    def rest(self) -> list[ItemT]:
        """What is in, and start anew."""
        items, self._items, self._tokens, self._size = self._items, [], 0, 0
        return items


def pack(items: Iterable[ItemT], limits: Limits) -> Iterator[list[ItemT]]:
    """Split items into requests, in order."""
    packer: Packer[ItemT] = Packer(limits)
    for item in items:
        yield from packer.add(item)
    if rest := packer.rest():
        yield rest
