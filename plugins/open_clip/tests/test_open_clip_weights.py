"""Local weights count by their content: moved they stay the same model, replaced they are another."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from embeddings_orch.errors import EmbeddingsOrchError, TerminalError
from embeddings_orch.models.base import Batch
from embeddings_orch_plugins.open_clip import OpenClipConfig, OpenClipEmbedder, weights
from embeddings_orch_plugins.open_clip.architectures import MODELS

CopyTiny = Callable[..., Path]
TEXTS = Batch("text", ["a dog"])


def fingerprint_of(folder: Path) -> str:
    return OpenClipConfig(name=f"local-dir:{folder}").fingerprint()


def test_moving_a_folder_keeps_its_fingerprint(copy_tiny: CopyTiny, tmp_path: Path) -> None:
    before = fingerprint_of(copy_tiny())
    (tmp_path / "model").rename(tmp_path / "moved")
    assert fingerprint_of(tmp_path / "moved") == before


def test_a_copy_of_a_bundled_model_is_the_same_model(tmp_path: Path) -> None:
    shutil.copytree(MODELS / "emoji-s", tmp_path / "copy")
    assert fingerprint_of(tmp_path / "copy") == OpenClipConfig(name="emoji-s").fingerprint()


def test_replacing_weights_in_place_changes_it(copy_tiny: CopyTiny) -> None:
    folder = copy_tiny(seed=0)
    before, size = fingerprint_of(folder), (folder / "open_clip_model.safetensors").stat().st_size
    copy_tiny(seed=1)
    assert (folder / "open_clip_model.safetensors").stat().st_size == size
    assert fingerprint_of(folder) != before


@pytest.mark.parametrize("name", ["open_clip_config.json", "tokenizer.json", "vocab.txt", "spiece.model"])
def test_config_and_tokenizer_count_too(copy_tiny: CopyTiny, name: str) -> None:
    folder = copy_tiny()
    before = fingerprint_of(folder)
    with (folder / name).open("a") as file:
        file.write(" ")
    assert fingerprint_of(folder) != before


@pytest.mark.parametrize("name", ["README.md", ".partial.json", "pytorch_model.bin", "training.log"])
def test_files_that_the_model_does_not_read_do_not(copy_tiny: CopyTiny, name: str) -> None:
    folder = copy_tiny()
    before = fingerprint_of(folder)
    (folder / name).write_text("anything")
    assert fingerprint_of(folder) == before


@pytest.mark.process
def test_the_digest_of_a_folder_can_be_had_with_sha256sum(tiny: Path) -> None:
    recipe = "sha256sum open_clip_config.json open_clip_model.safetensors | sha256sum"
    printed = subprocess.run(recipe, shell=True, cwd=tiny, check=True, capture_output=True, text=True).stdout
    assert printed.split()[0] == weights.digest(tiny)


@pytest.mark.parametrize(
    "names",
    [
        ["model.safetensors", "open_clip_pytorch_model.bin"],
        ["zzz.safetensors", "aaa.bin"],
        ["b.pth", "a.pth"],
        ["pytorch_model.bin", "other.safetensors"],
        ["only.bin"],
        [],
    ],
)
def test_the_hashed_file_is_the_one_that_open_clip_loads(tmp_path: Path, names: list[str]) -> None:
    from open_clip.factory import _find_checkpoint_in_dir

    for name in names:
        (tmp_path / name).touch()
    chosen = _find_checkpoint_in_dir(tmp_path)
    assert weights.weights_file(tmp_path) == (Path(chosen) if chosen else None)


def test_a_checkpoint_file_counts_by_content_and_architecture(tmp_path: Path) -> None:
    for name in ("one.pt", "two.pt"):
        (tmp_path / name).write_bytes(b"weights")
    (tmp_path / "other.pt").write_bytes(b"other")

    def of(file: str, name: str = "ViT-B-32") -> str:
        return OpenClipConfig(name=name, pretrained=str(tmp_path / file)).fingerprint()

    assert of("one.pt") == of("two.pt")
    assert len({of("one.pt"), of("other.pt"), of("one.pt", "ViT-B-16")}) == 3


def test_weights_that_are_elsewhere_can_be_pinned(tiny: Path) -> None:
    here = OpenClipConfig(name=f"local-dir:{tiny}")
    pinned = OpenClipConfig(name="local-dir:/elsewhere/model", weights_sha256=weights.digest(tiny))
    assert pinned.fingerprint() == here.fingerprint()


def test_without_a_pin_missing_weights_are_an_error_that_says_so() -> None:
    with pytest.raises(EmbeddingsOrchError, match=r"/elsewhere/model is not there; set weights_sha256"):
        OpenClipConfig(name="local-dir:/elsewhere/model").fingerprint()
    with pytest.raises(EmbeddingsOrchError, match=r"/elsewhere/mine\.pt.*set weights_sha256"):
        OpenClipConfig(pretrained="/elsewhere/mine.pt").fingerprint()


def test_weights_other_than_the_pinned_are_not_loaded(tiny: Path) -> None:
    embedder = OpenClipEmbedder(OpenClipConfig(name=f"local-dir:{tiny}", weights_sha256="0" * 64))
    with pytest.raises(TerminalError, match=f"have the sha256 {weights.digest(tiny)}, but weights_sha256 pins 0000"):
        embedder.embed(TEXTS)


@pytest.mark.parametrize("missing", ["open_clip_config.json", "open_clip_model.safetensors"])
def test_an_incomplete_folder_is_one_error(copy_tiny: CopyTiny, missing: str) -> None:
    folder = copy_tiny()
    (folder / missing).unlink()
    with pytest.raises(EmbeddingsOrchError, match=f"has no .*{missing}"):
        fingerprint_of(folder)
    with pytest.raises(TerminalError, match=f"has no .*{missing}"):
        OpenClipEmbedder(OpenClipConfig(name=f"local-dir:{folder}")).embed(TEXTS)
