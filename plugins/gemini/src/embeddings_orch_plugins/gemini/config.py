"""Settings of a Gemini embedding model: LanceDB's names and defaults."""

from __future__ import annotations

import re
from typing import Any, ClassVar, Literal

from pydantic import field_validator

from embeddings_orch.models import RemoteConfig, SecretName, identity, operational

ModelName = Literal["gemini-embedding-001", "gemini-embedding-2", "gemini-embedding-2-preview"]

TaskType = Literal[
    "retrieval_document",
    "retrieval_query",
    "semantic_similarity",
    "classification",
    "clustering",
    "question_answering",
    "fact_verification",
    "code_retrieval_query",
]

_URL = re.compile(r"https?://[^\s/?#@]+(/[^\s?#@]*)?")


class GeminiConfig(RemoteConfig):
    """A Gemini model for embeddings.

    Example:
        >>> GeminiConfig(dimensions=1536, source_task_type="CLUSTERING", query_task_type="CLUSTERING").source_task_type
        'clustering'
    """

    provider: ClassVar[str] = "gemini"

    name: ModelName = identity("gemini-embedding-001", description="The model; 001 reads texts, 2 pictures as well.")
    dimensions: int = identity(
        768, ge=128, le=3072, description="Length of the vectors: 128 to 3072; 768, 1536 and 3072 are recommended."
    )
    source_task_type: TaskType = identity("retrieval_document", description="What documents are embedded for.")
    query_task_type: TaskType = identity("retrieval_query", description="What queries are embedded for.")
    api_key_env: SecretName = operational("GEMINI_API_KEY", description="The variable with the API key.")
    base_url: str | None = operational(None, description="A proxy's address; default Google's.")
    batch_size: int = operational(100, ge=1, le=100, description="Items per request; Google takes 100 at the most.")

    @field_validator("name", mode="before")
    @classmethod
    def _bare(cls, value: Any) -> Any:
        return value.removeprefix("models/") if type(value) is str else value

    @field_validator("source_task_type", "query_task_type", mode="before")
    @classmethod
    def _lower(cls, value: Any) -> Any:
        # Google writes them in capitals, LanceDB in small letters.
        return value.lower() if type(value) is str else value

    @field_validator("base_url", mode="before")
    @classmethod
    def _address(cls, value: Any) -> Any:
        if type(value) is str and not _URL.fullmatch(value):
            # Without the value: it may hold a password.
            raise ValueError("is not an address as https://HOST, without user, password and query")
        return value.rstrip("/") if type(value) is str else value
