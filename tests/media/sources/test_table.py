from __future__ import annotations

import csv
import json
import math
from datetime import date
from decimal import Decimal
from hashlib import sha256
from uuid import UUID

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from embeddings_orch.errors import SourceError
from embeddings_orch.media.base import CATALOG_SCHEMA
from embeddings_orch.media.sources import files as files_module
from embeddings_orch.media.sources import table as table_module
from embeddings_orch.media.sources.table import TableConfig, TableSource
from embeddings_orch.models.content import content_hash
from embeddings_orch.models.rows.notes import STAT_COLUMN

UUID_TEXT = str(UUID(bytes=b"0123456789abcdef"))


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
        ("t.csv", 'id,text\n1,x\n2,"y\n', {}, r"t\.csv, line 3: not a CSV file"),
        ("t.csv", b"id,text\n1,\xff\n", {}, "not UTF-8"),
        ("t.csv", "", {}, "is empty"),
        ("t.parquet", b"\0\1\2\3", {}, r"t\.parquet: not a Parquet file"),
        ("t.csv", "id,text\n1,x\n", {"types": {"n": "int"}}, "`types` names the column 'n'"),
    ],
)
def test_a_table_that_cannot_be_used_says_why(tmp_path, name, content, settings, message):
    with pytest.raises(SourceError, match=message):
        scan(write(tmp_path / name, content), **settings)


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


def own(found):
    return {name: found.table[name].to_pylist() for name in found.table.column_names[10:-1]}


def test_no_column_is_refused_for_its_name(tmp_path):
    header = ["id", "text", "a b", "größe", "1st", "_x", "__index_level_0__", "select", "ID", "Size", "a/b:c", "a.b"]
    header += ["size", "_score", "", "x", "x", 'q"', "_digest", "a_b", "size_2", "*", "a`b"]
    path = tmp_path / "t.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, range(len(header))])
    found = scan(path)
    names = header[2:11] + ["a_b_2", "size_3", "score", "column_15", "x", "x_2", 'q"', "digest", "a_b", "size_2"]
    names += ["_", "a_b_3"]
    assert own(found) == {name: [place] for place, name in enumerate(names, 2)}
    told = dict(line.split(": it is kept as ", 1) for _, line in problems(found))
    assert told["two columns are named 'x'"] == "'x_2'; to name it: columns: {rename: {'x_2': NAME}}"
    assert told["no filter can say the name 'a.b'"].startswith("'a_b_2'")
    assert told["the catalog has a column 'size' of its own"].startswith("'size_3'")
    assert told["LanceDB keeps the name '_score' for itself"].startswith("'score'")
    assert len(told) == 8
    assert {(problem.where, problem.hides, problem.kept) for problem in found.problems} == {(str(path), None, True)}


def test_a_name_does_not_depend_on_where_its_column_stands(tmp_path):
    one = scan(write(tmp_path / "t.csv", "id,text,a.b,a`b,size\n1,x,dot,tick,9\n"))
    other = scan(write(tmp_path / "t.csv", "a`b,size,id,a.b,text\ntick,9,1,dot,x\n"))
    assert own(one) == own(other) == {"a_b": ["dot"], "a_b_2": ["tick"], "size_2": [9]}


def test_columns_are_chosen_and_renamed_by_their_names_in_the_file(tmp_path):
    path = write(tmp_path / "t.csv", "sku,text,size,a.b,n,m\n1,x,9,2,3,4\n")
    columns = {"exclude": ["m"], "rename": {"size": "cm", "a.b": "n", "n": "a"}}
    found = scan(path, id="sku", types={"size": "string"}, columns=columns)
    assert (own(found), found.problems) == ({"cm": ["9"], "n": [2], "a": [3]}, [])
    assert own(scan(path, id="sku", columns={"include": ["n"]})) == {"n": [3]}
    assert own(scan(path, id="sku", columns={"include": []})) == {}
    without_text = write(tmp_path / "u.csv", "id,uri,text\n1,a.md,x\n")
    write(tmp_path / "a.md", "of the file")
    assert scan(without_text, columns={"exclude": ["text"]}).table["text"].to_pylist() == ["of the file"]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"include": ["pric"]}, r"t\.csv: `columns\.include` names the column 'pric', which there is not.*'price'"),
        ({"exclude": ["pric"]}, r"`columns\.exclude` names the column 'pric'"),
        ({"rename": {"pric": "cost"}}, r"`columns\.rename` names the column 'pric'"),
        ({"rename": {"price": "n"}}, "renames a column to 'n', and there is one of that name"),
        ({"rename": {"price": "cost"}, "exclude": ["price"]}, "renames the column 'price', and leaves it out"),
        ({"rename": {"id": "key"}}, "`columns.rename` names 'id', which is none of the other columns"),
        ({"exclude": ["id"]}, r"no column 'id' \(the setting `id`\)"),
    ],
)
def test_a_choice_that_cannot_be_is_an_error(tmp_path, columns, message):
    path = write(tmp_path / "t.csv", "id,text,price,n\n1,x,2,3\n")
    with pytest.raises(SourceError, match=message):
        scan(path, columns=columns)


def test_columns_of_any_json_are_kept(tmp_path):
    path = jsonl(
        tmp_path / "t.jsonl",
        {"id": 1.0, "text": "x", "o": {"b": 1, "a": [2.0]}, "l": [[1]], "tags": ["a"], "f": 1.0, "m": 2.0},
        '{"id": true, "text": ["a", 1.0], "caption": {"de": "rot"}, "o": null, "f": NaN, "m": "x"}',
        '{"id": NaN, "text": "y"}',
        '{"id": [1, {"a": null}], "text": 7.0, "caption": NaN}',
    )
    found = scan(path)
    rows = {row["id"]: row for row in found.table.to_pylist()}
    assert list(rows) == ["1", '[1,{"a":null}]', "true"]
    assert (rows["1"]["o"], rows["1"]["l"], rows["1"]["tags"]) == ('{"a":[2],"b":1}', "[[1]]", ["a"])
    assert (rows["1"]["f"], rows["1"]["m"], str(rows["true"]["f"])) == (1.0, "2", "nan")
    assert (rows["true"]["text"], rows["true"]["caption"]) == ('["a",1]', '{"de":"rot"}')
    assert (rows['[1,{"a":null}]']["text"], rows['[1,{"a":null}]']["caption"]) == ("7", None)
    assert problems(found) == [(f"{path}, row 3 (line 3)", "it has no 'id'")]


@pytest.mark.parametrize(
    ("ids", "text"),
    [
        (pa.array([7.0, None]), "7"),
        (pa.array([math.nan, 7.5]), "7.5"),
        (pa.array([b"k\xc3\xa4se", None]), "käse"),
        (pa.array([b"k\xc3\xa4se", None], pa.binary_view()), "käse"),
        (pa.array(["käse", None], pa.string_view()), "käse"),
        (pa.array(["käse", None]).dictionary_encode(), "käse"),
        (pa.array([date(2026, 1, 2), None]), "2026-01-02"),
        (pa.array([1_767_322_800_000_000_001, None], pa.timestamp("ns", "Europe/Berlin")), "2026-01-02T03:00:00+00:00"),
        (pa.array([Decimal("7.00"), None]), "7"),
        (pa.ExtensionArray.from_storage(pa.uuid(), pa.array([b"0123456789abcdef", None], pa.binary(16))), UUID_TEXT),
    ],
    ids=str,
)
def test_ids_paths_and_texts_have_one_text_form(tmp_path, ids, text):
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"id": ids, "text": ids, "caption": ids}), path)
    found = scan(path)
    (row,) = found.table.to_pylist()
    assert (row["id"], row["text"], row["caption"]) == (text, text, text)
    assert [reason for _, reason in problems(found)] == ["it has no 'id'"]


def test_bytes_that_are_no_text_are_a_problem_of_their_row(tmp_path):
    path = tmp_path / "t.parquet"
    wrong = [b"\xff", b"b", b"c", b"d"]
    table = {"id": wrong, "text": [b"a", b"\xff", b"c", b"d"], "caption": [b"a", b"b", b"\xff", b"d"]}
    pq.write_table(pa.table({**table, "uri": [None, None, None, b"\xff.md"]}), path)
    found = scan(path)
    assert found.table.select(["id", "text", "caption"]).to_pylist() == [{"id": "c", "text": "c", "caption": None}]
    why = "its {!r} holds bytes that are no text in UTF-8"
    assert sorted(problems(found)) == [
        (f"{path}, row {row}", why.format(name)) for row, name in enumerate(("id", "text", "caption", "uri"), 1)
    ]


def test_two_columns_of_a_parquet_file_may_have_one_name(tmp_path):
    pq.write_table(pa.table([["a"], ["x"], [1], [2]], names=["id", "text", "n", "n"]), tmp_path / "t.parquet")
    assert own(scan(tmp_path / "t.parquet")) == {"n": [1], "n_2": [2]}


def test_what_cannot_be_kept_as_it_is_becomes_text_or_is_left_out_and_told(tmp_path):
    path = tmp_path / "t.parquet"
    columns = {
        "m": pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int64())),
        "at": pa.array([2**62], pa.timestamp("ms")),
    }
    pq.write_table(pa.table({"id": ["a"], "text": ["x"], **columns}), path)
    found = scan(path)
    assert own(found) == {"m": ['{"k":1}'], "at": [None]}
    assert problems(found) == [
        (str(path), "the column 'm' of map is kept as text"),
        (f"{path}, row 1", "its 'at' is no time that can be kept"),
    ]
    assert [problem.kept for problem in found.problems] == [True, False]
