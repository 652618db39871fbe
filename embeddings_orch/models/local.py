"""What the embedders share that run a model on this machine: device, number format, pinned weights, lack of memory.

Importing this module imports no torch; the functions that need it do when they are called.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import field_validator

from embeddings_orch.errors import BatchTooLargeError, ProviderError, TerminalError
from embeddings_orch.models.base import EmbedderConfig
from embeddings_orch.models.identity import identity, operational

if TYPE_CHECKING:
    import torch

Precision = Literal["fp32", "bf16", "fp16"]

DEVICE = re.compile(r"auto|(cpu|cuda|mps|xpu|hpu|npu)(:\d+)?")
REEMBEDS = "it is part of the fingerprint, so changing it embeds everything again"
LONGEST_REASON = 600


class LocalModelConfig(EmbedderConfig):
    """Settings of every model that runs on this machine."""

    precision: Precision = identity("fp32", description="Number format of the weights: fp32, bf16 or fp16.")
    weights_sha256: str | None = identity(
        None,
        description="sha256 that the weights must have; needed where they are not on the planning machine.",
    )
    device: str = operational("auto", description="auto (cuda, else mps, else cpu), or a torch device: cpu, cuda:1.")

    def runs_here(self) -> bool:
        """Always."""
        return True

    @field_validator("weights_sha256", mode="before")
    @classmethod
    def _hex(cls, value: Any) -> Any:
        digest = plain_text(value)
        if digest and not re.fullmatch(r"[0-9a-fA-F]{64}", digest):
            raise ValueError("a sha256 has 64 hex digits")
        return digest.lower() or value

    @field_validator("device", mode="before")
    @classmethod
    def _check_device(cls, value: Any) -> Any:
        if (device := plain_text(value)) and not DEVICE.fullmatch(device):
            raise ValueError(f"there is no device {device!r}; allowed: auto, cpu, mps, cuda, cuda:N")
        return value


def plain_text(value: Any) -> str:
    """The text of a setting, empty where it is none yet.

    Dagster's ``EnvVar`` is a subclass of str whose text is known only at run time; it is validated again then.
    """
    return value if type(value) is str else ""


def resolve_device(device: str) -> torch.device:
    """The torch device of a setting; ``auto`` is cuda, else mps, else cpu.

    Raises:
        TerminalError: this machine does not have it.
    """
    import torch

    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        chosen = torch.device(device)
        torch.empty(1, device=chosen)
    except Exception as error:
        raise TerminalError(f"the device {device!r} cannot be used here: {short_reason(error)}") from error
    return chosen


def describe_device(device: str) -> str | None:
    """The kind of device that a setting means here: ``cpu``, or its type and hardware, ``cuda NVIDIA H200``.

    Returns:
        None where this machine does not have it, or no torch to tell.
    """
    try:
        chosen = resolve_device(device)
    except (ImportError, TerminalError):
        return None
    if chosen.type != "cuda":
        return chosen.type
    import torch

    return f"cuda {torch.cuda.get_device_name(chosen)}"


def torch_dtype(precision: Precision) -> torch.dtype:
    """The dtype of a number format."""
    import torch

    return {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]


def out_of_memory(error: Exception) -> bool:
    """Whether torch, ONNX Runtime or Python could not get memory: each device says so in its own way."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    message = str(error)
    if type(error).__module__.startswith("onnxruntime."):
        return "Failed to allocate memory" in message or "bad_alloc" in message or "out of memory" in message
    return isinstance(error, RuntimeError) and (
        "not enough memory" in message or "can't allocate memory" in message or "out of memory" in message
    )


def empty_cache(device: torch.device) -> None:
    """Give a GPU's unused memory back."""
    if device.type == "cuda":
        import torch

        torch.cuda.empty_cache()


def classify_local_error(name: str, error: Exception) -> ProviderError:
    """A local model's errors come again with the same input, so all but a lack of memory are terminal."""
    if isinstance(error, ProviderError):
        return error
    if out_of_memory(error):
        return BatchTooLargeError(str(error))
    return TerminalError(f"{name}: {type(error).__name__}: {error}")


def short_reason(error: Exception) -> str:
    """An error's kind and message in one text of bearable length."""
    text = f"{type(error).__name__}: {error}"
    return text if len(text) <= LONGEST_REASON else f"{text[:LONGEST_REASON]} ..."


def precision_advice(precision: Precision, device: torch.device) -> list[str]:
    """What another number format would bring on a device, for ``embeddings-orch doctor``; empty where nothing."""
    if device.type == "cuda":
        import torch

        supported, hardware = torch.cuda.is_bf16_supported(including_emulation=False), "this GPU"
    elif device.type == "cpu":
        supported, hardware = bool(cpu_flags() & {"amx_bf16", "avx512_bf16"}), "this CPU"
    else:
        return []
    if supported and precision == "fp32":
        return [f"precision: bf16 is two to three times as fast on {hardware}; {REEMBEDS}"]
    if not supported and precision == "bf16":
        return [f"{hardware} has no bf16 arithmetic: precision: fp32 is as fast here and more exact; {REEMBEDS}"]
    if device.type == "cpu" and precision == "fp16":
        return [f"fp16 is slow on a CPU: use fp32{' or bf16' if supported else ''}; {REEMBEDS}"]
    return []


def cpu_flags(path: Path = Path("/proc/cpuinfo")) -> frozenset[str]:
    """The features that Linux lists for the first CPU; empty elsewhere."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError:
        return frozenset()
    flags = next((line for line in lines if line.startswith("flags")), "")
    return frozenset(flags.partition(":")[2].split())
