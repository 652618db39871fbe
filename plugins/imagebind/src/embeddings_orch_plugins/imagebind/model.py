"""Loading an ImageBind model; what cannot be had is one error that says what would work."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embeddings_orch.models import EmbeddingsOrchError, TerminalError, resolve_device, short_reason, torch_dtype
from embeddings_orch_plugins.imagebind.config import ARGUMENTS_FILE, ImageBindConfig
from embeddings_orch_plugins.imagebind.package import model_module

if TYPE_CHECKING:
    import torch

UNUSED = ("depth", "thermal", "imu")
PLACE = "https://dl.fbaipublicfiles.com/imagebind/imagebind_huge.pth"


def load(config: ImageBindConfig) -> tuple[Any, torch.device]:
    """Load the model of a config onto its device, without the modalities that this plugin does not read.

    Raises:
        TerminalError: it cannot be had, or is not the one that ``weights_sha256`` pins.
    """
    device = resolve_device(config.device)
    module = model_module()
    before = _digest(config)
    if config.weights_sha256 and before != config.weights_sha256:
        raise TerminalError(
            f"the weights {config.weights_file} have the sha256 {before}, "
            f"but weights_sha256 pins {config.weights_sha256}"
        )
    try:
        model = _build(config, module)
        model.load_state_dict(_state(config.weights_file))
    except Exception as error:
        raise TerminalError(f"cannot load {config.name} from {config.weights_file}: {short_reason(error)}") from error
    if _digest(config) != before:
        raise TerminalError(f"the weights {config.weights_file} were replaced while they were loaded; run again")
    for part in (model.modality_preprocessors, model.modality_trunks, model.modality_heads):
        for modality in UNUSED:
            del part[modality]
    return model.to(device, torch_dtype(config.precision)).eval().requires_grad_(False), device


def own_length(config: ImageBindConfig) -> int | None:
    """The length of the vectors, read without loading the model."""
    if config.name == "imagebind_huge":
        return 1024
    try:
        length = _arguments(config).get("out_embed_dim", 768)
    except (OSError, ValueError):
        return None  # loading the model says what is wrong
    return length if isinstance(length, int) else None


def _build(config: ImageBindConfig, module: Any) -> Any:
    if config.name == "imagebind_huge":
        return module.imagebind_huge(pretrained=False)
    return module.ImageBindModel(**_arguments(config))


def _arguments(config: ImageBindConfig) -> Mapping[str, Any]:
    file = config.weights_file.parent / ARGUMENTS_FILE
    content = json.loads(file.read_text(encoding="utf-8"))
    if not isinstance(content, dict):
        raise TypeError(f"{file} is not a mapping of ImageBindModel's arguments")
    return {name: tuple(value) if isinstance(value, list) else value for name, value in content.items()}


def _state(file: Path) -> dict[str, torch.Tensor]:
    import torch

    state: dict[str, torch.Tensor] = torch.load(file, map_location="cpu", weights_only=True, mmap=True)
    return state


def _digest(config: ImageBindConfig) -> str:
    try:
        return config.digest()
    except EmbeddingsOrchError as error:
        raise TerminalError(f"{error}; download them from {PLACE} and name them: weights: PATH") from error
