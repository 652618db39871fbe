"""Search in published indexes, free of Dagster."""

from embeddings_orch.search.index import Index as Index
from embeddings_orch.search.rerank import Rerank as Rerank
from embeddings_orch.search.results import Hit as Hit
from embeddings_orch.search.results import Results as Results
