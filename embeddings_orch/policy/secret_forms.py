"""The forms in which a secret turns up in a text, and where: for `embeddings_orch.policy.secrets`.

A server repeats a key in part (``sk-proj-abc…wxyz``), a client writes it in base64, percent-encoded or escaped, and a
log folds it. All are found by plain searches for fixed texts, so that the time is linear in the text.
"""

from __future__ import annotations

import base64
import html
import json
import re
import string
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from urllib.parse import quote, quote_plus

SHORTEST = 6
"""Characters of a secret that is looked for: a shorter one would be found in ordinary words."""

_SHORTEST_PART = 8
"""Characters of a secret's beginning, of its end, and of a secret that is looked for in other encodings."""
_SHORTEST_FOLDED = 12
_LEAST_SHOWN = 4
"""Characters of a secret beside stars or dots, from which on they are taken for it."""
_MOST_SHOWN = 64
_MASK = re.compile(r"[*•…·●]++|\.{2,}+|[xX]{3,}+|#{3,}+")
_GAP = re.compile(r"(?:\s|\\[nr])++")
_CODED = frozenset(string.ascii_letters + string.digits + "+/-_=")

Span = tuple[int, int]


@dataclass(frozen=True)
class SecretForms:
    """A secret and the texts that show it.

    Attributes:
        text: the secret.
        whole: the secret, as it is and escaped in several ways.
        coded: what base64 or hex of any text with the secret in it has of the secret alone.
        word: whether the secret is a plain word, which is left alone within others.
    """

    text: str
    whole: tuple[str, ...]
    coded: tuple[str, ...]
    word: bool

    @classmethod
    def of(cls, secret: str) -> SecretForms:
        """The forms of a secret of `SHORTEST` characters or more."""
        escaped = {secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]}
        escaped |= {form.replace("/", "\\/") for form in escaped} | {repr(secret)[1:-1], html.escape(secret)}
        for encoded in (quote(secret, safe=""), quote_plus(secret), quote(secret)):
            escaped |= {encoded, _lower_percents(encoded)}
        coded = frozenset(_coded(secret)) if len(secret) >= _SHORTEST_PART else frozenset()
        word = secret.isalpha() and (secret.islower() or secret.isupper())
        return cls(secret, _longest_first(escaped), _longest_first(coded), word)

    def spans(self, text: str) -> Iterator[Span]:
        """Where a text shows the secret: begin and end, in any order."""
        yield from self._whole(text)
        for begin, end in self._coded(text):
            yield _widen(text, begin, end)
        yield from self._parts(text)
        for mask in _MASK.finditer(text):
            yield from self._masked(text, *mask.span())
        if len(self.text) < _SHORTEST_FOLDED or not _GAP.search(text):
            return
        places = [place for begin, end in _between_gaps(text) for place in range(begin, end)]
        folded = "".join(text[begin:end] for begin, end in _between_gaps(text))
        for begin, end in self._whole(folded):
            yield places[begin], places[end - 1] + 1
        for begin, end in self._coded(folded):
            yield _widen(text, places[begin], places[end - 1] + 1)

    def _whole(self, text: str) -> Iterator[Span]:
        for form in self.whole:
            for begin in _places(text, form):
                end = begin + len(form)
                if not self.word or not (_in_word(text, begin - 1) or _in_word(text, end)):
                    yield begin, end

    def _coded(self, text: str) -> Iterator[Span]:
        for form in self.coded:
            for begin in _places(text, form):
                yield begin, begin + len(form)

    def _parts(self, text: str) -> Iterator[Span]:
        """The secret's beginning or end of some length; a beginning also where the text ends with it."""
        if len(self.text) <= _SHORTEST_PART:
            return
        for begin in _places(text, self.text[:_SHORTEST_PART]):
            length = _common_start(text[begin : begin + len(self.text)], self.text)
            if begin + length == len(text) or _is_random(self.text[:length]):
                yield begin, begin + length
        for begin in _places(text, self.text[-_SHORTEST_PART:]):
            end = begin + _SHORTEST_PART
            length = _common_start(text[max(0, end - len(self.text)) : end][::-1], self.text[::-1])
            if _is_random(self.text[-length:]):
                yield end - length, end

    def _masked(self, text: str, begin: int, end: int) -> Iterator[Span]:
        """``sk-***wxyz``: what stands beside stars or dots is the secret's beginning and its end."""
        most = min(len(self.text) - 1, _MOST_SHOWN)
        left = "<[(" if text[begin - 1 : begin] in ("<", "[", "(") else ""
        before, after = begin - bool(left), end + (bool(left) and text[end : end + 1] in (">", "]", ")"))
        shown = text[max(0, before - most) : before]
        head = next((n for n in range(len(shown), 0, -1) if shown.endswith(self.text[:n])), 0)
        shown = text[after : after + most]
        tail = next((n for n in range(len(shown), 0, -1) if self.text.endswith(shown[:n])), 0)
        if head + tail >= _LEAST_SHOWN:
            yield before - head, after + tail


def _coded(secret: str) -> Iterator[str]:
    data = secret.encode()
    yield data.hex()
    yield data.hex().upper()
    # Three bytes make four letters: by what stands before it, a secret is written in three ways.
    for shift in range(3):
        letters = base64.b64encode(b"\0" * shift + data).decode()
        certain = letters[-(-shift * 8 // 6) : (shift + len(data)) * 8 // 6]
        yield certain
        yield certain.translate(str.maketrans("+/", "-_"))


def _lower_percents(encoded: str) -> str:
    first, *others = encoded.split("%")
    return "%".join([first, *(part[:2].lower() + part[2:] for part in others)])


def _longest_first(forms: set[str] | frozenset[str]) -> tuple[str, ...]:
    return tuple(sorted(forms, key=lambda form: (-len(form), form)))


def _places(text: str, form: str) -> Iterator[int]:
    place = text.find(form)
    while place >= 0:
        yield place
        place = text.find(form, place + len(form))


def _widen(text: str, begin: int, end: int) -> Span:
    """All of the encoded text around: what stands beside a secret there is half of it."""
    while begin and text[begin - 1] in _CODED:
        begin -= 1
    while end < len(text) and text[end] in _CODED:
        end += 1
    return begin, end


def _common_start(one: str, other: str) -> int:
    return next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _in_word(text: str, place: int) -> bool:
    return 0 <= place < len(text) and (text[place].isalnum() or text[place] == "_")


def _is_random(part: str) -> bool:
    """Whether a part of a secret is no ordinary word, so that it gives the secret away and nothing else is meant."""
    kinds = [kind for kind, _ in groupby("d" if c.isdigit() else "u" if c.isupper() else "l" for c in part)]
    return len(part) >= 2 * _SHORTEST_PART or len(kinds) >= 3


def _between_gaps(text: str) -> Iterator[Span]:
    place = 0
    for gap in _GAP.finditer(text):
        yield place, gap.start()
        place = gap.end()
    yield place, len(text)
