"""How keyword search reads texts: what their words are, and which of them count."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

Tokenizer = Literal["simple", "whitespace", "icu", "icu/split", "ngram", "raw"]
Language = Literal[
    "Arabic",
    "Danish",
    "Dutch",
    "English",
    "Finnish",
    "French",
    "German",
    "Greek",
    "Hungarian",
    "Italian",
    "Norwegian",
    "Portuguese",
    "Romanian",
    "Russian",
    "Spanish",
    "Swedish",
    "Tamil",
    "Turkish",
]

WORDLESS: tuple[str, ...] = ("ngram", "raw")
"""Tokenizers whose pieces are no words, and have neither a stem nor a language."""

MULTILINGUAL: tuple[str, ...] = ("icu", "icu/split")
"""Tokenizers for which LanceDB's own stop words are those of all languages at once: cat and dog are among them."""

MAX_TOKEN_LENGTH = 160
"""Bytes from which on a word is left out: 40 letters, of which each has up to four."""

NGRAM_LENGTH = 3
"""Characters of a piece of text, where no other lengths are given."""


@dataclass(frozen=True)
class Analysis:
    """How words are made, of an index's texts and of a query alike; equal where the full text is.

    The defaults here are LanceDB's own, which stored data that says nothing means, for ever. What a declaration means
    that says nothing is another thing: see `of_options`.

    Attributes:
        stop_words: whether the language's are left out, or those to leave out instead.
        max_token_length: bytes from which on a word is left out; None for no limit.
        ngram_min_length: characters of the shortest piece, of the tokenizer ``ngram``.
        ngram_max_length: characters of the longest.
    """

    tokenizer: str = "simple"
    language: str = "English"
    stem: bool = True
    stop_words: bool | tuple[str, ...] = True
    lower_case: bool = True
    ascii_folding: bool = True
    max_token_length: int | None = 40
    ngram_min_length: int = NGRAM_LENGTH
    ngram_max_length: int = NGRAM_LENGTH

    @classmethod
    def of_options(cls, options: Mapping[str, Any]) -> Analysis:
        """The analysis of the options that a user gives, by their names here.

        Without any, words of every language are found as they stand. A language asks for its stems and, of a tokenizer
        that has them, its stop words. What is not given else is the tokenizer's default, and what changes nothing does
        not count.
        """
        tokenizer = options.get("tokenizer", "icu/split")
        shared = {name: options[name] for name in ("lower_case", "ascii_folding") if name in options}
        if tokenizer == "ngram":
            shortest, longest = _ngram_lengths(options)
            return cls(
                tokenizer,
                stem=False,
                stop_words=False,
                max_token_length=None,
                ngram_min_length=shortest,
                ngram_max_length=longest,
                **shared,
            )
        if tokenizer == "raw":
            limit = options.get("max_token_length")
            return cls(tokenizer, stem=False, stop_words=False, max_token_length=limit, **shared)
        stem = options.get("stem", "language" in options)
        stop_words = options.get("stop_words", "language" in options and tokenizer not in MULTILINGUAL)
        if not isinstance(stop_words, bool):
            # LanceDB compares them with words that are in small letters already.
            lower = shared.get("lower_case", True)
            stop_words = tuple(sorted({word.lower() if lower else word for word in stop_words})) or False
        return cls(
            tokenizer,
            # Without stems and its stop words a language changes nothing.
            language=options.get("language", "English") if stem or stop_words is True else "English",
            stem=stem,
            stop_words=stop_words,
            max_token_length=options.get("max_token_length", MAX_TOKEN_LENGTH),
            **shared,
        )

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Analysis:
        """The analysis that `to_data` was made of."""
        words = data.get("stop_words", True)
        return cls(**{**data, "stop_words": words if isinstance(words, bool) else tuple(words)})

    def to_data(self) -> dict[str, Any]:
        """What differs from LanceDB's own, as plain values; empty for that."""
        default = asdict(Analysis())
        return {name: value for name, value in self._plain().items() if value != default[name]}

    def to_options(self) -> dict[str, Any]:
        """The options to declare for it, as plain values: the fewest from which `of_options` makes it again."""
        options: dict[str, Any] = {}
        of_language = self.stem or self.stop_words is True
        for name, value in self._plain().items():
            named = of_language if name == "language" else value != Analysis.of_options(options)._plain()[name]
            if named:
                options[name] = value
        return options

    def _plain(self) -> dict[str, Any]:
        values = asdict(self)
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}


def _ngram_lengths(options: Mapping[str, Any]) -> tuple[int, int]:
    shortest, longest = options.get("ngram_min_length"), options.get("ngram_max_length")
    if shortest is None:
        shortest = NGRAM_LENGTH if longest is None else min(NGRAM_LENGTH, longest)
    return shortest, max(NGRAM_LENGTH, shortest) if longest is None else longest


def options_of(columns: Sequence[str], analysis: Analysis) -> dict[str, Any]:
    """The options to declare for a full text; none where it has no columns."""
    return analysis.to_options() if columns else {}


def describe_full_text(columns: Sequence[str], options: Mapping[str, Any]) -> str:
    """The full text of an index, for people; empty where it has none.

    Args:
        columns: its columns.
        options: how their words are made, see `options_of`.

    Example:
        >>> describe_full_text(["caption", "title"], {"language": "German"})
        'caption, title (language German)'
    """
    told = ", ".join(f"{name} {_show(value)}" for name, value in options.items())
    return ", ".join(columns) + (f" ({told})" if columns and told else "")


def describe_full_text_change(before: Sequence[str], was: Analysis, columns: Sequence[str], now: Analysis) -> str:
    """What differs between the full texts of two indexes, for people; empty where nothing does.

    Args:
        before: the columns of the earlier.
        was: how the words of these were made.
        columns: those of the later.
        now: how the words of these are made.

    Example:
        >>> describe_full_text_change(["caption"], Analysis(), ["caption"], Analysis(language="German"))
        'full_text: language English -> German'
        >>> describe_full_text_change([], Analysis(), ["caption"], Analysis.of_options({}))
        'full_text none -> caption'
    """
    parts = []
    # As in the index's version: an order changes nothing.
    if set(before) != set(columns):
        shown = ", ".join(columns) if before else describe_full_text(columns, now.to_options())
        parts.append(f"full_text {', '.join(before) or 'none'} -> {shown or 'none'}")
    old, new = asdict(was), asdict(now)
    changed = [f"{name} {_show(old[name])} -> {_show(new[name])}" for name in old if old[name] != new[name]]
    if before and columns and changed:
        parts.append(f"full_text: {', '.join(changed)}")
    return ", ".join(parts)


def _show(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return f"[{', '.join(value)}]"
    return "no limit" if value is None else str(value)
