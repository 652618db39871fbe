"""Tables as people have them: other separators, long cells, JSON arrays, compressed, with a row that is not right."""

from __future__ import annotations

import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from embeddings_orch.errors import SourceError
from embeddings_orch.media.sources.folder import FolderConfig, FolderSource
from embeddings_orch.media.sources.table import TableConfig, TableSource

ROWS = [{"id": "a", "text": "one, two", "n": 1}, {"id": "b", "text": "three\tfour; five|six", "n": 2}]


def scan(path, **settings):
    return TableSource(TableConfig(path=path, **settings)).scan(None)


def rows(path, **settings):
    result = scan(path, **settings)
    assert result.problems == []
    return [{name: row[name] for name in ("id", "text", "n")} for row in result.table.to_pylist()]


def as_csv(delimiter):
    lines = [["id", "text", "n"], *([row["id"], f'"{row["text"]}"', str(row["n"])] for row in ROWS)]
    return "".join(delimiter.join(line) + "\n" for line in lines)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_the_separator_of_a_csv_is_told_from_its_header(tmp_path, delimiter, mark):
    (tmp_path / "t.csv").write_text(mark + as_csv(delimiter))
    assert rows(tmp_path / "t.csv") == ROWS
    assert rows(tmp_path / "t.csv", delimiter=delimiter) == ROWS


def test_a_separator_that_is_given_counts(tmp_path):
    (tmp_path / "t.csv").write_text("id;a,b~text~n\nx~y~1\n")
    (row,) = scan(tmp_path / "t.csv", delimiter="~", id="id;a,b").table.to_pylist()
    assert (row["id"], row["text"]) == ("x", "y")
    with pytest.raises(SourceError, match="no column 'id'"):
        scan(tmp_path / "t.csv")


def test_a_header_of_one_column_has_no_separator_and_two_of_a_kind_mean_commas(tmp_path):
    (tmp_path / "t.csv").write_text("text,id;x\nhello,1\n")
    assert scan(tmp_path / "t.csv", id="id;x").table["id"].to_pylist() == ["1"]


@pytest.mark.parametrize(
    ("header", "row", "column"),
    [
        ('id,"words; of; it"', "x,y", "words; of; it"),
        ('id;"words, of, it"', "x;y", "words, of, it"),
        ('id,"words;\nof;\nit"', "x,y", "words;\nof;\nit"),
        ('id|"5"", 6"", 7"""', "x|y", '5", 6", 7"'),
        ("id,words", "x,y;z;z", "words"),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_what_is_in_quotes_or_behind_the_header_separates_nothing(tmp_path, header, row, column, end):
    (tmp_path / "t.csv").write_bytes(f"{header}{end}{row}{end}".encode())
    (found,) = scan(tmp_path / "t.csv", text=column).table.to_pylist()
    assert (found["id"], found["text"]) == ("x", row[2:])


@pytest.mark.parametrize("name", ["t.json", "t.jsonl", "t.ndjson"])
@pytest.mark.parametrize("array", [True, False])
def test_json_is_an_array_or_lines(tmp_path, name, array):
    lines = "".join(json.dumps(row) + "\n" for row in ROWS)
    (tmp_path / name).write_text("\ufeff " * array + json.dumps(ROWS, indent=1) if array else lines)
    assert rows(tmp_path / name) == ROWS


@pytest.mark.parametrize("name", ["t.json", "t.jsonl"])
@pytest.mark.parametrize("end", ["\n", "\r", "\r\n", ""])
def test_objects_may_stand_over_several_lines(tmp_path, name, end):
    text = "".join(json.dumps(row, indent=1).replace("\n", end) + end for row in ROWS)
    (tmp_path / name).write_bytes(text.encode())
    assert rows(tmp_path / name) == ROWS


@pytest.mark.parametrize("name", ["t.csv", "t.jsonl", "t.json"])
@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
def test_a_mark_tells_the_encoding(tmp_path, name, encoding):
    text = as_csv("\t") if name == "t.csv" else "".join(json.dumps(row) + "\r\n" for row in ROWS)
    (tmp_path / name).write_bytes(text.encode(encoding))
    assert rows(tmp_path / name) == ROWS
    (tmp_path / name).write_bytes(text.encode("utf-16")[:-1])
    with pytest.raises(SourceError, match="not whole UTF-16 text"):
        scan(tmp_path / name)


@pytest.mark.parametrize("line", ["sep=;", "SEP=;", '"sep=;"'])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_the_line_of_excel_tells_the_separator_and_is_no_header(tmp_path, line, end):
    (tmp_path / "t.csv").write_bytes(f"{line}{end}id,x;text{end}a;red, green{end}b;too;many{end}".encode())
    result = scan(tmp_path / "t.csv", id="id,x")
    assert result.table["text"].to_pylist() == ["red, green"]
    assert result.problems[0].where.endswith("row 2 (line 4)")


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        (
            "t.jsonl",
            b"id,text\na,red\n",
            "none of its 2 rows can be read: row 1 .line 1.: not JSON.* set `format: csv`",
        ),
        ("t.json", b"[1, 2]", "none of its 2 rows can be read: row 1: not usable: a int"),
        ("t.csv", b"id,text\na,red,green", "its one row cannot be read: row 1 .line 2.: 3 fields"),
        ("t.json", b'{"id": ["a"], "text": ["red"]}', "one object of 'id', 'text', not rows; .*orient='records'"),
        ("t.json", b'{"rows":\n[{"id": "a", "text": "red"}]}', "one object of 'rows', not rows"),
        ("t.csv", b'[{"id": "a", "text": "red"}]', "this is JSON, not CSV; set `format: json`"),
        ("t.csv", b"PK\3\4\0\0", "a ZIP archive, such as an Excel workbook; save it as CSV"),
        ("t.json", b"<!DOCTYPE html>", "this is HTML or XML, not a table"),
        ("t.parquet", b"id,text\na,red\n", "this is text, not a Parquet file; set `format: csv`"),
        ("t.parquet", b' [{"id": 1}]', "this is text, not a Parquet file; set `format: json`"),
        ("t.parquet", gzip.compress(b"id,text\n"), "the bytes of a gzip file; set `format`"),
        ("t.csv.gz", gzip.compress(b"PAR1...."), "the bytes of a Parquet file, packed or cut off"),
    ],
)
def test_a_file_that_is_no_such_table_is_refused_with_what_it_is(tmp_path, name, data, message):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(SourceError, match=message):
        scan(tmp_path / name)


@pytest.mark.parametrize("name", ["t.csv", "t.jsonl"])
def test_the_bytes_of_parquet_and_gzip_are_told_whatever_the_name(tmp_path, name):
    pq.write_table(pa.Table.from_pylist(ROWS), tmp_path / name)
    assert rows(tmp_path / name) == ROWS
    text = as_csv(";") if name == "t.csv" else "\n".join(map(json.dumps, ROWS))
    (tmp_path / name).write_bytes(gzip.compress(text.encode()))
    assert rows(tmp_path / name) == ROWS


@pytest.mark.parametrize("blank", [" ", "\t \u3000", "\u00a0"])
def test_a_text_of_blanks_is_none(tmp_path, blank):
    (tmp_path / "t.csv").write_text(f'id,text,caption\na,red,"{blank}"\nb,"{blank}",green\n')
    result = scan(tmp_path / "t.csv")
    assert [(row["id"], row["caption"]) for row in result.table.to_pylist()] == [("a", None)]
    assert [problem.reason for problem in result.problems] == ["it has neither 'uri' nor 'text'"]


def test_what_is_no_object_in_an_array_is_a_problem_of_its_own(tmp_path):
    (tmp_path / "t.json").write_text(json.dumps([ROWS[0], 3, {"id": "s", "text": "\ud800"}, ROWS[1]]))
    result = scan(tmp_path / "t.json")
    assert result.table["id"].to_pylist() == ["a", "b"]
    assert [problem.where.rpartition("/")[2] for problem in result.problems] == ["t.json, row 2", "t.json, row 3"]


@pytest.mark.parametrize("text", ["[{]", '[{"id": "a"}', "[" * 100_000])
def test_an_array_that_is_cut_off_or_wrong_is_an_error_of_the_file(tmp_path, text):
    (tmp_path / "t.json").write_text(text)
    with pytest.raises(SourceError, match=r"t\.json: not JSON"):
        scan(tmp_path / "t.json")


@pytest.mark.parametrize("name", ["t.csv.gz", "t.jsonl.gz", "t.json.gz", "T.CSV.GZ"])
def test_a_compressed_table_is_as_good_as_a_plain_one(tmp_path, name):
    text = {"csv": as_csv(";"), "jsonl": "\n".join(map(json.dumps, ROWS)), "json": json.dumps(ROWS)}
    data = gzip.compress(text[name.lower().split(".")[1]].encode())
    (tmp_path / name).write_bytes(data)
    assert rows(tmp_path / name) == ROWS
    for broken in (data[:-9], data[:12], b"no gzip", data[:20] + b"\0\0\0" + data[23:]):
        (tmp_path / name).write_bytes(broken)
        with pytest.raises(SourceError, match="not a whole gzip file"):
            scan(tmp_path / name)


def test_a_cell_may_be_as_long_as_a_book(tmp_path):
    (tmp_path / "t.csv").write_text(f"id,text\na,{'x' * 1_000_000}\n")
    assert len(scan(tmp_path / "t.csv").table["text"][0].as_py()) == 1_000_000


def test_one_ragged_row_is_one_problem(tmp_path):
    (tmp_path / "t.csv").write_text("id;text\na;one\nb;two;too many\nc;three\n")
    result = scan(tmp_path / "t.csv")
    assert result.table["id"].to_pylist() == ["a", "c"]
    (problem,) = result.problems
    assert problem.reason == "3 fields where the header has 2; quote a value that has ';'"


@pytest.mark.parametrize("uri", ["file:{}", "file://{}", "file://localhost{}", "FILE:{}"])
def test_a_file_url_has_one_slash_or_three(tmp_path, uri):
    Image.new("RGB", (2, 2)).save(tmp_path / "a b.png")
    path = uri.format(f"{tmp_path}/a%20b.png")
    (tmp_path / "t.csv").write_text(f"id,uri\na,{path}\n")
    result = scan(tmp_path / "t.csv")
    assert (result.problems, result.table["uri"].to_pylist()) == ([], [str(tmp_path / "a b.png")])


# Captions


@pytest.fixture
def folder(tmp_path):
    for name in ("a.png", "Über.png"):
        Image.new("RGB", (2, 2)).save(tmp_path / name)
    return tmp_path


def captions(folder, text):
    (folder / "metadata.csv").write_text(text)
    result = FolderSource(FolderConfig(path=folder)).scan(None)
    named = dict(zip(result.table["id"].to_pylist(), result.table["caption"].to_pylist(), strict=True))
    return named, [problem.reason for problem in result.problems]


def test_one_ragged_row_of_the_captions_is_one_problem(folder):
    named, problems = captions(folder, "file_name;caption\na.png;red;white\nÜber.png;blue\n")
    assert (named["Über.png"], named["a.png"]) == ("blue", None)
    assert problems == ["3 fields where the header has 2; quote a value that has ';'"]


@pytest.mark.parametrize("written", ["A.PNG", "a.png ", " a.png", "über.png", ".\\a.png"])
def test_a_caption_of_a_name_that_is_nearly_right_names_the_file(folder, written):
    near = "Über.png" if "ber" in written else "a.png"
    named, problems = captions(folder, f"file_name,caption\n{written},red\n")
    assert set(named.values()) == {None}
    assert problems == [f"there is no file {written!r} in the folder; did you mean {near!r}?"]
