"""Advice about a config on this machine, shown by ``embeddings-orch doctor``."""

from __future__ import annotations

from embeddings_orch.models import precision_advice, resolve_device
from embeddings_orch_plugins.open_clip.architectures import self_contained
from embeddings_orch_plugins.open_clip.config import OpenClipConfig, is_path


def advice(config: OpenClipConfig) -> list[str]:
    """Sentences about precision, device and weights; empty where there is nothing to say.

    Raises:
        TerminalError: the configured device is not on this machine.
    """
    return [*_backend(config), *_activation(config)]


def _backend(config: OpenClipConfig) -> list[str]:
    if config.backend == "onnx":
        return []  # what device means there, and how fast it is, ONNX Runtime's execution providers decide
    unread = ["execution_providers is read with backend: onnx alone"] if config.execution_providers else []
    return [*precision_advice(config.precision, resolve_device(config.device)), *unread]


def _activation(config: OpenClipConfig) -> list[str]:
    if self_contained(config.name) or not config.pretrained or is_path(config.pretrained):
        return []
    import open_clip

    tag = open_clip.get_pretrained_cfg(config.name, config.pretrained)
    model = open_clip.get_model_config(config.name) or {}
    quick_gelu = bool(tag.get("quick_gelu"))
    if not tag or quick_gelu == bool(model.get("quick_gelu")):
        return []
    base = config.name.removesuffix("-quickgelu")
    better = f"{base}-quickgelu" if quick_gelu else base
    return [
        f"the weights {config.pretrained!r} were trained {'with' if quick_gelu else 'without'} QuickGELU: "
        f"name: {better} gives better vectors than {config.name}"
    ]
