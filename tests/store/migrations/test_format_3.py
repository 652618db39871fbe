"""A store of an older format becomes one of format 3 by its first write, whoever is killed or works beside it."""

import json
import signal

import lancedb
import pyarrow as pa
import pytest

import warm
from embeddings_orch.errors import StoreError
from embeddings_orch.store import Store, database
from embeddings_orch.store.claims import Claims
from embeddings_orch.store.migrations import copying, format_3
from embeddings_orch.store.migrations.contents import hash_texts
from embeddings_orch.store.migrations.copying import Copying
from embeddings_orch.store.migrations.layout import new_name
from embeddings_orch.store.migrations.old import OldStore
from embeddings_orch.store.migrations.space import space_needed
from kept_stores import COMMITS, unpack_store
from old_stores import read_files, read_store, read_versions

STORES = [(name, commit) for name in ("emoji", "history") for commit in COMMITS]
FORMAT_3 = [repr({"key": "format", "value": "3"})]


@pytest.fixture
def small_commits(monkeypatch):
    """Several commits a table, of tables as small as those of the tests."""
    monkeypatch.setattr(copying, "COMMIT_ROWS", 8)
    monkeypatch.setattr("embeddings_orch.store.migrations.old._BATCH", 4)


@pytest.fixture
def unpack(tmp_path):
    """Unpacks the store that has all kinds of tables."""
    return lambda folder="old": unpack_store("history", COMMITS[0], tmp_path / folder) / "store"


def migrate(root):
    Store(str(root)).prepare_write()
    return read_store(root)


def counts(root):
    return {name: len(rows) for name, rows in read_store(root).items()}


@pytest.mark.parametrize(("name", "commit"), STORES)
def test_a_kept_store_has_as_much_of_everything_as_before(name, commit, tmp_path):
    root = unpack_store(name, commit, tmp_path) / "store"
    before, versions = counts(root), read_versions(root)

    migrate(root)

    assert counts(root) == {new_name(table) or table: count for table, count in before.items()}
    kept = [table for table in versions if new_name(table) is None and table not in ("claims", "meta")]
    assert {table: read_versions(root)[table] for table in kept} == {table: versions[table] for table in kept}
    assert any(table.startswith("index.") for table in kept)
    assert "maps" in kept
    assert read_store(root)["meta"] == FORMAT_3


def test_vectors_keep_their_numbers(unpack):
    root = unpack()
    old = OldStore(lancedb.connect(str(root)))
    before = {
        name.removeprefix("vectors."): {row["key"].partition(":")[0]: row["vector"] for row in old.rows(name)}
        for name in old.old_names()
        if name.startswith("vectors.")
    }
    migrate(root)
    for fingerprint, vectors in before.items():
        rows = old.rows(f"embeddings.{fingerprint}")
        assert {row["content_hash"].hex(): row["vector"] for row in rows} == vectors
        assert len({row["key"] for row in rows}) == len(rows)


def test_pointers_holds_and_the_log_are_as_they_were(unpack):
    root = unpack()
    old = OldStore(lancedb.connect(str(root)))
    before = {name: old.rows(name) for name in ("published", "publications", "generations")}
    migrate(root)
    for name, rows in before.items():
        extra = {"deployments": ["main"], "digest": None, "made_from": None}
        expected = [
            {**row, **(extra if name == "generations" else {"key": f"main/{row['key']}", "deployment": "main"})}
            for row in rows
        ]
        assert old.rows(new_name(name)) == expected
    assert [row["held"] for row in old.rows("pointers")] == [False, True]


def test_a_state_names_a_version_of_the_new_catalog_with_the_rows_that_it_had(unpack):
    root = unpack()
    db = lancedb.connect(str(root))
    old = OldStore(db)
    db.open_table("embedding_states").update(where="key = 'gallery/words'", values={"catalog_version": 2})
    db.open_table("embedding_states").update(where="key = 'shelf/words'", values={"catalog_version": 77})
    earlier, latest = (old.read("catalog.gallery", version=number)["id"].to_pylist() for number in (2, 4))
    assert set(earlier) - set(latest) == {"p8.png"}

    migrate(root)

    versions = {row["key"]: row["catalog_version"] for row in old.rows("states")}
    assert versions == {"main/gallery/toy": 2, "main/gallery/words": 1, "main/shelf/ready": 1, "main/shelf/words": 0}
    assert old.read("items.main.gallery", version=1)["id"].to_pylist() == sorted(earlier)
    assert old.read("items.main.gallery", version=2)["id"].to_pylist() == sorted(latest)
    assert old.rows("tombstones.main.gallery") == [{"id": "p8.png", "version": 2}]


def test_the_digest_of_a_state_is_of_the_keys_that_it_covers(unpack):
    root = unpack()
    migrate(root)
    old = OldStore(lancedb.connect(str(root)))
    states = {row["key"]: row for row in old.rows("states")}
    # 12 of the 13 captions have a vector of their own, as the kept stores' tests say.
    words = old.read(f"embeddings.{states['main/gallery/words']['fingerprint']}")
    captions = set(hash_texts(old.read("items.main.gallery")["caption"]).drop_null().to_pylist())
    covered = [row["key"] for row in words.to_pylist() if row["content_hash"] in captions]
    assert len(covered) == 12
    total = sum(int.from_bytes(key, "big") for key in covered) % 2**256
    assert states["main/gallery/words"]["digest"] == total.to_bytes(32, "big")
    assert states["main/shelf/ready"]["digest"] == bytes(32)


def test_it_says_that_it_begins_and_how_far_it_is(unpack, caplog):
    root = unpack()
    with caplog.at_level("INFO", logger="embeddings_orch.store.migrations"):
        migrate(root)
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", f"migrating the store {root} once to format 3: 10 tables are copied"),
        *(("INFO", f"migrating the store {root}: {number} of 10 tables") for number in range(1, 11)),
        ("INFO", f"the store {root} has format 3"),
    ]


def test_a_store_of_format_1_is_migrated_at_once(unpack):
    root = unpack()
    db = lancedb.connect(str(root))
    pointers = db.open_table("published").to_arrow().drop_columns(["hold_version"])
    db.create_table("published", pointers, mode="overwrite")
    db.open_table("meta").update(values={"value": "1"})
    migrate(root)
    assert [row["hold_version"] for row in OldStore(db).rows("pointers")] == [None, None]
    assert read_store(root)["meta"] == FORMAT_3


def test_an_older_version_is_refused_after_it(unpack, monkeypatch):
    root = unpack()
    migrate(root)
    monkeypatch.setattr(database, "FORMAT", 2)
    with pytest.raises(StoreError, match="has format 3, this version reads up to 2: upgrade embeddings-orch"):
        Store(str(root)).table_names()


def test_without_the_space_nothing_is_begun(unpack):
    root = unpack()
    before = read_files(root)
    with pytest.raises(StoreError, match=r"takes about 0.00 GB, and the disk has 0.00 GB left: make room") as caught:
        format_3.migrate_to_3(lancedb.connect(str(root)), lambda: claims_of(root), free=lambda _: 10)
    assert "nothing was changed" in str(caught.value)
    assert {path for path in before if "claims" not in str(path)} == {
        path for path in read_files(root) if "claims" not in str(path)
    }


def test_what_is_copied_needs_no_space_again(unpack):
    old = OldStore(lancedb.connect(str(unpack())))
    before = space_needed(old)
    for name in old.old_names():
        if name.startswith("vectors."):
            Copying(old, old.db).copy(name)
    assert 0 < space_needed(old) < before


def test_a_damaged_table_of_vectors_is_said_and_not_taken_for_empty(unpack):
    root = unpack()
    name = next(path.name for path in root.glob("vectors.*"))
    for path in (root / name / "_versions").iterdir():
        path.unlink()
    with pytest.raises(StoreError, match=rf"table {name.removesuffix('.lance')} is damaged"):
        migrate(root)
    assert (root / name / "data").exists()


OTHERS = {
    "vectors.docs": pa.table({"key": ["a"], "vector": pa.array([[1.0, 2.0]], pa.list_(pa.float32(), 2))}),
    "vectors.face": pa.table({"id": ["a"], "embedding": pa.array([[1.0, 2.0]], pa.list_(pa.float32(), 2))}),
    "catalog.shop": pa.table({"sku": ["a"]}),
    "failures": pa.table({"machine": ["a"]}),
    "publications": pa.table({"title": ["a"]}),
}


@pytest.mark.parametrize("name", OTHERS)
def test_tables_of_others_are_left_as_they_are(name, unpack):
    root = unpack()
    db = lancedb.connect(str(root))
    db.create_table(name, OTHERS[name], mode="overwrite")
    migrate(root)
    assert db.open_table(name).to_arrow().equals(OTHERS[name])
    assert format_3.is_done(db)


@pytest.mark.parametrize("name", ["states", "tombstones.main.gallery"])
def test_a_table_of_others_is_not_written_over(name, unpack):
    root = unpack()
    db = lancedb.connect(str(root))
    theirs = pa.table({"country": ["a"]})
    db.create_table(name, theirs)
    before = read_store(root)
    with pytest.raises(StoreError, match=f"not its own, {name}: move these to another database; nothing was changed"):
        migrate(root)
    assert read_store(root) == before
    assert db.open_table(name).to_arrow().equals(theirs)


def claims_of(root):
    return Claims(database._AsItIs(str(root)))


class Killed(BaseException):
    """The end of a process, as far as a test of one process can have it."""


def kill_after(patch, commits):
    """Make a migration end at its n-th commit."""
    left = commits

    def holds(claims, key):
        nonlocal left
        left -= 1
        if not left:
            raise Killed
        return True

    patch.setattr(Claims, "holds", holds)


def test_it_goes_on_after_each_commit_that_was_the_last(unpack, small_commits):
    expected = migrate(unpack("whole"))
    root, ended = unpack("killed"), 0
    while True:
        with pytest.MonkeyPatch.context() as patch:
            kill_after(patch, ended + 1)
            try:
                Store(str(root)).prepare_write()
                break
            except Killed:
                ended += 1
    assert ended >= 10
    assert read_store(root) == expected


KILLED = """\
import os, signal, sys
from embeddings_orch.store import Store
from embeddings_orch.store.claims import Claims
from embeddings_orch.store.migrations import copying, old

copying.COMMIT_ROWS, old._BATCH = 8, 4
root, left = sys.argv[1], [int(sys.argv[2])]

def holds(claims, key):
    left[0] -= 1
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)
    return True

Claims.holds = holds
Store(root).prepare_write()
"""


@pytest.mark.process
@pytest.mark.parametrize("commits", [1, 4, 11, 15, 18, 20, 24])
def test_a_killed_process_leaves_what_the_next_one_goes_on_with(commits, unpack, small_commits):
    expected = migrate(unpack("whole"))
    root = unpack("killed")
    process = warm.start_code(KILLED, root, commits)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL, errors
    assert read_store(root) != expected
    assert migrate(root) == expected


def test_after_the_flip_old_tables_are_left_until_the_next_write(unpack, small_commits):
    root = unpack()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(format_3, "_drop_old", lambda *_: (_ for _ in ()).throw(Killed))
        with pytest.raises(Killed):
            Store(str(root)).prepare_write()
    db = lancedb.connect(str(root))
    meta = {row["key"]: row["value"] for row in OldStore(db).rows("meta")}
    assert meta["format"] == "3"
    assert sorted(json.loads(meta["old_tables"])) == OldStore(db).old_names()
    assert not format_3.is_done(db)

    Store(str(root)).prepare_write()

    assert OldStore(db).old_names() == []
    assert read_store(root)["meta"] == FORMAT_3
    assert format_3.is_done(db)


@pytest.mark.parametrize("moment", ["meta", "embeddings."])
def test_what_an_older_process_writes_meanwhile_is_copied_too(moment, unpack, monkeypatch):
    root = unpack()
    db = lancedb.connect(str(root))
    name = next(name for name in OldStore(db).old_names() if name.startswith("vectors."))
    late = pa.table(
        {"key": [f"{'ab' * 32}:0"], "vector": pa.array([[9.0] * 8], pa.list_(pa.float32(), 8))},
        schema=db.open_table(name).schema,
    )
    written = []
    committed = Claims.holds

    def write(claims, key):
        tables = OldStore(db).names()
        flipped = {row["key"]: row["value"] for row in OldStore(db).rows("meta")}["format"] == "3"
        if not written and (flipped or moment != "meta") and any(table.startswith("embeddings.") for table in tables):
            db.open_table(name).add(late)
            written.append(flipped)
        return committed(claims, key)

    monkeypatch.setattr(Claims, "holds", write)
    migrate(root)
    assert written == [moment == "meta"]
    rows = OldStore(db).rows(new_name(name))
    # Nobody names it, so it is there once for each modality of the model's others.
    others = {row["modality"] for row in rows}
    assert sum(row["content_hash"] == bytes.fromhex("ab" * 32) for row in rows) == len(others)
    assert not any(row["key"] in {other["key"] for other in rows if other is not row} for row in rows)


def test_who_lost_the_claim_leaves_the_rest_to_the_other(unpack, monkeypatch):
    root = unpack()
    answers = iter([True, True, False])
    asked = []

    def holds(claims, key):
        asked.append(key)
        return next(answers, True)

    monkeypatch.setattr(Claims, "holds", holds)
    store = migrate(root)
    assert set(asked) == {"migration"}
    assert store["meta"] == FORMAT_3
    monkeypatch.undo()
    assert store == migrate(unpack("alone"))


@pytest.mark.parametrize("name", ["published", "catalog.gallery"])
def test_who_stood_still_until_another_was_done_writes_over_nothing(name, unpack):
    root = unpack()
    old = OldStore(lancedb.connect(str(root)))
    Copying(old, old.db).copy(name)
    before = read_versions(root), read_files(root)

    def lost(table):
        assert table == new_name(name)
        raise Killed

    with pytest.raises(Killed):
        Copying(old, old.db, lost).copy(name)
    assert (read_versions(root), read_files(root)) == before


MIGRATES = """\
import sys
from embeddings_orch.store import Store
from embeddings_orch.store.migrations import copying, old

copying.COMMIT_ROWS, old._BATCH = 8, 4
store = Store(sys.argv[1])
store.exists
print("ready", flush=True)
sys.stdin.readline()
store.prepare_write()
"""


@pytest.mark.process
def test_of_two_processes_at_once_nothing_is_there_twice(unpack):
    root = unpack()
    processes = [warm.start_code(MIGRATES, root) for _ in range(2)]
    for process in processes:
        assert process.stdout.readline() == "ready\n", process.stderr.read()
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
    assert read_store(root) == migrate(unpack("alone"))
