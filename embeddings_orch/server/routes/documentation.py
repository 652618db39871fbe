"""``/docs``: the routes as one plain page, made here from the OpenAPI description.

FastAPI's own page loads its scripts from another host; a copy of them would weigh more than this package.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from html import escape
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, Response

router = APIRouter(include_in_schema=False)

_STYLE = """
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
h2 { margin-top: 2.5rem }
summary { cursor: pointer; padding: .3rem 0 }
code, pre { font: 13px/1.45 ui-monospace, monospace }
pre { overflow: auto; padding: .8rem; border: 1px solid color-mix(in srgb, currentColor 20%, transparent) }
table { border-collapse: collapse; margin: .5rem 0 }
td { padding: .15rem 1rem .15rem 0; vertical-align: top }
.method { display: inline-block; min-width: 4rem; font-weight: 600 }
details { border-bottom: 1px solid color-mix(in srgb, currentColor 15%, transparent) }
"""


@router.get("/docs")
async def docs(request: Request) -> Response:
    """The page."""
    return HTMLResponse(page(request.app.openapi()))


@router.get("/docs/style.css")
async def style() -> Response:
    """Its style, as a file: the security policy allows none within a page."""
    return Response(_STYLE, media_type="text/css")


def page(described: dict[str, Any]) -> str:
    """An OpenAPI description as HTML, without scripts."""
    title = f"{described['info']['title']} {described['info']['version']}"
    return "".join(
        (
            '<!doctype html><html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width">',
            f'<title>{escape(title)}</title><link rel="stylesheet" href="/docs/style.css"></head><body>',
            f"<h1>{escape(title)}</h1><p>{escape(described['info'].get('description', ''))} ",
            'For programs: <a href="/openapi.json">openapi.json</a>. <a href="/">The page</a>.</p>',
            *_routes(described),
            "</body></html>",
        )
    )


def _routes(described: dict[str, Any]) -> Iterator[str]:
    groups: dict[str, list[str]] = {}
    for path, methods in described["paths"].items():
        for method, told in methods.items():
            groups.setdefault(told.get("tags", ["others"])[0], []).append(_route(path, method, told, described))
    for group, routes in groups.items():
        yield f"<h2>{escape(group)}</h2>"
        yield from routes


def _route(path: str, method: str, told: dict[str, Any], described: dict[str, Any]) -> str:
    parts = [
        f'<details><summary><span class="method">{escape(method.upper())}</span><code>{escape(path)}</code> ',
        f"{escape(told.get('summary', ''))}</summary><p>{_code(told.get('description', ''))}</p>",
    ]
    if rows := "".join(_parameter(parameter) for parameter in told.get("parameters", [])):
        parts.append(f"<table>{rows}</table>")
    content = told.get("requestBody", {}).get("content", {}).get("application/json", {})
    for name, schema in _schemas(content.get("schema", {}), described).items():
        fields = schema.get("properties", {})
        needed = schema.get("required", [])
        rows = "".join(_field(field, field_schema, needed=field in needed) for field, field_schema in fields.items())
        parts.append(f"<p><code>{escape(name)}</code></p><table>{rows}</table>" if rows else "")
    return "".join((*parts, "</details>"))


def _parameter(told: dict[str, Any]) -> str:
    return _field(told["name"], told.get("schema", {}), needed=bool(told.get("required")))


def _field(name: str, schema: dict[str, Any], *, needed: bool) -> str:
    default = schema.get("default")
    about = schema.get("description", "")
    note = "required" if needed else f"default {json.dumps(default)}" if default is not None else ""
    return (
        f"<tr><td><code>{escape(name)}</code></td><td>{escape(_kind(schema))}</td>"
        f"<td>{escape(note)}</td><td>{_code(about)}</td></tr>"
    )


def _kind(schema: dict[str, Any]) -> str:
    """A type in a few words."""
    if "$ref" in schema:
        return str(schema["$ref"].rsplit("/", 1)[1])
    if "enum" in schema:
        return " | ".join(json.dumps(value) for value in schema["enum"])
    if "anyOf" in schema:
        kinds = [_kind(choice) for choice in schema["anyOf"]]
        return " | ".join(kind for kind in kinds if kind != "null") or "null"
    if schema.get("type") == "array":
        return f"[{_kind(schema.get('items', {}))}]"
    return str(schema.get("type", "any"))


def _schemas(schema: dict[str, Any], described: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The objects that a body consists of, by name, the outermost first."""
    objects: dict[str, dict[str, Any]] = {}
    waiting = [schema]
    while waiting:
        schema_part = waiting.pop(0)
        if "$ref" in schema_part:
            name = schema_part["$ref"].rsplit("/", 1)[1]
            if name not in objects:
                objects[name] = described["components"]["schemas"][name]
                waiting.extend(objects[name].get("properties", {}).values())
        waiting.extend(
            part for part in (*schema_part.get("anyOf", []), schema_part.get("items")) if isinstance(part, dict)
        )
    return objects


def _code(text: str) -> str:
    """Text whose backquotes are code."""
    parts = escape(text).split("`")
    return "".join(f"<code>{part}</code>" if place % 2 else part for place, part in enumerate(parts))
