"""A few contents of an embedding embedded again, each beside the vector that it has; none of it is stored."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from embeddings_orch import plugins
from embeddings_orch.embedding.outcome import Outcome
from embeddings_orch.embedding.runners import Content, Runner
from embeddings_orch.embedding.step import EmbedStep
from embeddings_orch.media.catalog.reading import read_contents
from embeddings_orch.models.content import Vectors
from embeddings_orch.models.keys import key_array
from embeddings_orch.pipeline.context import Pipeline
from embeddings_orch.pipeline.embeddings.reader import ContentReader
from embeddings_orch.store.tables.vectors import VectorsTable, matrix_of

SAMPLE = 8
"""Contents that are embedded again: of each modality as many, half of them the oldest."""


@dataclass(frozen=True)
class Repeat:
    """A content that was embedded again.

    Attributes:
        cosine: of its vector in the store and the new one; 0 where there is no new one.
        reason: why there is none, else empty.
    """

    uri: str
    cosine: float
    reason: str = ""


def repeat_sample(pipeline: Pipeline, name: str, vectors: VectorsTable, step: EmbedStep) -> list[Repeat] | None:
    """Embed sampled contents again, as the embed step does; what cannot be read now, or has changed, is left out.

    Args:
        pipeline: the pipeline.
        name: the embedding, whose vectors are not ready-made.
        vectors: of its model.
        step: embeds them.

    Returns:
        None where nothing has a vector.

    Raises:
        TerminalError: the model cannot be had.
    """
    inputs = pipeline.spec.embeddings[name].inputs
    contents = read_contents(pipeline.contents_catalog(inputs), inputs)
    chosen = sample(contents, vectors.keys(), f"{vectors.name} {vectors.version()}")
    if not chosen:
        return None
    outcome = Outcome()

    def collect(part: Outcome) -> None:
        outcome.keys += part.keys
        outcome.vectors += part.vectors
        outcome.failures += part.failures

    runner: Runner = plugins.load("runners", pipeline.spec.runner_of(name))()
    runner.run(step, chosen, ContentReader(pipeline.spec.media.config), collect)
    uris = {content.key: content.uri for content in chosen}
    stored = matrix_of(vectors.take(key_array(outcome.keys)))
    compared = zip(outcome.keys, stored, outcome.vectors, strict=True)
    repeats = [Repeat(uris[key], _cosine(before, now)) for key, before, now in compared]
    return repeats + [Repeat(failed.uri, 0.0, failed.reason) for failed in outcome.failures if failed.kind == "item"]


def sample(contents: pa.Table, keys: pa.Array, seed: str, count: int = SAMPLE) -> list[Content]:
    """Contents that have a vector: of each modality the oldest, and as many of the others, drawn by lot.

    Args:
        contents: columns of `media.catalog.diff.contents`.
        keys: that have a vector, oldest first.
        seed: the same draws the same.
        count: of contents together; at least two of each modality.
    """
    places = pc.index_in(contents["key"], keys).combine_chunks()
    modalities = contents["modality"].combine_chunks()
    draw = random.Random(seed)
    rows: list[int] = []
    kinds = sorted(pc.unique(modalities.filter(places.is_valid())).to_pylist())
    for modality in kinds:
        of_kind = pc.indices_nonzero(pc.and_(pc.equal(modalities, modality), places.is_valid()))
        oldest_first = of_kind.take(pc.sort_indices(places.take(of_kind))).to_numpy()
        half = max(1, count // len(kinds) // 2)
        others = range(half, len(oldest_first))
        rows += [*oldest_first[:half], *oldest_first[draw.sample(others, min(half, len(others)))]]
    names = [field.name for field in fields(Content)]
    return [Content(**row) for row in contents.select(names).take(pa.array(rows, pa.int64())).to_pylist()]


def _cosine(before: Vectors, now: Vectors | Sequence[float]) -> float:
    """Of two vectors, 0 where they cannot be compared."""
    first, second = np.asarray(before, np.float64), np.asarray(now, np.float64)
    lengths = np.linalg.norm(first) * np.linalg.norm(second) if first.shape == second.shape else 0.0
    return float(first @ second / lengths) if np.isfinite(lengths) and lengths > 0 else 0.0
