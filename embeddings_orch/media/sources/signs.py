"""What a table's bytes are, where they are not what the table is called."""

from __future__ import annotations

from typing import Literal

from embeddings_orch.errors import SourceError
from embeddings_orch.media.decoding.unreadable import looks_like_text

Format = Literal["csv", "json", "jsonl", "parquet"]

PARQUET_SIGN = b"PAR1"
SAMPLE = 4096
"""Bytes of a file's start that tell what it is."""

_BLANKS = b"\xef\xbb\xbf \t\r\n"


def check_bytes(data: bytes, file_format: Format, name: str) -> None:
    """Refuse bytes that are something else than a table of their format, and say what.

    Args:
        data: the file's, unpacked; its start is enough.
        file_format: what it was said to be.
        name: of the file.

    Raises:
        SourceError: they are.
    """
    start = data[:SAMPLE].lstrip(_BLANKS)
    if file_format == "parquet":
        if start.startswith(b"\x1f\x8b"):
            raise SourceError(f"{name}: these are the bytes of a gzip file; set `format` to what is in it")
        if start and looks_like_text(start):
            told = "json" if begins_like_json(data) else "csv"
            raise SourceError(f"{name}: this is text, not a Parquet file; set `format: {told}`")
    elif start.startswith(PARQUET_SIGN):
        raise SourceError(
            f"{name}: these are the bytes of a Parquet file, packed or cut off; "
            "unpack it or write it anew, and set `format: parquet`"
        )
    elif start.startswith(b"PK\x03\x04"):
        raise SourceError(f"{name}: these are the bytes of a ZIP archive, such as an Excel workbook; save it as CSV")
    elif start[:5].lower() in (b"<html", b"<!doc", b"<?xml"):
        raise SourceError(f"{name}: this is HTML or XML, not a table; was a page saved in place of the file?")
    elif file_format == "csv" and start.startswith((b"[{", b'{"')):
        raise SourceError(f"{name}: this is JSON, not CSV; set `format: json`")


def begins_like_json(data: bytes) -> bool:
    """Whether the first sign of a file is one that an array or object of JSON has."""
    return data[:SAMPLE].lstrip(_BLANKS).startswith((b"[", b"{"))
