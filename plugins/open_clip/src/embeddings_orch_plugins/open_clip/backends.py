"""The backends that run a model: torch by default, or ONNX Runtime."""

from __future__ import annotations

from embeddings_orch_plugins.open_clip.config import OpenClipConfig
from embeddings_orch_plugins.open_clip.model import Clip, load_torch


def load(config: OpenClipConfig) -> Clip:
    """Load the model of a config, with its backend.

    Raises:
        TerminalError: it cannot be had, or is not the one that ``weights_sha256`` pins.
    """
    if config.backend == "onnx":
        from embeddings_orch_plugins.open_clip import onnx_model

        return onnx_model.load(config)
    return load_torch(config)
