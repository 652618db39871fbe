"""Random training texts, and which pictures of a batch each of them describes."""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import cache

import torch
from gallery import Glyph, HeldOutPairs
from tokenizers import Tokenizer
from wordpieces import CONTEXT_LENGTH, END, PAD

TEMPLATES = (
    "a {}",
    "an {}",
    "the {}",
    "{} emoji",
    "a {} emoji",
    "picture of {}",
    "picture of a {}",
    "a picture of {}",
    "a picture of a {}",
    "a photo of a {}",
    "an image of {}",
    "an icon of a {}",
    "a drawing of a {}",
)
JOINS = ("{} {}", "{} {}", "{} {}", "{} and {}", "{} with {}", "{} or {}")
NAME_WEIGHT = 4.0  # a text that is a picture's name describes it better than one of its keywords does


@dataclass(frozen=True)
class TextBatch:
    """Texts drawn for a batch of pictures.

    Attributes:
        ids: Token ids, right-padded, one row per text.
        lengths: Tokens per text, the end token included.
        weights: How well text (row) describes picture (column); 0 is not at all.
    """

    ids: torch.Tensor
    lengths: torch.Tensor
    weights: torch.Tensor


class Prompts:
    """Draws texts for glyphs: their name, one keyword, and two keywords whose pair is not held out."""

    def __init__(self, glyphs: list[Glyph], held_out: HeldOutPairs, tokenizer: Tokenizer, seed: int) -> None:
        """Index the gallery's phrases.

        Args:
            glyphs: The whole gallery.
            held_out: The pairs no text may spell out.
            tokenizer: The model's tokenizer.
            seed: Seed of the draws.
        """
        self._random = random.Random(seed)
        self._vocabulary = tokenizer.get_vocab()
        self._end, self._pad = self._vocabulary[END], self._vocabulary[PAD]
        self._encode = cache(lambda word: tokenizer.encode(word, add_special_tokens=False).ids)
        phrases: dict[str, int] = {}
        for glyph in glyphs:
            for phrase in (glyph.name, *glyph.keywords):
                phrases.setdefault(phrase, len(phrases))
        self._phrases = list(phrases)
        self._carries = torch.zeros(len(phrases), len(glyphs), dtype=torch.bool)
        self._names = torch.tensor([phrases[glyph.name] for glyph in glyphs])
        self._singles: list[list[int]] = []
        self._pairs: list[list[tuple[int, int]]] = []
        for index, glyph in enumerate(glyphs):
            own = sorted({phrases[phrase] for phrase in (glyph.name, *glyph.keywords)})
            self._carries[own, index] = True
            self._singles.append([phrases[keyword] for keyword in glyph.keywords] or own)
            self._pairs.append(
                [
                    (first, second)
                    for first in own
                    for second in own
                    if first != second and not held_out.spelled_by(f"{self._phrases[first]} {self._phrases[second]}")
                ]
            )

    def draw(self, glyphs: torch.Tensor) -> TextBatch:
        """Draw three texts per glyph.

        Args:
            glyphs: Indices of the batch's glyphs.

        Returns:
            The texts, and which of the batch's pictures each describes.
        """
        chosen: list[tuple[int, int]] = []
        for index in glyphs.tolist():
            keyword = self._random.choice(self._singles[index])
            pairs = self._pairs[index]
            name = int(self._names[index])
            chosen += [
                (name, name),
                (keyword, keyword),
                self._random.choice(pairs) if pairs else (name, name),
            ]
        rows = [self._tokens(first, second) for first, second in chosen]
        lengths = torch.tensor([len(row) for row in rows])
        width = int(lengths.max())
        ids = torch.tensor([row + [self._pad] * (width - len(row)) for row in rows])
        first, second = torch.tensor(chosen).unbind(1)
        carries = self._carries[:, glyphs]
        weights = (carries[first] & carries[second]).float()
        named = (first == second).unsqueeze(1) & (first.unsqueeze(1) == self._names[glyphs])
        return TextBatch(ids, lengths, torch.where(named, NAME_WEIGHT, weights))

    def _tokens(self, first: int, second: int) -> list[int]:
        draw = self._random.random
        text = self._phrases[first]
        if draw() < 0.1:
            text = _plural(text)
        if second != first:
            text = self._random.choice(JOINS).format(text, self._phrases[second])
        if draw() < 0.25:
            text = self._random.choice(TEMPLATES).format(text)
        words = text.split()
        spelled = self._random.randrange(len(words)) if draw() < 0.04 else -1
        tokens: list[int] = []
        for position, word in enumerate(words):
            tokens += self._spell(word) if position == spelled else self._encode(word)
        return [*tokens[: CONTEXT_LENGTH - 1], self._end]

    def _spell(self, word: str) -> list[int]:
        # Spelling a known word out now and then teaches the letters what unknown words are made of.
        if not (word.isascii() and word.isalpha() and 2 < len(word) <= 8):
            return self._encode(word)
        letters = [word[0], *(f"##{letter}" for letter in word[1:])]
        return [self._vocabulary[letter] for letter in letters]


def _plural(text: str) -> str:
    last = text.rsplit(maxsplit=1)[-1]
    if len(last) < 3 or not last.isalpha() or last.endswith("s"):
        return text
    if last.endswith(("x", "ch", "sh")):
        return f"{text}es"
    return f"{text[:-1]}ies" if last[-1] == "y" and last[-2] not in "aeiou" else f"{text}s"
