"""A table of pictures whose ids have whatever characters an id can."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

from galleries import Gallery

ODD_IDS = (
    "line\nbreak",
    "\nfirst",
    "last\n",
    "cr\r\nlf",
    "tab\there",
    "'single' \"double\"",
    "a/b/c",
    "/lead",
    "trail/",
    "a//b",
    "a?size=64&generation=x",
    "a#b",
    "100%",
    "%2F",
    "%0A",
    "sp ace",
    " lead",
    "a+b",
    ".",
    "..",
    "../up",
    "a/../b",
    "a\\b",
    "<b>x</b>",
    "é",
    "e\u0301",
    "emoji 🐈‍⬛",
    "x\u2028y",
    "\x1b[31mred",
    "nul\0",
)


def odd_gallery(make_gallery: Callable[..., Gallery], ids: Sequence[str] = ODD_IDS) -> Gallery:
    """A gallery whose items have these ids, each a picture of its own with the caption ``item N``; not run yet."""
    gallery = make_gallery(pictures=len(ids), media={"source": "table", "path": "items.jsonl"})
    lines = [
        json.dumps({"id": item, "uri": f"media/p{number:03}.png", "caption": f"item {number}"})
        for number, item in enumerate(ids)
    ]
    (gallery.root / "items.jsonl").write_text("\n".join(lines))
    return gallery
