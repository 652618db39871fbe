"""What messages about a user's own contents say."""

import numpy as np
import pytest

from embeddings_orch.embedding.contents import vectors_by_place, vectors_of
from embeddings_orch.embedding.step import EmbedStep
from embeddings_orch.errors import ItemError
from embeddings_orch_testing.counting import CountingConfig


@pytest.fixture
def step():
    return EmbedStep(CountingConfig(reject="bad"))


@pytest.mark.parametrize(("modality", "name"), [("image", "image"), ("audio", "sound"), ("text", "text")])
def test_a_content_without_a_vector_is_called_what_it_is(step, modality, name):
    contents = ["fine", "bad"] if modality == "text" else [b"fine", b"bad"]
    with pytest.raises(ItemError, match=f"^1 of the {name}s have no vector: {name} 1: "):
        vectors_of(step, modality, contents)


def test_sounds_come_as_paths_or_bytes(step, tmp_path):
    (tmp_path / "a.wav").write_bytes(b"a sound")
    found = vectors_of(step, "audio", [tmp_path / "a.wav", str(tmp_path / "a.wav"), b"a sound"])
    assert found.shape == (3, 8)
    assert np.array_equal(found[0], found[1])
    assert np.array_equal(found[0], found[2])
    with pytest.raises(TypeError, match="^sound 0 is ndarray, not a path or bytes"):
        vectors_of(step, "audio", [np.zeros(9, np.uint8)])


def test_what_can_be_embedded_is_by_its_place_and_the_rest_says_why():
    step = EmbedStep(CountingConfig(reject="bad", batch_size=3, concurrency=2))
    contents = [("bad" if place in (2, 7) else f"text {place}", f"text {place}") for place in range(10)]
    vectors, failures = vectors_by_place(step, "text", iter(contents))
    assert list(vectors) == [0, 1, 3, 4, 5, 6, 8, 9]
    assert [(failure.key, failure.uri) for failure in failures] == [(b"2", "text 2"), (b"7", "text 7")]
    assert np.array_equal(vectors[9], vectors_of(step, "text", ["text 9"])[0])
