"""The README's settings and examples are true."""

from __future__ import annotations

import re
from pathlib import Path

import dagster as dg
import numpy as np
import pytest
import yaml

from embeddings_orch.embedding.step import EmbedStep
from embeddings_orch.models.content import Item
from embeddings_orch.models.identity import role_of
from embeddings_orch.spec.pipeline import PipelineSpec
from embeddings_orch_plugins.openai import OpenAIConfig
from embeddings_orch_testing.servers.openai import OpenAIServer

README = (Path(__file__).parents[1] / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


@pytest.mark.parametrize("number", [0, 1])
def test_the_yaml_examples_embed(number, monkeypatch, tmp_path):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-0123456789abcdef")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    declared = {"name": "docs", "store": {"uri": str(tmp_path)}, "media": {"path": str(tmp_path)}}
    spec = PipelineSpec.model_validate({**declared, **yaml.safe_load(blocks("yaml")[number])})
    embedding = spec.embeddings["captions"]
    assert embedding.input == "caption"
    with OpenAIServer(any_model=True) as server:
        # The same settings, at an address that is there.
        step = EmbedStep(embedding.config.model_copy(update={"base_url": server.url}))
        outcome = step([step.prepare(Item(b"key", "text", "a dog"))])
        assert np.allclose(outcome.vectors[0], server.vector(step.config.name, "a dog", step.config.dimensions))
        assert ("authorization" in server.requests[0].headers) == (step.config.api_key_env is not None)


def test_the_python_example_defines_an_asset():
    names: dict[str, object] = {}
    exec(compile(blocks("python")[0], "README.md", "exec"), names)
    definitions = names["defs"]
    assert isinstance(definitions, dg.Definitions)
    assert definitions.resolve_asset_graph().get_all_asset_keys() == {dg.AssetKey("slogans")}


def test_the_table_has_all_settings_with_their_role():
    rows = re.findall(r"^\| (`[^|]+`) \| [^|]+ \| (yes|no) \|", README, re.MULTILINE)
    told = {name: role for cell, role in rows for name in re.findall(r"`(\w+)`", cell)}
    roles = {name: "yes" if role_of(field) == "identity" else "no" for name, field in OpenAIConfig.model_fields.items()}
    assert told == roles
