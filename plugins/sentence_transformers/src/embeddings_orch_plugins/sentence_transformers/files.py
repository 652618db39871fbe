"""What the files of a model's folder tell without loading it: its content's digest, modalities, dimensions.

The layout is that of sentence-transformers' ``save``: modules.json lists the modules with their folders. A folder
without it holds a model of transformers, which the library pools by the mean.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from embeddings_orch.models import EmbeddingsOrchError, Modality, files_sha256

WEIGHTS_SUFFIXES = (".safetensors", ".bin", ".onnx", ".onnx_data", ".xml")
OTHER_SUFFIXES = (".json", ".txt", ".model", ".tiktoken", ".vocab", ".jinja", ".py")
NOT_READ = frozenset({"data_config.json", "trainer_state.json", "training_args.bin"})
BACKEND_FOLDERS = frozenset({"onnx", "openvino"})
PROCESSOR_FILES = ("preprocessor_config.json", "processor_config.json")
READ: frozenset[Modality] = frozenset({"image", "text"})
"""What this plugin hands to a model, of all that the library can."""


def digest(folder: Path, backend: str = "torch") -> str:
    """sha256, 64 hex digits, of the files that decide a model's vectors, wherever the folder is.

    It is that of the lines which ``sha256sum`` prints for `folder_files`.

    Raises:
        EmbeddingsOrchError: the folder is not there, holds no model, or cannot be read.
    """
    try:
        return files_sha256(folder, folder_files(folder, backend))
    except OSError as error:
        raise EmbeddingsOrchError(f"cannot read the model {folder}: {error}") from error


def folder_files(folder: Path, backend: str = "torch") -> list[str]:
    """The files of a model's folder that decide its vectors, as sorted POSIX paths: configs, weights, tokenizer, code.

    Raises:
        EmbeddingsOrchError: the folder is not there, or has no config or no weights.
    """
    if not folder.is_dir():
        raise EmbeddingsOrchError(f"{folder} is not there")
    if not any((folder / name).is_file() for name in ("modules.json", "config.json")):
        raise EmbeddingsOrchError(f"the model folder {folder} has no modules.json or config.json")
    ignored = BACKEND_FOLDERS - {backend}
    files = []
    for path in folder.rglob("*"):
        parts = path.relative_to(folder).parts
        if path.name in NOT_READ or any(part.startswith((".", "__pycache__")) for part in parts):
            continue
        if parts[0] not in ignored and path.suffix in (*WEIGHTS_SUFFIXES, *OTHER_SUFFIXES) and path.is_file():
            files.append(path)
    # Beside a .safetensors the library does not read a .bin.
    safe = {path.parent for path in files if path.suffix == ".safetensors"}
    read = [path for path in files if path.suffix != ".bin" or path.parent not in safe]
    if not any(path.suffix in WEIGHTS_SUFFIXES for path in read):
        raise EmbeddingsOrchError(f"the model folder {folder} has no weights (model.safetensors)")
    return sorted(path.relative_to(folder).as_posix() for path in read)


def modalities(folder: Path) -> frozenset[Modality] | None:
    """The modalities that a model reads, None where only loading it tells."""
    first, *_ = _modules(folder) or [("Transformer", folder)]
    kind, place = first
    if kind == "CLIPModel":
        return READ
    if kind != "Transformer":
        return None
    declared = _json(place / "sentence_bert_config.json").get("modality_config")
    if isinstance(declared, dict) and declared:
        return READ & {part for key in declared for part in str(key).split(",")}
    if any((place / name).is_file() for name in PROCESSOR_FILES):
        return None
    return frozenset({"text"})


def dimensions(folder: Path) -> int | None:
    """The length of a model's vectors, None where only loading it tells."""
    for kind, place in reversed(_modules(folder)):
        settings = _json(place / "config.json")
        if kind == "Dense":
            return _integer(settings.get("out_features"))
        if kind == "Pooling":
            width = _integer(settings.get("embedding_dimension", settings.get("word_embedding_dimension")))
            modes = settings.get("pooling_mode")
            if modes is None:
                count = sum(bool(on) for name, on in settings.items() if name.startswith("pooling_mode_"))
            else:
                count = 1 if isinstance(modes, str) else len(modes)
            return width * count if width and count else None
        if kind == "Transformer" and _json(place / "sentence_bert_config.json").get("modality_config"):
            return _integer(settings.get("projection_dim"))
        if kind not in {"Normalize", "Dropout"}:
            return None
    return None


def _modules(folder: Path) -> list[tuple[str, Path]]:
    listed = _json(folder / "modules.json", list)
    return [(str(module.get("type", "")).rpartition(".")[2], folder / str(module.get("path", ""))) for module in listed]


def _json(path: Path, kind: Any = dict) -> Any:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return kind()  # loading the model says what is wrong with the file
    return content if isinstance(content, kind) else kind()


def _integer(value: Any) -> int | None:
    return value if isinstance(value, int) else None
