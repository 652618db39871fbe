"""Where the vectors of an embedding are: in the table of its model, or in a column of the media."""

from __future__ import annotations

from typing import TypeAlias

import pyarrow as pa

from embeddings_orch.errors import EmbeddingsOrchError
from embeddings_orch.media.catalog.ready import ReadyVectors, ready_vectors
from embeddings_orch.models.base import embedder_for
from embeddings_orch.pipeline.context import Pipeline
from embeddings_orch.store.tables.generations import IndexedModel
from embeddings_orch.store.tables.vectors import VectorsTable

StoredVectors: TypeAlias = VectorsTable | ReadyVectors
"""Both have ``keys``, ``take``, ``chunks``, ``dimensions``, ``version``, ``total`` and ``scan``."""


def vectors_of(pipeline: Pipeline, name: str, catalog: pa.Table) -> StoredVectors:
    """The vectors of an embedding.

    Args:
        pipeline: the pipeline.
        name: the embedding.
        catalog: holds them, where they are ready-made.

    Raises:
        SourceError: the catalog has no such column of vectors.
        EmbeddingsOrchError: the model's identity cannot be read (a local weights file is missing).
    """
    spec = pipeline.spec.embeddings[name]
    if not spec.inputs.vectors:
        return pipeline.store.vectors(spec.config.fingerprint())
    # As told by the config: no model is loaded for vectors that are there.
    length = embedder_for(spec.config).dimensions()
    return ready_vectors(catalog, spec.inputs.vectors, length, normalize=spec.config.normalize)


def describe_model(pipeline: Pipeline, name: str, vectors: StoredVectors) -> IndexedModel:
    """What an index keeps of an embedding.

    Raises:
        EmbeddingsOrchError: there is no vector at all, and the model does not tell how long one is.
    """
    spec = pipeline.spec.embeddings[name]
    dimensions = vectors.dimensions() or embedder_for(spec.config).dimensions()
    if dimensions is None:
        raise EmbeddingsOrchError(
            f"{pipeline.embedding_key(name)} has no vector for any item, so there is nothing to index; "
            "materialize it, and look at its failures"
        )
    fingerprint = spec.config.fingerprint()
    return IndexedModel(name, spec.provider, fingerprint, spec.inputs, dimensions, spec.config.settings())
