"""Galleries of small pictures, each with the YAML of a pipeline over it."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image

from embeddings_orch.embedding.runners import Runner
from embeddings_orch.pipeline import Pipeline
from embeddings_orch.pipeline.catalog.scan import ScanReport, scan_media
from embeddings_orch.pipeline.checks.run import check_index
from embeddings_orch.pipeline.embeddings.embed import EmbedReport, embed
from embeddings_orch.pipeline.indexes.build import IndexReport, build_index
from embeddings_orch.pipeline.plan.plan import AssetPlan, make_plan
from embeddings_orch.pipeline.published.publish import PublishReport, publish
from embeddings_orch.spec.yaml_file import load_pipeline


def png(seed: object, size: int = 8) -> bytes:
    """A picture of its own for every seed."""
    noise = hashlib.shake_128(str(seed).encode()).digest(size * size * 3)
    encoded = io.BytesIO()
    Image.frombytes("RGB", (size, size), noise).save(encoded, "PNG", compress_level=1)
    return encoded.getvalue()


@dataclass
class Ran:
    """What the steps of one run report."""

    scan: ScanReport
    embeddings: dict[str, EmbedReport]
    indexes: dict[str, IndexReport]
    published: dict[str, PublishReport]

    def embedded(self, name: str = "toy") -> int:
        """Contents that an embedding embedded."""
        return self.embeddings[name].embedded


@dataclass
class Gallery:
    """A folder with ``media/``, ``media/metadata.csv`` and ``defs.yaml``; model calls are counted in ``calls.log``."""

    root: Path
    attributes: dict[str, Any] = field(default_factory=dict)
    captions: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def media(self) -> Path:
        return self.root / "media"

    @property
    def file(self) -> Path:
        return self.root / "defs.yaml"

    @property
    def log(self) -> Path:
        return self.root / "calls.log"

    def add(self, name: str, data: bytes | str | None = None, **columns: str) -> Path:
        """Write a file (a picture of its own, where no content is given) and its row of metadata."""
        path = self.media / name
        path.parent.mkdir(parents=True, exist_ok=True)
        content = png(name) if data is None else data
        if path.is_symlink():  # to what other tests have too
            path.unlink()
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        if columns:
            self.captions[name] = columns
            self.write_captions()
        return path

    def remove(self, name: str) -> None:
        """Delete a file and its row of metadata."""
        (self.media / name).unlink()
        self.captions.pop(name, None)
        self.write_captions()

    def write_captions(self) -> None:
        """Write ``metadata.csv``."""
        names = list(dict.fromkeys(name for columns in self.captions.values() for name in columns))
        # A new file, as editors write it: the old one may be a link to what other tests have too.
        (self.media / "metadata.csv").unlink(missing_ok=True)
        with (self.media / "metadata.csv").open("w", newline="", encoding="utf-8") as file:
            rows = csv.DictWriter(file, ["file_name", *names])
            rows.writeheader()
            rows.writerows({"file_name": name, **columns} for name, columns in self.captions.items())

    def declare(self, **attributes: Any) -> None:
        """Write ``defs.yaml`` with some of the attributes replaced."""
        self.attributes.update(attributes)
        declared = {"type": "embeddings_orch.EmbeddingPipeline", "attributes": self.attributes}
        self.file.write_text(yaml.safe_dump(declared, sort_keys=False), encoding="utf-8")

    def model(self, embedding: str = "toy", /, **settings: Any) -> None:
        """Change or add an embedding of the counting provider."""
        embeddings = dict(self.attributes.get("embeddings", {}))
        before = embeddings.get(embedding, {"provider": "counting", "log": str(self.log)})
        embeddings[embedding] = {**before, **settings}
        self.declare(embeddings=embeddings)

    def tolerate_failures(self) -> None:
        """Let an index be published however many items have no vector."""
        indexes = self.attributes["indexes"]
        self.declare(
            indexes={
                name: {**index, "checks": {**index.get("checks", {}), "max_failed": 1}}
                for name, index in indexes.items()
            }
        )

    def pipeline(self) -> Pipeline:
        """The pipeline as the YAML declares it now."""
        return Pipeline(load_pipeline(self.file))

    def plan(self, **options: Any) -> dict[str, AssetPlan]:
        """The plan by asset, without the pipeline's name: ``raw_media``, ``embeddings/toy``, ..."""
        return {asset.asset.split("/", 1)[1]: asset for asset in make_plan(self.pipeline(), **options).assets}

    def run(self, *, retry_failed: bool = False, runner: Runner | None = None) -> Ran:
        """All steps of a run, without Dagster."""
        pipeline = self.pipeline()
        scan = scan_media(pipeline)
        embeddings = {
            name: embed(pipeline, name, retry_failed=retry_failed, runner=runner) for name in pipeline.spec.embeddings
        }
        ran = Ran(scan, embeddings, {}, {})
        for name in pipeline.spec.indexes:
            ran.indexes[name] = build_index(pipeline, name)
            check_index(pipeline, name)
            ran.published[name] = publish(pipeline, name)
        return ran

    def calls(self) -> list[tuple[str, int]]:
        """Modality and number of items of each call of a model, of all processes, since `forget_calls`."""
        if not self.log.exists():
            return []
        lines = (line.split() for line in self.log.read_text().splitlines())
        return [(modality, int(items)) for modality, items in lines]

    def items(self) -> int:
        """Items that were given to a model since `forget_calls`."""
        return sum(items for _, items in self.calls())

    def forget_calls(self) -> None:
        """Count anew."""
        self.log.unlink(missing_ok=True)

    def rows(self, index: str = "found") -> dict[str, dict[str, Any]]:
        """The rows of the published generation, by id."""
        store, name = self.pipeline().store, self.attributes["name"]
        generation = store.generations.get(store.published.get(name, index).generation or "")
        assert generation is not None, "nothing is published"
        table = store.index(generation.table).at(generation.version)
        assert table is not None
        return {row["id"]: row for row in table.to_arrow().to_pylist()}

    def versions(self) -> dict[str, int]:
        """The latest version of every table of the store."""
        store = self.pipeline().store
        return {name: store.open(name).version for name in store.table_names()}  # type: ignore[union-attr]


def laid_out(root: Path, pictures: int = 12, **attributes: Any) -> Gallery:
    """A gallery of so many pictures with captions, one embedding ``toy`` and one index ``found``, not run yet."""
    gallery = Gallery(root)
    gallery.media.mkdir(parents=True)
    for number in range(pictures):
        name = f"p{number:03}.png"
        gallery.captions[name] = {"caption": f"picture {number}"}
        gallery.add(name)
    gallery.write_captions()
    model = {"provider": "counting", "name": "toy", "log": str(gallery.log)}
    gallery.declare(
        **{
            "name": "gallery",
            "store": {"uri": "store"},
            "media": {"source": "folder", "path": "media"},
            "embeddings": {"toy": model},
            "indexes": {"found": {"vectors": ["toy"], "full_text": ["caption"]}},
            **attributes,
        }
    )
    return gallery


@pytest.fixture
def make_gallery(tmp_path: Path) -> Callable[..., Gallery]:
    """Makes a gallery in a folder of its own: ``make_gallery(pictures=12, folder="gallery", **attributes)``."""

    def make(pictures: int = 12, folder: str = "gallery", **attributes: Any) -> Gallery:
        return laid_out(tmp_path / folder, pictures, **attributes)

    return make


@pytest.fixture(scope="session")
def shared_gallery(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Gallery]:
    """As `make_gallery`, for galleries that many tests read and none changes."""

    def make(pictures: int = 12, folder: str = "gallery", **attributes: Any) -> Gallery:
        return laid_out(tmp_path_factory.mktemp("shared") / folder, pictures, **attributes)

    return make


@pytest.fixture
def gallery(request: pytest.FixtureRequest, make_gallery: Callable[..., Gallery]) -> Gallery:
    """A gallery of 12 pictures with captions, one embedding ``toy`` and one index ``found``.

    With the mark `kept.after` it is as a function has left it, restored from a copy.
    """
    if mark := request.node.get_closest_marker("after"):
        return request.getfixturevalue("once")(*mark.args)
    return make_gallery()
