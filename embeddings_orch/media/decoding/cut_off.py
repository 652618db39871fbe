"""Where a JPEG that ends too early was cut off: after which of its rows, or only before its end marker.

Nothing of it is ever taken for a picture: that a decoder fills what is missing in is what makes half a file look whole.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO
from itertools import pairwise

from PIL import Image, ImageChops

from embeddings_orch.errors import ItemError
from embeddings_orch.media.decoding.formats import identify

_END, _START_OF_SCAN = b"\xff\xd9", b"\xff\xda"
_ONLY_END = "it lacks only its end marker"
_SOF = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
_SOS, _EOI = 0xDA, 0xD9
_MARKER = re.compile(rb"\xff[\x02-\xcf\xd9-\xfe]")
"""The end, or what has a length; not a stuffed byte, a restart, or a start."""

_COEFFICIENTS = 64

_TAILS = (b"\x00" * 64, b"\xee" * 64, b"\xb7" * 64, b"\x6d" * 64)
"""What is put in the place of what is missing: pixels that are not the same with each of them are not in the file."""

_MOST_PIXELS = 2**22
"""To which a picture is scaled down to compare it: so that it takes little memory."""

_FILLED = 16
"""Zeros at the end that are no pixels, but the place of what was never written."""


@dataclass
class _Scans:
    """What the headers of a JPEG's scans say.

    Attributes:
        count: the scans that begin.
        left: for each component the bits of each coefficient that no scan has begun to tell; None for all.
    """

    count: int = 0
    left: dict[int, list[int | None]] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether no further scan is to come."""
        return bool(self.left) and all(bits == 0 for component in self.left.values() for bits in component)


def lacks_end(data: bytes) -> bool:
    """Whether no end marker follows the scans of a JPEG; the bytes of one behind the cut can deceive it."""
    if data.rfind(_END) > data.rfind(_START_OF_SCAN):
        return False
    try:
        # What a camera writes behind the end, as a film of some seconds, has the bytes of a scan's start by chance.
        return all(marker != _EOI for marker, _ in _segments(data))
    except ValueError:
        return True


def check_whole(data: bytes) -> None:
    """Refuse a JPEG that was cut off and filled up with zeros, as of a download: they would decode as its last rows.

    Raises:
        ItemError: where it was cut off.
    """
    if lacks_end(data) and (told := describe_cut(data)) and not told.startswith(_ONLY_END):
        raise ItemError(f"truncated picture: {told}")


def describe_cut(data: bytes) -> str:
    """Where a JPEG without an end was cut off, in words; empty where that cannot be told."""
    written = _without_filling(data)
    filled = f"; the last {len(data) - len(written):,} bytes are zeros" if len(data) - len(written) > 1 else ""
    try:
        scans = _read_scans(written)
        if not scans.count:
            return f"cut off in its header, before the first row{filled}"
        share = _share_of_rows(written)
    except Exception:
        return ""
    if not scans.complete:
        return f"cut off in pass {scans.count}: what makes it sharp is not there{filled}"
    if share == 1:
        return f"{_ONLY_END}, FF D9, and has all its rows: open it and save it anew{filled}"
    where = "cut off" if scans.count == 1 else f"cut off in its last pass, {scans.count},"
    if share == 0:
        return f"{where} before its first rows are whole{filled}"
    rows = f"about {share:.0%}" if 0.01 <= share < 0.995 else "less than 1%" if share < 0.01 else "more than 99%"
    return f"{where} after {rows} of its rows{filled}"


def _without_filling(data: bytes) -> bytes:
    written = data.rstrip(b"\0")
    if len(data) - len(written) < _FILLED:
        written = data
    return written.rstrip(b"\xff")  # the half of a marker


def _share_of_rows(data: bytes) -> float:
    """The part of the rows, from the top, that do not hang on what follows the data; 1 for all."""
    share = 1.0
    for one, other in pairwise(_decode(data + tail + _END) for tail in _TAILS):
        box = ImageChops.difference(one, other).getbbox()
        if box is not None:
            share = min(share, box[1] / one.height)
    return share


def _decode(data: bytes) -> Image.Image:
    image = identify(BytesIO(data))
    assert image is not None
    side = 1
    while image.width * image.height > _MOST_PIXELS * side * side and side < 8:
        side *= 2
    if side > 1:
        image.draft(None, (image.width // side, image.height // side))
    image.load()
    return image.convert("RGB")


def _read_scans(data: bytes) -> _Scans:
    """The scans of a JPEG, by its markers.

    Raises:
        ValueError, IndexError: a segment is broken.
    """
    scans = _Scans()
    for marker, content in _segments(data):
        if marker in _SOF:
            scans.left = {content[6 + 3 * place]: [None] * _COEFFICIENTS for place in range(content[5])}
        elif marker == _SOS:
            count = content[0]
            first, last, bits = content[1 + 2 * count : 4 + 2 * count]
            scans.count += 1
            for component in content[1 : 1 + 2 * count : 2]:
                scans.left[component][first : last + 1] = [bits & 0xF] * (last + 1 - first)
    return scans


def _segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The markers that have a length, each with its content, and the end; what stands between them is passed over.

    Raises:
        ValueError: a segment is broken.
    """
    at = 2
    while (match := _MARKER.search(data, at)) is not None:
        marker, at = data[match.end() - 1], match.end()
        if marker == _EOI:
            yield marker, b""
            return
        if at + 2 > len(data):
            return
        (length,) = struct.unpack_from(">H", data, at)
        if length < 2:
            raise ValueError("a segment that is shorter than its own length")
        if at + length > len(data):
            return
        yield marker, data[at + 2 : at + length]
        at += length
