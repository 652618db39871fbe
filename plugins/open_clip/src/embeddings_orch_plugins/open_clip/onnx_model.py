"""A CLIP model run by ONNX Runtime, with the calls of open_clip's that the embedder makes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from embeddings_orch.models import TerminalError
from embeddings_orch_plugins.open_clip import onnx_export
from embeddings_orch_plugins.open_clip.config import OpenClipConfig
from embeddings_orch_plugins.open_clip.model import Clip
from embeddings_orch_plugins.open_clip.onnx_session import Provider, import_runtime, open_session, provider_name

if TYPE_CHECKING:
    import torch

CPU = "CPUExecutionProvider"
CUDA = "CUDAExecutionProvider"


class OnnxModel:
    """The two towers.

    Args:
        export: their files.
        providers: ONNX Runtime's execution providers, best first.
    """

    def __init__(self, export: onnx_export.Export, providers: Sequence[Provider]) -> None:
        self._sessions = {tower: open_session(export.file(tower), providers) for tower in onnx_export.TOWERS}

    def encode_image(self, pixels: torch.Tensor) -> torch.Tensor:
        """Vectors of normalised pixels, float32 of shape (n, 3, height, width)."""
        return self._run("image", pixels)

    def encode_text(self, tokens: torch.Tensor) -> torch.Tensor:
        """Vectors of token ids, int64 of shape (n, context length)."""
        return self._run("text", tokens)

    def _run(self, tower: str, batch: torch.Tensor) -> torch.Tensor:
        import torch

        return torch.from_numpy(self._sessions[tower].run(None, {"input": batch.numpy()})[0])


def load(config: OpenClipConfig) -> Clip:
    """The model of a config, exported where it is not yet.

    Raises:
        TerminalError: ONNX Runtime is not installed, an execution provider is not available, or see
            `onnx_export.find_or_export`.
    """
    import torch

    providers = execution_providers(config)
    export = onnx_export.find_or_export(config)
    # ONNX Runtime moves what it is given to its own device, so torch's part stays on the CPU.
    return Clip(OnnxModel(export, providers), torch.device("cpu"), torch.float32, export.preprocess_cfg)


def execution_providers(config: OpenClipConfig) -> list[Provider]:
    """What runs a config's model here, best first: as configured, else what ``device`` means.

    Raises:
        TerminalError: one is not available; the message lists those that are.
    """
    available = import_runtime().get_available_providers()
    if config.execution_providers:
        chosen: list[Provider] = list(config.execution_providers)
    else:
        chosen = _of_device(config.device, available)
    missing = [name for name in map(provider_name, chosen) if name not in available]
    if missing:
        wheel = "; onnxruntime-gpu brings CUDA" if CUDA in missing else ""
        raise TerminalError(
            f"the installed ONNX Runtime has no {', '.join(missing)}; available: {', '.join(available)}{wheel}"
        )
    return chosen


def _of_device(device: str, available: Sequence[str]) -> list[Provider]:
    kind, _, number = device.partition(":")
    if kind == "cpu" or (kind == "auto" and CUDA not in available):
        return [CPU]
    if kind in ("auto", "cuda"):
        return [(CUDA, {"device_id": int(number or 0)}), CPU]
    raise TerminalError(f"backend: onnx cannot use the device {device!r} by itself: name its execution_providers")
