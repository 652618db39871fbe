"""LanceDB's own clients: published indexes as LanceDB tables, and our models in LanceDB's registry of functions.

Importing this package registers ``embeddings-orch`` there.

Example:
    >>> open_table(".embeddings_orch", "emoji_search").search("dog").limit(3).to_list()  # doctest: +SKIP
    >>> get_registry().get("embeddings-orch").create(provider="openai")  # doctest: +SKIP
"""

from embeddings_orch.lancedb.function import EmbeddingsOrchFunction as EmbeddingsOrchFunction
from embeddings_orch.lancedb.model import release as release
from embeddings_orch.lancedb.table import PublishedTable as PublishedTable
from embeddings_orch.lancedb.table import open_table as open_table
