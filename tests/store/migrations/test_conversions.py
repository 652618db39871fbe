"""What each table of the older formats becomes in format 3: Arrow tables in, Arrow tables out."""

import hashlib
import itertools
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from embeddings_orch.models.keys import make_keys
from embeddings_orch.store.migrations.catalogs import convert_catalog, find_deleted, find_root
from embeddings_orch.store.migrations.contents import hash_texts, with_unnamed
from embeddings_orch.store.migrations.keys import parse_hashes, parse_keys
from embeddings_orch.store.migrations.layout import embeddings_schema, new_name, old_name
from embeddings_orch.store.migrations.rows import (
    convert_failures,
    convert_generations,
    convert_pointers,
    convert_publications,
    convert_states,
)
from embeddings_orch.store.migrations.vectors import convert_vectors, new_rows

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
BINARY = pa.binary(32)


def sha(text):
    return hashlib.sha256(text.encode()).hexdigest()


def binary(*texts):
    return pa.array([hashlib.sha256(text.encode()).digest() for text in texts], BINARY)


def key(modality, text):
    return make_keys(modality, binary(text))[0].as_py()


def test_names_go_there_and_back():
    names = {
        "catalog.photos": "items.main.photos",
        "vectors.ab12": "embeddings.ab12",
        "failures": "embedding_failures",
        "embedding_states": "states",
        "published": "pointers",
        "publications": "publication_log",
        "generations": "index_generations",
    }
    assert {old: new_name(old) for old in names} == names
    assert {old_name(new): new for new in names.values()} == names
    for name in ("index.a.b.c", "maps", "claims", "meta", "catalog.", "catalog.a.b", "of others"):
        assert new_name(name) is None
        assert old_name(name) is None


def test_keys_are_taken_apart():
    texts = [f"{sha('a')}:0", f"{sha('b')}:ready", "no key", f"{sha('c')}:1", None, f"{sha('d')[:-1]}:0"]
    hashes, ready = parse_keys(pa.chunked_array([texts[:2], texts[2:]], pa.string()))
    assert hashes.to_pylist() == [*binary("a", "b").to_pylist(), None, None, None, None]
    assert ready.to_pylist() == [False, True, False, False, False, False]


def test_hashes_are_read_from_hex():
    assert parse_hashes(pa.array([None, sha("a"), "x", sha("b")])).to_pylist() == [
        None,
        binary("a")[0].as_py(),
        None,
        binary("b")[0].as_py(),
    ]
    assert parse_hashes(pa.array([], pa.string())).type == BINARY


def test_vectors_go_once_to_each_modality_of_their_content():
    contents = ["picture", "text", "both", "nobody's", "picture"]
    keys = pa.array([*(f"{sha(content)}:0" for content in contents), "no key", f"{sha('vector')}:ready"])
    vectors = np.arange(14, dtype=np.float32).reshape(7, 2)
    rows = new_rows(keys, {"image": binary("picture", "both"), "text": binary("text", "both")})
    assert rows.old.tolist() == [0, 1, 2, 2, 6]
    assert rows.modalities.to_pylist() == ["image", "text", "image", "text", "vector"]
    assert rows.keys.to_pylist() == [
        key("image", "picture"),
        key("text", "text"),
        key("image", "both"),
        key("text", "both"),
        key("vector", "vector"),
    ]

    def convert(sizes):
        starts = np.cumsum([0, *sizes])
        flat = [pa.FixedSizeListArray.from_arrays(vectors[a:b].ravel(), 2) for a, b in itertools.pairwise(starts)]
        return pa.Table.from_batches(
            list(convert_vectors((pa.record_batch([part], ["vector"]) for part in flat), rows, 2)), embeddings_schema(2)
        )

    table = convert([7])
    assert table["vector"].to_pylist() == vectors[[0, 1, 2, 2, 6]].tolist()
    assert table["content_hash"].to_pylist() == binary("picture", "text", "both", "both", "vector").to_pylist()
    assert table["part"].null_count == 5
    for sizes in ([1] * 7, [2, 5], [3, 0, 3, 1]):
        assert convert(sizes).combine_chunks() == table.combine_chunks()


def test_vectors_that_are_there_are_not_made_again():
    keys = pa.array([f"{sha(name)}:0" for name in "abc"])
    rows = new_rows(keys, {"text": binary("a", "b", "c")})
    left = rows.without(make_keys("text", binary("a", "c")))
    assert left.old.tolist() == [1]
    assert left.keys.to_pylist() == [key("text", "b")]
    assert left.hashes == binary("b")
    assert len(rows.without(rows.keys)) == 0
    assert len(new_rows(pa.array([], pa.string()), {})) == 0


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        ({"image": "a", "text": "b"}, {"image": "acd", "text": "bcd"}),
        ({"image": "a", "text": "x"}, {"image": "acdb", "text": ""}),
        ({"image": "x"}, {"image": "abcd"}),
        ({}, dict.fromkeys(("audio", "image", "text", "video"), "abcd")),
        ({"image": "ab", "text": "cd"}, {"image": "ab", "text": "cd"}),
    ],
)
def test_what_nobody_names_is_kept_for_each_modality_of_the_others(named, expected):
    given = {modality: binary(*names) for modality, names in named.items()}
    result = with_unnamed(given, binary(*"abcd"))
    assert {modality: sorted(some.to_pylist()) for modality, some in result.items()} == {
        modality: sorted(binary(*names).to_pylist()) for modality, names in expected.items()
    }


def test_texts_are_hashed_and_the_empty_one_is_none():
    assert hash_texts(pa.chunked_array([["a", None, ""], ["ü"]])).to_pylist() == [
        binary("a")[0].as_py(),
        None,
        None,
        binary("ü")[0].as_py(),
    ]


def catalog(*ids, root="/photos", **columns):
    count = len(ids)
    fields = {
        "id": list(ids),
        "uri": [f"{root}/{item}" for item in ids],
        "content_hash": [sha(item) for item in ids],
        "modality": ["image"] * count,
        "mime": ["image/png"] * count,
        "size": pa.array([1] * count, pa.int64()),
        "width": pa.array([2] * count, pa.int32()),
        "height": pa.array([3] * count, pa.int32()),
        "caption": [f"caption {item}" for item in ids],
        "text": pa.array([None] * count, pa.string()),
        **columns,
        "_stat": ["1:2:3"] * count,
    }
    return pa.table(fields)


def test_a_catalog_gets_the_new_columns_and_types():
    zoned = pa.array([AT, None], pa.timestamp("us", tz="America/New_York"))
    old = catalog("b.png", "a/c.png", tag=["x", "y"], at=zoned, made=[[1.0], None], shelf=[1, 2])
    new = convert_catalog(old.replace_schema_metadata({b"embeddings_orch.media_version": b"v"}))
    types = {field.name: str(field.type) for field in new.schema}
    assert list(types)[10:] == ["tag", "at", "made", "shelf", "_part", "_digest", "_stat"]
    assert [types[name] for name in ("id", "uri", "content_hash", "modality", "mime", "_part", "_stat")] == [
        "string"
    ] * 7
    assert [types[name] for name in ("caption", "text", "tag")] == ["large_string"] * 3
    assert types["at"] == "timestamp[us, tz=UTC]"
    assert types["made"] == "struct<list: list<item: double>>"
    assert new.schema.field("_digest").type == BINARY
    assert new["id"].to_pylist() == ["a/c.png", "b.png"]
    assert new["uri"].to_pylist() == ["a/c.png", "b.png"]
    assert new["at"].to_pylist() == [None, AT]
    assert new["_part"].null_count == 2
    assert new["_stat"].to_pylist() == ["1:2:3"] * 2
    assert new.schema.metadata == {
        b"embeddings_orch.media_version": b"v",
        b"embeddings_orch.media_root": b"/photos",
    }
    assert len(pc.unique(new["_digest"])) == 2


def test_a_digest_is_of_what_a_scan_would_list():
    # The path of the folder is no part of it, nor what the table keeps beside the data.
    here, there = (convert_catalog(catalog("a.png", root=root)) for root in ("/here", "/there/too"))
    assert here["_digest"] == there["_digest"]
    assert convert_catalog(catalog("a.png", tag=["x"]))["_digest"] != here["_digest"]


@pytest.mark.parametrize(
    ("uris", "root"),
    [
        ({"a.png": "/m/a.png", "b/c.png": "/m/b/c.png"}, "/m"),
        ({"i0": "/m/items.parquet#i0", "b.png": "/m/b.png"}, "/m"),
        ({"i0": "/m/items.parquet#i0", "b.png": "/n/b.png"}, ""),
        ({"i0": "/m/x.png"}, ""),
        ({"a": "s3://bucket/a", "b": "https://x.y/b"}, ""),
        ({"a": "s3://bucket/a", "b": "/m/b"}, "/m"),
        ({}, ""),
    ],
)
def test_the_root_is_what_ids_are_relative_to(uris, root):
    table = pa.table({"id": pa.array(uris, pa.string()), "uri": pa.array(uris.values(), pa.string())})
    assert find_root(table) == root


def test_uris_elsewhere_stay_absolute():
    table = catalog("a.png", "b.png")
    table = table.set_column(1, "uri", pa.array(["/m/a.png", "s3://bucket/b.png"]))
    assert convert_catalog(table)["uri"].to_pylist() == ["a.png", "s3://bucket/b.png"]


def test_tombstones_are_of_what_a_later_version_lacks():
    versions = [
        (number, pa.table({"id": pa.array(ids, pa.string())})) for number, ids in ((1, "abc"), (2, "ad"), (3, "d"))
    ]
    assert find_deleted(
        [(number, pa.table({"id": list(table["id"].to_pylist())})) for number, table in versions]
    ).to_pylist() == [
        {"id": "b", "version": 2},
        {"id": "c", "version": 2},
        {"id": "a", "version": 3},
    ]
    assert find_deleted(versions[:1]).num_rows == 0
    assert find_deleted([]).num_rows == 0


def test_failures_go_to_each_modality_of_their_content():
    row = {"uri": "/m/a", "reason": "why", "kind": "item", "at": AT}
    old = pa.Table.from_pylist(
        [
            {"fingerprint": "one", "key": f"{sha('a')}:0", **row},
            {"fingerprint": "two", "key": f"{sha('a')}:0", **row},
            {"fingerprint": "two", "key": f"{sha('b')}:ready", **row},
            {"fingerprint": "two", "key": "no key", **row},
        ]
    )
    new = convert_failures(old, {"one": {"image": binary("a"), "text": binary("a")}, "two": {"text": binary("a")}})
    assert sorted((one["fingerprint"], one["key"]) for one in new.to_pylist()) == sorted(
        [
            ("one", key("image", "a")),
            ("one", key("text", "a")),
            ("two", key("text", "a")),
            ("two", key("vector", "b")),
        ]
    )
    assert {tuple(one[name] for name in row) for one in new.to_pylist()} == {tuple(row.values())}


def test_states_name_the_new_versions():
    state = {"fingerprint": "f", "input": "caption", "settings": "{}", "digest": "old", "items_per_second": 1.5}
    old = pa.Table.from_pylist(
        [{"key": "p/e", "catalog_version": 7, **state}, {"key": "q/e", "catalog_version": 7, **state}]
    )
    asked = []
    new = convert_states(old, {("p", 7): 2}, lambda row: asked.append(row["key"]) or bytes(31) + b"\1").to_pylist()
    unknown = dict.fromkeys(("vectors_version", "contents", "covered", "failed"))
    common = {**state, "deployment": "main", "digest": bytes(31) + b"\1", **unknown}
    assert new == [
        {"key": "main/p/e", "catalog_version": 2, **common},
        {"key": "main/q/e", "catalog_version": 0, **common},
    ]
    assert asked == ["main/p/e", "main/q/e"]


def test_pointers_of_format_1_know_no_version_of_a_hold():
    row = {"key": "p/i", "generation": "g-1", "held": True, "updated_at": AT}
    assert convert_pointers(pa.Table.from_pylist([row])).to_pylist() == [
        {**row, "key": "main/p/i", "deployment": "main", "hold_version": None}
    ]
    row["hold_version"] = "v"
    assert convert_pointers(pa.Table.from_pylist([row])).to_pylist() == [
        {**row, "key": "main/p/i", "deployment": "main"}
    ]


def test_moves_and_generations_are_of_the_deployment_main():
    move = {"key": "p/i", "generation": "g-2", "previous": "g-1", "kind": "publish", "at": AT}
    assert convert_publications(pa.Table.from_pylist([move])).to_pylist() == [
        {**move, "key": "main/p/i", "deployment": "main"}
    ]
    row = {"id": "g-1", "pipeline": "p", "index": "i", "table": "index.p.i.g", "version": 1, "rows": 2}
    row |= {"created_at": AT, "settings": "{}", "checks": "[]"}
    assert convert_generations(pa.Table.from_pylist([row])).to_pylist() == [
        {**row, "deployments": ["main"], "digest": None, "made_from": None}
    ]
