"""Which modality the contents of an older store have: its catalogs, their earlier versions and index tables say so."""

import hashlib
import json

import lancedb
import pyarrow as pa
import pytest

from embeddings_orch.store.migrations import contents
from embeddings_orch.store.migrations.contents import find_modalities, hash_texts, text_columns
from embeddings_orch.store.migrations.old import OldStore


def digest(content):
    return hashlib.sha256(content.encode()).digest()


def items(rows):
    """Rows of a catalog or an index table: (content, modality, caption)."""
    return pa.table(
        {
            "id": [str(number) for number in range(len(rows))],
            "content_hash": [digest(content).hex() for content, _, _ in rows],
            "modality": [modality for _, modality, _ in rows],
            "caption": pa.array([caption for _, _, caption in rows], pa.string()),
        }
    )


@pytest.fixture
def db(tmp_path):
    """A store in which the embedding of one pipeline reads captions, and another's does not."""
    db = lancedb.connect(str(tmp_path))
    states = [{"key": "p/words", "input": "caption"}, {"key": "q/looks", "input": "media"}]
    db.create_table("embedding_states", pa.Table.from_pylist([{**state, "catalog_version": 1} for state in states]))
    return db


def find(db, *contents):
    named = find_modalities(OldStore(db), pa.array([digest(content) for content in contents], pa.binary(32)))
    names = {digest(content): content for content in contents}
    return {modality: {names[one] for one in some.to_pylist()} for modality, some in named.items() if len(some)}


def test_media_and_captions_are_named_by_the_catalogs(db):
    db.create_table("catalog.p", items([("picture", "image", "its caption"), ("sound", "audio", None)]))
    db.create_table("catalog.q", items([("film", "video", "that nobody reads")]))
    assert find(db, "picture", "its caption", "sound", "film", "that nobody reads", "unknown") == {
        "image": {"picture"},
        "text": {"its caption"},
        "audio": {"sound"},
        "video": {"film"},
    }


def test_a_broken_picture_with_the_bytes_of_a_text_is_both(db):
    db.create_table("catalog.p", items([("same", "image", None), ("same", "text", None)]))
    assert find(db, "same") == {"image": {"same"}, "text": {"same"}}


def test_what_the_latest_catalog_lacks_is_named_by_earlier_versions(db):
    db.create_table("catalog.p", items([("gone", "image", "a caption that is gone")]))
    db.create_table("catalog.p", items([("stays", "image", "a caption")]), mode="overwrite")
    assert find(db, "gone", "stays", "a caption", "a caption that is gone") == {
        "image": {"gone", "stays"},
        "text": {"a caption", "a caption that is gone"},
    }


def test_what_no_catalog_names_is_named_by_index_tables(db):
    db.create_table("index.r.found.1f0c", items([("old", "image", "an old caption")]))
    settings = {"models": [{"input": {"weights": {"caption": 1.0}}}]}
    generation = {"pipeline": "r", "table": "index.r.found.1f0c", "version": 1, "settings": json.dumps(settings)}
    gone = {**generation, "version": 99}
    db.create_table("generations", pa.Table.from_pylist([generation, gone]))
    assert text_columns(OldStore(db)) == {"p": {"caption"}, "q": set(), "r": {"caption"}}
    assert find(db, "old", "an old caption") == {"image": {"old"}, "text": {"an old caption"}}


def test_a_column_that_is_gone_or_no_text_names_nothing(db):
    db.create_table("catalog.p", items([("picture", "image", "x")]).drop_columns(["caption"]))
    assert find(db, "picture", "x") == {"image": {"picture"}}
    lists = items([("picture", "image", "x")]).set_column(3, "caption", pa.array([{"list": [1.0]}]))
    db.create_table("catalog.p", lists, mode="overwrite")
    assert find(db, "picture", "x") == {"image": {"picture"}}


def test_what_versions_have_in_common_is_hashed_once(db, monkeypatch):
    captions = ["a caption", "another", "a third"]
    table = db.create_table("catalog.p", items([(f"picture {text}", "image", text) for text in captions]))
    table.update(where="id = '0'", values={"caption": "in between"})
    table.update(where="id = '0'", values={"caption": "now"})
    hashed = []
    monkeypatch.setattr(contents, "hash_texts", lambda column: hashed.append(column.to_pylist()) or hash_texts(column))
    assert find(db, "a caption", "in between", "another", "unknown") == {"text": {"a caption", "in between", "another"}}
    assert [sorted(texts) for texts in hashed] == [["a third", "another", "now"], ["in between"], ["a caption"]]


def test_in_an_empty_store_nothing_is_named(tmp_path):
    assert find(lancedb.connect(str(tmp_path)), "anything") == {}
