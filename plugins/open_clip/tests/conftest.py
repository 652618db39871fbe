"""Small real models and pictures for the tests of the open-clip plugin."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from embeddings_orch.models import weights

TINY: dict[str, Any] = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 48, "patch_size": 8, "width": 32, "layers": 1, "head_width": 16},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
}
GALLERY = Path(__file__).parents[3] / "definitions" / "data" / "emoji"


def save_tiny(folder: Path, seed: int = 0, **preprocess: Any) -> Path:
    """A random CLIP of three megabytes, saved as a folder that open_clip's ``local-dir:`` loads."""
    import open_clip
    import torch
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    content = {"model_cfg": TINY, "preprocess_cfg": preprocess}
    (folder / "open_clip_config.json").write_text(json.dumps(content))
    torch.manual_seed(seed)
    model = open_clip.CLIP(TINY["embed_dim"], dict(TINY["vision_cfg"]), dict(TINY["text_cfg"]))
    # Contiguous copies: safetensors refuses tensors that share memory.
    state = {name: value.clone().contiguous() for name, value in model.state_dict().items()}
    save_file(state, folder / "open_clip_model.safetensors")
    return folder


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test reads or writes the user's cache of hashes."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(weights, "_hashes", {})
    return tmp_path / "cache"


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Small models on busy machines: torch's threads would mostly wait for each other."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="session")
def tinies(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One tiny model for each way in which open_clip fits a picture into the model's square."""
    root = tmp_path_factory.mktemp("resizing")
    ways: dict[str, dict[str, Any]] = {
        "shortest": {"resize_mode": "shortest", "interpolation": "bicubic"},
        "longest": {"resize_mode": "longest", "interpolation": "bicubic", "fill_color": 255},
        "squash": {"resize_mode": "squash", "interpolation": "bilinear", "mean": [0.5] * 3, "std": [0.5] * 3},
    }
    return {way: save_tiny(root / way, **preprocess) for way, preprocess in ways.items()}


@pytest.fixture
def copy_tiny(tmp_path: Path) -> Callable[..., Path]:
    return lambda name="model", seed=0: save_tiny(tmp_path / name, seed)


@cache
def picture(width: int, height: int, seed: int = 0) -> Image.Image:
    """Smooth colours, an emoji, letters and noise: what photographs and scans are made of."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    waves = [np.sin(x / 37 + seed) * 80 + 120, np.cos(y / 23) * 70 + 120, np.sin((x + y) / 51) * 100 + 120]
    noisy = np.stack(waves, -1) + random.normal(0, 10, (height, width, 3))
    image = Image.fromarray(noisy.clip(0, 255).astype(np.uint8))
    emoji = Image.open(GALLERY / "1f415.png").convert("RGBA").resize((width // 2 + 1, height // 2 + 1))
    image.paste(emoji, (width // 4, height // 4), emoji)
    ImageDraw.Draw(image).text((2, 2), "open clip 0123", fill="black")
    return image


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.fixture(scope="session")
def exports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache for the ONNX exports that several tests read, of all workers: making one takes seconds."""
    root = tmp_path_factory.getbasetemp()
    return (root.parent if "PYTEST_XDIST_WORKER" in os.environ else root) / "open_clip_exports"
