"""Settings of a CLIP model: LanceDB's names and defaults, and what keeps its vectors true."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import ValidationInfo, field_validator, model_validator

from embeddings_orch.models import EmbeddingsOrchError, LocalModelConfig, identity, local_path, operational, plain_text
from embeddings_orch_plugins.open_clip import weights
from embeddings_orch_plugins.open_clip.architectures import LOCAL_DIR, canonical_name, folder_of, self_contained

Backend = Literal["torch", "onnx"]

EXECUTION_PROVIDER = re.compile(r"\A[A-Za-z0-9]+ExecutionProvider")
CHECKPOINT_SUFFIXES = (".pt", ".pth", ".bin", ".safetensors", ".ckpt", ".npz", ".npy")


class OpenClipConfig(LocalModelConfig):
    """A CLIP model that open_clip can load.

    Example:
        >>> OpenClipConfig(name="ViT-B-32", pretrained="laion2b_s34b_b79k", batch_size=256).name
        'ViT-B-32'
    """

    provider: ClassVar[str] = "open-clip"

    name: str = identity(
        "ViT-B-32",
        description="An architecture of open_clip, emoji-s, emoji-xs, local-dir:PATH or hf-hub:ORG/NAME.",
    )
    pretrained: str | None = identity(
        "laion2b_s34b_b79k",
        description="A tag of open_clip for that architecture, or the path of a checkpoint file.",
    )
    backend: Backend = identity(
        "torch", description="What runs the model: torch, or onnx, exported once and run by ONNX Runtime."
    )
    execution_providers: list[str] = operational(
        [], description="ONNX Runtime's, best first, for backend: onnx; none for what device says."
    )
    cache_dir: str | None = operational(None, description="Where downloaded weights are kept.")

    @model_validator(mode="before")
    @classmethod
    def _own_weights(cls, value: Any) -> Any:
        if isinstance(value, Mapping) and self_contained(plain_text(value.get("name"))) and "pretrained" not in value:
            return {**value, "pretrained": None}
        return value

    @field_validator("name", mode="before")
    @classmethod
    def _check_name(cls, value: Any, info: ValidationInfo) -> Any:
        if not (name := plain_text(value)):
            return value
        name = canonical_name(name)
        path = name.removeprefix(LOCAL_DIR)
        return name if path == name else f"{LOCAL_DIR}{local_path(path, info)}"

    @field_validator("pretrained", mode="before")
    @classmethod
    def _tag_or_path(cls, value: Any, info: ValidationInfo) -> Any:
        if "name" not in info.data:
            return value  # the wrong name is the one error to show
        name, pretrained = plain_text(info.data["name"]), plain_text(value)
        if name and self_contained(name):
            if value is not None:
                raise ValueError(f"{name!r} brings its own weights, so 'pretrained' does not apply; remove it")
        elif value is None or value == "":
            raise ValueError("'pretrained' is missing: name a tag of open_clip or a checkpoint file")
        elif is_path(pretrained):
            return str(local_path(pretrained, info))
        elif pretrained:
            return pretrained.lower().replace("-", "_")  # as open_clip does
        return value

    @field_validator("backend")
    @classmethod
    def _runs_precision(cls, value: Backend, info: ValidationInfo) -> Backend:
        if value == "onnx" and info.data.get("precision") == "bf16":
            raise ValueError("ONNX Runtime does not compute bf16 on a CPU; use precision: fp32 or fp16, or torch")
        return value

    @field_validator("execution_providers")
    @classmethod
    def _check_form(cls, value: list[str]) -> list[str]:
        for name in value:
            if not EXECUTION_PROVIDER.fullmatch(name):
                raise ValueError(f"{name!r} is no execution provider; they are called as CPUExecutionProvider is")
        return value

    @field_validator("cache_dir", mode="before")
    @classmethod
    def _cache_folder(cls, value: Any, info: ValidationInfo) -> Any:
        return str(local_path(text, info)) if (text := plain_text(value)) else value

    def local_weights(self) -> Path | None:
        """The model's folder or checkpoint file where it is a local one, else None."""
        if folder := folder_of(self.name):
            return folder
        return Path(self.pretrained) if self.pretrained and is_path(self.pretrained) else None

    def identity(self) -> dict[str, Any]:
        """The identity fields; local weights count by their content, not by their path.

        ``backend`` is one of them only where it is not torch, so that torch's fingerprints are what they were before
        there was a choice.

        Raises:
            EmbeddingsOrchError: the weights are not on this machine and no ``weights_sha256`` pins them.
        """
        fields = super().identity()
        if self.backend == "torch":
            del fields["backend"]
        path = self.local_weights()
        if path is None:
            return fields
        fields["weights_sha256"] = self.weights_sha256 or self._digest(path)
        del fields["pretrained"]
        if self_contained(self.name):
            del fields["name"]
        return fields

    def _digest(self, path: Path) -> str:
        try:
            return weights.digest(path)
        except EmbeddingsOrchError as error:
            hint = "set weights_sha256 where the weights are only on the machine that embeds"
            raise EmbeddingsOrchError(f"the fingerprint of {self.name!r} needs its weights: {error}; {hint}") from error


def is_path(pretrained: str) -> bool:
    """Whether ``pretrained`` is a file and not a tag, by its form: the same on every machine."""
    return "/" in pretrained or "\\" in pretrained or pretrained.endswith(CHECKPOINT_SUFFIXES)
