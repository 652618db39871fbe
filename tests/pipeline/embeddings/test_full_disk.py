"""A disk that is full, or takes nothing: nothing is bought in vain, and what was bought is paid for once."""

import ctypes
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

import pyarrow as pa
import pytest

from content_ids import text_ids
from embeddings_orch.embedding.runners.local import LocalRunner
from embeddings_orch.errors import DiskFullError, StoreError, another_run_may_succeed
from embeddings_orch.pipeline import Pipeline
from embeddings_orch.pipeline.catalog.scan import scan_media
from embeddings_orch.pipeline.embeddings.checkpoints import Checkpoints
from embeddings_orch.pipeline.embeddings.embed import embed
from embeddings_orch.pipeline.embeddings.spool import Spool
from embeddings_orch.spec.yaml_file import load_pipeline
from embeddings_orch.store.room import check_room, is_full
from embeddings_orch.store.store import Store
from embeddings_orch.store.tables.vectors import VectorsTable, vector_rows
from embeddings_orch_testing.counting import CountingEmbedder

TEXTS = 2_000
DIMENSIONS = 512


@pytest.fixture(scope="module")
def disk(tmp_path_factory):
    """A disk of 8 MB of its own."""
    folder = tmp_path_factory.mktemp("disk")
    system = ctypes.CDLL(None)
    if sys.platform != "linux" or system.mount(b"tmpfs", bytes(folder), b"tmpfs", 0, b"size=8m"):
        pytest.skip("a disk of some size cannot be mounted here")
    yield folder
    detach = 2  # MNT_DETACH of umount2(2): now, whoever has a file open
    assert system.umount2(bytes(folder), detach) == 0


@pytest.fixture
def project(disk, tmp_path, monkeypatch):
    """A pipeline over 2,000 texts whose store is on the small disk."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(CountingEmbedder, "calls", [])
    for path in disk.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    rows = "".join(f"{number},text {number}\n" for number in range(TEXTS))
    (tmp_path / "items.csv").write_text(f"id,text\n{rows}")
    (tmp_path / "defs.yaml").write_text(f"""
type: embeddings_orch.EmbeddingPipeline
attributes:
  name: small
  store: {{uri: "{disk / "store"}"}}
  media: {{source: table, path: items.csv}}
  embeddings:
    toy: {{provider: counting, dim: {DIMENSIONS}, batch_size: 50}}
  indexes:
    found: {{vectors: [toy]}}
""")
    pipeline = Pipeline(load_pipeline(tmp_path / "defs.yaml"))
    scan_media(pipeline)
    return pipeline


def leave(disk: Path, free: int) -> Path:
    """Fill a disk up to so many bytes."""
    filler = disk / "filler"
    with filler.open("wb") as file:
        while (left := shutil.disk_usage(disk).free - free) > 0:
            file.write(bytes(min(left, 65_536)))
            file.flush()
    return filler


def paid():
    return sum(CountingEmbedder.calls)


def test_four_runs_on_a_full_disk_and_one_with_room_buy_each_vector_once(project, disk, tmp_path):
    filler = leave(disk, 2_000_000)
    messages, bought = [], []
    for _ in range(4):
        with pytest.raises(DiskFullError) as refused:
            embed(project, "toy", runner=LocalRunner(2, checkpoint_bytes=400_000))
        messages.append(str(refused.value))
        bought.append(paid())
    assert 0 < bought[0] < TEXTS
    assert bought == [bought[0]] * 4, "what came later bought anything"
    assert all(str(disk / "store") in message for message in messages)
    assert re.search(r"the vectors of 1,\d+ contents that it lacks need \d\.\d MB", messages[0]), messages[0]
    kept = list((tmp_path / "state").rglob("*.arrow"))
    assert kept
    assert f"kept in {kept[0].parent}, " in messages[0]

    filler.unlink()
    report = embed(project, "toy")
    assert (paid(), report.embedded, report.failed) == (TEXTS, TEXTS - bought[0], 0)
    assert project.store.vectors(report.fingerprint).total() == TEXTS
    assert not list((tmp_path / "state").rglob("*.arrow"))


def test_a_disk_with_too_little_room_is_told_before_the_first_call(project, disk):
    embed(project, "toy")  # so that the length of its vectors is known
    calls = paid()
    Path(project.source.config.path).write_text("id,text\n" + "".join(f"{n},other text {n}\n" for n in range(TEXTS)))
    scan_media(project)
    leave(disk, 1_000_000)
    told = r"the vectors of 2,000 contents need about 4\.\d MB, and [01]\.\d MB are free"
    with pytest.raises(DiskFullError, match=told):
        embed(project, "toy")
    assert paid() == calls


def test_a_store_that_becomes_read_only_in_the_middle_of_a_run_costs_nothing_twice(project, disk, monkeypatch):
    system, remount, read_only = ctypes.CDLL(None), 32, 1  # MS_REMOUNT, MS_RDONLY of mount(2)
    call = CountingEmbedder.embed

    def protect(self, batch):
        vectors = call(self, batch)
        if len(CountingEmbedder.calls) == 10:
            assert not system.mount(b"tmpfs", bytes(disk), b"tmpfs", remount | read_only, None)
        return vectors

    with monkeypatch.context() as patch:
        patch.setattr(CountingEmbedder, "embed", protect)
        with pytest.raises(StoreError, match="Read-only file system"):
            embed(project, "toy", runner=LocalRunner(2, checkpoint_bytes=400_000))
    assert 0 < paid() < TEXTS
    assert not system.mount(b"tmpfs", bytes(disk), b"tmpfs", remount, None)
    report = embed(project, "toy")
    assert paid() == TEXTS
    assert project.store.vectors(report.fingerprint).total() == TEXTS


@pytest.mark.parametrize("count", [10, 700])
def test_what_fits_in_smaller_parts_is_in_the_store(disk, tmp_path, count):
    store = Store(str(disk / "parts"))
    spool = Spool(store.uri, "f" * 64, [tmp_path / "spool"])
    checkpoints = Checkpoints(store, "f" * 64, spool)
    texts = [f"t{number}" for number in range(count)]
    contents = text_ids(texts)
    vectors = [pa.array([0.5] * DIMENSIONS).to_numpy() for _ in texts]
    checkpoints.commit(contents[:1], vectors[:1], mended=[], failures=[])
    leave(disk, 15_000 if count == 10 else 800_000)
    with pytest.raises(DiskFullError):
        checkpoints.commit(contents[1:], vectors[1:], mended=[], failures=[])
    total = store.vectors("f" * 64).total()
    assert (total == 1) if count == 10 else (1 < total < count)
    (disk / "filler").unlink()
    assert checkpoints.put_back() == count - total
    assert store.vectors("f" * 64).total() == count
    shutil.rmtree(disk / "parts")


def rows(*texts):
    return vector_rows(text_ids(texts), [pa.array([1.0, 0.0]).to_numpy() for _ in texts])


def test_a_spool_that_others_can_write_to_is_not_read(tmp_path):
    folder = tmp_path / "spool"
    store = Store(str(tmp_path / "store"))
    spool = Spool(store.uri, "f", [folder])
    path = spool.keep(rows("a"))
    assert oct(path.parent.stat().st_mode & 0o777) == oct(0o700)
    folder.chmod(0o777)
    assert spool.put_back(store.vectors("f")) == 0
    assert spool.keep(rows("b")) is None
    folder.chmod(0o700)
    assert spool.put_back(store.vectors("f")) == 1


def test_the_next_folder_is_taken_where_one_cannot_be_used(tmp_path):
    (tmp_path / "file").write_text("no folder")
    spool = Spool("/some/store", "f", [tmp_path / "file" / "below", tmp_path / "second"])
    assert spool.keep(rows("a")).parent == tmp_path / "second"


def test_a_spool_is_of_one_model_and_of_the_store_that_it_was_made_for_wherever_that_is_now(tmp_path):
    store = Store(str(tmp_path / "store"))
    store.vectors("f").append_rows(rows("b"))
    Spool(store.uri, "f", [tmp_path]).keep(rows("a"))
    assert Spool(store.uri, "g", [tmp_path]).put_back(store.vectors("g")) == 0
    assert Spool("s3://bucket/other", "f", [tmp_path]).put_back(store.vectors("f")) == 0
    moved = Store(str((tmp_path / "store").rename(tmp_path / "larger")))
    assert Spool(moved.uri, "f", [tmp_path]).put_back(moved.vectors("f")) == 1
    assert moved.vectors("f").total() == 2


def test_what_is_in_the_store_already_is_not_put_there_twice(tmp_path):
    store = Store(str(tmp_path / "store"))
    store.vectors("f").append_rows(rows("a"))
    spool = Spool(store.uri, "f", [tmp_path])
    spool.keep(rows("a", "b"))
    assert spool.put_back(store.vectors("f")) == 1


def test_a_damaged_file_is_told_and_removed(tmp_path, caplog):
    store = Store(str(tmp_path / "store"))
    spool = Spool(store.uri, "f", [tmp_path])
    path = spool.keep(rows("a"))
    path.write_bytes(path.read_bytes()[:100])
    assert spool.put_back(store.vectors("f")) == 0
    assert "cannot be read and are embedded again" in caplog.text
    assert not path.exists()


def test_a_file_that_cannot_be_read_now_is_waited_for(tmp_path):
    store = Store(str(tmp_path / "store"))
    spool = Spool(store.uri, "f", [tmp_path])
    path = spool.keep(rows("a"))
    aside = path.rename(tmp_path / "aside")
    path.symlink_to(path)  # reading it fails, and nothing is wrong with what it holds
    with pytest.raises(StoreError, match=rf"{path.name} cannot be read now \(.*\): mend that and run again"):
        spool.put_back(store.vectors("f"))
    assert path.is_symlink()
    aside.replace(path)
    assert spool.put_back(store.vectors("f")) == 1


def test_vectors_of_another_length_stop_no_run(tmp_path, caplog):
    store = Store(str(tmp_path / "store"))
    store.vectors("f").append(text_ids(["b"]), [pa.array([1.0, 0.0, 0.0]).to_numpy()])
    spool = Spool(store.uri, "f", [tmp_path])
    path = spool.keep(rows("a"))
    assert spool.put_back(store.vectors("f")) == 0
    assert "vectors of 2 numbers, the store's 3" in caplog.text
    assert not path.exists()


def test_rows_of_other_columns_stop_no_run(tmp_path):
    store = Store(str(tmp_path / "store"))
    spool = Spool(store.uri, "f", [tmp_path])
    path = spool.keep(pa.table({"other": [1]}))
    assert spool.put_back(store.vectors("f")) == 0
    assert not path.exists()


def test_what_another_error_than_the_full_disk_keeps_out_is_kept_too(tmp_path, monkeypatch):
    store = Store(str(tmp_path / "store"))
    checkpoints = Checkpoints(store, "f", Spool(store.uri, "f", [tmp_path / "spool"]))
    contents = text_ids([f"t{number}" for number in range(64)])
    vectors = [pa.array([1.0, 0.0]).to_numpy() for _ in contents]
    errors = iter([DiskFullError("full"), StoreError("too many writers")])

    def refuse(*_):
        raise next(errors)

    with monkeypatch.context() as patch:
        patch.setattr(VectorsTable, "append_rows", refuse)
        with pytest.raises(DiskFullError, match="are kept in"):
            checkpoints.commit(contents, vectors, mended=[], failures=[])
    assert checkpoints.put_back() == 64


def test_a_full_disk_waits_for_a_person():
    assert not another_run_may_succeed(DiskFullError("full"))


@pytest.mark.parametrize(
    ("error", "full"),
    [
        (OSError(28, "No space left on device"), True),
        (OSError(2, "No such file"), False),
        (RuntimeError("lance error: LanceError(IO): No space left on device (os error 28), /x.rs:1:2"), True),
        (RuntimeError("lance error: Disk quota exceeded (os error 122)"), sys.platform == "linux"),
        (RuntimeError("lance error: (os error 2)"), False),
    ],
)
def test_an_error_says_that_the_disk_is_full(error, full):
    assert is_full(error) is full


def test_of_an_object_store_and_of_a_disk_with_room_nothing_is_said():
    check_room("s3://bucket/store", 10**30, "the vectors")
    check_room(os.path.join(tempfile.gettempdir(), "not", "there", "yet"), 1, "the vectors")
