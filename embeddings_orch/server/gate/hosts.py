"""Whom a Host header names, by the grammar of RFC 3986, section 3.2, and nothing that only resembles it."""

from __future__ import annotations

import ipaddress
import re

_LONGEST = 300
"""Characters; a name has 253 at the most."""

_AUTHORITY = re.compile(r"(?:\[(?P<six>[0-9a-f:.]+)\]|(?P<name>[a-z0-9_-]++(?:\.[a-z0-9_-]++)*+)\.?)(?::[0-9]{0,5})?")


def host_of(header: str) -> str | None:
    """The name or address in a Host header, without its port, in lower case; None where it is no host.

    Example:
        >>> host_of("Search.example.:443"), host_of("[0:0::1]:8080"), host_of("[::1]evil.example")
        ('search.example', '::1', None)
    """
    text = header.strip(" \t").lower()
    match = _AUTHORITY.fullmatch(text) if header.isascii() and len(text) <= _LONGEST else None
    if match is None:
        return None
    if match["six"] is None:
        return match["name"]
    address = address_of(match["six"])
    return address if address is not None and ":" in address else None


def address_of(host: str) -> str | None:
    """An IP address as it is written by rule, None for anything else.

    Example:
        >>> address_of("0:0::1"), address_of("127.1"), address_of("localhost")
        ('::1', None, None)
    """
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return None
