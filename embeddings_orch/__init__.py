"""embeddings_orch: Dagster assets that keep embeddings true.

Importing this package loads neither Dagster nor torch nor any SDK; each name below loads what it needs on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from embeddings_orch.dagster.component import EmbeddingPipeline as EmbeddingPipeline
    from embeddings_orch.dagster.definitions import build_pipeline as build_pipeline
    from embeddings_orch.embedding.compare import compare as compare
    from embeddings_orch.errors import EmbeddingsOrchError as EmbeddingsOrchError
    from embeddings_orch.pipeline.context import Pipeline as Pipeline
    from embeddings_orch.search.index import Index as Index
    from embeddings_orch.spec.pipeline import PipelineSpec as PipelineSpec
    from embeddings_orch.store.store import Store as Store

__version__ = "0.1.0"

_HOMES = {
    "EmbeddingPipeline": "embeddings_orch.dagster.component",
    "EmbeddingsOrchError": "embeddings_orch.errors",
    "Index": "embeddings_orch.search.index",
    "Pipeline": "embeddings_orch.pipeline.context",
    "PipelineSpec": "embeddings_orch.spec.pipeline",
    "Store": "embeddings_orch.store.store",
    "build_pipeline": "embeddings_orch.dagster.definitions",
    "compare": "embeddings_orch.embedding.compare",
}

__all__ = [  # noqa: PLE0604 - the names are those of _HOMES, kept in one place
    *_HOMES,
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        try:
            return getattr(importlib.import_module(_HOMES[name]), name)
        except ModuleNotFoundError as error:
            if error.name != "dagster":
                raise
            how = "pip install 'embeddings-orch[dagster]'"
            raise ImportError(f"embeddings_orch.{name} needs Dagster. Install it: {how}", name="dagster") from error
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
