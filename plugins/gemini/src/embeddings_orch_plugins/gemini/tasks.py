"""What each model knows, and how it is told what a text is for.

gemini-embedding-001 has a parameter for it, gemini-embedding-2 reads it in the text:
https://ai.google.dev/gemini-api/docs/embeddings, "Task types with Embeddings 2". A change here raises the config's
``vector_version``.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from embeddings_orch.models import Modality
from embeddings_orch_plugins.gemini.config import GeminiConfig, TaskType

PROMPTS: Mapping[TaskType, str] = MappingProxyType(
    {
        "retrieval_document": "title: none | text: ",
        "retrieval_query": "task: search result | query: ",
        "semantic_similarity": "task: sentence similarity | query: ",
        "classification": "task: classification | query: ",
        "clustering": "task: clustering | query: ",
        "question_answering": "task: question answering | query: ",
        "fact_verification": "task: fact checking | query: ",
        "code_retrieval_query": "task: code retrieval | query: ",
    }
)
"""What stands before a text for gemini-embedding-2."""

LONGEST_PROMPT = max(len(prompt) for prompt in PROMPTS.values())


def has_task_types(config: GeminiConfig) -> bool:
    """Whether the model has a parameter for the task; else a prompt says it."""
    return config.name == "gemini-embedding-001"


def modalities_of(config: GeminiConfig) -> frozenset[Modality]:
    """What the model reads, of what the core has."""
    return frozenset({"text"}) if has_task_types(config) else frozenset({"image", "text"})
