"""Advice about a config on this machine, shown by ``embeddings-orch doctor``."""

from __future__ import annotations

from pathlib import Path

from embeddings_orch_plugins.open_clip.architectures import self_contained
from embeddings_orch_plugins.open_clip.config import OpenClipConfig, is_path
from embeddings_orch_plugins.open_clip.model import resolve_device

REEMBEDS = "it is part of the fingerprint, so changing it embeds everything again"


def advice(config: OpenClipConfig) -> list[str]:
    """Sentences about precision, device and weights; empty where there is nothing to say.

    Raises:
        TerminalError: the configured device is not on this machine.
    """
    return [*_precision(config), *_activation(config)]


def _precision(config: OpenClipConfig) -> list[str]:
    device = resolve_device(config.device)
    if device.type == "cuda":
        import torch

        supported, hardware = torch.cuda.is_bf16_supported(including_emulation=False), "this GPU"
    elif device.type == "cpu":
        flags = cpu_flags()
        supported, hardware = bool(flags & {"amx_bf16", "avx512_bf16"}), "this CPU"
    else:
        return []
    if supported and config.precision == "fp32":
        return [f"precision: bf16 is two to three times as fast on {hardware}; {REEMBEDS}"]
    if not supported and config.precision == "bf16":
        return [f"{hardware} has no bf16 arithmetic: precision: fp32 is as fast here and more exact; {REEMBEDS}"]
    if device.type == "cpu" and config.precision == "fp16":
        return [f"fp16 is slow on a CPU: use fp32{' or bf16' if supported else ''}; {REEMBEDS}"]
    return []


def _activation(config: OpenClipConfig) -> list[str]:
    if self_contained(config.name) or not config.pretrained or is_path(config.pretrained):
        return []
    import open_clip

    tag = open_clip.get_pretrained_cfg(config.name, config.pretrained)
    model = open_clip.get_model_config(config.name) or {}
    wanted = bool(tag.get("quick_gelu"))
    if not tag or wanted == bool(model.get("quick_gelu")):
        return []
    base = config.name.removesuffix("-quickgelu")
    better = f"{base}-quickgelu" if wanted else base
    return [
        f"the weights {config.pretrained!r} were trained {'with' if wanted else 'without'} QuickGELU: "
        f"name: {better} gives better vectors than {config.name}"
    ]


def cpu_flags(path: Path = Path("/proc/cpuinfo")) -> frozenset[str]:
    """The features that Linux lists for the first CPU; empty elsewhere."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError:
        return frozenset()
    flags = next((line for line in lines if line.startswith("flags")), "")
    return frozenset(flags.partition(":")[2].split())
