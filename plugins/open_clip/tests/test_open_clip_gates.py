"""The gates before a publish with real models: golden queries in words and by picture, and emoji-s -> emoji-xs."""

import base64
import io
import re
import shutil
from pathlib import Path

import pytest
from PIL import Image

from embeddings_orch.pipeline import Pipeline
from embeddings_orch.pipeline.catalog.scan import scan_media
from embeddings_orch.pipeline.checks.change_report import change_report
from embeddings_orch.pipeline.checks.run import IndexChecks, inspect_index
from embeddings_orch.pipeline.embeddings.embed import embed
from embeddings_orch.pipeline.indexes.build import build_index
from embeddings_orch.pipeline.published.publish import publish
from embeddings_orch.spec.pipeline import PipelineSpec

GALLERY = Path(__file__).resolve().parents[3] / "definitions" / "data" / "emoji"
DOG = GALLERY / "1f436.png"
GOLDEN = [
    {"query": "dog", "expect": [DOG.name], "within": 5},
    {"image": str(DOG), "expect": [DOG.name], "within": 1},
]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with every ninth emoji, and the dog."""
    root = tmp_path_factory.mktemp("gates")
    (root / "media").mkdir()
    for path in [*sorted(GALLERY.glob("*.png"))[::9], DOG]:
        shutil.copy(path, root / "media")
    return root


def checked(root: Path, model: str, golden: list[dict[str, object]]) -> tuple[Pipeline, IndexChecks]:
    spec = PipelineSpec.model_validate(
        {
            "name": "emoji",
            "store": {"uri": str(root / "store")},
            "media": {"path": str(root / "media")},
            "embeddings": {"clip": {"provider": "open-clip", "name": model}},
            "indexes": {"found": {"vectors": ["clip"], "checks": {"golden": golden}}},
        }
    )
    pipeline = Pipeline(spec)
    scan_media(pipeline)
    embed(pipeline, "clip")
    build_index(pipeline, "found")
    return pipeline, inspect_index(pipeline, "found")


@pytest.mark.slow
def test_a_change_of_models_is_gated_by_golden_queries_and_reported_with_pictures(root):
    pipeline, first = checked(root, "emoji-s", GOLDEN)
    assert [result.name for result in first.results if not result.passed] == []
    publish(pipeline, "found")

    wrong = {"query": "dog", "expect": ["1f697.png"], "within": 1}
    _, refused = checked(root, "emoji-xs", [*GOLDEN, wrong])
    assert [result.name for result in refused.results if not result.passed] == ["golden"]

    pipeline, second = checked(root, "emoji-xs", GOLDEN)
    assert [result.name for result in second.results if not result.passed] == []
    assert second.change is not None
    (column,) = second.change.columns
    assert (column.before.dimensions, column.after.dimensions) == (128, 64)
    assert 0.2 < column.overlap < 0.9  # both know emoji, each in its own way
    report = change_report(pipeline, second.change)
    assert "open-clip/emoji-s" in report
    assert len(report) < 300_000
    pictures = re.findall(r"data:image/jpeg;base64,(\S+)", report)
    assert len(pictures) > 20
    for picture in pictures:
        assert Image.open(io.BytesIO(base64.b64decode(picture))).size == (52, 52)
    assert publish(pipeline, "found").generation.id == second.generation.id
