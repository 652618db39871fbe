"""The page to search with in a browser: files of this package, and nothing from elsewhere."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

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
    """All files of the page by name. Only what is here is ever sent, whatever a request's path is."""
    found = {}
    for one in files(__package__).joinpath("static").iterdir():
        kind = _TYPES.get("." + one.name.rpartition(".")[2])
        if kind is not None:
            data = one.read_bytes()
            found[one.name] = PageFile(data, kind, f'"{hashlib.sha256(data).hexdigest()[:32]}"')
    return found


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
