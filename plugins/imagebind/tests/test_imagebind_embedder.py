"""Vectors are the model's own for what its own preprocessing would give it; what happens where something is missing."""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pytest
import torch
import yaml
from lancedb.embeddings import get_registry
from PIL import Image
from pydantic import ValidationError
from torchvision import transforms

from embeddings_orch.embedding.step import EmbedStep
from embeddings_orch.errors import BatchTooLargeError, EmbeddingsOrchError, ItemError, TerminalError
from embeddings_orch.models.base import Batch
from embeddings_orch.models.content import Item
from embeddings_orch.pipeline import Pipeline
from embeddings_orch.pipeline.catalog.scan import scan_media
from embeddings_orch.pipeline.checks.run import check_index
from embeddings_orch.pipeline.embeddings.embed import embed
from embeddings_orch.pipeline.indexes.build import build_index
from embeddings_orch.pipeline.published.publish import publish
from embeddings_orch.search import Index
from embeddings_orch.spec.pipeline import PipelineSpec
from embeddings_orch_plugins.imagebind import ImageBindConfig, ImageBindEmbedder
from embeddings_orch_plugins.imagebind.audio import clips
from embeddings_orch_plugins.imagebind.package import model_module
from embeddings_orch_plugins.imagebind.resources import ImageBindResource

from .conftest import TINY, save_tiny, sound, wav

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def png(seed: int = 0, width: int = 300, height: int = 250) -> bytes:
    squares = np.random.default_rng(seed).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(squares).resize((width, height)).save(buffer, "PNG")
    return buffer.getvalue()


def embedder_of(weights: Path, **settings: Any) -> ImageBindEmbedder:
    return ImageBindEmbedder(ImageBindConfig(**{"name": "own", "weights": str(weights), "device": "cpu", **settings}))


def vectors(embedder: ImageBindEmbedder, modality: Any, contents: list[Any]) -> np.ndarray[Any, Any]:
    prepared = [
        embedder.prepare(Item(str(index).encode(), modality, content)) for index, content in enumerate(contents)
    ]
    return np.asarray(embedder.embed(Batch(modality, prepared)).vectors)


def unit(vector: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    result: np.ndarray[Any, Any] = vector / np.linalg.norm(vector)
    return result


def own(weights: Path, key: str, inputs: torch.Tensor) -> np.ndarray[Any, Any]:
    model = model_module().ImageBindModel(**TINY).eval()
    model.load_state_dict(torch.load(weights, weights_only=True))
    with torch.inference_mode():
        result: np.ndarray[Any, Any] = model({key: inputs})[key].numpy()
    return result


def test_pictures_have_the_models_vectors_for_its_own_transform(tiny: Path) -> None:
    # The transform of the package's data module, which does not import, written down here from its documentation.
    transform = transforms.Compose(
        [
            transforms.Resize(224, interpolation=transforms.InterpolationMode.BICUBIC),
            transforms.CenterCrop(224),
            transforms.ToTensor(),
            transforms.Normalize((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
        ]
    )
    files = [png(0), png(1, 100, 400)]
    inputs = torch.stack([transform(Image.open(io.BytesIO(file)).convert("RGB")) for file in files])
    assert np.allclose(vectors(embedder_of(tiny), "image", files), own(tiny, "vision", inputs), atol=1e-5)


def test_texts_have_the_models_vectors_for_the_packages_tokens(tiny: Path) -> None:
    from embeddings_orch_plugins.imagebind.package import tokenizer

    texts = ["a dog", "ÉCLAIR &amp; café"]
    inputs = torch.stack([tokenizer()(text) for text in texts])
    assert inputs.shape == (2, 77)
    assert np.allclose(vectors(embedder_of(tiny), "text", texts), own(tiny, "text", inputs), atol=1e-4)


def test_a_long_text_keeps_its_end_token(tiny: Path) -> None:
    ids = embedder_of(tiny).prepare(Item(b"0", "text", "word " * 200))
    assert ids.shape == (77,)
    assert ids.argmax() == 76
    assert ids[76] == 49407


def test_sounds_have_the_mean_of_their_clips_vectors(tiny: Path) -> None:
    data = wav(sound(440, 5))
    apart = own(tiny, "audio", clips(data))
    found = vectors(embedder_of(tiny), "audio", [data, wav(sound(880, 1))])
    assert np.allclose(found[0], apart.mean(0), atol=1e-4)
    assert found.shape == (2, 24)
    assert not np.allclose(found[0], found[1], atol=0.1)


@pytest.mark.parametrize("precision", ["bf16"])
def test_other_precisions_give_nearly_the_same_float32_vectors(tiny: Path, precision: Any) -> None:
    for modality, content in (("text", "a dog"), ("image", png()), ("audio", wav(sound()))):
        whole = vectors(embedder_of(tiny), modality, [content])
        half = vectors(embedder_of(tiny, precision=precision), modality, [content])
        assert half.dtype == np.float32
        assert (whole * half).sum() / np.linalg.norm(whole) / np.linalg.norm(half) > 0.99


def test_what_is_not_read_takes_no_memory(tiny: Path) -> None:
    model, _ = embedder_of(tiny)._get_model()
    assert set(model.modality_trunks) == {"vision", "text", "audio"}


def test_defaults_are_lancedbs() -> None:
    theirs = get_registry().get("imagebind").create()
    ours = ImageBindConfig()
    assert ours.name == theirs.name
    assert ours.retry.max_retries == theirs.max_retries
    assert ImageBindEmbedder(ours).dimensions() == theirs.ndims() == 1024
    # On purpose not theirs: texts and sounds come scaled by 14 and 20, pictures by 1, and only directions can be
    # compared; and they never use a GPU.
    assert (theirs.normalize, ours.normalize) == (False, True)
    assert (theirs.device, ours.device) == ("cpu", "auto")


@pytest.mark.process
def test_weights_count_by_their_content(tiny: Path, tmp_path: Path) -> None:
    moved = shutil.copytree(tiny.parent, tmp_path / "moved") / "tiny.pth"
    here = ImageBindConfig(name="own", weights=str(tiny))
    assert ImageBindConfig(name="own", weights=str(moved)).fingerprint() == here.fingerprint()
    pinned = ImageBindConfig(name="own", weights="/elsewhere.pth", weights_sha256=here.digest())
    assert pinned.fingerprint() == here.fingerprint()
    listed = "sha256sum config.json tiny.pth | sha256sum"
    printed = subprocess.run(listed, shell=True, cwd=tiny.parent, check=True, capture_output=True, text=True).stdout
    assert printed.split()[0] == here.digest()
    (moved.parent / "config.json").write_text(json.dumps({**TINY, "audio_num_heads": 4}))
    assert ImageBindConfig(name="own", weights=str(moved)).fingerprint() != here.fingerprint()
    other = save_tiny(moved.parent, seed=1)
    (moved.parent / "config.json").write_text(json.dumps(TINY))
    assert ImageBindConfig(name="own", weights=str(other)).fingerprint() != here.fingerprint()


def test_missing_weights_are_an_error_that_says_so(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/nowhere")
    with pytest.raises(EmbeddingsOrchError, match=r"imagebind_huge\.pth: No such file.*set weights_sha256"):
        ImageBindConfig().fingerprint()
    embedder = ImageBindEmbedder(ImageBindConfig(device="cpu"))
    with pytest.raises(TerminalError, match=r"download them from https://dl\.fbaipublicfiles\.com.*weights: PATH"):
        embedder._get_model()


def test_other_weights_than_the_pinned_or_fitting_are_not_used(tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(TerminalError, match="but weights_sha256 pins 0000"):
        vectors(embedder_of(tiny, weights_sha256="0" * 64), "text", ["a"])
    broken = shutil.copytree(tiny.parent, tmp_path / "broken") / "tiny.pth"
    (broken.parent / "config.json").write_text(json.dumps({**TINY, "out_embed_dim": 8}))
    with pytest.raises(TerminalError, match=r"(?s)cannot load own from .*size mismatch"):
        vectors(embedder_of(broken), "text", ["a"])
    broken.write_bytes(b"no weights")
    with pytest.raises(TerminalError, match="cannot load own from"):
        vectors(embedder_of(broken), "text", ["a"])


@pytest.mark.process
def test_without_the_package_the_error_names_the_command_that_adds_it() -> None:
    code = """
from embeddings_orch.models import Item
from embeddings_orch.errors import TerminalError
from embeddings_orch_plugins.imagebind import ImageBindConfig, ImageBindEmbedder
embedder = ImageBindEmbedder(ImageBindConfig(device="cpu"))
for call in (lambda: embedder.prepare(Item(b"0", "text", "a")), embedder._get_model):
    try:
        call()
    except TerminalError as error:
        print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    lines = done.stdout.splitlines()
    assert len(lines) == 2
    for line in lines:
        assert "pip install --no-deps imagebind-packaged==0.1.2" in line
        assert "CC BY-NC-SA" in line
        assert "use open-clip" in line


@pytest.mark.process
def test_planning_imports_neither_torch_nor_the_package(tiny: Path) -> None:
    code = f"""
import sys
from embeddings_orch_plugins.imagebind.embedder import ImageBindEmbedder
embedder = ImageBindEmbedder(ImageBindEmbedder.config_class(name="own", weights={str(tiny)!r}))
embedder.config.fingerprint()
assert embedder.dimensions() == 24
assert not {{"torch", "torchvision", "imagebind", "timm", "dagster", "PIL"}} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_relative_weights_are_relative_to_the_yaml(tmp_path: Path) -> None:
    config = ImageBindConfig.model_validate({"weights": "models/huge.pth"}, context={"base": tmp_path})
    assert config.weights == str(tmp_path / "models/huge.pth")
    with pytest.raises(ValidationError, match="'imagebind_huge' or 'own'"):
        ImageBindConfig(name="imagebind_small")  # type: ignore[arg-type]


def test_a_batch_that_does_not_fit_is_too_large(tiny: Path) -> None:
    # The one call that cannot be had here: a model that runs out of memory on demand.
    embedder = embedder_of(tiny)
    step = EmbedStep(embedder.config)
    step._embedder = embedder
    model, _ = embedder._get_model()

    def small(_: Any, given: Any) -> None:
        if len(given[0]["text"]) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory.")

    model.register_forward_pre_hook(small)
    prepared = [step.prepare(Item(str(index).encode(), "text", f"text {index}")) for index in range(5)]
    assert step(prepared).keys == [b"0", b"1", b"2", b"3", b"4"]  # type: ignore[arg-type]
    assert isinstance(embedder.classify(MemoryError()), BatchTooLargeError)


def test_advice_follows_the_hardware(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("embeddings_orch.models.local.cpu_flags", lambda: frozenset({"amx_bf16"}))
    assert "precision: bf16" in " ".join(ImageBindEmbedder(ImageBindConfig(device="cpu")).advice())


def test_the_readmes_yaml_finds_sounds_and_pictures(tiny: Path, tmp_path: Path) -> None:
    (block,) = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    declared = {"name": "readme", "store": {"uri": str(tmp_path / "store")}, **yaml.safe_load(block)}
    # The real weights cannot be had here: those of the tiny model in their place.
    shutil.copytree(tiny.parent, tmp_path / "models")
    (tmp_path / "models" / "tiny.pth").rename(tmp_path / "models" / "imagebind_huge.pth")
    declared["embeddings"]["everything"] |= {"name": "own", "device": "cpu"}
    media: dict[str, tuple[Any, bytes]] = {
        "dog.png": ("image", png(0)),
        "cat.png": ("image", png(1)),
        "bark.wav": ("audio", wav(sound(220, 3))),
        "sounds/meow.wav": ("audio", wav(sound(880, 1, 44_100, 2), 44_100)),
    }
    (tmp_path / "media" / "sounds").mkdir(parents=True)
    for name, (_, content) in media.items():
        (tmp_path / "media" / name).write_bytes(content)
    captions = ["file_name,caption", *(f"{name},this is {name}" for name in media)]
    (tmp_path / "media" / "metadata.csv").write_text("\n".join(captions))
    pipeline = Pipeline(PipelineSpec.model_validate(declared, context={"base": tmp_path}))

    scan_media(pipeline)
    assert embed(pipeline, "everything").embedded == 4
    generation = build_index(pipeline, "found").generation
    check_index(pipeline, "found")
    publish(pipeline, "found")

    embedder = embedder_of(tiny)
    expected = {name: unit(vectors(embedder, kind, [content])[0]) for name, (kind, content) in media.items()}
    table = pipeline.store.index(generation.table).at(generation.version)
    assert table is not None
    rows = {row["id"]: row for row in table.to_arrow().to_pylist()}
    assert {name: row["modality"] for name, row in rows.items()} == {name: kind for name, (kind, _) in media.items()}
    for name, vector in expected.items():
        assert np.allclose(rows[name]["everything"], vector, atol=1e-4), name
    words = unit(vectors(embedder, "text", ["a dog barks"])[0])
    index = Index(pipeline.store, "readme", "found")
    hits = index.search("a dog barks").hits
    index.close()
    assert [hit.score for hit in hits] == pytest.approx([float(words @ expected[hit.id]) for hit in hits], abs=1e-4)
    assert {hit.id: hit.metadata["caption"] for hit in hits} == {name: f"this is {name}" for name in media}


def test_the_readmes_asset_runs(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    (tmp_path / "barks").mkdir()
    for name in ("1.wav", "2.wav"):
        (tmp_path / "barks" / name).write_bytes(wav(sound()))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("IMAGEBIND_WEIGHTS", str(tiny))
    names: dict[str, Any] = {}
    exec(code.replace("ImageBindResource(weights=", 'ImageBindResource(name="own", weights='), names)
    assert names["defs"].resolve_implicit_global_asset_job_def().execute_in_process().success


def test_a_resource_embeds_sounds_texts_and_pictures(tiny: Path) -> None:
    resource = ImageBindResource(name="own", weights=str(tiny), device="cpu")

    @dg.asset
    def my_asset(imagebind: ImageBindResource) -> Any:
        return imagebind.embed_audio([wav(sound())]), imagebind.embed_texts(["a"]), imagebind.embed_images([png()])

    found = dg.materialize([my_asset], resources={"imagebind": resource}).output_for_node("my_asset")
    assert [part.shape for part in found] == [(1, 24)] * 3
    assert np.allclose([np.linalg.norm(part) for part in found], 1)
    with pytest.raises(ItemError, match="1 of the sounds have no vector: sound 0: "):
        resource.embed_audio([b"no sound"])
