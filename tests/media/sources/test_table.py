from __future__ import annotations

import json
from hashlib import sha256

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from embeddings_orch.errors import SourceError
from embeddings_orch.media.base import CATALOG_SCHEMA, STAT_COLUMN
from embeddings_orch.media.sources import files as files_module
from embeddings_orch.media.sources import table as table_module
from embeddings_orch.media.sources.table import TableConfig, TableSource
from embeddings_orch.models.content import content_hash


def picture(path, size=(8, 6)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, "red").save(path)
    return path


def write(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def jsonl(path, *rows):
    return write(path, "".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows))


def scan(path, previous=None, **settings):
    return TableSource(TableConfig(path=path, **settings), now=lambda: 4e9).scan(previous)


def problems(found):
    return [(problem.where, problem.reason) for problem in found.problems]


def test_rows_name_pictures_or_hold_texts(tmp_path):
    image = picture(tmp_path / "m" / "a b.png")
    note = write(tmp_path / "note.md", "of the file")
    path = write(
        tmp_path / "t.csv",
        "id,uri,text,caption,price\n"
        f"z,m/a b.png,words,red,1.5\ny,{image},,,2\nx,file://{str(image).replace(' ', '%20')},,,\n"
        "w,,only text,,\nv,note.md,of the row,,3\n",
    )
    found = scan(path)
    assert found.problems == []
    table = found.table
    assert table.column_names == [*CATALOG_SCHEMA.names, "price", STAT_COLUMN]
    assert table.schema.names[:10] == CATALOG_SCHEMA.names
    rows = {row["id"]: row for row in table.to_pylist()}
    assert list(rows) == ["v", "w", "x", "y", "z"]
    assert {rows[key]["uri"] for key in "xyz"} == {str(image)}
    assert rows["z"]["content_hash"] == sha256(image.read_bytes()).hexdigest()
    z = rows["z"]
    assert (z["modality"], z["text"], z["caption"], z["price"], z["width"]) == (
        "image",
        "words",
        "red",
        1.5,
        8,
    )
    w = rows["w"]
    assert (w["modality"], w["mime"], w["size"], w["uri"]) == ("text", "text/plain", 9, f"{path}#w")
    assert (w["content_hash"], w[STAT_COLUMN]) == (content_hash("only text"), "")
    assert (rows["v"]["text"], rows["v"]["content_hash"]) == ("of the file", content_hash("of the file"))
    assert TableSource(TableConfig(path=path)).read(str(note)) == b"of the file"


def test_columns_can_have_other_names(tmp_path):
    picture(tmp_path / "a.png")
    rows = [{"sku": 7, "photo": "a.png", "body": "words", "alt": "red", "n": 1}]
    found = scan(jsonl(tmp_path / "t.jsonl", *rows), id="sku", uri="photo", text="body", caption="alt")
    (row,) = found.table.to_pylist()
    assert [row[key] for key in ("id", "text", "caption", "n")] == ["7", "words", "red", 1]


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "ndjson", "parquet"])
def test_every_format_gives_the_same_catalog(tmp_path, suffix):
    picture(tmp_path / "a.png")
    rows = [
        {"id": "b", "text": "words", "uri": None, "n": 1},
        {"id": "a", "text": None, "uri": "a.png", "n": 2},
    ]
    path = tmp_path / f"t.{suffix}"
    if suffix == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif suffix == "csv":
        write(path, "id,text,uri,n\nb,words,,1\na,,a.png,2\n")
    else:
        jsonl(path, *rows)
    found = scan(path)
    assert found.problems == []
    assert found.table.select(["id", "modality", "text", "n"]).to_pylist() == [
        {"id": "a", "modality": "image", "text": None, "n": 2},
        {"id": "b", "modality": "text", "text": "words", "n": 1},
    ]
    assert found.table.schema.field("n").type == pa.int64()


def test_the_format_can_be_given(tmp_path):
    assert scan(write(tmp_path / "t.data", "id,text\na,x\n"), format="csv").table.num_rows == 1
    with pytest.raises(SourceError, match="set `format`"):
        scan(tmp_path / "t.data")


def test_bad_rows_are_problems_and_the_others_go_on(tmp_path):
    picture(tmp_path / "a.png")
    write(tmp_path / "b.zip", "x")
    (tmp_path / "folder.png").mkdir()
    path = write(
        tmp_path / "t.csv",
        "id,uri,text\n"
        "a,a.png,\n"
        ",a.png,\n"
        "\n"
        'a,,"a text\nof two lines"\n'
        "c,,\n"
        "d,gone.png,text\n"
        "e,https://example.com/e.png,\n"
        "f,s3://bucket/f.png,\n"
        "g,b.zip,\n"
        "h,folder.png,\n"
        "i,a.png\n"
        "j,file://server/a.png,\n"
        "k,,last\n",
    )
    found = scan(path)
    assert found.table["id"].to_pylist() == ["a", "k"]
    place = f"{path}, row"
    expected = {
        f"{place} 2 (line 3)": "it has no 'id'",
        f"{place} 3 (line 5)": f"the id 'a' was given before, in {place} 1 (line 2); the first one counts",
        f"{place} 4 (line 7)": "it has neither 'uri' nor 'text'",
        f"{place} 5 (line 8)": f"there is no file {tmp_path}/gone.png",
        f"{place} 6 (line 9)": "a source for https:// is not installed",
        f"{place} 7 (line 10)": "a source for s3:// is not installed",
        f"{place} 8 (line 11)": "the extension is none of",
        f"{place} 9 (line 12)": "cannot be read: not a file",
        f"{place} 10 (line 13)": "2 fields where the header has 3",
        f"{place} 11 (line 14)": "on another machine",
    }
    assert {where for where, _ in problems(found)} == set(expected)
    for where, why in problems(found):
        assert expected[where] in why


def test_bad_json_lines_are_problems(tmp_path):
    path = jsonl(
        tmp_path / "t.jsonl",
        {"id": "a", "text": "x"},
        "{broken",
        "[1]",
        "",
        '{"id": "b", "text": "\\ud800"}',
        '{"id": "\\u00e9", "text": 5}',
        "[" * 100_000,
    )
    with path.open("ab") as file:
        file.write(b'{"id": "\xff"}\n')
    found = scan(path)
    assert found.table.select(["id", "text"]).to_pylist() == [
        {"id": "a", "text": "x"},
        {"id": "\u00e9", "text": "5"},
    ]
    lines = [(2, 2), (3, 3), (4, 5), (6, 7), (7, 8)]
    assert [where for where, _ in problems(found)] == [f"{path}, row {row} (line {line})" for row, line in lines]
    assert all(why.startswith("not JSON") for _, why in problems(found))


def test_parquet_rows_are_named_by_number(tmp_path):
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"id": [1, None, 1], "text": ["a", "b", "c"], "tags": [["x"], [], None]}), path)
    found = scan(path)
    assert found.table.select(["id", "tags"]).to_pylist() == [{"id": "1", "tags": ["x"]}]
    assert [where for where, _ in problems(found)] == [f"{path}, row 2", f"{path}, row 3"]


def test_a_cell_that_does_not_fit_a_pinned_type_is_null_and_a_problem(tmp_path):
    path = write(tmp_path / "t.csv", "id,text,n\na,x,1\nb,y,?\n")
    found = scan(path, types={"n": "int"})
    assert found.table["n"].to_pylist() == [1, None]
    assert problems(found) == [(f"{path}, row 2 (line 3)", "its 'n' is not of type int")]


@pytest.mark.parametrize(
    ("name", "content", "settings", "message"),
    [
        ("t.csv", "key,text\n1,x\n", {}, r"no column 'id' \(the setting `id`\).*allowed: key, text"),
        ("t.csv", "id,body\n1,x\n", {}, "neither a column 'uri' nor 'text'"),
        ("t.csv", "id,text\n1,x\n", {"caption": "cap"}, "no column 'cap'"),
        ("t.csv", "id,text,size\n1,x,3\n", {}, r"t\.csv: the column 'size' collides"),
        ("t.csv", "id,body,text\n1,x,y\n", {"text": "body"}, r"'text' collides"),
        ("t.csv", "id,text,a b\n1,x,3\n", {}, "'a b' cannot be used"),
        ("t.csv", 'id,text\n1,x\n2,"y\n', {}, r"t\.csv, line 3: not a CSV file"),
        ("t.csv", b"id,text\n1,\xff\n", {}, "not UTF-8"),
        ("t.csv", "", {}, "is empty"),
        ("t.jsonl", '{"id": 1, "text": "x", "o": {"a": 1}}', {}, "'o' holds objects"),
        ("t.parquet", "no parquet", {}, r"t\.parquet: not a Parquet file"),
        ("t.csv", "id,text\n1,x\n", {"types": {"n": "int"}}, "`types` names the column 'n'"),
    ],
)
def test_a_table_that_cannot_be_used_says_why(tmp_path, name, content, settings, message):
    with pytest.raises(SourceError, match=message):
        scan(write(tmp_path / name, content), **settings)


def test_parquet_columns_of_objects_and_bytes_are_refused(tmp_path):
    for values in ([{"a": 1}], [b"x"]):
        pq.write_table(pa.table({"id": ["a"], "text": ["x"], "image": values}), tmp_path / "t.parquet")
        with pytest.raises(SourceError, match=r"t\.parquet: the column 'image' holds"):
            scan(tmp_path / "t.parquet")


def test_a_missing_table_is_named_with_its_whole_path(tmp_path):
    with pytest.raises(SourceError, match=rf"{tmp_path}/t\.csv does not exist .*relative to the YAML"):
        scan(tmp_path / "t.csv")
    with pytest.raises(SourceError, match="source: folder"):
        scan(tmp_path)


@pytest.mark.parametrize(("name", "content"), [("t.csv", "id,text\n"), ("t.jsonl", "")])
def test_a_table_without_rows_is_an_empty_catalog(tmp_path, name, content):
    found = scan(write(tmp_path / name, content))
    assert (found.table.num_rows, found.problems) == (0, [])
    assert found.table.column_names == [*CATALOG_SCHEMA.names, STAT_COLUMN]


def test_files_that_did_not_change_are_not_read_again(tmp_path, monkeypatch):
    picture(tmp_path / "a.png")
    picture(tmp_path / "b.png", (9, 9))
    path = write(tmp_path / "t.csv", "id,uri,text\n1,a.png,\n2,,words\n")
    first = scan(path)
    read = []
    real = files_module.FileFacts._read
    monkeypatch.setattr(files_module.FileFacts, "_read", lambda self, file: (read.append(file.id), real(self, file))[1])
    assert scan(path, first.table).table.equals(first.table)
    assert read == []
    write(path, "id,uri,text\n1,b.png,\n2,,words\n")
    assert scan(path, first.table).table["width"].to_pylist() == [9, None]
    assert read == ["1"]


def listed(path, now=4e9):
    return TableSource(TableConfig(path=path), now=lambda: now).list_items()


@pytest.fixture
def parsed(monkeypatch):
    """The tables that are read."""
    paths = []
    real = table_module.read_records

    def told(path, *arguments, **options):
        paths.append(path.name)
        return real(path, *arguments, **options)

    monkeypatch.setattr(table_module, "read_records", told)
    return paths


def test_a_listing_reads_the_table_again_only_when_its_file_has_changed(tmp_path, parsed):
    picture(tmp_path / "a.png")
    path = write(tmp_path / "t.csv", "id,uri,text\n1,a.png,\n2,,words\n")
    first = listed(path)
    assert listed(path) == first
    assert set(first.items) == {"1"}
    assert parsed == ["t.csv"]

    write(path, "id,uri,text\n1,a.png,\n2,,other words\n")
    assert listed(path).others != first.others
    assert parsed == ["t.csv"] * 2


def test_a_listing_sees_a_file_change_that_an_unchanged_table_names(tmp_path, parsed):
    path = write(tmp_path / "t.csv", "id,uri,text\n1,a.png,\n")
    missing = listed(path)
    picture(tmp_path / "a.png")
    there = listed(path)
    picture(tmp_path / "a.png", (9, 9))
    assert missing.items == {"1": ""}
    assert len({missing.items["1"], there.items["1"], listed(path).items["1"]}) == 3
    assert parsed == ["t.csv"]


def test_a_table_that_was_written_just_now_is_read_again(tmp_path, parsed):
    path = write(tmp_path / "t.csv", "id,text\n1,x\n")
    now = path.stat().st_mtime + 0.01
    assert listed(path, now) == listed(path, now)
    assert parsed == ["t.csv"] * 2


def test_a_table_that_cannot_be_read_says_so_at_every_listing(tmp_path):
    path = write(tmp_path / "t.csv", "id,text\n1,x\n")
    listed(path)
    for _ in range(2):
        with pytest.raises(SourceError, match="neither a column"):
            listed(write(tmp_path / "t.csv", "id,body\n1,x\n"))
    path.unlink()
    with pytest.raises(SourceError, match="does not exist"):
        listed(path)
