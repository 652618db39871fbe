"""Rows from JSON: a line each, an array of objects, or objects over several lines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from io import BytesIO
from typing import Any

from embeddings_orch.errors import ItemError, SourceError
from embeddings_orch.media.base import Problem
from embeddings_orch.media.decoding.pictures import decode_text
from embeddings_orch.media.sources.records import Records, place
from embeddings_orch.media.sources.signs import SAMPLE

_BLANKS = " \t\r\n"
_WRONG = (ValueError, RecursionError, ItemError)


def read_json(data: bytes, records: Records) -> None:
    """Read a whole file into the records.

    Raises:
        SourceError: it is an array that is cut off or wrong, or one object that holds all rows.
    """
    start = data[:SAMPLE].lstrip(b"\xef\xbb\xbf \t\r\n")
    rows = None
    if start.startswith(b"["):
        rows = _read_array(data, records)
    if rows is None:
        rows = _read_lines(data, records)
    if not rows and start.startswith(b"{"):
        rows = _read_objects(data, records)
    if start.startswith(b"{") and len(rows) == 1 and not records.problems and _holds_all_rows(rows[0]):
        raise SourceError(
            f"{records.name}: it is one object of {', '.join(map(repr, list(rows[0])[:3]))}, not rows; write an array "
            "of objects, one for each row (pandas: orient='records')"
        )
    names = dict.fromkeys(name for row in rows for name in row)
    records.columns = {name: [row.get(name) for row in rows] for name in names}


def _holds_all_rows(row: dict[str, Any]) -> bool:
    return bool(row) and all(isinstance(value, list | dict) for value in row.values())


def _read_lines(data: bytes, records: Records) -> list[dict[str, Any]]:
    if b"\n" not in data:
        # Lines may end with a carriage return alone, which within JSON stands nowhere else.
        data = data.replace(b"\r", b"\n")
    rows: list[dict[str, Any]] = []
    number = 0
    for line, text in enumerate(BytesIO(data), 1):
        if not text.strip():
            continue
        number += 1
        try:
            rows.append(_sound(json.loads(decode_text(text)), escapes=b"\\u" in text))
        except _WRONG as error:
            records.problems.append(Problem(place(records.name, number, line), f"not JSON: {error}", hides=""))
            records.cut = not text.endswith(b"\n")
            continue
        records.numbers.append(number)
        records.lines.append(line)
    return rows


def _read_array(data: bytes, records: Records) -> list[dict[str, Any]] | None:
    """The rows of an array; None where the file is lines of arrays, which are for the lines to tell."""
    try:
        items = json.loads(decode_text(data))
    except json.JSONDecodeError as error:
        if error.msg == "Extra data":
            return None
        raise SourceError(f"{records.name}: not JSON: {error}") from error
    except _WRONG as error:
        raise SourceError(f"{records.name}: not JSON: {error}") from error
    rows: list[dict[str, Any]] = []
    for number, item in enumerate(items, 1):
        try:
            rows.append(_sound(item, escapes=True))
        except ValueError as error:
            records.problems.append(Problem(place(records.name, number, None), f"not usable: {error}", hides=""))
            continue
        records.numbers.append(number)
    return rows


def _read_objects(data: bytes, records: Records) -> list[dict[str, Any]]:
    """The rows of objects that stand over several lines each; none, and what the lines told, where they are no such."""
    rows: list[dict[str, Any]] = []
    lines: list[int] = []
    try:
        for line, value in _values(decode_text(data)):
            rows.append(_sound(value, escapes=True))
            lines.append(line)
    except _WRONG:
        return []
    records.problems.clear()
    records.numbers, records.lines, records.cut = list(range(1, len(rows) + 1)), lines, False
    return rows


def _values(text: str) -> Iterator[tuple[int, Any]]:
    """The values that a text holds one after the other, each with its line."""
    decoder = json.JSONDecoder()
    position, line, seen = 0, 1, 0
    while True:
        while position < len(text) and text[position] in _BLANKS:
            position += 1
        if position == len(text):
            return
        line += text.count("\n", seen, position)
        seen = position
        value, position = decoder.raw_decode(text, position)
        yield line, value


def _sound(value: Any, *, escapes: bool) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"a {type(value).__name__} where an object is due")  # noqa: TRY004
    if escapes:
        # Half a surrogate pair can be written in JSON and can be stored nowhere.
        json.dumps(value, ensure_ascii=False).encode()
    return value
