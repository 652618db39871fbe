"""What a config accepts, what it says of a wrong one, and what its fingerprint covers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from embeddings_orch.models.identity import role_of
from embeddings_orch_plugins.open_clip import OpenClipConfig, OpenClipEmbedder
from embeddings_orch_plugins.open_clip.architectures import architectures

SHA = "ab" * 32


def error_of(**settings: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        OpenClipConfig(**settings)
    (problem,) = caught.value.errors()
    return f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}"


def test_has_lancedbs_parameters_with_the_same_names_and_defaults() -> None:
    config = OpenClipConfig()
    assert (config.name, config.pretrained) == ("ViT-B-32", "laion2b_s34b_b79k")
    assert (config.batch_size, config.normalize) == (64, True)


def test_every_field_says_whether_it_changes_the_vectors() -> None:
    roles = {name: role_of(field) for name, field in OpenClipConfig.model_fields.items()}
    assert None not in roles.values()
    identity = {name for name, role in roles.items() if role == "identity"}
    assert identity == {"name", "pretrained", "precision", "backend", "normalize", "weights_sha256"}


def test_the_fingerprint_of_a_hub_model_is_pinned() -> None:
    # Where this value changes, every user's media are embedded again.
    pinned = "2c0fb8bff24c5d49613c32009cf679da56e23663be80b3ba6fbebcbfb4c505b9"
    assert OpenClipConfig().fingerprint() == pinned


@pytest.mark.parametrize(
    "change",
    [
        {"name": "ViT-B-16"},
        {"pretrained": "openai"},
        {"precision": "bf16"},
        {"backend": "onnx"},
        {"normalize": False},
        {"weights_sha256": SHA},
    ],
)
def test_identity_fields_change_the_fingerprint(change: dict[str, Any]) -> None:
    assert OpenClipConfig(**change).fingerprint() != OpenClipConfig().fingerprint()


@pytest.mark.parametrize(
    "change",
    [
        {"device": "cuda:1"},
        {"batch_size": 7},
        {"concurrency": 2},
        {"cache_dir": "somewhere"},
        {"execution_providers": ["CUDAExecutionProvider"]},
        {"retry": {"max_retries": 0}},
        {"prices": {"per_million_tokens": 1.0}},
    ],
)
def test_operational_fields_do_not(change: dict[str, Any]) -> None:
    assert OpenClipConfig(**change).fingerprint() == OpenClipConfig().fingerprint()


def test_spellings_that_open_clip_takes_for_one_model_are_one_model() -> None:
    spelled = OpenClipConfig(name="ViT-B/32", pretrained="LAION2B-s34b-b79k", weights_sha256=SHA.upper())
    assert spelled.fingerprint() == OpenClipConfig(weights_sha256=SHA).fingerprint()


def test_a_wrong_name_is_answered_with_the_nearest() -> None:
    assert "there is no model 'vit-b-32'; did you mean 'ViT-B-32'" in error_of(name="vit-b-32")
    assert error_of(name="vit-b-32").startswith("name: ")
    assert "'ViT-L-14'" in error_of(name="ViT-L14")
    assert "did you mean 'emoji-s'" in error_of(name="emojis")
    assert "hf-hub:ORG/NAME" in error_of(name="hf-hub:only-a-name")
    assert "needs a folder" in error_of(name="local-dir:")


def test_every_architecture_of_open_clip_is_known_without_importing_it() -> None:
    import open_clip

    assert sorted(architectures()) == sorted(open_clip.list_models())


@pytest.mark.parametrize("name", ["emoji-s", "local-dir:/models/mine", "hf-hub:org/name"])
def test_pretrained_does_not_apply_to_a_model_with_its_own_weights(name: str) -> None:
    assert OpenClipConfig(name=name).pretrained is None
    assert "remove it" in error_of(name=name, pretrained="openai")
    assert "remove it" in error_of(name=name, pretrained="laion2b_s34b_b79k")


@pytest.mark.parametrize("missing", [None, ""])
def test_an_architecture_needs_pretrained_weights(missing: str | None) -> None:
    assert error_of(pretrained=missing).startswith("pretrained: ")


def test_wrong_values_are_refused_by_name() -> None:
    assert "allowed: auto, cpu" in error_of(device="gpu")
    assert "'fp32', 'bf16' or 'fp16'" in error_of(precision="int8")
    assert "64 hex digits" in error_of(weights_sha256="abc")
    assert "Extra inputs" in error_of(model_name="ViT-B-32")


def test_relative_paths_are_relative_to_the_yaml(tmp_path: Path) -> None:
    settings = {"name": "ViT-B-32", "pretrained": "weights/mine.pt", "cache_dir": "cache"}
    config = OpenClipConfig.model_validate(settings, context={"base": tmp_path})
    assert (config.pretrained, config.cache_dir) == (
        str(tmp_path / "weights/mine.pt"),
        str(tmp_path / "cache"),
    )
    folder = OpenClipConfig.model_validate({"name": "local-dir:mine"}, context={"base": tmp_path})
    assert folder.name == f"local-dir:{tmp_path / 'mine'}"


@pytest.mark.parametrize("settings", [{}, {"name": "emoji-s"}, {"name": "hf-hub:org/name"}, {"pretrained": "a/b.pt"}])
def test_stored_settings_give_the_same_config_back(settings: dict[str, Any]) -> None:
    config = OpenClipConfig(**settings)
    assert OpenClipConfig.model_validate(config.settings()) == config


def test_dimensions_are_read_from_config_files(tiny: Path) -> None:
    def dimensions(name: str) -> int | None:
        return OpenClipEmbedder(OpenClipConfig(name=name)).dimensions()

    assert (dimensions("ViT-B-32"), dimensions("ViT-L-14"), dimensions("emoji-s")) == (512, 768, 128)
    assert dimensions(f"local-dir:{tiny}") == 16
    assert (dimensions("hf-hub:org/name"), dimensions("local-dir:/nowhere")) == (None, None)


@pytest.mark.process
def test_planning_imports_neither_torch_nor_dagster(tiny: Path) -> None:
    code = f"""
import sys
from embeddings_orch_plugins.open_clip.embedder import OpenClipEmbedder
for name in ("ViT-B-32", "emoji-s", "local-dir:{tiny}"):
    embedder = OpenClipEmbedder(OpenClipEmbedder.config_class(name=name))
    embedder.config.fingerprint(), embedder.dimensions()
heavy = {{"torch", "torchvision", "open_clip", "transformers", "simplejpeg", "dagster", "PIL"}}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)
