"""Texts as keyword search has them: a letter with its accent is one letter, however it was written (Unicode's NFC)."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

NAMES = frozenset({"id", "uri"})
"""Columns that stay as they are, since rows and files are found again by them."""


def compose_texts(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column of texts whose letters are composed; nulls stay."""
    return _change_form(texts, "NFC")


def compose_words(words: str) -> str:
    """The words of a query as the texts have them."""
    return _change_form_of(words, "NFC")


def decompose_words(words: str) -> str:
    """The words of a query as they may be in a name, each accent by itself."""
    return _change_form_of(words, "NFD")


def _change_form_of(words: str, form: str) -> str:
    return str(_change_form(pa.scalar(words, pa.large_string()), form).as_py())


def _change_form(texts: Any, form: str) -> Any:
    # One library for texts and queries: two may know different releases of Unicode.
    return pc.utf8_normalize(texts, form=form)
