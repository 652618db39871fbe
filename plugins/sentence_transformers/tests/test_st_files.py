"""Which files of a model's folder count, and what they tell."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from embeddings_orch.errors import EmbeddingsOrchError
from embeddings_orch_plugins.sentence_transformers import files


@pytest.fixture
def copy(instructor: Path, tmp_path: Path) -> Path:
    return shutil.copytree(instructor, tmp_path / "model")


@pytest.mark.parametrize(
    "name",
    ["config.json", "modules.json", "1_Pooling/config.json", "2_Dense/model.safetensors", "tokenizer.json", "own.py"],
)
def test_what_decides_the_vectors_counts(copy: Path, name: str) -> None:
    before = files.digest(copy)
    with (copy / name).open("ab") as file:
        file.write(b" ")
    assert files.digest(copy) != before


@pytest.mark.parametrize(
    "name",
    ["README.md", "pytorch_model.bin", ".cache/x.json", "onnx/model.onnx", "data_config.json", "training_args.bin"],
)
def test_what_the_model_does_not_read_does_not(copy: Path, name: str) -> None:
    before = files.digest(copy)
    (copy / name).parent.mkdir(exist_ok=True)
    (copy / name).write_text("anything")
    assert files.digest(copy) == before


def test_an_exported_model_counts_for_its_backend(copy: Path) -> None:
    before = files.digest(copy, "onnx")
    (copy / "onnx").mkdir()
    (copy / "onnx" / "model.onnx").write_text("anything")
    assert files.digest(copy, "onnx") != before


@pytest.mark.process
def test_the_digest_can_be_had_with_sha256sum(copy: Path) -> None:
    listed = " ".join(files.folder_files(copy))
    printed = subprocess.run(
        f"sha256sum {listed} | sha256sum", shell=True, cwd=copy, check=True, capture_output=True, text=True
    ).stdout
    assert printed.split()[0] == files.digest(copy)


def test_an_incomplete_folder_is_one_error(copy: Path, tmp_path: Path) -> None:
    with pytest.raises(EmbeddingsOrchError, match="is not there"):
        files.digest(tmp_path / "absent")
    for weights in copy.rglob("*.safetensors"):
        weights.unlink()
    with pytest.raises(EmbeddingsOrchError, match="has no weights"):
        files.digest(copy)
    (copy / "modules.json").unlink()
    (copy / "config.json").unlink()
    with pytest.raises(EmbeddingsOrchError, match=r"has no modules\.json or config\.json"):
        files.digest(copy)


def test_dimensions_and_modalities_are_read_from_configs(
    instructor: Path, clip: Path, raw_clip: Path, minilm_folder: Path
) -> None:
    def told(folder: Path) -> object:
        return files.modalities(folder), files.dimensions(folder)

    assert told(minilm_folder) == ({"text"}, 384)
    assert told(instructor) == ({"text"}, 24)
    assert told(clip) == ({"text", "image"}, 16)
    assert told(raw_clip) == (None, None)  # only loading it tells
