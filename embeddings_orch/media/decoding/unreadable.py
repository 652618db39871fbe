"""Why a file is no picture, in words: what it is instead, or where it is broken."""

from __future__ import annotations

import codecs

from PIL import Image

from embeddings_orch.media.decoding.cut_off import describe_cut, lacks_end

_SIGNATURES = (
    (b"<!doctype html", "HTML"),
    (b"<html", "HTML"),
    (b"<svg", "SVG"),
    (b"<?xml", "XML or SVG"),
    (b"version https://git-lfs.github.com", "a Git LFS pointer (run `git lfs pull`)"),
    (b"%pdf", "PDF"),
    (b"pk\x03\x04", "a ZIP archive"),
    (b"\x1f\x8b", "a gzip file"),
)
_SIGNS_OF_TRUNCATION = ("truncated", "premature end", "not enough")
_JPEG_START = b"\xff\xd8\xff"


def reason_of(error: Exception, data: bytes) -> str:
    """What the decoder's error says of a picture."""
    message = str(error).strip().rstrip(".")
    if isinstance(error, MemoryError):
        return "the picture does not fit into memory"
    if data.startswith(_JPEG_START) and lacks_end(data) and (told := describe_cut(data)):
        return f"truncated picture: {told}"
    if isinstance(error, EOFError) or any(sign in message.lower() for sign in _SIGNS_OF_TRUNCATION):
        return f"truncated picture ({message or 'its end is missing'})"
    if isinstance(error, Image.DecompressionBombError):
        return f"too many pixels ({message})"
    return f"corrupt or truncated picture ({type(error).__name__}{': ' if message else ''}{message})"


def describe_bytes(data: bytes) -> str:
    """What a file is that is no picture."""
    start = data[:64].lstrip(codecs.BOM_UTF8 + b" \t\r\n").lower()
    for signature, name in _SIGNATURES:
        if start.startswith(signature):
            return name
    if data[4:8] == b"ftyp":
        brand = data[8:12].decode("ascii", "replace").strip()
        return f"{brand.upper()} (convert it to JPEG or PNG)"
    return "text" if looks_like_text(data) else "unknown data"


def looks_like_text(data: bytes) -> bool:
    """Whether the start of a file is printable UTF-8."""
    # A character can be cut at the end of the sample, so the decoder is not told that it ends.
    sample = data[:512]
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(sample)
    except UnicodeDecodeError:
        return False
    return bool(text) and all(character.isprintable() or character in "\t\r\n\ufeff" for character in text)
