"""The demo gallery as training data: pictures, phrases, and the keyword pairs held out of training."""

from __future__ import annotations

import csv
import hashlib
import re
import unicodedata
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
import torch
from PIL import Image

REPOSITORY = Path(__file__).resolve().parents[3]
GALLERY = REPOSITORY / "definitions" / "data" / "emoji"
SEPARATOR = " | "
HELD_OUT_SALT = "emoji-pairs-1"
HELD_OUT_PERCENT = 10
# Words of the training prompts' frames; a pair that has one of them could be spelled out by accident.
FRAME_WORDS = frozenset(
    ("a", "an", "and", "drawing", "emoji", "icon", "image", "of", "or", "photo", "picture", "the", "with")
)

Pair = tuple[str, str]


def clean(text: str) -> str:
    """Reduce a text to the form in which names and keywords are compared.

    Args:
        text: Any text.

    Returns:
        The text in lower case, without accents, quotation marks, hyphens or surplus blanks.
    """
    text = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    text = re.sub(r"['\u2018\u2019]", "", text.lower())
    return " ".join(re.sub(r"[\u201c\u201d\"(),.:;_/\u2010-\u2015-]", " ", text).split())


@dataclass(frozen=True)
class Glyph:
    """One picture of the gallery and what is said about it.

    Attributes:
        file_name: The picture's file name.
        name: The caption, cleaned.
        keywords: The keywords, cleaned, without repetitions.
        group: The coarse group.
    """

    file_name: str
    name: str
    keywords: tuple[str, ...]
    group: str


def read_glyphs(folder: Path = GALLERY) -> list[Glyph]:
    """Read the gallery's metadata.

    Args:
        folder: The gallery.

    Returns:
        One entry per picture, in the file's order.
    """
    glyphs = []
    with (folder / "metadata.csv").open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            words = (clean(word) for word in row["keywords"].split(SEPARATOR))
            keywords = tuple(dict.fromkeys(word for word in words if word))
            glyphs.append(Glyph(row["file_name"], clean(row["caption"]), keywords, row["group"]))
    return glyphs


def read_pictures(glyphs: list[Glyph], folder: Path = GALLERY) -> torch.Tensor:
    """Read the pictures, with colour multiplied by alpha.

    Args:
        glyphs: Whose pictures to read.
        folder: The gallery.

    Returns:
        A uint8 tensor of shape (glyphs, 4, height, width).
    """
    arrays = []
    for glyph in glyphs:
        with Image.open(folder / glyph.file_name) as picture:
            pixels = np.asarray(picture.convert("RGBA"), dtype=np.float32)
        pixels = np.concatenate([pixels[..., :3] * (pixels[..., 3:] / 255.0), pixels[..., 3:]], axis=-1)
        arrays.append(np.rint(pixels).astype(np.uint8).transpose(2, 0, 1))
    return torch.from_numpy(np.stack(arrays))


def on_white(path: Path) -> Image.Image:
    """Open a picture and lay it on white.

    Args:
        path: The picture's file.

    Returns:
        An RGB picture.
    """
    with Image.open(path) as picture:
        glyph = picture.convert("RGBA")
    canvas = Image.new("RGBA", glyph.size, "white")
    canvas.alpha_composite(glyph)
    return canvas.convert("RGB")


class HeldOutPairs:
    """The keyword pairs no training text may spell out.

    A pair is held out by a salted hash of its two keywords, so training and evaluation agree on the list
    without sharing a file. Pairs that a name or a single keyword already spells out are never held out:
    their query would be a training text.
    """

    def __init__(self, glyphs: list[Glyph]) -> None:
        """Derive the pairs.

        Args:
            glyphs: The whole gallery.
        """
        spelled = {frozenset(phrase.split()) for g in glyphs for phrase in (g.name, *g.keywords)}
        glued = {word for phrase in spelled for word in phrase if not word.isalnum()}
        self._punctuated = glued.union(*(re.findall(r"\w+", word) for word in glued))
        by_words: dict[str, list[frozenset[str]]] = {}
        for phrase in spelled:
            for word in phrase:
                by_words.setdefault(word, []).append(phrase)
        self.pairs: dict[Pair, set[int]] = {}
        for index, glyph in enumerate(glyphs):
            for first, second in combinations(sorted(glyph.keywords), 2):
                words = frozenset(f"{first} {second}".split())
                contained = words in (set(first.split()), set(second.split()))
                if contained or words & FRAME_WORDS or not _chosen((first, second)):
                    continue
                if not any(words <= phrase for phrase in by_words[min(words)]):
                    self.pairs.setdefault((first, second), set()).add(index)
        self._word_sets = {frozenset(f"{first} {second}".split()) for first, second in self.pairs}
        self._longest = max((len(words) for words in self._word_sets), default=0)

    def spelled_by(self, text: str) -> bool:
        """Tell whether a text contains all words of a held-out pair.

        Args:
            text: A candidate training text, cleaned.

        Returns:
            True when the text must not be trained on.
        """
        words = sorted(set(text.split()))
        sizes = range(2, min(self._longest, len(words)) + 1)
        return any(frozenset(some) in self._word_sets for size in sizes for some in combinations(words, size))

    def queries(self) -> list[tuple[str, set[int]]]:
        """List the held-out queries.

        Words that stand next to punctuation somewhere are not asked: the tokenizer takes "up!" apart where
        ``spelled_by`` does not.

        Returns:
            Per query, its text and the indices of the glyphs that carry both keywords.
        """
        texts = ((f"{first} {second}", carriers) for (first, second), carriers in sorted(self.pairs.items()))
        return [(text, carriers) for text, carriers in texts if not self._punctuated & set(text.split())]


def _chosen(pair: Pair) -> bool:
    digest = hashlib.sha256("\x1f".join((HELD_OUT_SALT, *pair)).encode()).digest()
    return int.from_bytes(digest[:4], "big") % 100 < HELD_OUT_PERCENT
