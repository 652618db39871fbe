"""Base64 as it comes from elsewhere: wrapped or not, as a data URI or bare."""

from __future__ import annotations

import base64
import binascii
import re

_WHITE = b" \t\n\f\r"
_STANDARD = bytes.maketrans(b"-_", b"+/")
_CUT_OFF = "it ends within a byte, or goes on after its padding"
_FOREIGN = re.compile(rb"[^A-Za-z0-9+/=_ \t\n\f\r-]")


def decode_base64(encoded: str) -> bytes:
    """The bytes of base64 text, by the rules of browsers (https://infra.spec.whatwg.org/#forgiving-base64-decode).

    White space does not count, padding may be missing, and the alphabet is the standard one or that for URLs. Of a data
    URI it is what stands behind ``;base64,``.

    Raises:
        ValueError: it is no base64, and where.
    """
    try:
        text = encoded.encode("ascii")
    except UnicodeEncodeError as error:
        raise ValueError(_tell(encoded, error.start)) from error
    start = _payload_start(text)
    plain = text[start:].translate(_STANDARD, _WHITE)
    body = plain.rstrip(b"=")
    padding, needed = len(plain) - len(body), -len(body) % 4
    try:
        decoded = base64.b64decode(body + b"=" * needed, validate=True)
    except binascii.Error as error:
        # Only now, for it takes longer than to decode.
        foreign = _FOREIGN.search(text, start)
        raise ValueError(_tell(encoded, foreign.start()) if foreign else _CUT_OFF) from error
    if padding not in (0, needed):
        raise ValueError(_CUT_OFF)
    return decoded


def _payload_start(text: bytes) -> int:
    """Where the base64 of a data URI begins; 0 of bare base64."""
    head = text[:4096].lstrip(_WHITE)
    if head[:5].lower() != b"data:":
        return 0
    comma = text.find(b",")
    kind, _, coding = text[: max(comma, 0)].rpartition(b";")
    if not kind or coding.strip(_WHITE).lower() != b"base64":
        raise ValueError("the data URI has no ';base64,'")
    return comma + 1


def _tell(encoded: str, place: int) -> str:
    return f"its character {place + 1:,} is {encoded[place]!r}"
