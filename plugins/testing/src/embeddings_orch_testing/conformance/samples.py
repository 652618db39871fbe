"""Texts and pictures that embedders are tried with."""

from __future__ import annotations

import io
from functools import cache

import numpy as np
from PIL import Image, ImageDraw

from embeddings_orch.models.content import Item, Modality, content_hash, content_key

UNICODE_TEXTS = (
    "Größe, naïveté, Ångström",
    "e\u0301te\u0301 decomposed",
    "日本語の文章と漢字",
    "مرحبا بالعالم",
    "नमस्ते दुनिया",
    "👩‍👩‍👧‍👦 🏳️‍🌈 👍🏽",
    "tab\tline\nbreak\r\nzero\u200bwidth",
    "mixed \u202eright to left\u202c and back",
    "\U0001d518\U0001d52b\U0001d526 beyond the first plane",
)
"""Accents, other scripts, emoji, control characters."""

LONG_TEXT = "a long text. " * 8000
"""Longer than any model reads."""


def item_of(modality: Modality, content: str | bytes) -> Item:
    """An item of a content, with the key that a pipeline gives it."""
    return Item(content_key(modality, content_hash(content)), modality, content, f"a sample of {modality}")


@cache
def draw_picture(number: int) -> bytes:
    """A picture like no other: its colours, shape, place, size and format follow its number."""
    chance = np.random.default_rng(number)
    width, height = (int(side) for side in chance.integers(40, 160, 2))
    colours = [tuple(int(level) for level in chance.integers(0, 256, 3)) for _ in range(3)]
    image = Image.new("RGB", (width, height), colours[0])
    draw = ImageDraw.Draw(image)
    left, top = int(chance.integers(0, width // 2)), int(chance.integers(0, height // 2))
    box = (left, top, left + width // 2, top + height // 2)
    (draw.ellipse if number % 2 else draw.rectangle)(box, fill=colours[1])
    draw.line((0, height, width, top), fill=colours[2], width=1 + number % 9)
    encoded = io.BytesIO()
    image.save(encoded, ("PNG", "JPEG", "WEBP")[number % 3])
    return encoded.getvalue()
