"""Instructions change the vectors, and their tokens are left out of the pooling."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer

from embeddings_orch.embedding.step import EmbedStep
from embeddings_orch.errors import TerminalError
from embeddings_orch.models.base import Batch
from embeddings_orch.models.content import Side
from embeddings_orch_plugins.sentence_transformers import InstructorConfig, InstructorEmbedder

from .conftest import cosines, save_clip

TEXTS = ["the old man and the sea", "a dog", "waves"]


def embedder_of(folder: Path, **settings: Any) -> InstructorEmbedder:
    return InstructorEmbedder(InstructorConfig(name=str(folder), device="cpu", **settings))


def vectors(embedder: InstructorEmbedder, side: Side = "document") -> np.ndarray[Any, Any]:
    return np.asarray(embedder.embed(Batch("text", TEXTS, side=side)).vectors)


def by_hand(folder: Path, instruction: str, text: str) -> np.ndarray[Any, Any]:
    """T5's last states over instruction and text, the mean over the text's alone, then Dense and unit length."""
    model = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
    transformer, dense = model[0], model[2]
    with torch.inference_mode():
        tokens = transformer.tokenizer(f"{instruction}{text}", return_tensors="pt")
        states = transformer.model(**tokens).last_hidden_state[0]
        # One token for each letter; the end of the sequence belongs to the text.
        mean = states[len(instruction) :].mean(0)
        vector = dense.linear(mean)
    result: np.ndarray[Any, Any] = (vector / vector.norm()).numpy()
    return result


@pytest.mark.parametrize("side", ["document", "query"])
def test_the_instructions_tokens_are_left_out_of_the_pooling(instructor: Path, side: Side) -> None:
    config = {"source_instruction": "represent the tale: ", "query_instruction": "find: "}
    instruction = config["source_instruction" if side == "document" else "query_instruction"]
    expected = [by_hand(instructor, instruction, text) for text in TEXTS]
    assert cosines(vectors(embedder_of(instructor, **config), side), expected).min() > 0.99999
    whole = SentenceTransformer(str(instructor), device="cpu", local_files_only=True).encode(TEXTS, prompt=instruction)
    assert cosines(whole, expected).min() < 0.9999  # with them it would be another vector


def test_the_sides_have_their_own_vectors(instructor: Path) -> None:
    embedder = embedder_of(instructor)
    assert cosines(vectors(embedder), vectors(embedder, "query")).max() < 0.9999
    same = embedder_of(instructor, query_instruction=embedder.config.source_instruction)
    assert cosines(vectors(same), vectors(same, "query")).min() > 0.99999


def test_another_instruction_is_another_fingerprint(instructor: Path) -> None:
    fingerprints = {
        InstructorConfig(name=str(instructor), **settings).fingerprint()
        for settings in ({}, {"source_instruction": "a: "}, {"query_instruction": "a: "}, {"normalize": False})
    }
    assert len(fingerprints) == 4


def test_a_model_without_pooling_is_no_instructor(tmp_path: Path) -> None:
    with pytest.raises(TerminalError, match="is no Instructor model"):
        vectors(embedder_of(save_clip(tmp_path / "clip")))


def test_a_text_that_looks_like_a_url_is_a_text(instructor: Path) -> None:
    url = "http://127.0.0.1:9/x.png"
    ours = np.asarray(embedder_of(instructor).embed(Batch("text", [url])).vectors)
    expected = by_hand(instructor, InstructorConfig().source_instruction, url)
    assert cosines(ours, expected[None]).min() > 0.99999


def test_queries_of_a_step_have_the_query_instruction(instructor: Path) -> None:
    config = InstructorConfig(name=str(instructor), device="cpu")
    assert EmbedStep(config).limits("text").items == 1024
    assert InstructorEmbedder(config).dimensions() == 24
    assert InstructorEmbedder(InstructorConfig()).dimensions() is None
