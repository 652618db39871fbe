"""The content of weights on disk: sha256 over a checkpoint file, or over the files of a model's folder."""

from __future__ import annotations

from pathlib import Path

from embeddings_orch.models import EmbeddingsOrchError, file_sha256, files_sha256
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


def weights_file(folder: Path) -> Path | None:
    """The file that open_clip would load from a model's folder, or None where there is none."""
    files = sorted(path for suffix in WEIGHTS_SUFFIXES for path in folder.glob(f"*{suffix}"))
    rank = {name: index for index, name in enumerate(PREFERRED)}
    return min(
        files,
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
        return files_sha256(path, [file.name for file in folder_files(path)])
    except OSError as error:
        raise EmbeddingsOrchError(f"cannot read the weights {path}: {error}") from error
