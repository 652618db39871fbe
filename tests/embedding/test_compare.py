"""A picture beside texts: cosine similarities from whatever embedder reads both."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from embeddings_orch import compare
from embeddings_orch.embedding.pool.pool import shared_pool
from embeddings_orch.embedding.step import EmbedStep
from embeddings_orch.errors import ItemError, TerminalError
from embeddings_orch_testing import CountingConfig, CountingEmbedder

CONFIG = CountingConfig(dim=16)


@pytest.fixture
def dog(tmp_path):
    path = tmp_path / "dog.png"
    Image.new("RGB", (8, 8), "brown").save(path)
    return path


def cosine(one, other, config=CONFIG):
    one, other = (CountingEmbedder(config)._vector(content) for content in (one, other))
    return one @ other / np.linalg.norm(one) / np.linalg.norm(other)


def test_a_picture_and_texts_have_their_cosines_in_order(dog):
    found = compare(CONFIG, dog, ["a dog", "a cake", "a dog"])
    expected = [cosine(dog.read_bytes(), text) for text in (b"a dog", b"a cake", b"a dog")]
    assert (found.shape, found.dtype) == ((3,), np.float32)
    assert np.allclose(found, expected, atol=1e-6)


def test_they_are_cosines_where_the_model_does_not_normalize(dog):
    config = CountingConfig(dim=16, normalize=False)
    assert np.allclose(compare(config, dog, ["a dog"]), [cosine(dog.read_bytes(), b"a dog")], atol=1e-6)


def test_one_text_is_one_prompt_and_not_its_letters(dog):
    assert compare(CONFIG, dog, "a dog").shape == (1,)


def test_pictures_are_compared_with_pictures_and_texts_with_texts(dog):
    pictures = compare(CONFIG, str(dog), [dog.read_bytes(), dog], prompt_type="image")
    assert np.allclose(pictures, 1)
    assert np.allclose(compare(CONFIG, dog, dog, prompt_type="image"), [1])
    texts = compare(CONFIG, "a dog", ["a dog", "a cake"], subject_type="text")
    assert np.allclose(texts, [1, cosine(b"a dog", b"a cake")], atol=1e-6)


def test_an_array_is_one_picture(dog):
    pixels = np.asarray(Image.open(dog))
    assert np.allclose(compare(CONFIG, pixels, pixels, prompt_type="image"), [1])


def test_no_texts_are_no_figures(dog):
    assert compare(CONFIG, dog, []).shape == (0,)


def test_a_step_keeps_its_model_and_its_side_for_the_next_call(dog):
    step = EmbedStep(CONFIG, side="query")
    compare(step, dog, ["a dog"])
    embedder = step.embedder
    with pytest.raises(FileNotFoundError):
        compare(step, dog.with_name("absent.png"), ["a dog"])
    assert compare(step, dog, ["a dog"]).shape == (1,)
    assert step.embedder is embedder
    assert step.side == "query"


def test_a_config_is_loaded_for_the_call_unless_the_process_has_the_model(dog, monkeypatch):
    loaded = []
    load = CountingEmbedder.__init__
    monkeypatch.setattr(CountingEmbedder, "__init__", lambda self, config: (loaded.append(self), load(self, config))[1])
    for _ in range(2):
        compare(CONFIG, dog, ["a dog"])
    assert len(loaded) == 2
    with shared_pool().lease() as lease:
        lease.model(CONFIG).load()
        for _ in range(2):
            compare(CONFIG, dog, ["a dog"])
    assert len(loaded) == 3


def test_what_has_no_vector_is_named(dog):
    with pytest.raises(ItemError, match=r"1 of the texts have no vector: text 1: empty"):
        compare(CONFIG, dog, ["a dog", ""])
    with pytest.raises(TypeError, match="image 0 is int"):
        compare(CONFIG, 5, ["a dog"])
    with pytest.raises(TerminalError, match="configured as broken"):
        compare(CountingConfig(broken=True), dog, ["a dog"])


@pytest.mark.process
def test_it_needs_no_dagster(dog):
    code = (
        "import sys; from embeddings_orch import compare\n"
        "from embeddings_orch_testing import CountingConfig\n"
        f"print(compare(CountingConfig(), {str(dog)!r}, ['a dog']).shape, 'dagster' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "(1,) False\n"
