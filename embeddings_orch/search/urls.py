"""Pictures from the web, and from nowhere else: private addresses are not reached, by no name and no redirect."""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable
from urllib.parse import SplitResult, urljoin, urlsplit

from embeddings_orch.errors import EmbeddingsOrchError

MAX_BYTES = 20 * 2**20
SECONDS = 10.0
MAX_REDIRECTS = 3

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_REDIRECTS = (301, 302, 303, 307, 308)
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_INSIDE = tuple(map(ipaddress.ip_network, ("fec0::/10", "::/96", "::ffff:0:0:0/96", "64:ff9b:1::/48")))
"""Of one site, with an IPv4 address as its end, and translated by a site of its own: RFC 3879, 4291, 2765 and 8215."""

_PORTS = {"http": 80, "https": 443}


def is_public(address: Address) -> bool:
    """Whether an address is on the public internet; one that carries an IPv4 address counts by that as well."""
    if isinstance(address, ipaddress.IPv6Address):
        inside = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
        if address in _NAT64:
            inside.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
        if any(address in network for network in _INSIDE):
            return False
        if not all(is_public(carried) for carried in inside if carried is not None):
            return False
        if address.ipv4_mapped is not None:
            return True
    return address.is_global and not address.is_multicast


def fetch(
    url: str,
    *,
    max_bytes: int = MAX_BYTES,
    seconds: float = SECONDS,
    permitted: Callable[[Address], bool] = is_public,
) -> bytes:
    """The body of a GET, without any proxy.

    It looks each name up once and connects to the very address that it judged, so that a second answer of the DNS
    changes nothing; it judges a redirect as it did the first URL.

    Args:
        url: http or https.
        max_bytes: of the body.
        seconds: for everything but the DNS.
        permitted: tells the addresses that may be reached.

    Raises:
        EmbeddingsOrchError: it is none, not permitted, too large, too slow, or does not answer with 200.
    """
    deadline = time.monotonic() + seconds
    for _ in range(MAX_REDIRECTS + 1):
        parts = _parts(url)
        bare_url = f"{parts.scheme}://{parts.netloc}{parts.path}"
        connection = _Connection(parts, _addresses(parts, bare_url, permitted), deadline)
        try:
            response = connection.get(_target(parts))
            if response.status in _REDIRECTS and response.headers.get("location"):
                url = urljoin(url, response.headers["location"])
                continue
            if response.status != 200:
                raise EmbeddingsOrchError(f"{bare_url} answered {response.status} {response.reason}")
            body = _body(response, bare_url, max_bytes)
            if time.monotonic() >= deadline:
                # What was cut looks like an answer that ends here.
                raise TimeoutError("the time is over")
            return body
        except (OSError, http.client.HTTPException) as error:
            if time.monotonic() >= deadline or isinstance(error, TimeoutError):
                raise EmbeddingsOrchError(f"{bare_url} took more than {seconds:g} s") from error
            raise EmbeddingsOrchError(f"{bare_url} cannot be read: {error or type(error).__name__}") from error
        finally:
            connection.close()
    raise EmbeddingsOrchError(f"{bare_url} is redirected more than {MAX_REDIRECTS} times")


def _parts(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        known = parts.scheme in _PORTS and bool(parts.hostname) and parts.port != 0
    except ValueError as error:
        raise EmbeddingsOrchError(f"this is no URL: {error}") from error
    if not known:
        raise EmbeddingsOrchError(f"a picture's URL begins with http:// or https://, not {url[:40]!r}")
    if "@" in parts.netloc:
        raise EmbeddingsOrchError(f"the URL of a picture on {parts.hostname} has a user name; it is not sent")
    return parts


def _addresses(parts: SplitResult, bare_url: str, permitted: Callable[[Address], bool]) -> list[str]:
    try:
        infos = socket.getaddrinfo(parts.hostname, parts.port or _PORTS[parts.scheme], type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise EmbeddingsOrchError(f"{bare_url}: the host {parts.hostname} is not known") from error
    addresses = list(dict.fromkeys(str(info[4][0]).partition("%")[0] for info in infos))
    # One that is not is enough: who answers with both means the other.
    if not all(permitted(ipaddress.ip_address(address)) for address in addresses):
        raise EmbeddingsOrchError(f"{bare_url} is not on a public address, and pictures are read from those only")
    return addresses


def _target(parts: SplitResult) -> str:
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    # As browsers do; what is escaped already stays.
    return "".join(
        character if "!" <= character <= "~" else "".join(f"%{byte:02X}" for byte in character.encode())
        for character in target
    )


class _Connection:
    """One request to an address that was judged; cut at the deadline, however slowly the server sends."""

    def __init__(self, parts: SplitResult, addresses: list[str], deadline: float) -> None:
        self._parts, self._addresses, self._deadline = parts, addresses, deadline
        self._http = http.client.HTTPConnection(str(parts.hostname), parts.port or _PORTS[parts.scheme])
        self._timer: threading.Timer | None = None
        self._socket: socket.socket | None = None

    def get(self, target: str) -> http.client.HTTPResponse:
        """The answer to a GET, its body unread."""
        self._socket = self._connect()
        self._timer = threading.Timer(self._seconds_left(), self._cut)
        self._timer.daemon = True
        self._timer.start()
        if self._parts.scheme == "https":
            context = ssl.create_default_context()
            name = self._parts.hostname
            # Not at once, so that a slow handshake is cut as well.
            secured = context.wrap_socket(self._socket, server_hostname=name, do_handshake_on_connect=False)
            self._socket = secured
            secured.do_handshake()
        self._http.sock = self._socket
        headers = {
            "Host": self._parts.netloc.encode("idna").decode(),
            "User-Agent": "embeddings-orch",
            "Accept": "image/*",
        }
        self._http.request("GET", target, headers=headers)
        return self._http.getresponse()

    def close(self) -> None:
        """Let go of the socket."""
        if self._timer is not None:
            self._timer.cancel()
        self._http.close()
        if self._socket is not None:
            self._socket.close()

    def _seconds_left(self) -> float:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the time is over")
        return left

    def _connect(self) -> socket.socket:
        problem: OSError = OSError("no address")
        for address in self._addresses:
            try:
                place = (address, self._parts.port or _PORTS[self._parts.scheme])
                connected = socket.create_connection(place, timeout=self._seconds_left())
            except OSError as error:
                problem = error
            else:
                connected.settimeout(self._seconds_left())
                return connected
        raise problem

    def _cut(self) -> None:
        if self._socket is not None:
            try:
                self._socket.shutdown(socket.SHUT_RDWR)
            except OSError:  # closed already
                return


def _body(response: http.client.HTTPResponse, bare_url: str, max_bytes: int) -> bytes:
    declared = response.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > max_bytes:
        raise EmbeddingsOrchError(f"{bare_url} has {int(declared):,} bytes; the limit is {max_bytes:,}")
    data = response.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise EmbeddingsOrchError(f"{bare_url} has more than {max_bytes:,} bytes")
    if declared.isdecimal() and len(data) < int(declared):
        raise http.client.IncompleteRead(data, int(declared) - len(data))
    return data
