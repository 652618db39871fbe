"""The package imagebind-packaged in a folder of its own, and a tiny model of its classes."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import wave
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

PACKAGES = ("imagebind-packaged==0.1.2", "iopath", "portalocker", "einops", "soundfile", "cffi", "pycparser")
MODALITIES = ("vision", "text", "audio", "depth", "thermal", "imu")
TINY: dict[str, Any] = {
    "out_embed_dim": 24,
    **{f"{one}_embed_dim": 16 for one in MODALITIES},
    **{f"{one}_num_blocks": 1 for one in MODALITIES},
    **{f"{one}_num_heads": 2 for one in MODALITIES},
}


def pytest_itemcollected(item: pytest.Item) -> None:
    """pip is a process: each test of the package has the mark."""
    if "package" in getattr(item, "fixturenames", ()):
        item.add_marker("process")


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes the user's cache of hashes."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """Small models on busy machines: torch's threads would mostly wait for each other."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder that the package is installed into, on Python's path."""
    folder = tmp_path_factory.mktemp("packages")
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(folder), *PACKAGES]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    if done.returncode:
        pytest.skip(f"imagebind-packaged cannot be installed here: {done.stderr[-300:]}")
    sys.path.append(str(folder))
    yield folder
    sys.path.remove(str(folder))
    for name in [name for name in sys.modules if name.split(".")[0] == "imagebind"]:
        del sys.modules[name]


@pytest.fixture(scope="session")
def tiny(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The weights of a random model, its arguments beside them."""
    return save_tiny(tmp_path_factory.mktemp("tiny"))


def save_tiny(folder: Path, seed: int = 0) -> Path:
    import torch

    from embeddings_orch_plugins.imagebind.package import model_module

    torch.manual_seed(seed)
    model = model_module().ImageBindModel(**TINY)
    with torch.no_grad():
        # Its own start is so small that all inputs get nearly the same vector.
        for name, parameter in model.named_parameters():
            if parameter.ndim > 1:
                parameter.mul_(30 if "stem" in name or "token_embedding" in name else 3)
    (folder / "config.json").write_text(json.dumps(TINY))
    torch.save(model.state_dict(), folder / "tiny.pth")
    return folder / "tiny.pth"


def sound(hertz: float = 440.0, seconds: float = 3.0, rate: int = 16_000, channels: int = 1) -> np.ndarray[Any, Any]:
    """A tone that swells, as samples of shape (channels, n)."""
    time = np.arange(int(seconds * rate)) / rate
    tone = np.sin(2 * np.pi * hertz * time) * (0.2 + 0.5 * time / max(seconds, 1e-9))
    return np.stack([tone * (1 - 0.3 * channel) for channel in range(channels)]).astype(np.float32)


def wav(samples: np.ndarray[Any, Any], rate: int = 16_000, width: int = 2) -> bytes:
    """Samples from -1 to 1 of shape (channels, n) as a WAV file."""
    numbers = np.rint(samples.T.ravel().astype(np.float64) * (2 ** (8 * width - 1) - 1)).astype(np.int64)
    if width == 1:
        raw = (numbers + 128).astype(np.uint8).tobytes()
    elif width == 3:
        raw = numbers.astype("<i4").view(np.uint8).reshape(-1, 4)[:, :3].tobytes()
    else:
        raw = numbers.astype(f"<i{width}").tobytes()
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(len(samples))
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(raw)
    return buffer.getvalue()


def has_soundfile() -> bool:
    return find_spec("soundfile") is not None
