"""emoji-s embedded again: the same as it was, and not when pictures are decoded otherwise or its weights are others."""

import shutil
from pathlib import Path

import pytest
import torch
from torchvision.transforms import InterpolationMode

from embeddings_orch.pipeline import Pipeline
from embeddings_orch.pipeline.catalog.scan import scan_media
from embeddings_orch.pipeline.checks.run import inspect_index
from embeddings_orch.pipeline.embeddings.embed import embed
from embeddings_orch.pipeline.indexes.build import build_index
from embeddings_orch.spec.pipeline import PipelineSpec
from embeddings_orch_plugins.open_clip import backends

GALLERY = Path(__file__).resolve().parents[3] / "definitions" / "data" / "emoji"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory):
    root = tmp_path_factory.mktemp("again")
    media = root / "media"
    media.mkdir()
    for picture in sorted(GALLERY.glob("*.png"))[:12]:
        shutil.copy(picture, media)
    for number in range(6):
        (media / f"{number}.txt").write_text(f"a picture of {number} dogs")
    spec = PipelineSpec.model_validate(
        {
            "name": "again",
            "store": {"uri": str(root / "store")},
            "media": {"path": str(media), "include": ["*.png", "*.txt"]},
            "embeddings": {"clip": {"provider": "open-clip", "name": "emoji-s", "device": "cpu"}},
            "indexes": {"found": {"vectors": ["clip"]}},
        }
    )
    pipeline = Pipeline(spec)
    scan_media(pipeline)
    embed(pipeline, "clip")
    build_index(pipeline, "found")
    assert check(pipeline).passed
    return pipeline


def check(pipeline):
    (result,) = (one for one in inspect_index(pipeline, "found", anew=True).results if one.name == "reproducible")
    return result


def test_the_same_model_makes_the_same_vectors(pipeline):
    result = check(pipeline)
    assert result.description == "clip: 8 contents embedded again, cosine 1.0000 or more; 0.999 is wanted"
    agreed = result.metadata["agreed"]["clip"]
    assert (agreed["devices"], agreed["libraries"]["torch"]) == (["cpu"], torch.__version__.partition("+")[0])
    assert {"pillow", "torchvision", "open-clip-torch", "embeddings-orch"} <= agreed["libraries"].keys()


def test_pictures_that_are_resized_otherwise_are_noticed(pipeline, monkeypatch):
    from torchvision.transforms.v2 import functional

    resize = functional.resize
    monkeypatch.setattr(
        functional, "resize", lambda pixels, size, *_, **__: resize(pixels, size, InterpolationMode.NEAREST)
    )
    result = check(pipeline)
    assert (result.passed, result.metadata["uri"].endswith(".png")) == (False, True)
    assert result.description.startswith("clip: 4 of 8 contents embedded again came out otherwise")
    assert "they are those with which the vectors last agreed" in result.description
    assert "the fingerprint has their hash" in result.description


def test_other_weights_under_the_same_fingerprint_are_noticed(pipeline, monkeypatch):
    load = backends.load_torch

    def load_others(config):
        clip = load(config)
        with torch.no_grad():
            for weights in clip.model.parameters():
                weights.add_(0.2 * weights.std(correction=0) * torch.randn(weights.shape, generator=noise))
        return clip

    noise = torch.Generator().manual_seed(1)
    monkeypatch.setattr(backends, "load_torch", load_others)
    result = check(pipeline)
    assert result.description.startswith("clip: 8 of 8 contents embedded again came out otherwise")
