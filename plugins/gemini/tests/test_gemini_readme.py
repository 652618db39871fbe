"""The README's declarations, run through a whole pipeline, and the settings that it lists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from PIL import Image

from embeddings_orch.models.identity import role_of
from embeddings_orch.pipeline import Pipeline
from embeddings_orch.pipeline.catalog.scan import scan_media
from embeddings_orch.pipeline.checks.run import check_index
from embeddings_orch.pipeline.embeddings.embed import embed
from embeddings_orch.pipeline.indexes.build import build_index
from embeddings_orch.pipeline.published.publish import publish
from embeddings_orch.search import Index
from embeddings_orch.spec.pipeline import PipelineSpec
from embeddings_orch_plugins.gemini import GeminiConfig
from embeddings_orch_plugins.gemini.tasks import PROMPTS
from embeddings_orch_testing.servers.gemini import GeminiServer

README = (Path(__file__).parents[1] / "README.md").read_text()
KEY = "AIza-test-0123456789abcdef"


def declarations() -> list[dict]:
    return [yaml.safe_load(block)["embeddings"] for block in re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)]


@pytest.mark.slow
@pytest.mark.parametrize("declared", declarations(), ids="-".join)
def test_a_declaration_of_the_readme_runs(declared, tmp_path, monkeypatch):
    monkeypatch.setenv("GEMINI_API_KEY", KEY)
    media = tmp_path / "media"
    media.mkdir()
    for number in range(8):
        Image.new("RGB", (20 + number, 20), (20 * number, 100, 50)).save(media / f"{number}.png")
        (media / f"{number}.txt").write_text(f"note {number}")
    ((name, settings),) = declared.items()
    with GeminiServer() as server:
        server.key = KEY
        spec = PipelineSpec.model_validate(
            {
                "name": "readme",
                "store": {"uri": str(tmp_path / "store")},
                "media": {"path": str(media)},
                "embeddings": {name: {**settings, "base_url": server.url}},
                "indexes": {"found": {"vectors": [name]}},
            }
        )
        pipeline = Pipeline(spec)
        scan_media(pipeline)
        report = embed(pipeline, name)
        assert report.failed == 0
        assert report.embedded == (16 if settings.get("name") == "gemini-embedding-2" else 8)
        assert report.usage.tokens > 0
        if "prices" in settings:
            assert report.cost_usd == pytest.approx(report.usage.tokens * 0.15e-6)
        assert embed(pipeline, name).embedded == 0
        build_index(pipeline, "found")
        check_index(pipeline, "found")
        publish(pipeline, "found")
        index = Index(pipeline.store, "readme", "found")
        assert len(index.search("note 3", limit=5).hits) == 5
        index.close()
    for path in (tmp_path / "store").rglob("*"):
        assert not path.is_file() or KEY.encode() not in path.read_bytes()


def test_the_readme_lists_the_settings_as_they_are():
    table = README.split("| key | default")[1].split("\n\n")[0]
    listed = set()
    for row in table.splitlines():
        if not row.startswith("| `"):
            continue
        names, _, changes, *_ = (cell.strip() for cell in row.strip("|").split("|"))
        for name in re.findall(r"`(\w+)`", names):
            listed.add(name)
            assert role_of(GeminiConfig.model_fields[name]) == ("identity" if changes == "yes" else "operational"), name
    assert set(GeminiConfig.__annotations__) - {"provider"} <= listed


def test_the_readme_lists_the_prompts_as_they_are():
    rows = re.findall(r"^\| `(\w+)` \| `(.*?)` \|$", README, re.MULTILINE)
    assert {task: prompt.replace("\\|", "|") for task, prompt in rows if task in PROMPTS} == dict(PROMPTS)
