"""The content of weights on disk: sha256 over a checkpoint file, or over the files of a model's folder."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import threading
import time
from pathlib import Path

from embeddings_orch.errors import EmbeddingsOrchError
from embeddings_orch_plugins.open_clip.architectures import CONFIG_FILE

# The order in which open_clip chooses one of several weights files in a folder.
PREFERRED = (
    "open_clip_model.safetensors",
    "open_clip_pytorch_model.safetensors",
    "open_clip_pytorch_model.bin",
    "open_clip_pytorch_model.pth",
    "model.safetensors",
    "pytorch_model.bin",
    "pytorch_model.pth",
    "model.pth",
)
WEIGHTS_SUFFIXES = (".safetensors", ".bin", ".pth")
TOKENIZER_PATTERNS = ("*.json", "*.model", "*.tiktoken", "vocab.txt", "merges.txt")

# A file touched this recently may change again within one tick of the file system's clock.
SETTLED_SECONDS = 2.0
CACHE_ENTRIES = 512

_hashes: dict[str, str] = {}
_lock = threading.Lock()


def weights_file(folder: Path) -> Path | None:
    """The file that open_clip would load from a model's folder, or None where there is none."""
    found = sorted(path for suffix in WEIGHTS_SUFFIXES for path in folder.glob(f"*{suffix}"))
    rank = {name: index for index, name in enumerate(PREFERRED)}
    return min(
        found,
        key=lambda path: (rank.get(path.name, len(rank)), path.suffix != ".safetensors", path.name),
        default=None,
    )


def folder_files(folder: Path) -> list[Path]:
    """The files of a model's folder that decide its vectors, by name: config, weights, tokenizer.

    Raises:
        EmbeddingsOrchError: the folder has no config or no weights.
    """
    weights = weights_file(folder)
    if weights is None or not (folder / CONFIG_FILE).is_file():
        lacking = "weights file (open_clip_model.safetensors)" if weights is None else CONFIG_FILE
        raise EmbeddingsOrchError(f"the model folder {folder} has no {lacking}")
    files = {path for pattern in TOKENIZER_PATTERNS for path in folder.glob(pattern) if not path.name.startswith(".")}
    return sorted({weights, *files}, key=lambda path: path.name)


def digest(path: Path) -> str:
    """sha256, 64 hex digits, of a checkpoint file, or of a model's folder whatever its name and place.

    The digest of a folder is that of the lines which ``sha256sum`` prints for `folder_files`.

    Raises:
        EmbeddingsOrchError: a file is not there or cannot be read.
    """
    if not path.exists():
        raise EmbeddingsOrchError(f"{path} is not there")
    try:
        if path.is_file():
            return file_sha256(path)
        lines = [f"{file_sha256(file)}  {file.name}\n" for file in folder_files(path)]
    except OSError as error:
        raise EmbeddingsOrchError(f"cannot read the weights {path}: {error}") from error
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def file_sha256(path: Path) -> str:
    """sha256 of a file, remembered by (path, size, mtime, inode) in memory and in the user's cache folder.

    Raises:
        OSError: the file cannot be read.
    """
    while True:
        path = path.resolve()
        before = path.stat()
        key = json.dumps([str(path), before.st_size, before.st_mtime_ns, before.st_ino])
        with _lock:
            if known := _hashes.get(key) or _read_cache().get(key):
                _hashes[key] = known
                return known
        with path.open("rb") as file:
            value = hashlib.file_digest(file, "sha256").hexdigest()
        after = path.stat()
        if (before.st_size, before.st_mtime_ns, before.st_ino) == (
            after.st_size,
            after.st_mtime_ns,
            after.st_ino,
        ):
            break  # else it was replaced while being read
    if time.time() - after.st_mtime > SETTLED_SECONDS:
        with _lock:
            _hashes[key] = value
            _write_cache(key, value)
    return value


def _cache_file() -> Path:
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "embeddings_orch" / "weights_sha256.json"


def _read_cache() -> dict[str, str]:
    try:
        content = json.loads(_cache_file().read_text(encoding="utf-8"))
    except (OSError, ValueError, RuntimeError):  # RuntimeError: no home folder
        return {}
    if not isinstance(content, dict):
        return {}
    return {key: value for key, value in content.items() if isinstance(value, str) and len(value) == 64}


def _write_cache(key: str, value: str) -> None:
    entries = {**_read_cache(), key: value}
    newest = dict(list(entries.items())[-CACHE_ENTRIES:])
    try:
        file = _cache_file()
        file.parent.mkdir(parents=True, exist_ok=True)
        # Replaced whole: others read the old or the new file; at worst an entry is hashed again.
        descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=file.name)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            json.dump(newest, stream)
        os.replace(name, file)
    except (OSError, RuntimeError):
        return  # only a cache: the file is hashed again next time
