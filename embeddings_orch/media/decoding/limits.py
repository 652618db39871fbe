"""What a picture may cost: its pixels, its scans, and pixels that come from next to no bytes."""

from __future__ import annotations

import os
from typing import IO

from embeddings_orch.errors import ItemError

MAX_PIXELS = 2**27
"""Width times height of the largest picture that is decoded (134 megapixels, 0.5 GB as Pillow holds them)."""
MAX_SIDE = 2**24
"""Width or height of the longest picture: Pillow holds a pointer for each row."""
MANY_SCANS = 50
"""Scans that any JPEG may have; encoders make 10."""
MAX_SCANNED = 2**30
"""Pixels times scans of a JPEG of more: each scan goes through all of them."""
LARGE_AREA = 2**24
"""Pixels up to which WebP and AVIF may come from a few bytes; libwebp holds 16 bytes for each."""
MOST_PIXELS_A_BYTE = 4096

WEBP_HEADER = 30
"""Bytes that tell a WebP's size."""
_VP8L_HEADER = 25
_MOST_EXIF = 32
_START_OF_SCAN = b"\xff\xda"


def check_size(size: tuple[int, int]) -> None:
    """Refuse a picture of more than `MAX_PIXELS`, or of a side of more than `MAX_SIDE`.

    Raises:
        ItemError: it has more.
    """
    width, height = size
    if width * height > MAX_PIXELS:
        raise ItemError(f"too many pixels: {width} x {height}; the limit is {MAX_PIXELS:,} in all")
    if max(size) > MAX_SIDE:
        raise ItemError(f"too long a side: {width} x {height} pixels; the limit of a side is {MAX_SIDE:,}")


def check_density(size: tuple[int, int], length: int) -> None:
    """Refuse a large WebP or AVIF of a few bytes, as one colour can be written.

    Args:
        size: width and height, pixels.
        length: bytes of the file.

    Raises:
        ItemError: so few bytes are no photograph, drawing or scan of that size.
    """
    width, height = size
    if width * height > max(LARGE_AREA, length * MOST_PIXELS_A_BYTE):
        raise ItemError(
            f"too many pixels for so small a file: {length:,} bytes say {width} x {height}; "
            f"the limit is {MOST_PIXELS_A_BYTE:,} a byte"
        )


def has_too_many_scans(data: bytes, size: tuple[int, int]) -> bool:
    """Whether a JPEG goes through its pixels too often; in the data of a scan the marker cannot stand."""
    scans = data.count(_START_OF_SCAN)
    return scans > MANY_SCANS and scans * size[0] * size[1] > MAX_SCANNED


def check_scans(data: bytes, size: tuple[int, int]) -> None:
    """Refuse a JPEG of `has_too_many_scans`.

    Raises:
        ItemError: it has too many.
    """
    if has_too_many_scans(data, size):
        scans = data.count(_START_OF_SCAN)
        raise ItemError(f"a JPEG of {scans:,} scans of {size[0]} x {size[1]} pixels; save it anew")


def webp_size(header: bytes) -> tuple[int, int] | None:
    """Width and height that the first `WEBP_HEADER` bytes of a WebP say, None where they are of something else."""
    if len(header) < _VP8L_HEADER or header[:4] != b"RIFF" or header[8:12] != b"WEBP":
        return None
    kind = header[12:16]
    if kind != b"VP8L" and len(header) < WEBP_HEADER:
        return None
    if kind == b"VP8X":
        return 1 + int.from_bytes(header[24:27], "little"), 1 + int.from_bytes(header[27:30], "little")
    if kind == b"VP8L":
        bits = int.from_bytes(header[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if kind == b"VP8 ":
        width, height = (int.from_bytes(header[at : at + 2], "little") & 0x3FFF for at in (26, 28))
        return width, height
    return None


def has_too_much_exif(file: IO[bytes]) -> bool:
    """Whether a JPEG has so many segments of EXIF that Pillow, which joins them one by one, takes minutes."""
    file.seek(2)
    segments = 0
    while (head := file.read(8))[:1] == b"\xff" and head[1:2] != _START_OF_SCAN[1:]:
        segments += head[1:2] == b"\xe1" and head[4:8] == b"Exif"
        if segments > _MOST_EXIF:
            return True
        file.seek(max(0, int.from_bytes(head[2:4], "big") - 6), os.SEEK_CUR)
    return False
