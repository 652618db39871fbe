"""Instructor models: an instruction before every text, which its vector does not count.

They run through sentence-transformers' own support, ``encode(prompt=instruction)`` with a pooling that leaves the
instruction's tokens out. Importing this module imports neither torch nor the library.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from embeddings_orch.models import Modality, Side, TerminalError, Vectors, identity
from embeddings_orch_plugins.sentence_transformers.config import SentenceModelConfig
from embeddings_orch_plugins.sentence_transformers.embedder import SentenceModelEmbedder

if TYPE_CHECKING:
    import torch

    from sentence_transformers import SentenceTransformer


class InstructorConfig(SentenceModelConfig):
    """An Instructor model: LanceDB's names and defaults.

    Example:
        >>> InstructorConfig(source_instruction="Represent the recipe: ").name
        'hkunlp/instructor-base'
    """

    provider: ClassVar[str] = "instructor"

    name: str = identity("hkunlp/instructor-base", description="A hub name, ./FOLDER, or package:PACKAGE/FOLDER.")
    source_instruction: str = identity(
        "represent the document for retrieval",
        description="Put directly before every document; end it with ': ' where the model was trained so.",
    )
    query_instruction: str = identity(
        "represent the document for retrieving the most similar documents",
        description="Put directly before every query.",
    )


class InstructorEmbedder(SentenceModelEmbedder[InstructorConfig]):
    """Embeds texts with an instruction of their side."""

    config_class = InstructorConfig
    modalities: frozenset[Modality] = frozenset({"text"})

    def dimensions(self) -> int | None:
        """The length of the vectors, from the files of a local model or from the loaded one, else None."""
        return self._length()

    def _load(self) -> tuple[SentenceTransformer, torch.device]:
        from embeddings_orch_plugins.sentence_transformers.model import load
        from sentence_transformers.sentence_transformer.modules import Pooling

        model, device = load(self.config)
        if not any(isinstance(module, Pooling) for module in model):
            raise TerminalError(
                f"{self.config.name!r} is no Instructor model: it has no pooling to leave instructions out"
            )
        # The library does so by itself for three names of the hub only.
        model.set_pooling_include_prompt(False)
        return model, device

    def _encode(self, model: SentenceTransformer, inputs: list[str], side: Side, size: int) -> Vectors:
        instruction = self.config.query_instruction if side == "query" else self.config.source_instruction
        vectors: Vectors = model.encode(
            inputs, prompt=instruction, batch_size=size, show_progress_bar=False, convert_to_numpy=True
        )
        return vectors
