"""Settings of a model of sentence-transformers, and what keeps its vectors true."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Self

from pydantic import ValidationInfo, field_validator, model_validator

from embeddings_orch.models import EmbeddingsOrchError, LocalModelConfig, identity, local_path, operational, plain_text
from embeddings_orch_plugins.sentence_transformers import files, names

SentenceBackend = Literal["torch", "onnx", "openvino"]


class SentenceModelConfig(LocalModelConfig):
    """What every model has that the library loads."""

    name: str = identity(description="A hub name, ./FOLDER, or package:PACKAGE/FOLDER.")
    revision: str | None = identity(None, description="Branch, tag or commit of a hub repository.")
    trust_remote_code: bool = operational(False, description="Let code in the model's repository run here.")
    cache_dir: str | None = operational(None, description="Where downloaded models are kept.")
    batch_size: int = operational(32, ge=1, description="Items per forward pass.")

    @field_validator("name", mode="before")
    @classmethod
    def _check_form(cls, value: Any, info: ValidationInfo) -> Any:
        if type(value) is not str:
            return value
        names.check_name(value)
        return str(local_path(value, info)) if names.is_path(value) else value

    @field_validator("cache_dir", mode="before")
    @classmethod
    def _cache_folder(cls, value: Any, info: ValidationInfo) -> Any:
        return str(local_path(path, info)) if (path := plain_text(value)) else value

    @model_validator(mode="after")
    def _revision_of_a_repository(self) -> Self:
        if self.revision is not None and names.is_local(plain_text(self.name)):
            raise ValueError(f"{self.name!r} is a folder, so 'revision' does not apply; remove it")
        return self

    @property
    def model_backend(self) -> SentenceBackend:
        """What runs the model."""
        return "torch"

    def identity(self) -> dict[str, Any]:
        """The identity fields; a local model counts by the content of its files, not by its path.

        Raises:
            EmbeddingsOrchError: the model is not on this machine and no ``weights_sha256`` pins it.
        """
        fields = super().identity()
        if not names.is_local(self.name):
            fields["name"] = self.name.removeprefix(names.ORGANIZATION)
            return fields
        fields["weights_sha256"] = self.weights_sha256 or self._digest()
        del fields["name"], fields["revision"]
        return fields

    def _digest(self) -> str:
        try:
            folder = names.folder_of(self.name)
            assert folder is not None
            return files.digest(folder, self.model_backend)
        except EmbeddingsOrchError as error:
            hint = "set weights_sha256 where the model is only on the machine that embeds"
            raise EmbeddingsOrchError(f"the fingerprint of {self.name!r} needs its files: {error}; {hint}") from error


class SentenceTransformersConfig(SentenceModelConfig):
    """A model that sentence-transformers can load.

    Example:
        >>> SentenceTransformersConfig(name="BAAI/bge-m3", truncate_dim=512).name
        'BAAI/bge-m3'
    """

    provider: ClassVar[str] = "sentence-transformers"

    name: str = identity("all-MiniLM-L6-v2", description="A hub name, ./FOLDER, or package:PACKAGE/FOLDER.")
    prompt_name: str | None = identity(
        None,
        description="One of the model's prompts, by name, before every document; by default the model's own choice.",
    )
    query_prompt: str | None = identity(
        None,
        description="Text before every query; by default the model's own query prompt, '' for none.",
    )
    truncate_dim: int | None = identity(None, ge=1, description="Keep so many of the first dimensions.")
    backend: SentenceBackend = identity("torch", description="What runs the model: torch, onnx or openvino.")

    @model_validator(mode="after")
    def _formats(self) -> Self:
        if self.backend != "torch" and self.precision != "fp32":
            raise ValueError(
                f"precision: {self.precision} is for backend: torch; {self.backend} runs what was exported"
            )
        return self

    @property
    def model_backend(self) -> SentenceBackend:
        """What runs the model."""
        return self.backend
