"""Cross-encoders: the library's own scores, by a small model made from its config class."""

from __future__ import annotations

import subprocess
import sys
import threading
import tomllib
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from embeddings_orch.errors import TerminalError
from embeddings_orch.models.reranker import Reranker
from embeddings_orch_plugins.sentence_transformers import CrossEncoderConfig, CrossEncoderReranker

TEXTS = ["a dog", "a red car on the motorway", "", "a cake with fruit and " + "more fruit and " * 100]


def save_cross_encoder(folder: Path, labels: int = 1) -> Path:
    """A random BERT with a head of so many scores and a tokenizer of letters."""
    import torch
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

    vocab = {token: at for at, token in enumerate(["[PAD]", "[CLS]", "[SEP]", "[UNK]", *"abcdefghijklmnopqrstuvwxyz "])}
    tokenizer = Tokenizer(models.WordLevel(vocab, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("."), "isolated")
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", cls_token="[CLS]", sep_token="[SEP]", model_max_length=128
    )
    torch.manual_seed(0)
    size = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    config = BertConfig(vocab_size=len(vocab), max_position_embeddings=128, num_labels=labels, **size)
    model = BertForSequenceClassification(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.mul_(8)  # BERT's own start is so small that all pairs get nearly the same score
    model.save_pretrained(folder)
    fast.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_cross_encoder(tmp_path_factory.mktemp("models") / "tiny")


def test_scores_are_the_librarys_in_the_order_of_the_texts(folder: Path) -> None:
    from sentence_transformers import CrossEncoder

    expected = CrossEncoder(str(folder), device="cpu").predict([("red fruit", text) for text in TEXTS])
    reranker = CrossEncoderReranker(CrossEncoderConfig(name=str(folder), device="cpu", batch_size=2))
    scores = reranker.scores("red fruit", TEXTS)
    assert (scores.shape, scores.dtype) == ((4,), np.float32)
    np.testing.assert_allclose(scores, expected, atol=1e-5)
    assert len(set(scores.round(6).tolist())) == 4
    assert reranker.scores("red fruit", []).shape == (0,)
    reranker.close()
    np.testing.assert_allclose(reranker.scores("red fruit", TEXTS[:1]), expected[:1], atol=1e-5)


def test_threads_share_one_model(folder: Path) -> None:
    reranker = CrossEncoderReranker(CrossEncoderConfig(name=str(folder), device="cpu"))
    alone = reranker.scores("dog", TEXTS)
    found: list[np.ndarray] = []
    threads = [threading.Thread(target=lambda: found.append(reranker.scores("dog", TEXTS))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    for scores in found:
        np.testing.assert_array_equal(scores, alone)


def test_a_model_that_cannot_be_had_or_gives_several_scores_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(TerminalError, match="cannot load the cross-encoder"):
        CrossEncoderReranker(CrossEncoderConfig(name=str(tmp_path / "gone"))).scores("a", ["b"])
    several = save_cross_encoder(tmp_path / "several", labels=3)
    with pytest.raises(TerminalError, match="gives 3 scores a pair; a reranker's model gives one"):
        CrossEncoderReranker(CrossEncoderConfig(name=str(several), device="cpu")).scores("a", ["b"])


@pytest.mark.parametrize("wrong", [{"name": ""}, {"device": "abacus"}, {"batch_size": 0}, {"nmae": "x"}])
def test_a_wrong_setting_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        CrossEncoderConfig.model_validate(wrong)


@pytest.mark.process
def test_the_entry_point_names_the_class() -> None:
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    module, _, name = project["entry-points"]["embeddings_orch.rerankers"]["cross-encoder"].partition(":")
    assert getattr(import_module(module), name) is CrossEncoderReranker
    assert issubclass(CrossEncoderReranker, Reranker)
    code = f"import {module}, sys; assert not {{'torch', 'sentence_transformers', 'dagster'}} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
