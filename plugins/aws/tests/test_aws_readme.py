"""The README's declarations, run through a whole pipeline against the loopback server."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image

from embeddings_orch.models.base import config_from
from embeddings_orch.models.identity import role_of
from embeddings_orch.pipeline import Pipeline
from embeddings_orch.pipeline.catalog.scan import scan_media
from embeddings_orch.pipeline.checks.run import check_index
from embeddings_orch.pipeline.embeddings.embed import embed
from embeddings_orch.pipeline.indexes.build import build_index
from embeddings_orch.pipeline.published.publish import publish
from embeddings_orch.search import Index
from embeddings_orch.spec.pipeline import PipelineSpec
from embeddings_orch_plugins.aws import BedrockConfig
from embeddings_orch_plugins.aws.families import MODELS

from .conftest import KEY, SECRET

README = (Path(__file__).parents[1] / "README.md").read_text()


def declarations() -> list[dict[str, Any]]:
    blocks = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    return [next(iter(yaml.safe_load(block)["embeddings"].values())) for block in blocks]


@pytest.fixture
def media(tmp_path: Path) -> Path:
    folder = tmp_path / "media"
    folder.mkdir()
    for number in range(6):
        Image.new("RGB", (20 + number, 20), (40 * number, 100, 50)).save(folder / f"{number}.png")
    for number in range(6):
        (folder / f"{number}.txt").write_text(f"text number {number}")
    return folder


@pytest.mark.usefixtures("keys")
@pytest.mark.parametrize("declared", declarations(), ids=lambda declared: declared["name"])
def test_a_declaration_of_the_readme_runs(
    declared: dict[str, Any], server: Any, media: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    profiles = tmp_path / "credentials"
    profiles.write_text(f"[analytics]\naws_access_key_id = {KEY}\naws_secret_access_key = {SECRET}\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(profiles))
    if "arn" in declared:
        server.models[declared["arn"]] = declared["name"]
    spec = PipelineSpec.model_validate(
        {
            "name": "readme",
            "store": {"uri": str(tmp_path / "store")},
            "media": {"path": str(media)},
            # The address alone is another here.
            "embeddings": {"model": {**declared, "endpoint_url": server.url}},
            "indexes": {"found": {"vectors": ["model"], "checks": {"max_failed": 1}}},
        }
    )
    pipeline = Pipeline(spec)
    scan_media(pipeline)
    report = embed(pipeline, "model")
    texts_alone = "image" not in MODELS[BedrockConfig(name=declared["name"]).base].items
    assert (report.embedded, report.failed) == ((6, 6) if texts_alone else (12, 0))
    assert report.usage.tokens == sum(server.counted)
    build_index(pipeline, "found")
    check_index(pipeline, "found")
    publish(pipeline, "found")
    index = Index(pipeline.store, "readme", "found")
    assert len(index.search("text number 3", limit=3).hits) == 3
    index.close()
    again = embed(pipeline, "model")
    assert (again.embedded, again.usage.requests) == (0, 0)
    if "prices" in declared:
        assert pipeline.spec.embeddings["model"].config.prices.cost(1_000_000) == 0.02


def test_the_table_of_models_is_the_plugins() -> None:
    rows = [line.split(" | ") for line in README.splitlines() if re.match(r"\| `(amazon|cohere|twelve)", line)]
    said = {name: row for row in rows for name in re.findall(r"`([^`]+)`", row[0])}
    assert set(said) == set(MODELS)
    for name, model in MODELS.items():
        _, reads, dimensions, longest, inputs, truncate = said[name]
        assert ("pictures" in reads) == ("image" in model.items), name
        assert tuple(int(number) for number in dimensions.split(", ")) == model.dimensions, name
        assert f"{model.tokens:,} tokens" in longest, name
        assert (f"{model.characters:,} characters" in longest) if model.characters else "characters" not in longest
        assert inputs.startswith(str(model.items["text"])), name
        assert tuple(re.findall(r"`(\w+)`", truncate)) == model.truncates, name


def test_the_table_of_settings_is_the_configs() -> None:
    table = README.partition("## Settings")[2].partition("## Credentials")[0]
    rows = [line.split(" | ") for line in table.splitlines() if line.startswith("| `")]
    said = {name: row[2] for row in rows for name in re.findall(r"`([^`]+)`", row[0])}
    for name, field in BedrockConfig.model_fields.items():
        if name in ("retry", "prices", "max_cost_usd"):  # of every provider
            continue
        assert said[name].startswith("yes" if role_of(field) == "identity" else "no"), name
    assert set(said) <= set(BedrockConfig.model_fields)


def test_the_readmes_declarations_are_configs() -> None:
    for declared in declarations():
        settings = {key: value for key, value in declared.items() if key != "provider"}
        assert config_from("bedrock", settings).fingerprint()
