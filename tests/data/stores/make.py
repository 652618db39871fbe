"""Makes the kept stores: what earlier versions of the package wrote, for tests of what reads and migrates them.

They are not to be made anew: their worth is that today's code did not write them. They were made by two commits:
0fe1c8f keeps what a model was given of an item as a sentence, 6278c90 keeps it as data; both have format 2. For the
record, with a worktree of COMMIT at OLD:

    git worktree add --detach OLD COMMIT
    cd OLD
    PYTHONPATH=.:$(ls -d plugins/*/src | paste -sd:) python .../tests/data/stores/make.py COMMIT

Each is a folder with the media, the declarations and the store, packed as `tests/data/stores/NAME-COMMIT.tar.gz`.
Packing the same files gives the same bytes; but times differ with each making, and so do the stores.

What depends on the folder: `uri` in the catalogs, the index tables and the failures, and the reasons of failures, have
the absolute path of a file below `/tmp/kept_stores/NAME`, where the stores were made. Nothing is there when the tests
run. So what opens a media file as the catalog names it fails; and a scan finds each row changed, in its `uri` and its
file's stat, though no content. All else is relative to the folder of the declarations.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import shutil
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import yaml
from PIL import Image

import embeddings_orch
from embeddings_orch.pipeline import Pipeline
from embeddings_orch.pipeline.catalog.scan import scan_media
from embeddings_orch.pipeline.checks.run import check_index
from embeddings_orch.pipeline.embeddings.embed import embed
from embeddings_orch.pipeline.indexes.build import build_index
from embeddings_orch.pipeline.published.publish import publish
from embeddings_orch.pipeline.published.rollback import rollback
from embeddings_orch.spec.yaml_file import load_pipeline

HERE = Path(__file__).parent
MADE_AT = Path("/tmp/kept_stores")
EMOJI = 40
TYPE = "embeddings_orch.EmbeddingPipeline"


def declare(file: Path, **attributes: Any) -> None:
    """Write a pipeline's declaration."""
    file.write_text(yaml.safe_dump({"type": TYPE, "attributes": attributes}, sort_keys=False), encoding="utf-8")


def run(file: Path, after_scan: Callable[[], None] = lambda: None) -> None:
    """All steps of a run."""
    pipeline = Pipeline(load_pipeline(file))
    scan_media(pipeline)
    after_scan()
    for name in pipeline.spec.embeddings:
        embed(pipeline, name)
    for name in pipeline.spec.indexes:
        build_index(pipeline, name)
        check_index(pipeline, name)
        publish(pipeline, name)


def make_emoji(root: Path) -> None:
    """A part of the demo: one model, one index with full text, one generation, published."""
    source = Path(embeddings_orch.__file__).parents[1] / "definitions" / "data" / "emoji"
    table = pa.csv.read_csv(source / "metadata.csv")
    # One of every so many, so that all groups are there.
    table = table.take(list(range(0, table.num_rows, -(-table.num_rows // EMOJI))))
    (root / "media").mkdir(parents=True)
    pa.csv.write_csv(table, root / "media" / "metadata.csv")
    for name in table["file_name"].to_pylist():
        shutil.copyfile(source / name, root / "media" / name)
    declare(
        root / "defs.yaml",
        name="emoji",
        store={"uri": "store"},
        media={"source": "folder", "path": "media", "include": ["**/*.png"]},
        embeddings={"clip": {"provider": "open-clip", "name": "emoji-xs", "device": "cpu"}},
        indexes={"emoji_search": {"vectors": ["clip"], "full_text": ["caption", "keywords"]}},
    )
    run(root / "defs.yaml")


class History:
    """A pipeline over a folder and one over a table, which share a store, and what became of them."""

    def __init__(self, root: Path) -> None:
        self.root, self.captions = root, dict[str, str]()
        (root / "media").mkdir(parents=True)

    def add(self, name: str, caption: str, content: bytes | None = None) -> None:
        """Write a file and its caption; a picture of its own where no content is given."""
        if content is None:
            noise, picture = hashlib.shake_128(name.encode()).digest(8 * 8 * 3), io.BytesIO()
            Image.frombytes("RGB", (8, 8), noise).save(picture, "PNG")
            content = picture.getvalue()
        (self.root / "media" / name).write_bytes(content)
        self.captions[name] = caption
        table = pa.table({"file_name": list(self.captions), "caption": list(self.captions.values())})
        pa.csv.write_csv(table, self.root / "media" / "metadata.csv")

    def declare(self, model: str) -> None:
        """The pipeline over the folder: pictures with captions by weights, and captions alone."""
        retry = {"max_retries": 0}
        weights = {"media": 0.7, "caption": 0.3}
        toy = {"provider": "counting", "name": model, "input": weights, "reject": "not to be read", "retry": retry}
        words = {"provider": "counting", "name": "words", "input": "caption", "retry": retry}
        declare(
            self.root / "defs.yaml",
            name="gallery",
            store={"uri": "store"},
            media={"source": "folder", "path": "media"},
            embeddings={"toy": toy, "words": words},
            indexes={"found": {"vectors": ["toy", "words"], "full_text": ["caption"], "checks": {"max_failed": 1}}},
        )

    def declare_shelf(self) -> None:
        """The pipeline over the table: ready-made vectors, and texts by a model that the other has too."""
        names = [f"i{number}" for number in range(6)]
        made = np.random.default_rng(3).standard_normal((6, 8))
        vectors = (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)
        columns = {
            "id": pa.array(names),
            "text": pa.array(["caption 1", *(f"text {name}" for name in names[1:])]),
            "made": pa.array(vectors.tolist(), pa.list_(pa.float32())),
            "shelf": pa.array([number % 3 for number in range(6)]),
        }
        pa.parquet.write_table(pa.table(columns), self.root / "items.parquet")
        ready = {"provider": "counting", "name": "ready", "vectors": "made"}
        declare(
            self.root / "shelf.yaml",
            name="shelf",
            store={"uri": "store"},
            media={"source": "table", "path": "items.parquet"},
            embeddings={"ready": ready, "words": {"provider": "counting", "name": "words"}},
            indexes={"goods": {"vectors": ["ready", "words"], "full_text": ["text"]}},
        )


def make_history(root: Path) -> None:
    """Two models, five generations in two tables, failures of both kinds, a rollback that holds, a second pipeline."""
    history, file = History(root), root / "defs.yaml"
    for number in range(9):
        history.add(f"p{number}.png", f"caption {number}")
    history.add("a.txt", "a text", b"a text that is read")
    history.add("bad.txt", "", b"a text that is not to be read")
    history.declare("one")
    run(file)
    history.add("p9.png", "caption 9")
    history.add("p0.png", "another caption")
    run(file)
    history.declare_shelf()
    run(root / "shelf.yaml")
    history.declare("two")
    run(file)
    (root / "media" / "p8.png").unlink()
    history.add("p10.png", "caption 10")
    run(file)
    rollback(Pipeline(load_pipeline(file)), "found", "2")
    history.add("late.png", "it changes during the run")
    run(file, after_scan=lambda: history.add("late.png", "it changes during the run", b"other bytes"))


def pack(folder: Path, file: Path) -> None:
    """Pack a folder; the same files make the same bytes, wherever and whenever."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for path in sorted(folder.rglob("*")):
            info = tarfile.TarInfo(str(path.relative_to(folder)))
            info.mode = 0o755 if path.is_dir() else 0o644
            if path.is_dir():
                info.type = tarfile.DIRTYPE
                tar.addfile(info)
            else:
                info.size = path.stat().st_size
                with path.open("rb") as content:
                    tar.addfile(info, content)
    file.write_bytes(gzip.compress(packed.getvalue(), 9, mtime=0))


def main(commit: str) -> None:
    """Make both, and pack them."""
    for name, make in {"emoji": make_emoji, "history": make_history}.items():
        shutil.rmtree(MADE_AT / name, ignore_errors=True)
        make(MADE_AT / name)
        pack(MADE_AT / name, HERE / f"{name}-{commit}.tar.gz")


if __name__ == "__main__":
    main(sys.argv[1])
