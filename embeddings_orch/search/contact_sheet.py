"""Contact sheets: a query and what it found, drawn into one PNG."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from PIL import Image, ImageDraw, ImageFont

from embeddings_orch.errors import ItemError
from embeddings_orch.media.decoding.pictures import decode_image
from embeddings_orch.search.results import Results

_CELL, _PICTURE, _LABEL, _MARGIN, _HEADING = 132, 104, 40, 16, 34
_INK, _PALE, _PAPER = (24, 27, 33), (110, 116, 128), (255, 255, 255)

ReadUri = Callable[[str], bytes]


@dataclass(frozen=True)
class Strip:
    """One query and its answer; ``picture`` is the query's picture, where it was one."""

    query: str
    results: Results
    picture: bytes | None = None


def contact_sheet(strips: Sequence[Strip], read: ReadUri, path: Path, *, columns: int = 10) -> Path:
    """Draw a strip a query: the query, then its pictures with scores and captions.

    Args:
        strips: the queries with their results.
        read: gives an item's bytes by uri; a sound gets a frame with its file's name, and an item that cannot
            be shown an empty one.
        path: where the PNG goes; folders are made.
        columns: pictures a strip.
    """
    width = 2 * _MARGIN + (columns + 1) * _CELL
    height = _MARGIN + len(strips) * (_HEADING + _CELL + _LABEL)
    sheet = Image.new("RGB", (width, height), _PAPER)
    draw = ImageDraw.Draw(sheet)
    for number, strip in enumerate(strips):
        top = _MARGIN + number * (_HEADING + _CELL + _LABEL)
        _text(draw, (_MARGIN, top), f"{strip.query}", size=18, ink=_INK, width=width)
        top += _HEADING
        if strip.picture is not None:
            _paste(sheet, strip.picture, _MARGIN, top)
            draw.rectangle((_MARGIN, top, _MARGIN + _PICTURE, top + _PICTURE), outline=(70, 110, 220), width=2)
        else:
            draw.rounded_rectangle((_MARGIN, top, _MARGIN + _PICTURE, top + _PICTURE), 8, fill=(238, 242, 252))
            _text(draw, (_MARGIN + 8, top + 40), strip.query, size=15, ink=(50, 80, 170), width=_PICTURE - 12)
        for place, hit in enumerate(strip.results.hits[:columns]):
            left = _MARGIN + (place + 1) * _CELL
            frame = (left, top, left + _PICTURE, top + _PICTURE)
            if hit.metadata.get("modality") == "audio":
                draw.rectangle(frame, outline=_PALE)
                name = PurePosixPath(hit.uri).name
                _text(draw, (left + 6, top + 44), name, size=12, ink=_INK, width=_PICTURE - 10)
            else:
                try:
                    _paste(sheet, read(hit.uri), left, top)
                except (OSError, ItemError):
                    draw.rectangle(frame, outline=_PALE)
            _text(draw, (left, top + _PICTURE + 4), f"{hit.score:.3f}", size=13, ink=_INK, width=_CELL - 8)
            _text(
                draw,
                (left, top + _PICTURE + 20),
                str(hit.metadata.get("caption") or hit.id),
                size=12,
                ink=_PALE,
                width=_CELL - 8,
            )
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path, optimize=True)
    return path


def _paste(sheet: Image.Image, data: bytes, left: int, top: int) -> None:
    picture = decode_image(data, min_side=_PICTURE)
    picture.thumbnail((_PICTURE, _PICTURE))
    if max(picture.size) < _PICTURE:
        scale = _PICTURE / max(picture.size)
        picture = picture.resize((max(1, round(picture.width * scale)), max(1, round(picture.height * scale))))
    sheet.paste(picture, (left + (_PICTURE - picture.width) // 2, top + (_PICTURE - picture.height) // 2))


def _text(
    draw: ImageDraw.ImageDraw,
    at: tuple[int, int],
    text: str,
    *,
    size: int,
    ink: tuple[int, int, int],
    width: int,
) -> None:
    font = ImageFont.load_default(size)
    line = " ".join(text.split())  # Pillow measures one line only
    while draw.textlength(line, font=font) > width and len(line) > 1:
        line = line[:-2].rstrip() + "…"
    draw.text(at, line, fill=ink, font=font)
