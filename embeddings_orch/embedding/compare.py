"""How much alike a picture and some texts are, as Roboflow Inference's ``/clip/compare`` tells it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from embeddings_orch.embedding.contents import Content, vectors_of
from embeddings_orch.embedding.pool.pool import shared_pool
from embeddings_orch.embedding.step import EmbedStep
from embeddings_orch.models.base import EmbedderConfig
from embeddings_orch.models.content import Vectors

CompareType = Literal["image", "text"]


def compare(
    model: EmbedderConfig | EmbedStep,
    image: Content,
    texts: Content | Sequence[Content],
    *,
    subject_type: CompareType = "image",
    prompt_type: CompareType = "text",
) -> Vectors:
    """Cosine similarities of a subject, a picture, and prompts, texts: shape (n,), float32, each from -1 to 1.

    A prompt's figure is the score that a search for it would give the subject: where a model tells documents from
    queries, the subject is the document. ``subject_type`` and ``prompt_type`` let it compare pictures with pictures, or
    texts with texts.

    Args:
        model: a config, whose model is loaded and released again, unless the process has it; or an `EmbedStep`, which
            keeps it for more calls.
        image: the subject: a path, an encoded file's bytes, a Pillow image, a uint8 array (height, width[, channels]);
            or a text.
        texts: the prompts, or one of them; texts, or pictures.
        subject_type: what the subject is.
        prompt_type: what the prompts are.

    Raises:
        ItemError: something has no vector, or the model does not read it; the message names it.
        TerminalError: the model cannot be had, or the provider refuses.
        OSError: a path cannot be read.

    Example:
        >>> from embeddings_orch_plugins.open_clip import OpenClipConfig  # doctest: +SKIP
        >>> compare(OpenClipConfig(name="emoji-s"), "dog.png", ["a dog", "a cake"])  # doctest: +SKIP
        array([0.58, 0.07], dtype=float32)
    """
    if isinstance(model, EmbedStep):
        return _embed_both(model, image, _prompts(texts), subject_type=subject_type, prompt_type=prompt_type)
    with shared_pool().lease() as lease, lease.holding(model) as pooled, pooled.bulk() as step:
        return _embed_both(step, image, _prompts(texts), subject_type=subject_type, prompt_type=prompt_type)


def _embed_both(
    step: EmbedStep, subject: Any, prompts: Iterable[Any], *, subject_type: CompareType, prompt_type: CompareType
) -> Vectors:
    subjects = _unit(vectors_of(step, subject_type, [subject], "document"))
    others = _unit(vectors_of(step, prompt_type, prompts, "query"))
    similarities: Vectors = np.clip(others @ subjects[0], -1, 1) if len(others) else np.empty(0, dtype=np.float32)
    return similarities


def _prompts(prompts: Any) -> Iterable[Any]:
    # A text is a sequence of texts to Python, and an array one of arrays.
    single = isinstance(prompts, str | bytes | Path | np.ndarray) or not isinstance(prompts, Iterable)
    return [prompts] if single else prompts


def _unit(vectors: Vectors) -> Vectors:
    unit: Vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit
