"""The Dagster resource: typed settings, and vectors for a user's own asset."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from embeddings_orch.errors import EmbeddingsOrchError, ItemError
from embeddings_orch.models.base import Batch
from embeddings_orch.models.content import Vectors
from embeddings_orch_plugins.open_clip import OpenClipConfig, OpenClipEmbedder
from embeddings_orch_plugins.open_clip.resources import OpenClipResource, RetryConfig

from .conftest import encoded, picture


def in_an_asset(resource: Any, use: Callable[[OpenClipResource], Any], **run: Any) -> Any:
    @dg.asset
    def my_asset(clip: OpenClipResource) -> Any:
        return use(clip)

    result = dg.materialize([my_asset], resources={"clip": resource}, **run)
    return result.output_for_node("my_asset")


def test_an_ordinary_asset_embeds_texts(tiny: Path) -> None:
    name = f"local-dir:{tiny}"
    vectors = in_an_asset(OpenClipResource(name=name, batch_size=2), lambda clip: clip.embed_texts(["a", "b", "c"]))
    expected = np.asarray(OpenClipEmbedder(OpenClipConfig(name=name)).embed(Batch("text", ["a", "b", "c"])).vectors)
    assert (vectors.shape, vectors.dtype) == ((3, 16), np.float32)
    assert np.allclose(vectors, expected / np.linalg.norm(expected, axis=1, keepdims=True), atol=1e-6)


def test_images_can_be_paths_bytes_pictures_or_arrays(tiny: Path, tmp_path: Path) -> None:
    image = picture(100, 70)
    path = tmp_path / "picture.png"
    path.write_bytes(encoded(image))
    images: list[Any] = [path, str(path), path.read_bytes(), image, np.asarray(image)]
    vectors: Vectors = OpenClipResource(name=f"local-dir:{tiny}").embed_images(images)
    assert vectors.shape == (5, 16)
    assert np.allclose(vectors, vectors[0], atol=1e-6)


def test_a_picture_in_memory_is_turned_upright_as_its_file_is(tiny: Path, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / "turned.jpg"
    path.write_bytes(encoded(picture(100, 60), "JPEG", exif=exif))
    with Image.open(path) as image:
        file, memory = OpenClipResource(name=f"local-dir:{tiny}").embed_images([path, image])
    assert np.allclose(file, memory, atol=1e-3)


def test_settings_can_come_from_the_environment(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLIP_DEVICE", "cpu")
    monkeypatch.setenv("CLIP_NAME", f"local-dir:{tiny}")
    resource = OpenClipResource(name=dg.EnvVar("CLIP_NAME"), device=dg.EnvVar("CLIP_DEVICE"))

    def use(clip: OpenClipResource) -> tuple[str, str, Any]:
        return clip.device, clip.name, clip.embed_texts(["a"]).shape

    assert in_an_asset(resource, use) == ("cpu", f"local-dir:{tiny}", (1, 16))


def test_settings_can_be_given_at_launch(tiny: Path) -> None:
    config = {"name": f"local-dir:{tiny}", "precision": "bf16", "retry": {"max_retries": 1}}
    seen = in_an_asset(
        OpenClipResource.configure_at_launch(),
        lambda clip: (clip.precision, clip.retry.max_retries, clip.batch_size, clip.embed_texts(["a"]).shape),
        run_config={"resources": {"clip": {"config": config}}},
    )
    assert seen == ("bf16", 1, 64, (1, 16))


def test_wrong_settings_are_refused_when_the_definitions_load() -> None:
    with pytest.raises(ValidationError, match="did you mean 'ViT-B-32'"):
        OpenClipResource(name="vit-b-32")
    with pytest.raises(ValidationError, match="remove it"):
        OpenClipResource(name="emoji-s", pretrained="openai")


def test_a_resource_has_the_fingerprint_of_its_config() -> None:
    resource = OpenClipResource(name="emoji-s", retry=RetryConfig(max_retries=2))
    assert resource.fingerprint() == OpenClipConfig(name="emoji-s").fingerprint()


def test_items_that_fail_are_named(tiny: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"text")
    resource = OpenClipResource(name=f"local-dir:{tiny}")
    with pytest.raises(ItemError, match=r"1 of the images have no vector: .*broken\.png: not a picture"):
        resource.embed_images([encoded(picture(50, 50)), broken])
    with pytest.raises(ItemError, match="text 1: empty"):
        resource.embed_texts(["a", ""])
    with pytest.raises(TypeError, match="image 0 is int"):
        resource.embed_images([5])  # type: ignore[list-item]


def test_no_texts_are_no_vectors(tiny: Path) -> None:
    assert OpenClipResource(name=f"local-dir:{tiny}").embed_texts([]).shape == (0, 16)


def test_the_model_is_released_when_the_asset_is_done(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    released: list[OpenClipEmbedder] = []

    def close(embedder: OpenClipEmbedder) -> None:
        released.append(embedder)

    monkeypatch.setattr(OpenClipEmbedder, "close", close)

    def use(clip: OpenClipResource) -> int:
        clip.embed_texts(["a"])
        clip.embed_texts(["b"])
        return len(released)

    assert in_an_asset(OpenClipResource(name=f"local-dir:{tiny}"), use) == 0
    assert len(released) == 1


@pytest.mark.slow
def test_an_error_of_the_model_fails_the_asset_with_its_own_message(tmp_path: Path) -> None:
    with pytest.raises(EmbeddingsOrchError, match="is not there"):
        in_an_asset(OpenClipResource(name=f"local-dir:{tmp_path / 'absent'}"), lambda clip: clip.embed_texts(["a"]))


def test_a_picture_is_compared_with_texts_and_pictures(tiny: Path, tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes(encoded(picture(100, 70)))
    other = picture(60, 60, 3)
    resource = OpenClipResource(name=f"local-dir:{tiny}", normalize=False)
    texts = ["a dog", "a cake"]
    similarities = resource.compare(path, texts)
    rows = np.concatenate([resource.embed_images([path]), resource.embed_texts(texts)])
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    assert np.allclose(similarities, rows[1:] @ rows[0], atol=1e-5)
    same, another = resource.compare(path, [path, other], prompt_type="image")
    assert same == pytest.approx(1, abs=1e-5)
    assert another < 0.999
    assert resource.compare("a dog", "a dog", subject_type="text") == pytest.approx([1], abs=1e-5)
