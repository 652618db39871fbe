"""How a server answers: what it allows, and how much of it."""

from __future__ import annotations

from dataclasses import dataclass

from embeddings_orch.policy.secrets import SecretName


@dataclass(frozen=True)
class ServeSettings:
    """The server's settings.

    Attributes:
        host: the address to listen on; loopback unless it is opened on purpose.
        port: the port; 0 for a free one.
        api_key_env: the environment variable that holds the API key; None for no key.
        model: the embedding that answers the routes of CLIP servers, as ``column`` or ``pipeline/column``; default the
            first that reads texts and pictures.
        allow_urls: whether a picture may be an http(s) URL; one on a private address never is.
        allowed_hosts: names by which clients call the server, beside loopback's and `host`.
        load: whether the models on this machine are loaded at once, and not by the first query.
        max_body: bytes of a request's body.
        max_pixels: width times height of a query picture.
        max_limit: the most hits of a search.
        batch_wait: seconds that a query waits for others to share its model call.
        concurrency: searches of one index at a time; eight times as many wait, the others are sent away.
        thumbnail_cache: bytes of thumbnails that are kept in memory.
        seconds: after which a search is given up.
        connections: open connections, beside some spare ones that are told to come again.
        peer_connections: open connections of one address, or of one network of IPv6; a proxy is one.
        graceful: seconds that open requests have to end when the server stops.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    api_key_env: SecretName | None = None
    model: str | None = None
    allow_urls: bool = False
    allowed_hosts: tuple[str, ...] = ()
    load: bool = False
    max_body: int = 20 * 2**20
    max_pixels: int = 2**26
    max_limit: int = 1000
    batch_wait: float = 0.004
    concurrency: int = 32
    thumbnail_cache: int = 64 * 2**20
    seconds: float = 60.0
    connections: int = 500
    peer_connections: int = 250
    graceful: int = 5
