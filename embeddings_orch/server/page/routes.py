"""The page to search with in a browser: files of this package, and nothing from elsewhere."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

from fastapi import APIRouter, Request
from starlette.responses import Response

from embeddings_orch.server.gate.problems import HttpProblem

router = APIRouter(include_in_schema=False)

_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True)
class PageFile:
    """One file of the page, as it is sent."""

    data: bytes
    kind: str
    tag: str


@cache
def page_files() -> dict[str, PageFile]:
    """Read all files of the page, by their path below ``static/``. Nothing else is ever sent, whatever is asked for."""
    return dict(_read_folder(files(__package__).joinpath("static"), ""))


def _read_folder(folder: Traversable, prefix: str) -> Iterator[tuple[str, PageFile]]:
    for entry in folder.iterdir():
        name = prefix + entry.name
        if entry.is_dir():
            yield from _read_folder(entry, f"{name}/")
        elif (kind := _TYPES.get("." + name.rpartition(".")[2])) is not None:
            data = entry.read_bytes()
            yield name, PageFile(data, kind, f'"{hashlib.sha256(data).hexdigest()[:32]}"')


@router.get("/")
async def page(request: Request) -> Response:
    """The page."""
    return _send(request, "index.html")


@router.get("/favicon.ico")
async def favicon(request: Request) -> Response:
    """The page's icon, for browsers that ask without reading the page."""
    return _send(request, "icon.svg")


@router.get("/static/{name:path}")
async def static(request: Request, name: str) -> Response:
    """A file of the page; 404 where there is none of this name."""
    return _send(request, name)


def _send(request: Request, name: str) -> Response:
    file = page_files().get(name)
    if file is None:
        raise HttpProblem(404, f"the page has no file {name[:100]!r}")
    # Asked for again each time, and sent when it is another: a new version is never mixed with an old one.
    headers = {"ETag": file.tag, "Cache-Control": "no-cache"}
    if file.tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(file.data, media_type=file.kind, headers=headers)
