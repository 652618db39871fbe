"""The corpus of odd files: what ``tests/data/odd/manifest.yaml`` says of each, and what pipelines make of them."""

from __future__ import annotations

import shutil
import zlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import PIL
import pyarrow as pa
import yaml
from PIL import features
from pydantic import BaseModel, ConfigDict

from embeddings_orch import Index
from embeddings_orch.pipeline import Pipeline
from embeddings_orch.pipeline.catalog.scan import scan_media
from embeddings_orch.pipeline.checks.run import check_index
from embeddings_orch.pipeline.embeddings.embed import embed
from embeddings_orch.pipeline.indexes.build import build_index
from embeddings_orch.pipeline.plan.status import make_failures
from embeddings_orch.pipeline.published.publish import publish
from embeddings_orch.search.results import Hit
from galleries import Gallery
from odd_pictures import make_pictures
from odd_tables import make_tables
from odd_texts import make_folders, make_texts
from plugin_sites import installed

ODD = Path(__file__).parents[1] / "data" / "odd"
MANY = 1_000


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class OddItem(_Strict):
    """What must come of one file of a folder; embedded, where nothing else is said.

    Attributes:
        copy_of: the file whose bytes it has; it is written when the test runs, as its name is not one for git.
        same_as: it has the vector of that file.
        close_to: nearly so.
        fails: a part of why it has no vector.
        problems: a part of each problem, ``where: reason``.
        passed_over: whether it is none of the items, and only counted.
        row: some columns, and what the index has there.
        keyword: words that find it.
    """

    copy_of: str | None = None
    same_as: str | None = None
    close_to: str | None = None
    fails: str | None = None
    problems: list[str] = []
    passed_over: bool = False
    row: dict[str, Any] = {}
    keyword: str | None = None


class OddQuery(_Strict):
    """A query, and the ids that it must find."""

    ids: list[str]
    where: str | None = None
    params: dict[str, Any] = {}
    keyword: str | None = None


class OddSource(_Strict):
    """What must come of a pipeline over a table or a folder of its own.

    Attributes:
        settings: of the source.
        beside: files that the table names.
        refused: a part of why there is no catalog.
        items: all that have vectors, with some of their columns; null for a column that is empty.
        fails: by id, a part of why an item has none.
        problems: a part of each problem, ``where: reason``.
        passed_over: how many files are none of the items.
        embedded: distinct contents, where they are fewer than the items.
        types: of some columns, as a search shows them.
        full_text: options of the index's full text, where a query has keywords.
        found: queries.
    """

    settings: dict[str, Any] = {}
    beside: list[str] = []
    refused: str | None = None
    items: dict[str, dict[str, Any]] = {}
    fails: dict[str, str] = {}
    problems: list[str] = []
    passed_over: int = 0
    embedded: int | None = None
    types: dict[str, str] = {}
    full_text: dict[str, Any] = {}
    found: list[OddQuery] = []


class OddManifest(_Strict):
    """``manifest.yaml``.

    Attributes:
        made_with: what the files were made with: other versions may make other bytes of the same pictures.
        media: the files of ``media/``, which go through one pipeline together.
        tables: the files of ``tables/``.
        folders: the folders of ``folders/``.
    """

    made_with: list[str]
    media: dict[str, OddItem]
    tables: dict[str, OddSource]
    folders: dict[str, OddSource]

    def files(self) -> set[str]:
        """The files that it speaks of, relative to the corpus."""
        tables = [name for table, odd in self.tables.items() for name in (table, *odd.beside)]
        media = [f"media/{name}" for name, odd in self.media.items() if odd.copy_of is None]
        return {*media, *(f"tables/{name}" for name in tables)}


@cache
def manifest() -> OddManifest:
    """What must come of each file.

    Raises:
        pydantic.ValidationError: it says what means nothing.
    """
    return OddManifest.model_validate(yaml.safe_load((ODD / "manifest.yaml").read_text(encoding="utf-8")))


def libraries() -> list[str]:
    """What files would be made with here, as ``made_with`` says it."""
    return [
        f"Pillow {PIL.__version__}",
        f"zlib {zlib.ZLIB_RUNTIME_VERSION}",
        f"libjpeg-turbo {features.version('libjpeg_turbo')}",
        f"libwebp {features.version('webp')}",
        f"pyarrow {pa.__version__}",
    ]


def make_files() -> dict[str, bytes]:
    """The files of the corpus that are made, by their paths in it."""
    rooms = {"media": make_pictures() | make_texts(), "tables": make_tables(), "folders": make_folders()}
    return {f"{room}/{name}": data for room, files in rooms.items() for name, data in files.items()}


@dataclass(frozen=True)
class OddRun:
    """A pipeline over odd files that ran, and whose media were scanned and embedded once more.

    Attributes:
        rows: by id, the rows of the index, with their vectors as ``toy``; without an index those of the catalog.
        types: of the columns that a search shows; empty without an index.
        failures: by id, why an item has no vector.
        problems: ``where: reason``.
        passed_over: files that are no items.
        embedded: contents that the first run embedded.
        again: contents that the second one gave to the model, or tried to.
        index: the published index.
    """

    rows: dict[str, dict[str, Any]]
    types: dict[str, str]
    failures: dict[str, str]
    problems: list[str]
    passed_over: int
    embedded: int
    again: int
    index: Index | None

    def find(self, **query: Any) -> dict[str, Hit]:
        """By id, what a query finds."""
        assert self.index is not None
        return {hit.id: hit for hit in self.index.search(limit=MANY, **query)}


def run_media(root: Path) -> OddRun:
    """One pipeline over all files of ``media/``, by a model that sees pictures and reads texts.

    Args:
        root: a folder of its own, which is made.
    """
    gallery = Gallery(root)
    shutil.copytree(ODD / "media", gallery.media)
    for name, odd in manifest().media.items():
        if odd.copy_of is not None:
            gallery.add(name, (ODD / "media" / odd.copy_of).read_bytes())
    _declare(gallery, {"source": "folder"}, {"provider": "sight"}, ["caption", "text"])
    code = "from odd_sight import SightEmbedder\n"
    with installed(root.with_name("site"), "embedders", "sight", "SightEmbedder", code):
        return _run(gallery, indexed=True)


def run_source(root: Path, kind: str, name: str, odd: OddSource) -> OddRun:
    """A pipeline over one of ``tables/`` or ``folders/``, with an index where something is to be found there.

    Args:
        root: a folder of its own, which is made.
        kind: ``tables`` or ``folders``.
        name: the table or folder.
        odd: what is said of it.

    Raises:
        SourceError: it is refused.
    """
    gallery = Gallery(root)
    gallery.media.mkdir(parents=True)
    if kind == "folders":
        shutil.copytree(ODD / kind / name, gallery.media, dirs_exist_ok=True)
        media = {"source": "folder", **odd.settings}
    else:
        here = str(gallery.media).encode()
        for file in (name, *odd.beside):
            gallery.add(file, (ODD / kind / file).read_bytes().replace(b"{here}", here))
        media = {"source": "table", "path": f"media/{name}", **odd.settings}
    by_words = any(query.keyword for query in odd.found)
    full_text: Any = {"columns": ["text"], **odd.full_text} if by_words else []
    _declare(gallery, media, {"provider": "counting", "decode": True}, full_text)
    return _run(gallery, indexed=bool(odd.found or odd.types))


def _declare(gallery: Gallery, media: dict[str, Any], model: dict[str, Any], full_text: Any) -> None:
    checks = {"max_failed": 1, "min_recall": 0}
    gallery.declare(
        name="odd",
        store={"uri": "store"},
        media={"path": "media", **media},
        embeddings={"toy": model},
        indexes={"found": {"vectors": ["toy"], "full_text": full_text, "map": "none", "checks": checks}},
    )


def _run(gallery: Gallery, *, indexed: bool) -> OddRun:
    pipeline = gallery.pipeline()
    scan = scan_media(pipeline)
    report = embed(pipeline, "toy")
    if indexed:
        build_index(pipeline, "found")
        check_index(pipeline, "found")
        publish(pipeline, "found")
    index = Index.open("found", file=gallery.file) if indexed else None
    rows = gallery.rows() if indexed else {row["id"]: row for row in scan.table.to_pylist()}
    types = {}
    if index is not None and report.dimensions:
        columns = index.search(vector=[1.0] * report.dimensions).columns
        types = {field.name: str(field.type) for field in columns}
    later = gallery.pipeline()
    scan_media(later)
    second = embed(later, "toy")
    return OddRun(
        rows,
        types,
        _reasons(later, rows) if report.failed else {},
        [f"{problem.where}: {problem.reason}" for problem in scan.problems],
        sum(kind.count for kind in scan.passed_over),
        report.embedded,
        second.embedded + len(second.failures),
        index,
    )


def _reasons(pipeline: Pipeline, rows: dict[str, dict[str, Any]]) -> dict[str, str]:
    """By id, why an item has no vector: of items with the same content the failure is told once."""
    failed = make_failures(pipeline)["failed"]
    contents = {(row["modality"], row["content_hash"]): one["reason"] for one in failed if (row := rows[one["id"]])}
    keys = {name: (row["modality"], row["content_hash"]) for name, row in rows.items()}
    return {name: contents[key] for name, key in keys.items() if key in contents}
