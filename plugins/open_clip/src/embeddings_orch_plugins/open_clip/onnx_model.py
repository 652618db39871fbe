"""A CLIP model run by ONNX Runtime, with the calls of open_clip's that the embedder makes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embeddings_orch.errors import TerminalError
from embeddings_orch_plugins.open_clip import onnx_export
from embeddings_orch_plugins.open_clip.config import OpenClipConfig

if TYPE_CHECKING:
    import torch

    from embeddings_orch_plugins.open_clip.model import Clip

CPU = "CPUExecutionProvider"
CUDA = "CUDAExecutionProvider"

Provider = str | tuple[str, dict[str, Any]]


class OnnxModel:
    """The two towers.

    Args:
        export: their files.
        providers: ONNX Runtime's execution providers, best first.
    """

    def __init__(self, export: onnx_export.Export, providers: Sequence[Provider]) -> None:
        self._sessions = {tower: session(export.file(tower), providers) for tower in onnx_export.TOWERS}

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
            `onnx_export.exported`.
    """
    import torch

    from embeddings_orch_plugins.open_clip.model import Clip

    providers = execution_providers(config)
    export = onnx_export.exported(config)
    # ONNX Runtime moves what it is given to its own device, so torch's part stays on the CPU.
    return Clip(OnnxModel(export, providers), torch.device("cpu"), torch.float32, export.preprocess_cfg)


def execution_providers(config: OpenClipConfig) -> list[Provider]:
    """What runs a config's model here, best first: as configured, else what ``device`` means.

    Raises:
        TerminalError: one is not available; the message lists those that are.
    """
    available = _runtime().get_available_providers()
    if config.execution_providers:
        chosen: list[Provider] = list(config.execution_providers)
    else:
        chosen = _of_device(config.device, available)
    missing = [name for name in map(_name, chosen) if name not in available]
    if missing:
        wheel = "; onnxruntime-gpu brings CUDA" if CUDA in missing else ""
        raise TerminalError(
            f"the installed ONNX Runtime has no {', '.join(missing)}; available: {', '.join(available)}{wheel}"
        )
    return chosen


def session(path: Path, providers: Sequence[Provider]) -> Any:
    """An inference session with as many threads as this process has cores.

    Raises:
        TerminalError: ONNX Runtime is not installed, cannot read the file, or cannot start the first provider.
    """
    runtime = _runtime()
    options = runtime.SessionOptions()
    # ONNX Runtime counts the machine's cores, of which a container or a job may have few.
    options.intra_op_num_threads = cores()
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors only
    try:
        made = runtime.InferenceSession(str(path), options, providers=list(providers))
    except Exception as error:
        reason = str(error).strip().partition("\n")[0]
        raise TerminalError(f"ONNX Runtime cannot load {path}: {reason}") from error
    if _name(providers[0]) not in made.get_providers():
        # It falls back to the CPU by itself, where a library of the device is missing.
        raise TerminalError(
            f"{_name(providers[0])} could not be started; ONNX Runtime would use {', '.join(made.get_providers())}. "
            "Install what it needs, or name another in execution_providers"
        )
    return made


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _of_device(device: str, available: Sequence[str]) -> list[Provider]:
    kind, _, number = device.partition(":")
    if kind == "cpu" or (kind == "auto" and CUDA not in available):
        return [CPU]
    if kind in ("auto", "cuda"):
        return [(CUDA, {"device_id": int(number or 0)}), CPU]
    raise TerminalError(f"backend: onnx cannot use the device {device!r} by itself: name its execution_providers")


def _name(provider: Provider) -> str:
    return provider if isinstance(provider, str) else provider[0]


def _runtime() -> Any:
    # By default it collects events for its maker, in the user's cache folder until they are sent; read at its import.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    try:
        import onnxruntime
    except ImportError as error:
        raise TerminalError(f"backend: onnx needs ONNX Runtime ({error}). Install it: {onnx_export.INSTALL}") from error
    return onnxruntime
