"""Gemini's embeddings of texts and pictures.

Example:
    >>> from embeddings_orch_plugins.gemini import GeminiConfig
    >>> GeminiConfig(name="gemini-embedding-2", dimensions=1536).query_task_type
    'retrieval_query'
"""

from embeddings_orch_plugins.gemini.config import GeminiConfig
from embeddings_orch_plugins.gemini.embedder import GeminiEmbedder

__all__ = ["GeminiConfig", "GeminiEmbedder"]
