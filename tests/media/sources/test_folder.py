from __future__ import annotations

import json
import os
import unicodedata
from hashlib import sha256
from pathlib import Path
from zlib import crc32

import pyarrow as pa
import pytest
from PIL import Image
from pydantic import ValidationError

from embeddings_orch.errors import SourceError
from embeddings_orch.media.base import CATALOG_SCHEMA
from embeddings_orch.media.sources import files as files_module
from embeddings_orch.media.sources.folder import FolderConfig, FolderSource
from embeddings_orch.models.content import content_hash
from embeddings_orch.models.rows.notes import STAT_COLUMN


def picture(path, size=(8, 6), colour="red", **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path, **options)
    return path


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def scan(root, previous=None, *, now=None, **settings):
    source = FolderSource(FolderConfig(path=root, **settings), now=now or (lambda: 4e9))
    return source.scan(previous)


def ids(found):
    return found.table["id"].to_pylist()


def rows(found):
    return {row["id"]: row for row in found.table.to_pylist()}


def passed_over(found):
    return {kind.kind: kind.count for kind in found.passed_over}


def problems(found):
    return [(problem.where, problem.reason) for problem in found.problems]


def test_a_catalog_row_says_what_the_file_is(tmp_path):
    path = picture(tmp_path / "sub" / "A.PNG", (8, 6))
    found = scan(tmp_path)
    (row,) = found.table.to_pylist()
    status = path.stat()
    assert row == {
        "id": "sub/A.PNG",
        "uri": str(path),
        "content_hash": sha256(path.read_bytes()).hexdigest(),
        "modality": "image",
        "mime": "image/png",
        "size": path.stat().st_size,
        "width": 8,
        "height": 6,
        "caption": None,
        "text": None,
        STAT_COLUMN: f"{status.st_size}:{status.st_mtime_ns}:{status.st_ctime_ns}:{status.st_ino}",
    }
    assert found.table.schema.names == [*CATALOG_SCHEMA.names, STAT_COLUMN]
    assert FolderSource(FolderConfig(path=tmp_path)).read(row["uri"]) == path.read_bytes()


def test_the_catalog_is_sorted_and_counts_what_it_passes_over(tmp_path):
    for name in ("b.png", "a/z.png", "B.png", "\u00e9.png", "\U0001f600.png"):
        picture(tmp_path / name)
    write(tmp_path / "notes.xyz", "?")
    found = scan(tmp_path)
    assert ids(found) == ["B.png", "a/z.png", "b.png", "\u00e9.png", "\U0001f600.png"]
    assert (passed_over(found), found.problems) == ({".xyz": 1}, [])


def test_width_and_height_are_those_of_the_upright_picture(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    picture(tmp_path / "a.jpg", (8, 6), exif=exif)
    assert (rows(scan(tmp_path))["a.jpg"]["width"], rows(scan(tmp_path))["a.jpg"]["height"]) == (6, 8)


def test_empty_and_broken_files_are_cataloged(tmp_path):
    write(tmp_path / "empty.png", "")
    write(tmp_path / "text.png", "no picture")
    write(tmp_path / "empty.txt", "")
    header = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + b"\xff" * 8 + b"\x08\x02\0\0\0"
    write(tmp_path / "huge.png", header + crc32(header[12:]).to_bytes(4, "big"))
    found = rows(scan(tmp_path))
    assert found["empty.png"]["content_hash"] == sha256(b"").hexdigest()
    assert (found["text.png"]["size"], found["text.png"]["width"]) == (10, None)
    assert found["empty.txt"]["text"] == ""
    assert found["huge.png"]["width"] is None


def test_pictures_of_every_format_have_their_size(tmp_path):
    for name in ("a.png", "a.jpg", "a.gif", "a.webp", "a.bmp", "a.tif", "a.ppm"):
        picture(tmp_path / name, (8, 6))
    found = scan(tmp_path)
    assert [(row["width"], row["height"]) for row in found.table.to_pylist()] == [(8, 6)] * 7


def test_a_text_goes_by_what_a_model_is_given(tmp_path):
    write(tmp_path / "a.txt", b"\xef\xbb\xbfgr\xc3\xbcn")
    write(tmp_path / "b.md", b"gr\xc3\xbcn")
    write(tmp_path / "c.txt", b"gr\xfcn")
    found = rows(scan(tmp_path))
    assert found["a.txt"]["text"] == found["b.md"]["text"] == "gr\u00fcn"
    assert found["a.txt"]["content_hash"] == found["b.md"]["content_hash"] == content_hash("gr\u00fcn")
    assert (found["a.txt"]["modality"], found["b.md"]["mime"]) == ("text", "text/markdown")
    assert (found["c.txt"]["text"], found["c.txt"]["content_hash"]) == (None, sha256(b"gr\xfcn").hexdigest())


def test_include_and_exclude(tmp_path):
    for name in ("a.png", "x/b.png", "x/c.jpg", "drafts/d.png"):
        picture(tmp_path / name)
    assert ids(scan(tmp_path, include=("**/*.png",), exclude=("drafts/",))) == ["a.png", "x/b.png"]


def test_sounds_count_only_where_a_pattern_names_their_extension(tmp_path):
    picture(tmp_path / "a.png")
    for name in ("b.wav", "x/c.mp3"):
        write(tmp_path / name, f"sound {name}")
    found = scan(tmp_path)
    assert (ids(found), passed_over(found), found.problems) == (["a.png"], {".mp3": 1, ".wav": 1}, [])
    asked = {"include": ("**/*", "**/*.wav")}
    found = scan(tmp_path, **asked)
    assert (ids(found), passed_over(found)) == (["a.png", "b.wav"], {".mp3": 1})
    listed = FolderSource(FolderConfig(path=tmp_path, **asked)).list_items()
    assert set(listed.items) == {"a.png", "b.wav"}
    row = rows(found)["b.wav"]
    assert (row["modality"], row["mime"], row["size"]) == ("audio", "audio/wav", 11)
    assert (row["width"], row["height"], row["text"]) == (None, None, None)
    assert row["content_hash"] == sha256(b"sound b.wav").hexdigest()
    assert scan(tmp_path, found.table, **asked).table.equals(found.table)


def test_hidden_files_are_left_out_unless_spelled_out(tmp_path):
    for name in ("a.png", ".b.png", ".cache/c.png"):
        picture(tmp_path / name)
    assert ids(scan(tmp_path)) == ["a.png"]
    assert ids(scan(tmp_path, include=("**/.*", ".cache/*"))) == [".b.png", ".cache/c.png"]


def test_links_are_followed_and_loops_are_not(tmp_path):
    root = tmp_path / "media"
    picture(root / "a.png")
    picture(tmp_path / "elsewhere" / "b.png")
    (root / "link.png").symlink_to(root / "a.png")
    (root / "other").symlink_to(tmp_path / "elsewhere")
    (root / "loop").symlink_to(root)
    (tmp_path / "elsewhere" / "back").symlink_to(root)
    (root / "gone.png").symlink_to(tmp_path / "nowhere.png")
    (root / "itself.png").symlink_to(root / "itself.png")
    found = scan(root)
    assert ids(found) == ["a.png", "link.png", "other/b.png"]
    assert sorted(where for where, _ in problems(found)) == ["gone.png", "itself.png"]
    assert "missing file" in found.problems[0].reason


def test_what_is_not_a_file_is_passed_over(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "folder.png").mkdir()
    found = scan(tmp_path)
    assert (ids(found), passed_over(found)) == ([], {"no regular file": 1})


def test_a_name_that_is_not_utf_8_is_a_problem(tmp_path):
    picture(tmp_path / "a.png")
    (tmp_path / os.fsdecode(b"b\xff.png")).write_bytes(b"x")
    (tmp_path / os.fsdecode(b"d\xff")).mkdir()
    (tmp_path / os.fsdecode(b"d\xff") / "c.png").write_bytes(b"x")
    found = scan(tmp_path)
    assert ids(found) == ["a.png"]
    assert sorted(where for where, _ in problems(found)) == [r"b\xff.png", r"d\xff/c.png"]
    assert "not UTF-8" in found.problems[0].reason


def test_a_file_that_cannot_be_read_is_a_problem(tmp_path, monkeypatch):
    picture(tmp_path / "a.png")
    picture(tmp_path / "b.png")
    real = open

    def guarded(path, *args, **kwargs):
        if str(path).endswith("a.png"):
            raise PermissionError(13, "Permission denied", path)
        return real(path, *args, **kwargs)

    monkeypatch.setattr(files_module, "open", guarded, raising=False)
    found = scan(tmp_path)
    assert ids(found) == ["b.png"]
    assert problems(found) == [("a.png", "it cannot be read: Permission denied")]


def test_a_folder_that_cannot_be_listed_is_a_problem(tmp_path, monkeypatch):
    picture(tmp_path / "a.png")
    picture(tmp_path / "locked" / "b.png")
    real = os.scandir

    def guarded(path):
        if str(path).endswith("locked"):
            raise PermissionError(13, "Permission denied", path)
        return real(path)

    monkeypatch.setattr(os, "scandir", guarded)
    assert problems(scan(tmp_path)) == [("locked", "the folder cannot be listed: Permission denied")]
    with pytest.raises(SourceError, match=r"locked cannot be listed: Permission denied"):
        scan(tmp_path / "locked")


def test_a_missing_folder_is_named_with_its_whole_path(tmp_path):
    with pytest.raises(SourceError, match=rf"{tmp_path}/nowhere does not exist .*relative to the YAML"):
        scan(tmp_path / "nowhere")
    with pytest.raises(SourceError, match="source: table"):
        scan(write(tmp_path / "a.csv", "id\n"))


def test_settings():
    assert FolderConfig.model_validate({"path": "m"}, context={"base": Path("/x")}).path == Path("/x/m")
    for wrong in (
        {"path": 5},
        {"path": "m", "include": ["/a"]},
        {"path": "m", "include": []},
        {"path": "m", "types": {"a": "x"}},
    ):
        with pytest.raises(ValidationError):
            FolderConfig.model_validate(wrong)
    with pytest.raises(ValidationError, match=r"\.csv or \.jsonl"):
        FolderConfig(path="m", metadata="metadata.parquet")


# Hashes of files that did not change


def counting(monkeypatch):
    read = []
    real = files_module.FileFacts._read
    monkeypatch.setattr(files_module.FileFacts, "_read", lambda self, file: (read.append(file.id), real(self, file))[1])
    return read


def test_files_that_did_not_change_are_not_read_again(tmp_path, monkeypatch):
    picture(tmp_path / "a.png", (8, 6))
    picture(tmp_path / "b.png")
    write(tmp_path / "c.txt", "text")
    write(tmp_path / "metadata.csv", "file_name,text\na.png,of the user\n")
    first = scan(tmp_path)
    read = counting(monkeypatch)
    assert scan(tmp_path, first.table).table.equals(first.table)
    assert read == []
    picture(tmp_path / "b.png", colour="blue")
    os.utime(tmp_path / "b.png", (1e9, 1e9))
    second = scan(tmp_path, first.table)
    assert read == ["b.png"]
    assert rows(second)["b.png"]["content_hash"] == sha256((tmp_path / "b.png").read_bytes()).hexdigest()


@pytest.mark.parametrize(("age", "trusted"), [(-5, False), (0, False), (1.9, False), (2.1, True)])
def test_the_stat_of_a_file_that_changed_just_now_is_not_trusted(tmp_path, monkeypatch, age, trusted):
    path = picture(tmp_path / "a.png")
    changed = int(path.stat().st_ctime) + 10  # whole seconds, as some file systems count
    os.utime(path, (changed, changed))
    first = scan(tmp_path, now=lambda: changed + age)
    assert bool(first.table[STAT_COLUMN][0].as_py()) is trusted
    read = counting(monkeypatch)
    scan(tmp_path, first.table)
    assert read == ([] if trusted else ["a.png"])


@pytest.mark.parametrize(("age", "trusted"), [(0, False), (0.01, False), (0.1, True)])
def test_the_stat_of_a_file_whose_entry_changed_just_now_is_not_trusted(tmp_path, age, trusted):
    path = picture(tmp_path / "a.png")
    while path.stat().st_ctime_ns % 1_000_000_000 == 0:
        path.touch()
    os.utime(path, (1e9, 1e9))
    first = scan(tmp_path, now=lambda: path.stat().st_ctime + age)
    assert bool(first.table[STAT_COLUMN][0].as_py()) is trusted


def test_other_bytes_of_the_same_size_are_seen_where_the_time_was_set_back(tmp_path, monkeypatch):
    path = picture(tmp_path / "a.png")
    before = path.stat()
    first = scan(tmp_path)
    data = bytearray(path.read_bytes())
    data[-20] ^= 1
    with path.open("r+b") as file:
        file.write(data)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    now = path.stat()
    assert (now.st_size, now.st_mtime_ns, now.st_ino) == (before.st_size, before.st_mtime_ns, before.st_ino)
    read = counting(monkeypatch)
    second = scan(tmp_path, first.table)
    assert (read, rows(second)["a.png"]["content_hash"]) == (["a.png"], sha256(data).hexdigest())


@pytest.mark.parametrize("other", ["", "size", "time", "inode"])
def test_a_stat_without_the_time_of_the_entry_counts_where_the_rest_is_the_same(tmp_path, monkeypatch, other):
    # As earlier versions of this package kept them.
    status = picture(tmp_path / "a.png").stat()
    first = scan(tmp_path)
    facts = {"size": status.st_size, "time": status.st_mtime_ns, "inode": status.st_ino}
    old = ":".join(str(value + (name == other)) for name, value in facts.items())
    table = first.table.set_column(first.table.num_columns - 1, STAT_COLUMN, pa.array([old]))
    read = counting(monkeypatch)
    second = scan(tmp_path, table)
    assert read == (["a.png"] if other else [])
    assert second.table == first.table  # with its present stat


def test_a_renamed_file_in_its_place_is_read(tmp_path, monkeypatch):
    for name in ("a.png", "b.png"):
        os.utime(picture(tmp_path / name, colour="red" if name == "a.png" else "blue"), (1e9, 1e9))
    first = scan(tmp_path)
    (tmp_path / "b.png").rename(tmp_path / "a.png")
    second = scan(tmp_path, first.table)
    assert rows(second)["a.png"]["content_hash"] == rows(first)["b.png"]["content_hash"]


def test_a_catalog_without_stats_reuses_nothing(tmp_path, monkeypatch):
    picture(tmp_path / "a.png")
    first = scan(tmp_path).table.drop([STAT_COLUMN])
    read = counting(monkeypatch)
    scan(tmp_path, first)
    assert read == ["a.png"]


def test_progress_counts_up(tmp_path):
    for number in range(3):
        picture(tmp_path / f"{number}.png")
    seen = []
    FolderSource(FolderConfig(path=tmp_path)).scan(None, seen.append)
    assert seen[-1] == 3


# Captions and columns of one's own


def test_captions_and_columns_come_from_metadata_of_each_folder(tmp_path):
    for name in ("a.png", "x/b.png", "x/c.png", "y/d.png"):
        picture(tmp_path / name)
    write(tmp_path / "metadata.csv", "file_name,caption,year,zip\na.png,red,1999,00123\ny/d.png,,2001,123\n")
    write(
        tmp_path / "x" / "metadata.jsonl",
        '{"file_name": "b.png", "caption": "blue", "tags": ["t"], "text": "words"}\n'
        '{"file_name": "./c.png", "year": 5}\n',
    )
    found = scan(tmp_path)
    assert found.problems == []
    table = found.table
    assert table["caption"].to_pylist() == ["red", "blue", None, None]
    assert table["text"].to_pylist() == [None, "words", None, None]
    assert table["year"].to_pylist() == [1999, None, 5, 2001]
    assert table["zip"].to_pylist() == ["00123", None, None, "123"]
    assert table["tags"].to_pylist() == [None, ["t"], None, None]
    assert table.column_names == [*CATALOG_SCHEMA.names, "year", "zip", "tags", STAT_COLUMN]
    assert found.passed_over == ()


def test_the_text_of_a_text_file_is_its_own(tmp_path):
    write(tmp_path / "a.txt", "own")
    write(tmp_path / "metadata.csv", "file_name,text\na.txt,other\n")
    assert rows(scan(tmp_path))["a.txt"]["text"] == "own"


def test_rows_without_a_file_and_second_rows_are_problems(tmp_path):
    picture(tmp_path / "a.png")
    picture(tmp_path / "left-out.jpg")
    text = "file_name,caption\ngone.png,x\na.png,first\nleft-out.jpg,x\n\n./a.png,second\n,x\n../a.png,x\n"
    path = write(tmp_path / "metadata.csv", text)
    found = scan(tmp_path, include=("*.png",))
    assert found.table["caption"].to_pylist() == ["first"]
    assert problems(found) == [
        (f"{path}, row 1 (line 2)", "there is no file 'gone.png' in the folder"),
        (f"{path}, row 4 (line 6)", f"'./a.png' was described before, in {path}, row 2 (line 3)"),
        (f"{path}, row 5 (line 7)", "it has no file_name"),
        (f"{path}, row 6 (line 8)", "there is no file '../a.png' in the folder"),
    ]


def test_a_name_matches_in_either_unicode_form(tmp_path):
    decomposed = unicodedata.normalize("NFD", "caf\u00e9.png")
    picture(tmp_path / decomposed)
    write(tmp_path / "metadata.csv", "file_name,caption\ncaf\u00e9.png,coffee\n")
    found = scan(tmp_path)
    assert (found.problems, found.table["caption"].to_pylist(), ids(found)) == ([], ["coffee"], [decomposed])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file_name,caption\na.png", r"metadata\.csv, row 1 \(line 2\): 1 field .* 2.*as if it were cut off"),
        ('file_name,caption\na.png,"red\nb.png,blue\n', r"metadata\.csv, line 2: not a CSV"),
        ("name,caption\na.png,red\n", r"no column 'file_name'.*allowed: caption, name"),
        (b"file_name,caption\na.png,gr\xfcn\n", r"not UTF-8 text: byte 0xfc at offset 26"),
        ("", r"metadata\.csv is empty"),
    ],
)
def test_metadata_that_cannot_be_used_are_named(tmp_path, text, message):
    picture(tmp_path / "a.png")
    write(tmp_path / "metadata.csv", text)
    with pytest.raises(SourceError, match=message):
        scan(tmp_path)


def test_json_metadata_that_are_cut_off_are_named(tmp_path):
    picture(tmp_path / "a.png")
    write(tmp_path / "metadata.jsonl", "{")
    with pytest.raises(SourceError, match=r"metadata\.jsonl, row 1 \(line 1\): not JSON"):
        scan(tmp_path)


def test_no_column_of_the_metadata_is_refused(tmp_path):
    picture(tmp_path / "a.png")
    picture(tmp_path / "b" / "b.png")
    write(tmp_path / "metadata.csv", ",file_name,width,ID,alt text,_x,_stat,a.b,a,a\n0,a.png,3,k,red,1,2,4,5,6\n")
    write(tmp_path / "b" / "metadata.csv", "width,file_name,size\n7,b.png,9\n")
    found = scan(tmp_path)
    rows = {row["id"]: row for row in found.table.to_pylist()}
    own = ["column_1", "width_2", "ID", "alt text", "_x", "stat", "a_b", "a", "a_2", "size_2"]
    assert [name for name in found.table.column_names if name not in CATALOG_SCHEMA.names] == [*own, STAT_COLUMN]
    assert [rows["a.png"][name] for name in own] == [0, 3, "k", "red", 1, 2, 4, 5, 6, None]
    assert (rows["b/b.png"]["width_2"], rows["b/b.png"]["size_2"]) == (7, 9)
    told = problems(found)
    assert (
        str(tmp_path / "b" / "metadata.csv"),
        "the catalog has a column 'size' of its own: it is kept as 'size_2'; "
        "to name it: columns: {rename: {'size': NAME}}",
    ) in told
    assert len(told) == 6
    assert all(problem.hides is None for problem in found.problems)


def test_columns_of_the_metadata_can_be_chosen_and_renamed(tmp_path):
    picture(tmp_path / "a.png")
    write(tmp_path / "metadata.csv", "file_name,width,caption,notes,n\na.png,3,red,x,1\n")
    chosen = {"columns": {"exclude": ["notes", "caption"], "rename": {"width": "cm"}}, "types": {"width": "float"}}
    found = scan(tmp_path, **chosen)
    (row,) = found.table.to_pylist()
    assert (row["cm"], row["n"], row["caption"], "notes" in row, found.problems) == (3.0, 1, None, False, [])
    (row,) = scan(tmp_path, columns={"include": ["n"]}).table.to_pylist()
    assert ("width_2" in row, row["n"], row["caption"]) == (False, 1, "red")
    with pytest.raises(SourceError, match=r"`columns\.exclude` names the column 'note', which there is not.*'notes'"):
        scan(tmp_path, columns={"exclude": ["note"]})


def test_metadata_name_files_by_one_text_and_take_any_value_as_a_caption(tmp_path):
    picture(tmp_path / "a.png")
    write(
        tmp_path / "metadata.jsonl", '{"file_name": "a.png", "caption": 7.0}\n{"file_name": 7.0, "caption": [1, "x"]}\n'
    )
    found = scan(tmp_path)
    assert found.table["caption"].to_pylist() == ["7"]
    assert [reason for _, reason in problems(found)] == ["there is no file '7' in the folder"]
    write(tmp_path / "metadata.jsonl", '{"file_name": "a.png", "caption": [1.0, "x", {"b": NaN}]}\n')
    assert scan(tmp_path).table["caption"].to_pylist() == ['[1,"x",{"b":null}]']


def test_two_metadata_files_in_one_folder_are_refused(tmp_path):
    write(tmp_path / "metadata.csv", "file_name\n")
    write(tmp_path / "metadata.jsonl", "")
    with pytest.raises(SourceError, match="2 metadata files"):
        scan(tmp_path)


def test_metadata_can_have_another_name_be_excluded_or_be_off(tmp_path):
    picture(tmp_path / "a.png")
    write(tmp_path / "metadata.csv", "broken\n1,2\n")
    write(tmp_path / "labels.csv", "file_name,caption\na.png,red\n")
    assert scan(tmp_path, metadata="labels.csv").table["caption"].to_pylist() == ["red"]
    assert scan(tmp_path, metadata="").table["caption"].to_pylist() == [None]
    assert scan(tmp_path, exclude=("metadata.csv",)).table["caption"].to_pylist() == [None]


def test_a_pinned_type_keeps_its_column_whatever_one_cell_says(tmp_path):
    for name in ("a.png", "b.png"):
        picture(tmp_path / name)
    write(tmp_path / "metadata.csv", "file_name,year\na.png,1999\nb.png,unknown\n")
    assert scan(tmp_path).table.schema.field("year").type == pa.large_string()
    found = scan(tmp_path, types={"year": "int"})
    assert found.table["year"].to_pylist() == [1999, None]
    assert problems(found) == [("b.png", "its 'year' is not of type int")]
    with pytest.raises(SourceError, match=r"`types` names the column 'yaer'.*did you mean 'year'"):
        scan(tmp_path, types={"yaer": "int"})


def test_an_edited_caption_changes_no_content_hash(tmp_path):
    picture(tmp_path / "a.png")
    path = write(tmp_path / "metadata.jsonl", json.dumps({"file_name": "a.png", "caption": "one"}))
    first = scan(tmp_path)
    write(path, json.dumps({"file_name": "a.png", "caption": "two"}))
    second = scan(tmp_path, first.table)
    assert first.table["content_hash"] == second.table["content_hash"]
    assert second.table["caption"].to_pylist() == ["two"]
