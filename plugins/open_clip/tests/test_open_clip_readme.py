"""The examples of the README run, and say what they show."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from embeddings_orch.models.identity import role_of
from embeddings_orch.spec.pipeline import EmbeddingSpec
from embeddings_orch_plugins.open_clip import OpenClipConfig

from .conftest import GALLERY

README = (Path(__file__).parents[1] / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


@pytest.mark.parametrize("block", blocks("yaml"))
def test_the_declarations_validate(block: str) -> None:
    (settings,) = yaml.safe_load(block)["embeddings"].values()
    assert EmbeddingSpec.model_validate(settings).provider == "open-clip"


def test_the_comparison_finds_the_dog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(GALLERY / "1f415.png", tmp_path / "dog.png")
    shutil.copy(GALLERY / "1f382.png", tmp_path / "cake.png")
    monkeypatch.chdir(tmp_path)
    (code,) = [block for block in blocks("python") if "compare(" in block]
    seen: dict[str, Any] = {}
    exec(code, seen)
    assert seen["likeness"].shape == (3,)
    assert seen["likeness"].argmax() == 0
    assert seen["pictures"][0] == pytest.approx(1, abs=1e-5)
    assert seen["pictures"][1] < 0.9


def test_the_table_says_of_each_key_whether_it_changes_the_vectors() -> None:
    told = dict(re.findall(r"^\| `(\w+)` \| [^|]+ \| (yes|no) \|", README, re.MULTILINE))
    shared = {"concurrency", "retry", "prices", "max_cost_usd"}
    expected = {
        name: "yes" if role_of(field) == "identity" else "no"
        for name, field in OpenClipConfig.model_fields.items()
        if name not in shared
    }
    assert told == expected
