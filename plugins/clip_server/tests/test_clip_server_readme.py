"""The README's declarations, run from a file through a whole pipeline."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from PIL import Image

from embeddings_orch.pipeline import Pipeline
from embeddings_orch.pipeline.catalog.scan import scan_media
from embeddings_orch.pipeline.checks.run import check_index
from embeddings_orch.pipeline.embeddings.embed import embed
from embeddings_orch.pipeline.indexes.build import build_index
from embeddings_orch.pipeline.published.publish import publish
from embeddings_orch.search import Index
from embeddings_orch.spec.pipeline import PipelineSpec
from embeddings_orch_testing.servers.multi2vec import Multi2VecServer
from embeddings_orch_testing.servers.roboflow import RoboflowServer

README = Path(__file__).parents[1] / "README.md"
KEY = "rf-secret-0123456789"


def declarations() -> list[dict]:
    blocks = re.findall(r"```yaml\n(.*?)```", README.read_text(), re.DOTALL)
    return [yaml.safe_load(block)["embeddings"] for block in blocks]


@pytest.fixture
def media(tmp_path):
    folder = tmp_path / "media"
    folder.mkdir()
    for number in range(12):
        Image.new("RGB", (20 + number, 20), (20 * number, 100, 50)).save(folder / f"{number}.png")
    (folder / "note.txt").write_text("a yellow banana")
    return folder


@pytest.mark.parametrize("declared", declarations(), ids=lambda declared: declared["clip"]["provider"])
def test_a_declaration_of_the_readme_runs(declared, media, tmp_path, monkeypatch):
    monkeypatch.setenv("ROBOFLOW_API_KEY", KEY)
    with Multi2VecServer() as first, Multi2VecServer() as second, RoboflowServer() as roboflow:
        roboflow.key = KEY
        # The addresses alone are others here.
        settings = dict(declared["clip"])
        if "base_url" in settings:
            settings["base_url"] = roboflow.url
        else:
            settings["inference_urls"] = [first.url, second.url]
        spec = PipelineSpec.model_validate(
            {
                "name": "readme",
                "store": {"uri": str(tmp_path / "store")},
                "media": {"path": str(media)},
                "embeddings": {"clip": settings},
                "indexes": {"found": {"vectors": ["clip"]}},
            }
        )
        pipeline = Pipeline(spec)
        scan_media(pipeline)
        report = embed(pipeline, "clip")
        assert (report.embedded, report.failed) == (13, 0)
        assert embed(pipeline, "clip").embedded == 0
        build_index(pipeline, "found")
        check_index(pipeline, "found")
        publish(pipeline, "found")
        index = Index(pipeline.store, "readme", "found")
        assert index.search("a yellow banana", limit=1).hits[0].id == "note.txt"
        index.close()
    for path in (tmp_path / "store").rglob("*"):
        assert not path.is_file() or KEY.encode() not in path.read_bytes()


def test_the_readme_lists_the_settings_as_they_are():
    from embeddings_orch.models.identity import role_of
    from embeddings_orch_plugins.clip_server import Multi2VecClipConfig, RoboflowClipConfig

    *_, first, second = README.read_text().split("| key | default")[0:3]
    for table, config in ((first, Multi2VecClipConfig), (second, RoboflowClipConfig)):
        rows = [line for line in table.splitlines() if line.startswith("| `")]
        for row in rows:
            names, _, changes, *_ = (cell.strip() for cell in row.strip("|").split("|"))
            for name in re.findall(r"`(\w+)`", names):
                assert role_of(config.model_fields[name]) == ("identity" if changes == "yes" else "operational"), name
        listed = set(re.findall(r"`(\w+)`", " ".join(row.split("|")[1] for row in rows)))
        own = set(config.__annotations__) - {"provider"}
        assert own <= listed, own - listed
