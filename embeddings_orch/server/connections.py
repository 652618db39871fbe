"""Which connections a server keeps: so many in all, and of one peer, so that nobody can take them from the others."""

from __future__ import annotations

import asyncio
import ipaddress
from collections import defaultdict
from collections.abc import Collection, Iterable
from typing import Protocol

PATIENCE = 1.0
"""Seconds that a connection may be silent before it makes room for a new one."""

SPARE_CONNECTIONS = 500
"""Connections beyond the limit: each is told to come again, or asks for what is always answered."""

_IPV6_NETWORK = 64
"""Bits of an address that one machine's owner has; the others are theirs to choose."""


class Connection(Protocol):
    """A client's connection, as far as it is counted."""

    @property
    def peer(self) -> str:
        """Whose it is; see `peer_of`."""

    @property
    def silent_since(self) -> float | None:
        """The loop's time since when no request has come, None while one is read or answered."""

    def close(self) -> None:
        """Close it, when what was written has gone out."""


class Connections:
    """Counts the connections of one server; used in its event loop alone.

    One that is beyond a limit takes the place of the one that has been silent longest. Where none is silent, it is a
    spare one: it gets what is always answered, and a 503 for all else.

    Args:
        most: connections in all.
        of_peer: connections of one peer.
        spare: connections beside these, default `SPARE_CONNECTIONS`.
    """

    def __init__(self, most: int, of_peer: int, spare: int | None = None) -> None:
        self._most = most
        self._of_peer = of_peer
        self._spare = SPARE_CONNECTIONS if spare is None else spare
        self._all: dict[Connection, None] = {}
        self._of: defaultdict[str, dict[Connection, None]] = defaultdict(dict)
        self._spares: dict[Connection, None] = {}

    def add(self, connection: Connection) -> bool:
        """Count a new connection; False where it is a spare one."""
        siblings: Collection[Connection] = self._of.get(connection.peer, {})
        if len(siblings) >= self._of_peer:
            admitted = self._make_room(siblings)
        elif len(self._all) >= self._most:
            # Who has most of them loses one first.
            groups = sorted(self._of.values(), key=len, reverse=True)
            admitted = any(self._make_room(group) for group in groups)
        else:
            admitted = True
        if admitted:
            self._all[connection] = None
            self._of[connection.peer][connection] = None
            return True
        if len(self._spares) >= self._spare:
            oldest = next(iter(self._spares))
            del self._spares[oldest]
            oldest.close()
        self._spares[connection] = None
        return False

    def remove(self, connection: Connection) -> None:
        """Forget a connection that is closed, or being so."""
        self._all.pop(connection, None)
        self._spares.pop(connection, None)
        siblings = self._of.get(connection.peer, {})
        siblings.pop(connection, None)
        if not siblings:
            self._of.pop(connection.peer, None)

    def _make_room(self, connections: Iterable[Connection]) -> bool:
        """Close the one that has been silent longest, if it has been so for some time."""
        latest = asyncio.get_running_loop().time() - PATIENCE
        silent = [(since, one) for one in connections if (since := one.silent_since) is not None and since <= latest]
        if not silent:
            return False
        _, longest = min(silent, key=lambda pair: pair[0])
        self.remove(longest)
        longest.close()
        return True


def peer_of(address: tuple[str, int] | None) -> str:
    """Who is at an address: all of a network that is given to one owner count as one.

    Example:
        >>> peer_of(("2001:db8:1:2:3:4:5:6", 1)), peer_of(("192.0.2.1", 1)), peer_of(None)
        ('2001:db8:1:2::/64', '192.0.2.1', '')
    """
    if address is None:
        return ""
    try:
        ip = ipaddress.ip_address(address[0].partition("%")[0])
    except ValueError:
        return address[0]
    if isinstance(ip, ipaddress.IPv4Address):
        return str(ip)
    if ip.ipv4_mapped is not None:
        return str(ip.ipv4_mapped)
    return str(ipaddress.ip_network((ip, _IPV6_NETWORK), strict=False))
