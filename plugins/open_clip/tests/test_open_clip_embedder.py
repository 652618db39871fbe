"""Vectors equal open_clip's own; what the embedder does when something cannot be had."""

from __future__ import annotations

import io
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL import Image

from embeddings_orch.embedding.step import EmbedStep
from embeddings_orch.errors import BatchTooLargeError, ItemError, TerminalError
from embeddings_orch.models.base import Batch
from embeddings_orch.models.content import Item, Vectors
from embeddings_orch.models.local import cpu_flags, out_of_memory
from embeddings_orch_plugins.open_clip import OpenClipConfig, OpenClipEmbedder
from embeddings_orch_plugins.open_clip.architectures import MODELS

from .conftest import encoded, picture

EMOJI_S = MODELS / "emoji-s"
TEXTS = ["a dog", "two dogs and a cat", "ÉCLAIR!", "x", "long " * 100]
SIZES = [(48, 48), (640, 480), (333, 517), (31, 200), (1920, 1080)]


def embedder_of(folder: Path, **settings: Any) -> OpenClipEmbedder:
    return OpenClipEmbedder(OpenClipConfig(name=f"local-dir:{folder}", **settings))


def image_vectors(embedder: OpenClipEmbedder, files: list[bytes]) -> Vectors:
    contents = [embedder.prepare(Item(str(index).encode(), "image", file)) for index, file in enumerate(files)]
    return np.asarray(embedder.embed(Batch("image", contents)).vectors)


@cache
def open_clips_own(name: str, precision: str) -> tuple[Any, Any, Any]:
    model, _, preprocess = open_clip.create_model_and_transforms(name, precision=precision)
    return model.eval(), preprocess, open_clip.get_tokenizer(name)


def own_vectors(folder: Path, files: list[bytes], precision: str = "fp32") -> tuple[Vectors, Vectors]:
    """As open_clip documents it: images through its transform, texts through its tokenizer."""
    model, preprocess, tokenizer = open_clips_own(f"local-dir:{folder}", precision)
    images = torch.stack([preprocess(Image.open(io.BytesIO(file))) for file in files])
    with torch.inference_mode():
        pictures = model.encode_image(images.to(open_clip.get_input_dtype(precision)))
        texts = model.encode_text(tokenizer(TEXTS))
    return pictures.float().numpy(), texts.float().numpy()


def distance(ours: Vectors, theirs: Vectors) -> float:
    """The largest 1 - cosine of two rows, in float64: float32 cannot tell small angles."""
    ours, theirs = ours.astype(np.float64), theirs.astype(np.float64)
    norms = np.linalg.norm(ours, axis=1) * np.linalg.norm(theirs, axis=1)
    return float((1 - (ours * theirs).sum(axis=1) / norms).max())


@pytest.mark.parametrize(("precision", "limit"), [("fp32", 1e-9), ("bf16", 1e-3), ("fp16", 1e-3)])
def test_the_same_pixels_and_texts_give_open_clips_vectors(precision: Any, limit: float) -> None:
    # 64 x 64 is the model's own size: nothing is resized, PNG loses nothing.
    files = [encoded(picture(64, 64, seed)) for seed in range(4)]
    embedder = embedder_of(EMOJI_S, precision=precision)
    images, texts = own_vectors(EMOJI_S, files)
    assert distance(image_vectors(embedder, files), images) <= limit
    assert distance(np.asarray(embedder.embed(Batch("text", TEXTS)).vectors), texts) <= limit
    # ... and the pictures differ among each other by far more than the limit.
    assert distance(images[:1].repeat(3, 0), images[1:]) > 0.05


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("way", ["emoji-s", "shortest", "longest", "squash"])
def test_the_same_file_gives_open_clips_vectors(tinies: dict[str, Path], way: str, size: tuple[int, int]) -> None:
    folder = EMOJI_S if way == "emoji-s" else tinies[way]
    image = picture(*size)
    files = [encoded(image), encoded(image, "JPEG", quality=90), encoded(image.convert("L"), "JPEG")]
    theirs, _ = own_vectors(folder, files)
    assert distance(image_vectors(embedder_of(folder), files), theirs) <= 1e-5


@pytest.mark.parametrize("way", ["shortest", "longest", "squash"])
def test_pixels_are_open_clips_but_for_rounding(tinies: dict[str, Path], way: str) -> None:
    embedder = embedder_of(tinies[way])
    cfg = open_clip.create_model(f"local-dir:{tinies[way]}").visual.preprocess_cfg
    theirs = image_transform_v2(PreprocessCfg(**cfg), is_train=False)
    mean, std = (torch.tensor(cfg[name]).view(3, 1, 1) for name in ("mean", "std"))
    for size in SIZES:
        image = picture(*size)
        ours = embedder.prepare(Item(b"0", "image", encoded(image, "JPEG", quality=95)))
        upright = Image.open(io.BytesIO(encoded(image, "JPEG", quality=95)))
        assert ours.dtype == torch.uint8
        difference = ((theirs(upright) * std + mean) * 255).round() - ours
        # Rows and columns are rounded one after the other, so a pixel can be off by one step twice.
        assert difference.abs().max() <= 2
        assert difference.abs().mean() < 0.25


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_jpeg_is_turned_upright(tiny: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = picture(90, 60)
    data = encoded(image, "JPEG", quality=95, exif=exif)
    from embeddings_orch.media.decoding.pictures import decode_image

    as_png = encoded(decode_image(data))
    embedder = embedder_of(tiny)
    assert torch.equal(*(embedder.prepare(Item(b"0", "image", file)) for file in (data, as_png)))


def test_pictures_of_other_kinds_go_through_the_cores_decoder(tiny: Path) -> None:
    embedder = embedder_of(tiny)
    red = Image.new("RGBA", (60, 60), (255, 0, 0, 0))
    transparent = embedder.prepare(Item(b"0", "image", encoded(red)))
    assert transparent.min() == 255  # composited on white
    cmyk = embedder.prepare(Item(b"1", "image", encoded(Image.new("CMYK", (60, 60), (0, 255, 255, 0)), "JPEG")))
    assert cmyk[0].min() > 200
    assert cmyk[1:].max() < 60


@pytest.mark.parametrize("data", [b"\xff\xd8\xff\xe0 not a JPEG", b"text", encoded(picture(64, 64), "JPEG")[:900]])
def test_what_cannot_be_decoded_is_the_items_fault(tiny: Path, data: bytes) -> None:
    with pytest.raises(ItemError):
        embedder_of(tiny).prepare(Item(b"0", "image", data))


def test_decoding_in_many_threads_loads_one_model_and_gives_the_same_pixels(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads: list[str] = []
    create = open_clip.create_model

    def counted(name: str, **settings: Any) -> Any:
        loads.append(name)
        return create(name, **settings)

    monkeypatch.setattr(open_clip, "create_model", counted)
    files = [encoded(picture(200 + seed, 150), "JPEG") for seed in range(24)]
    embedder = embedder_of(tiny)
    barrier = threading.Barrier(8)

    def prepare(index: int) -> torch.Tensor:
        if index < 8:
            barrier.wait(timeout=30)  # the first eight ask for the model at the same moment
        pixels: torch.Tensor = embedder.prepare(Item(str(index).encode(), "image", files[index]))
        return pixels

    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(prepare, range(24)))
    assert len(loads) == 1
    assert all(torch.equal(pixels, prepare(8 + index)) for index, pixels in enumerate(together[8:]))


def test_a_batch_gives_the_vectors_of_its_items() -> None:
    embedder = embedder_of(EMOJI_S)
    files = [encoded(picture(64, 64, seed)) for seed in range(5)]
    apart = np.concatenate([image_vectors(embedder, [file]) for file in files])
    assert distance(image_vectors(embedder, files), apart) < 1e-9


def test_vectors_are_plain_float32_and_not_normalised_here() -> None:
    vectors = embedder_of(EMOJI_S, precision="bf16").embed(Batch("text", TEXTS)).vectors
    assert isinstance(vectors, np.ndarray)
    assert vectors.dtype == np.float32
    assert vectors.shape == (len(TEXTS), 128)
    assert abs(np.linalg.norm(vectors, axis=1) - 1).min() > 0.01


def test_a_batch_that_does_not_fit_is_halved(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The one call that cannot be had here: a model that runs out of memory on demand.
    config = OpenClipConfig(name=f"local-dir:{tiny}")
    step = EmbedStep(config)
    embedder = OpenClipEmbedder(config)
    step._embedder = embedder
    clip, _ = embedder._get_model()
    encode, sizes = clip.model.encode_text, []

    def small(tokens: torch.Tensor) -> torch.Tensor:
        sizes.append(len(tokens))
        if len(tokens) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")
        result: torch.Tensor = encode(tokens)
        return result

    monkeypatch.setattr(clip.model, "encode_text", small)
    prepared = [step.prepare(Item(str(index).encode(), "text", f"text {index}")) for index in range(10)]
    outcome = step(prepared)  # type: ignore[arg-type]
    assert outcome.keys == [str(index).encode() for index in range(10)]
    assert sizes == [10, 5, 3, 2, 3, 2]


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory."),
        RuntimeError("[enforce fail at alloc_cpu.cpp:125] err == 0. DefaultCPUAllocator: can't allocate memory"),
        RuntimeError("MPS backend out of memory (MPS allocated: 5 GB)"),
        MemoryError(),
    ],
)
def test_every_lack_of_memory_asks_for_smaller_batches(tiny: Path, error: Exception) -> None:
    assert isinstance(embedder_of(tiny).classify(error), BatchTooLargeError)


def test_the_cpus_own_lack_of_memory_is_recognised() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60)
    assert out_of_memory(caught.value)


def test_other_errors_of_a_local_model_are_terminal(tiny: Path) -> None:
    assert isinstance(embedder_of(tiny).classify(RuntimeError("shapes do not match")), TerminalError)


def test_an_unknown_tag_is_answered_with_those_of_the_architecture() -> None:
    with pytest.raises(TerminalError, match=r"ViT-B-32 has no weights 'laion3b'; allowed: .*laion2b_s34b_b79k"):
        OpenClipEmbedder(OpenClipConfig(pretrained="laion3b")).embed(Batch("text", TEXTS))


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        ({}, "weights 'laion2b_s34b_b79k' of ViT-B-32"),
        ({"name": "hf-hub:org/name"}, "hub repository org/name"),
    ],
)
def test_weights_that_cannot_be_had_are_one_error_with_what_works_offline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any], what: str
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    embedder = OpenClipEmbedder(OpenClipConfig(**settings, cache_dir=str(tmp_path)))
    for _ in range(2):  # the second time without trying again
        with pytest.raises(TerminalError) as caught:
            embedder.prepare(Item(b"0", "image", encoded(picture(64, 64))))
        for part in (what, str(tmp_path), "emoji-s", "local-dir:PATH", "checkpoint file", "cache_dir"):
            assert part in str(caught.value)


@pytest.mark.slow
def test_a_checkpoint_of_another_architecture_is_one_short_error(tiny: Path) -> None:
    config = OpenClipConfig(name="ViT-S-32", pretrained=str(tiny / "open_clip_model.safetensors"))
    with pytest.raises(TerminalError, match=r"cannot load 'ViT-S-32' from .*open_clip_model\.safe") as caught:
        OpenClipEmbedder(config).embed(Batch("text", TEXTS))
    assert len(str(caught.value)) < 1000


@pytest.mark.slow
def test_a_local_checkpoint_file_is_loaded(tmp_path: Path) -> None:
    torch.manual_seed(3)
    model = open_clip.create_model("ViT-S-32-alt").eval()
    torch.save(model.state_dict(), tmp_path / "mine.pt")
    config = OpenClipConfig(name="ViT-S-32-alt", pretrained=str(tmp_path / "mine.pt"))
    ours = OpenClipEmbedder(config).embed(Batch("text", TEXTS)).vectors
    with torch.inference_mode():
        theirs = model.encode_text(open_clip.get_tokenizer("ViT-S-32-alt")(TEXTS)).numpy()
    assert distance(np.asarray(ours), theirs) < 1e-9


@pytest.mark.skipif(torch.cuda.is_available(), reason="tests a machine without a GPU")
def test_a_device_that_is_not_here_is_one_error(tiny: Path) -> None:
    with pytest.raises(TerminalError, match="the device 'cuda:0' cannot be used here"):
        embedder_of(tiny, device="cuda:0").embed(Batch("text", TEXTS))


def test_close_frees_the_model_and_the_next_batch_loads_it_again(tiny: Path) -> None:
    embedder = embedder_of(tiny)
    before = embedder.embed(Batch("text", TEXTS)).vectors
    embedder.close()
    assert embedder._model is None
    assert np.array_equal(embedder.embed(Batch("text", TEXTS)).vectors, before)


def test_advice_follows_the_hardware(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("processor\t: 0\nflags\t\t: fpu sse2 avx512_bf16 amx_bf16\n")
    modern, old = cpu_flags(cpuinfo), cpu_flags(tmp_path / "absent")
    module = "embeddings_orch.models.local.cpu_flags"

    def advice(**settings: Any) -> str:
        return " ".join(OpenClipEmbedder(OpenClipConfig(device="cpu", **settings)).advice())

    monkeypatch.setattr(module, lambda: modern)
    assert "precision: bf16" in advice(name="emoji-s")
    assert advice(name="emoji-s", precision="bf16") == ""
    monkeypatch.setattr(module, lambda: old)
    assert advice(name="emoji-s") == ""
    assert "fp32 is as fast" in advice(name="emoji-s", precision="bf16")
    assert "ViT-B-32-quickgelu" in advice(pretrained="openai")
