"""What the embedders of local models share."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from pydantic import ValidationError

from embeddings_orch.errors import BatchTooLargeError, ItemError, TerminalError
from embeddings_orch.models.local import (
    LONGEST_REASON,
    LocalModelConfig,
    classify_local_error,
    cpu_flags,
    out_of_memory,
    precision_advice,
    resolve_device,
    short_reason,
    torch_dtype,
)


class Config(LocalModelConfig):
    provider: ClassVar[str] = "toy"


def test_a_pin_is_hex_whatever_its_case() -> None:
    assert Config(weights_sha256="AB" * 32).weights_sha256 == "ab" * 32
    with pytest.raises(ValidationError, match="64 hex digits"):
        Config(weights_sha256="ab")


@pytest.mark.parametrize(("device", "known"), [("cuda:1", True), ("auto", True), ("gpu", False), ("cpu:x", False)])
def test_devices_are_known_by_name(device: str, known: bool) -> None:
    if known:
        assert Config(device=device).device == device
    else:
        with pytest.raises(ValidationError, match="allowed: auto, cpu"):
            Config(device=device)


def test_auto_is_a_device_that_is_here() -> None:
    assert resolve_device("cpu") == torch.device("cpu")
    assert resolve_device("auto").type in {"cpu", "cuda", "mps"}
    with pytest.raises(TerminalError, match="'cuda:99' cannot be used here"):
        resolve_device("cuda:99")


def test_number_formats_are_torchs() -> None:
    assert [torch_dtype(one) for one in ("fp32", "bf16", "fp16")] == [torch.float32, torch.bfloat16, torch.float16]


def test_lack_of_memory_is_recognised_as_the_cpu_says_it() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60)
    assert out_of_memory(caught.value)
    assert isinstance(classify_local_error("m", caught.value), BatchTooLargeError)
    assert not out_of_memory(RuntimeError("shapes do not match"))
    assert isinstance(classify_local_error("m", RuntimeError("shapes do not match")), TerminalError)
    own = ItemError("an item")
    assert classify_local_error("m", own) is own


def test_a_reason_is_of_bearable_length() -> None:
    assert short_reason(ValueError("short")) == "ValueError: short"
    assert len(short_reason(ValueError("long " * 1000))) <= LONGEST_REASON + 4


@pytest.mark.parametrize(
    ("flags", "precision", "said"),
    [
        ({"amx_bf16"}, "fp32", "precision: bf16"),
        ({"amx_bf16"}, "bf16", ""),
        (set(), "fp32", ""),
        (set(), "bf16", "fp32 is as fast"),
        ({"avx512_bf16"}, "fp16", "use fp32 or bf16"),
    ],
)
def test_advice_follows_the_cpu(flags: Any, precision: Any, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("embeddings_orch.models.local.cpu_flags", lambda: frozenset(flags))
    found = " ".join(precision_advice(precision, torch.device("cpu")))
    assert said in found
    assert bool(found) == bool(said)


def test_the_cpus_features_are_those_that_linux_lists(tmp_path: Path) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("processor\t: 0\nflags\t\t: fpu sse2 avx512_bf16\n")
    assert cpu_flags(cpuinfo) == {"fpu", "sse2", "avx512_bf16"}
    assert cpu_flags(tmp_path / "absent") == frozenset()
