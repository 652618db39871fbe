"""Recall of texts against the gallery's pictures, measured through open_clip's ordinary loading."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import open_clip
import torch
from augment import random_backgrounds
from gallery import GALLERY, Glyph, HeldOutPairs, on_white, read_pictures
from PIL import Image
from torch.nn import functional

Query = tuple[str, set[int]]


@dataclass(frozen=True)
class LoadedModel:
    """A checkpoint as open_clip gives it.

    Attributes:
        model: The model, for inference.
        preprocess: From a PIL picture to the model's input.
        tokenizer: From texts to the model's input.
    """

    model: torch.nn.Module
    preprocess: Callable[[Image.Image], torch.Tensor]
    tokenizer: Callable[[Sequence[str]], torch.Tensor]

    @torch.inference_mode()
    def embed_pictures(self, pictures: Sequence[Image.Image]) -> torch.Tensor:
        """Embed pictures.

        Args:
            pictures: RGB pictures.

        Returns:
            Unit vectors, one row per picture.
        """
        rows = []
        for start in range(0, len(pictures), 128):
            batch = torch.stack([self.preprocess(picture) for picture in pictures[start : start + 128]])
            rows.append(functional.normalize(self.model.encode_image(batch), dim=-1))  # type: ignore[operator]
        return torch.cat(rows)

    @torch.inference_mode()
    def embed_texts(self, texts: Sequence[str]) -> torch.Tensor:
        """Embed texts.

        Args:
            texts: The texts.

        Returns:
            Unit vectors, one row per text.
        """
        rows = []
        for start in range(0, len(texts), 256):
            ids = self.tokenizer(list(texts[start : start + 256]))
            rows.append(functional.normalize(self.model.encode_text(ids), dim=-1))  # type: ignore[operator]
        return torch.cat(rows)


def load_model(folder: Path) -> LoadedModel:
    """Load a checkpoint folder.

    Args:
        folder: A folder that open_clip's ``local-dir:`` accepts.

    Returns:
        The model with its preprocessing and tokenizer.
    """
    model, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    return LoadedModel(model.eval(), preprocess, open_clip.get_tokenizer(f"local-dir:{folder}"))


def recall(texts: torch.Tensor, pictures: torch.Tensor, right: Sequence[set[int]], k: int) -> float:
    """Measure how many queries have a right picture among the nearest.

    Args:
        texts: Unit vectors of the queries.
        pictures: Unit vectors of the pictures.
        right: Per query, the indices of the pictures that count.
        k: How many nearest pictures are looked at.

    Returns:
        The share of queries.
    """
    nearest = (texts @ pictures.T).topk(k, dim=1).indices.tolist()
    return sum(bool(answers & set(row)) for answers, row in zip(right, nearest, strict=True)) / len(right)


def measure(
    loaded: LoadedModel, glyphs: list[Glyph], held_out: HeldOutPairs, folder: Path = GALLERY
) -> dict[str, tuple[float, float]]:
    """Measure a model against the gallery.

    Args:
        loaded: The model.
        glyphs: The gallery's metadata.
        held_out: The pairs held out of training.
        folder: The gallery.

    Returns:
        Recall by its description: with the pictures on white, and on random backgrounds.
    """
    white = loaded.embed_pictures([on_white(folder / glyph.file_name) for glyph in glyphs])
    random = loaded.embed_pictures(on_random(glyphs, folder))
    names = [(glyph.name, {index}) for index, glyph in enumerate(glyphs)]
    first = [(glyph.keywords[0], {index}) for index, glyph in enumerate(glyphs) if glyph.keywords]
    carriers: dict[str, set[int]] = {}
    for index, glyph in enumerate(glyphs):
        for keyword in glyph.keywords:
            carriers.setdefault(keyword, set()).add(index)
    rows: list[tuple[str, Sequence[Query], int]] = [
        ("name, recall@1", names, 1),
        ("name, recall@10", names, 10),
        ("first keyword, recall@10, the very glyph", first, 10),
        ("any keyword, recall@10, any glyph with it", sorted(carriers.items(), key=lambda q: q[0]), 10),
        ("held-out keyword pair, recall@1, any glyph with both", held_out.queries(), 1),
        ("held-out keyword pair, recall@10, any glyph with both", held_out.queries(), 10),
    ]
    figures = {}
    for label, queries, k in rows:
        texts = loaded.embed_texts([text for text, _ in queries])
        right = [answers for _, answers in queries]
        figures[label] = (recall(texts, white, right, k), recall(texts, random, right, k))
    return figures


def on_random(glyphs: list[Glyph], folder: Path = GALLERY, seed: int = 20240229) -> list[Image.Image]:
    """Lay the gallery's pictures on random colours, gradients and noise.

    Args:
        glyphs: Whose pictures.
        folder: The gallery.
        seed: Seed of the backgrounds.

    Returns:
        RGB pictures of the gallery's size.
    """
    pictures = read_pictures(glyphs, folder).float() / 255
    generator = torch.Generator().manual_seed(seed)
    backgrounds = random_backgrounds(len(pictures), pictures.shape[-1], generator, plain=False)
    merged = pictures[:, :3] + (1 - pictures[:, 3:]) * backgrounds
    arrays = (merged.clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).numpy()
    return [Image.fromarray(array) for array in arrays]


def as_table(figures: dict[str, tuple[float, float]]) -> str:
    """Lay figures out as a Markdown table.

    Args:
        figures: What ``measure`` gives.

    Returns:
        The table.
    """
    lines = ["| Query | On white | On random backgrounds |", "| --- | ---: | ---: |"]
    lines += [f"| {label} | {white:.3f} | {random:.3f} |" for label, (white, random) in figures.items()]
    return "\n".join(lines)
