"""What the bundled model is for: it finds emoji by words and by pictures."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from PIL import Image

from embeddings_orch.models.content import Vectors
from embeddings_orch_plugins.open_clip.resources import OpenClipResource

from .conftest import GALLERY

Gallery = tuple[OpenClipResource, list[dict[str, str]], Vectors]


@pytest.fixture(scope="module")
def gallery() -> Gallery:
    clip = OpenClipResource(name="emoji-s", batch_size=128)
    with (GALLERY / "metadata.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return clip, rows, clip.embed_images([GALLERY / row["file_name"] for row in rows])


def found(gallery: Gallery, queries: Vectors, count: int) -> list[list[str]]:
    _, rows, vectors = gallery
    order = np.argsort(-(queries @ vectors.T), axis=1)[:, :count]
    return [[rows[index]["file_name"] for index in row] for row in order]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "file"),
    [("dog", "1f415.png"), ("a dog", "1f415.png"), ("snowman", "2603.png"), ("airplane", "2708.png")],
)
def test_a_word_finds_its_picture(gallery: Gallery, words: str, file: str) -> None:
    (hits,) = found(gallery, gallery[0].embed_texts([words], side="query"), 5)
    assert file in hits


@pytest.mark.slow
def test_nearly_every_caption_finds_its_picture(gallery: Gallery) -> None:
    clip, rows, _ = gallery
    hits = found(gallery, clip.embed_texts([row["caption"] for row in rows], side="query"), 10)
    recall = np.mean([row["file_name"] in hit for row, hit in zip(rows, hits, strict=True)])
    assert recall > 0.9


def test_keywords_find_pictures_that_have_them(gallery: Gallery) -> None:
    clip, rows, _ = gallery
    keywords = {row["file_name"]: set(row["keywords"].split(" | ")) for row in rows}
    asked = sorted({word for words in keywords.values() for word in words})[::10]
    hits = found(gallery, clip.embed_texts(asked, side="query"), 10)
    recall = np.mean([any(word in keywords[file] for file in hit) for word, hit in zip(asked, hits, strict=True)])
    assert recall > 0.75


@pytest.mark.parametrize("colour", ["navy", "orange", "gray"])
def test_a_picture_on_another_background_finds_itself(gallery: Gallery, colour: str) -> None:
    files = ["1f415.png", "1f355.png", "2708.png", "1f431.png"]
    pictures = []
    for file in files:
        emoji = Image.open(GALLERY / file).convert("RGBA")
        pictures.append(Image.alpha_composite(Image.new("RGBA", emoji.size, colour), emoji).convert("RGB"))
    hits = found(gallery, gallery[0].embed_images(pictures), 3)
    assert all(file in hit for file, hit in zip(files, hits, strict=True))
