"""The README's examples run: each YAML through a whole pipeline, the Python as it stands."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

from embeddings_orch.pipeline import Pipeline
from embeddings_orch.pipeline.catalog.scan import scan_media
from embeddings_orch.pipeline.checks.run import check_index
from embeddings_orch.pipeline.embeddings.embed import embed
from embeddings_orch.pipeline.indexes.build import build_index
from embeddings_orch.pipeline.published.publish import publish
from embeddings_orch.search import Index
from embeddings_orch.spec.pipeline import PipelineSpec
from embeddings_orch_plugins.sentence_transformers import InstructorConfig, SentenceTransformersConfig

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
EXAMPLES = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)]
TEXTS = {"dog.txt": "a dog runs in the garden", "car.txt": "a red car on the motorway", "cake.txt": "a sweet cake"}


def published(root: Path, embeddings: dict[str, Any]) -> Index:
    media = root / "media"
    media.mkdir()
    for name, text in TEXTS.items():
        (media / name).write_text(text)
    (model,) = embeddings
    spec = PipelineSpec.model_validate(
        {
            "name": "readme",
            "store": {"uri": str(root / "store")},
            "media": {"path": str(media)},
            "embeddings": embeddings,
            "indexes": {"found": {"vectors": [model]}},
        },
        context={"base": root},
    )
    pipeline = Pipeline(spec)
    scan_media(pipeline)
    embed(pipeline, model)
    build_index(pipeline, "found")
    check_index(pipeline, "found")
    publish(pipeline, "found")
    return Index(pipeline.store, "readme", "found")


@pytest.mark.slow
def test_the_minilm_example_finds_by_meaning(tmp_path: Path) -> None:
    index = published(tmp_path, EXAMPLES[0]["embeddings"])
    assert index.search("a puppy playing outside").hits[0].id == "dog.txt"
    assert index.search("vehicle").hits[0].id == "car.txt"
    index.close()


def test_the_instructor_example_runs(tmp_path: Path, instructor: Path) -> None:
    shutil.copytree(instructor, tmp_path / "models" / "instructor")
    index = published(tmp_path, EXAMPLES[1]["embeddings"])
    assert {hit.id for hit in index.search("a sweet cake").hits} == set(TEXTS)
    index.close()


def test_the_resource_example_runs() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)
    defs = names["defs"]
    assert isinstance(defs, dg.Definitions)
    assert defs.resolve_implicit_global_asset_job_def().execute_in_process().success


@pytest.mark.parametrize("config", [SentenceTransformersConfig, InstructorConfig])
def test_every_setting_of_its_own_is_in_the_readme(config: Any) -> None:
    common = {"concurrency", "retry", "prices", "max_cost_usd"}
    for name in set(config.model_fields) - common:
        assert f"`{name}`" in README
