"""PNG and JPEG that Pillow refuses for what does not bear on their pixels, written anew without it.

Nothing is guessed: what carries pixels is copied byte for byte, and a file whose framing is broken is left alone.
"""

from __future__ import annotations

import struct
import zlib

from PIL import ExifTags, Image

_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_KEPT = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT"})
_PNG_OVERHEAD = 12
_MAX_EXIF = 2**16
_UPRIGHT = 1

_JPEG = b"\xff\xd8"
_APP0, _APP1, _APP14, _COMMENT, _SCAN = 0xE0, 0xE1, 0xEE, 0xFE, 0xDA
_METADATA = frozenset({*range(_APP0, _APP0 + 16), _COMMENT})
_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xDA)})
_JFIF = b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0"
_ADOBE_LENGTH = 12


def mended(data: bytes) -> bytes | None:
    """The same pixels, turned the same way, without what else the file holds; None where there is nothing to mend.

    It takes time and memory in proportion to the file.
    """
    try:
        if data.startswith(_PNG):
            sound = _mend_png(data)
        elif data.startswith(_JPEG):
            sound = _mend_jpeg(data)
        else:
            return None
    except (struct.error, IndexError):
        return None
    return None if sound == data else sound


def _mend_png(data: bytes) -> bytes | None:
    view = memoryview(data)
    parts: list[bytes | memoryview] = []
    at, has_pixels, turn = len(_PNG), False, b""
    while at + _PNG_OVERHEAD <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        end = at + _PNG_OVERHEAD + length
        if end > len(data):
            return None
        if kind == b"IEND":
            # The orientation before the pixels, wherever it stood, so that reading the header tells it.
            return b"".join((_PNG, *parts[:1], turn, *parts[1:], _png_chunk(b"IEND", b""))) if has_pixels else None
        if kind in _PNG_KEPT:
            # With its checksum, right or wrong: a wrong one is an error still.
            parts.append(view[at:end])
            has_pixels |= kind == b"IDAT"
        elif kind == b"eXIf" and length <= _MAX_EXIF:
            exif = _exif_of(orientation_in(data[at + 8 : end - 4]))
            turn = _png_chunk(b"eXIf", exif) if exif else turn
        elif not kind[0] & 0x20:
            return None  # critical, and unknown: it may bear on the pixels
        at = end
    return None


def _png_chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _mend_jpeg(data: bytes) -> bytes | None:
    parts: list[bytes] = []
    at, turn, jfif, has_adobe = len(_JPEG), b"", b"", False
    while True:
        # As decoders do: what stands between two segments is passed over, and a marker may have several FF.
        at = data.find(b"\xff", at)
        if at < 0:
            return None
        while data[at] == 0xFF:
            at += 1
        marker = data[at]
        at += 1
        if marker == 0:
            continue
        if marker in _WITHOUT_LENGTH:
            return None
        (length,) = struct.unpack_from(">H", data, at)
        content, end = data[at + 2 : at + length], at + max(length, 2)
        if end > len(data):
            return None
        if marker not in _METADATA:
            if length < 2:
                return None
            parts.append(bytes((0xFF, marker)) + data[at:end])
        elif marker == _APP14 and content.startswith(b"Adobe") and len(content) >= _ADOBE_LENGTH:
            parts.append(bytes((0xFF, marker)) + data[at:end])
            has_adobe = True
        elif marker == _APP0 and content.startswith(b"JFIF"):
            jfif = content
        elif marker == _APP1 and content.startswith(b"Exif\0\0") and not turn:
            exif = _exif_of(orientation_in(content[6:]))
            turn = _jpeg_segment(_APP1, b"Exif\0\0" + exif) if exif else b""
        at = end
        if marker == _SCAN:
            # Both tell which colours three channels are; a decoder believes JFIF first, where it is whole.
            start = _jpeg_segment(_APP0, _JFIF) if jfif and (len(jfif) >= len(_JFIF) or not has_adobe) else b""
            return b"".join((_JPEG, start, turn, *parts)) + data[end:]


def _jpeg_segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def orientation_in(exif: bytes) -> int:
    """The orientation, 1 to 8, that EXIF without its own start says; 1 where it cannot be read."""
    try:
        tags = Image.Exif()
        tags.load(b"Exif\0\0" + exif)
        orientation = int(tags.get(ExifTags.Base.Orientation, _UPRIGHT))
    except Exception:
        return _UPRIGHT
    return orientation if 1 <= orientation <= 8 else _UPRIGHT


def _exif_of(orientation: int) -> bytes:
    if orientation == _UPRIGHT:
        return b""
    return struct.pack("<2sHIHHHIHHI", b"II", 42, 8, 1, ExifTags.Base.Orientation, 3, 1, orientation, 0, 0)
