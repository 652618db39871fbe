"""Servers of galleries, in a thread of the tests' own process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from PIL import ImageFile

from galleries import Gallery


@dataclass
class Running:
    """A server in a thread of its own.

    Attributes:
        url: where it answers.
        http: a client of it, for this thread.
        app: its application; ``app.state`` has what it shares.
    """

    url: str
    http: Any
    app: Any


@contextmanager
def serving() -> Iterator[Callable[..., Running]]:
    """Serves galleries until it ends."""
    import httpx

    from embeddings_orch.server.app import create_app
    from embeddings_orch.server.running import bind, in_thread
    from embeddings_orch.server.settings import ServeSettings
    from embeddings_orch.server.shared.served import Served

    with ExitStack() as stack:

        def serve(*galleries: Gallery, **settings: Any) -> Running:
            chosen = ServeSettings(port=0, **settings)
            specs = [gallery.pipeline().spec for gallery in galleries]
            app = create_app(Served(specs, chosen.batch_wait), chosen)
            url = stack.enter_context(in_thread(app, bind(chosen)))
            http = stack.enter_context(httpx.Client(base_url=url, verify=False, trust_env=False, timeout=30))
            return Running(url, http, app)

        yield serve


@pytest.fixture
def unpacked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Width and height of each picture whose pixels this process has decoded, servers in its threads too."""
    sizes: list[tuple[int, int]] = []
    load = ImageFile.ImageFile.load

    def counted(image: ImageFile.ImageFile) -> Any:
        sizes.append(image.size)
        return load(image)

    monkeypatch.setattr(ImageFile.ImageFile, "load", counted)
    return sizes


@pytest.fixture
def served() -> Iterator[Callable[..., Running]]:
    """Serves galleries over HTTP on a free port: ``served(gallery, ..., max_limit=5)`` takes `ServeSettings`."""
    with serving() as serve:
        yield serve


@pytest.fixture(scope="module")
def shared_served() -> Iterator[Callable[..., Running]]:
    """As `served`, for servers that all tests of a module ask."""
    with serving() as serve:
        yield serve
