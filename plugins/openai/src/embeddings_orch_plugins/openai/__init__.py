"""Text embeddings of OpenAI, and of every server that speaks its protocol.

Example:
    >>> from embeddings_orch_plugins.openai import OpenAIConfig
    >>> OpenAIConfig(name="text-embedding-3-large", dimensions=1024).fingerprint()  # doctest: +SKIP
"""

from embeddings_orch_plugins.openai.config import OpenAIConfig
from embeddings_orch_plugins.openai.embedder import OpenAIEmbedder

__all__ = ["OpenAIConfig", "OpenAIEmbedder"]
