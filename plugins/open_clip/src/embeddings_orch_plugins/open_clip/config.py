"""Settings of a CLIP model: LanceDB's names and defaults, and what keeps its vectors true."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import ValidationInfo, field_validator, model_validator

from embeddings_orch.embedder import EmbedderConfig
from embeddings_orch.errors import EmbeddingsOrchError
from embeddings_orch.fingerprint import identity, operational
from embeddings_orch.source import local_path
from embeddings_orch_plugins.open_clip import weights
from embeddings_orch_plugins.open_clip.architectures import (
    LOCAL_DIR,
    canonical_name,
    folder_of,
    self_contained,
)

Precision = Literal["fp32", "bf16", "fp16"]

CHECKPOINT_SUFFIXES = (".pt", ".pth", ".bin", ".safetensors", ".ckpt", ".npz", ".npy")
DEVICE = re.compile(r"auto|(cpu|cuda|mps|xpu|hpu|npu)(:\d+)?")


class OpenClipConfig(EmbedderConfig):
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
    precision: Precision = identity("fp32", description="Number format of the weights: fp32, bf16 or fp16.")
    weights_sha256: str | None = identity(
        None,
        description="sha256 that the weights must have; needed where they are not on the planning machine.",
    )
    device: str = operational("auto", description="auto (cuda, else mps, else cpu), or a torch device: cpu, cuda:1.")
    cache_dir: str | None = operational(None, description="Where downloaded weights are kept.")

    @model_validator(mode="before")
    @classmethod
    def _own_weights(cls, value: Any) -> Any:
        if isinstance(value, Mapping) and self_contained(_text(value.get("name"))) and "pretrained" not in value:
            return {**value, "pretrained": None}
        return value

    @field_validator("name", mode="before")
    @classmethod
    def _known_name(cls, value: Any, info: ValidationInfo) -> Any:
        if not (name := _text(value)):
            return value
        name = canonical_name(name)
        path = name.removeprefix(LOCAL_DIR)
        return name if path == name else f"{LOCAL_DIR}{local_path(path, info)}"

    @field_validator("pretrained", mode="before")
    @classmethod
    def _tag_or_path(cls, value: Any, info: ValidationInfo) -> Any:
        if "name" not in info.data:
            return value  # the wrong name is the one error to show
        name, pretrained = _text(info.data["name"]), _text(value)
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

    @field_validator("weights_sha256", mode="before")
    @classmethod
    def _hex(cls, value: Any) -> Any:
        text = _text(value)
        if text and not re.fullmatch(r"[0-9a-fA-F]{64}", text):
            raise ValueError("a sha256 has 64 hex digits")
        return text.lower() or value

    @field_validator("device", mode="before")
    @classmethod
    def _known_device(cls, value: Any) -> Any:
        if (text := _text(value)) and not DEVICE.fullmatch(text):
            raise ValueError(f"there is no device {text!r}; allowed: auto, cpu, mps, cuda, cuda:N")
        return value

    @field_validator("cache_dir", mode="before")
    @classmethod
    def _cache_folder(cls, value: Any, info: ValidationInfo) -> Any:
        return str(local_path(text, info)) if (text := _text(value)) else value

    def local_weights(self) -> Path | None:
        """The model's folder or checkpoint file where it is a local one, else None."""
        if folder := folder_of(self.name):
            return folder
        return Path(self.pretrained) if self.pretrained and is_path(self.pretrained) else None

    def identity(self) -> dict[str, Any]:
        """The identity fields; local weights count by their content, not by their path.

        Raises:
            EmbeddingsOrchError: the weights are not on this machine and no ``weights_sha256`` pins them.
        """
        fields = super().identity()
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


def _text(value: Any) -> str:
    # Dagster's EnvVar is a subclass of str whose text is only known at run time; it is validated again then.
    return value if type(value) is str else ""
