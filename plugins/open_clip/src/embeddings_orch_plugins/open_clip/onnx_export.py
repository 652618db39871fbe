"""A CLIP model's two towers as ONNX files: exported once per fingerprint, checked against torch, kept in a cache.

A folder of the cache has ``image.onnx``, ``text.onnx``, their weights (``*.onnx.data``) and ``export.json`` with the
sha256 of each. It is written under another name and renamed when it is whole, so nobody reads half of one.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from embeddings_orch.models import TerminalError, file_sha256
from embeddings_orch_plugins.open_clip.config import OpenClipConfig
from embeddings_orch_plugins.open_clip.model import Clip, load_tokenizer, load_torch
from embeddings_orch_plugins.open_clip.onnx_session import INSTALL, open_session

if TYPE_CHECKING:
    import torch

TOWERS = ("image", "text")
LEAST_COSINE = 0.9999
"""Of a tower's vectors by ONNX Runtime and by torch for the same input; an export with less is refused."""


_FORMAT = 1
_MANIFEST = "export.json"
_SAMPLES = 3

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Export:
    """An exported model.

    Attributes:
        folder: where ``image.onnx`` and ``text.onnx`` are.
        preprocess_cfg: open_clip's settings of size, resizing, mean and std.
    """

    folder: Path
    preprocess_cfg: dict[str, Any]

    def file(self, tower: str) -> Path:
        """The ONNX file of ``image`` or ``text``."""
        return self.folder / f"{tower}.onnx"


def find_or_export(config: OpenClipConfig) -> Export:
    """The export of a config's model; it is made where the cache has none, or a broken one.

    Raises:
        TerminalError: the model cannot be had or exported, its export's vectors differ from torch's, or the cache
            cannot be written.
    """
    fingerprint = config.fingerprint()
    root = _cache_folder()
    target = root / fingerprint
    if export := _read(target):
        return export
    try:
        root.mkdir(parents=True, exist_ok=True)
        # One process exports, others wait for it; the system takes the lock from a process that is killed.
        with FileLock(root / f"{fingerprint}.lock"):
            return _read(target) or _make(config, target)
    except OSError as error:
        raise TerminalError(
            f"the ONNX export of {config.name!r} cannot be written below {root}: {error}; "
            "set XDG_CACHE_HOME to a folder that can be written"
        ) from error


def _cache_folder() -> Path:
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "embeddings_orch" / "onnx"


def _read(folder: Path) -> Export | None:
    """The export in a folder, None where it is not there, not whole, or of another format."""
    try:
        manifest = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
        whole = manifest["format"] == _FORMAT and all(
            file_sha256(folder / name) == digest for name, digest in manifest["files"].items()
        )
        return Export(folder, dict(manifest["preprocess_cfg"])) if whole else None
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _make(config: OpenClipConfig, target: Path) -> Export:
    """Export into the cache; the caller has the lock."""
    for left in target.parent.glob(f"{target.name}.*-part"):
        shutil.rmtree(left, ignore_errors=True)  # of an export that was killed
    if target.exists():
        logger.warning("the ONNX export in %s is broken, and is made again", target)
        shutil.rmtree(target)
    # On the CPU, whatever device runs it later: the files are the same for all.
    clip = load_torch(config.model_copy(update={"device": "cpu"}))
    folder = Path(tempfile.mkdtemp(prefix=f"{target.name}.", suffix="-part", dir=target.parent))
    try:
        cosines = {tower: _export_tower(config, clip, tower, folder) for tower in TOWERS}
        files = {path.name: file_sha256(path) for path in sorted(folder.iterdir())}
        manifest = {
            "format": _FORMAT,
            "files": files,
            "preprocess_cfg": clip.preprocess_cfg,
            "name": config.name,
            "cosines": cosines,
        }
        (folder / _MANIFEST).write_text(json.dumps(manifest, indent=2), encoding="utf-8")
        folder.chmod(0o755)  # mkdtemp's is for one user; a cache may be shared
        folder.rename(target)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    logger.info("exported %s to ONNX in %s", config.name, target)
    return Export(target, clip.preprocess_cfg)


def _export_tower(config: OpenClipConfig, clip: Clip, tower: str, folder: Path) -> float:
    """Write one tower; returns the least cosine of its vectors with torch's."""
    import torch

    module, samples = _tower(clip, tower), _samples(config, clip, tower)
    path = folder / f"{tower}.onnx"
    try:
        with torch.inference_mode(False):
            torch.onnx.export(
                module,
                (samples,),
                path,
                input_names=["input"],
                output_names=["vectors"],
                dynamic_shapes=({0: torch.export.Dim("batch")},),
                dynamo=True,
                external_data=True,  # one protobuf file ends at 2 GB
                verbose=False,
            )
    except ImportError as error:
        raise TerminalError(f"backend: onnx needs another package ({error}). Install it: {INSTALL}") from error
    except OSError:
        raise
    except Exception as error:
        reason = str(error).strip().partition("\n")[0]
        raise TerminalError(
            f"the {tower} tower of {config.name!r} cannot be exported to ONNX ({type(error).__name__}: {reason}); "
            "use backend: torch"
        ) from error
    return _verify(config, module, samples, tower=tower, path=path)


def _tower(clip: Clip, tower: str) -> torch.nn.Module:
    import torch

    encode, dtype = getattr(clip.model, f"encode_{tower}"), clip.dtype

    class Tower(torch.nn.Module):
        """float32 pixels or int64 tokens to float32 vectors, whatever the weights are."""

        def __init__(self) -> None:
            super().__init__()
            self.model = clip.model

        def forward(self, batch: torch.Tensor) -> torch.Tensor:
            vectors: torch.Tensor = encode(batch.to(dtype) if tower == "image" else batch)
            return vectors.float()

    return Tower().eval()


def _samples(config: OpenClipConfig, clip: Clip, tower: str) -> torch.Tensor:
    """Inputs to export and check with: noise in the range of pixels, and texts of several lengths."""
    import torch

    if tower == "text":
        return load_tokenizer(config)(["a dog", "two red cars in the rain, seen from above", "many words " * 100])
    size = clip.preprocess_cfg["size"]
    height, width = (size, size) if isinstance(size, int) else size
    generator = torch.Generator().manual_seed(0)
    return torch.rand((_SAMPLES, 3, height, width), generator=generator) * 4 - 2


def _verify(config: OpenClipConfig, module: torch.nn.Module, samples: torch.Tensor, *, tower: str, path: Path) -> float:
    import torch

    with torch.inference_mode():
        expected = module(samples).numpy()
    run = open_session(path, ["CPUExecutionProvider"])
    # A batch of another size than the exported one, too: the axis has to be a free one.
    actual = np.concatenate([run.run(None, {"input": samples[part].numpy()})[0] for part in (slice(1), slice(1, None))])
    least = least_cosine(actual, expected)
    if not least >= LEAST_COSINE:  # NaN is not
        raise TerminalError(
            f"the {tower} tower of {config.name!r} gives other vectors as ONNX than with torch: cosine {least:.6f}, "
            f"at least {LEAST_COSINE} is needed; use backend: torch"
        )
    return least


def least_cosine(actual: NDArray[Any], expected: NDArray[Any]) -> float:
    """The least cosine of two rows, in float64: float32 cannot tell small angles."""
    first, second = actual.astype(np.float64), expected.astype(np.float64)
    norms = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    return float(((first * second).sum(axis=1) / norms).min())
