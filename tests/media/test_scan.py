from __future__ import annotations

import pytest
from PIL import Image

from embeddings_orch import plugins
from embeddings_orch.errors import ItemError, TransientError
from embeddings_orch.media.catalog.diff import contents
from embeddings_orch.media.scan import read_content, source_for
from embeddings_orch.media.sources.folder import FolderConfig, FolderSource
from embeddings_orch.media.sources.table import TableConfig, TableSource


@pytest.fixture
def folder(tmp_path):
    Image.new("RGB", (8, 6)).save(tmp_path / "a.png")
    (tmp_path / "b.txt").write_bytes(b"\xef\xbb\xbfwords")
    (tmp_path / "c.txt").write_bytes(b"\xff")
    (tmp_path / "metadata.csv").write_text("file_name,caption,text\na.png,red,of the user\n")
    return FolderSource(FolderConfig(path=tmp_path))


def content_rows(source, input="media"):
    return {row["id"]: row for row in contents(source.scan(None).table, input).to_pylist()}


def test_the_source_of_a_config_is_found_by_its_name(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(plugins, "load", lambda *name: asked.append(name) or TableSource)
    source = source_for(TableConfig(path=tmp_path / "t.csv"))
    assert isinstance(source, TableSource)
    assert asked == [("sources", "table")]


def test_a_model_is_given_the_bytes_of_a_picture_and_the_text_of_a_text(folder, tmp_path):
    rows = content_rows(folder)
    assert read_content(folder, rows["a.png"]) == (tmp_path / "a.png").read_bytes()
    assert read_content(folder, rows["b.txt"]) == "words"
    assert read_content(folder, {**rows["b.txt"], "text": None}) == "words"


def test_a_model_is_given_a_caption(folder):
    rows = content_rows(folder, "caption")
    assert read_content(folder, rows["a.png"]) == "red"


def test_text_that_is_not_utf_8_fails_as_an_item(folder, tmp_path):
    row = content_rows(folder)["c.txt"]
    with pytest.raises(ItemError, match="not UTF-8"):
        read_content(folder, row)
    (tmp_path / "c.txt").write_bytes(b"\xfe")
    with pytest.raises(TransientError, match="changed since"):
        read_content(folder, row)


@pytest.mark.parametrize("name", ["a.png", "b.txt"])
def test_what_changed_since_the_scan_is_not_embedded_under_the_old_hash(folder, tmp_path, name):
    row = {**content_rows(folder)[name], "text": None}
    (tmp_path / name).write_bytes(b"other")
    with pytest.raises(TransientError, match=f"{name} changed since it was scanned; the next run picks it up"):
        read_content(folder, row)
    (tmp_path / name).unlink()
    with pytest.raises(TransientError, match=f"{name} cannot be read: No such file"):
        read_content(folder, row)


def test_a_caption_that_does_not_match_its_hash_is_not_embedded(folder):
    row = {**content_rows(folder, "caption")["a.png"], "text": "blue"}
    with pytest.raises(TransientError, match="changed since"):
        read_content(folder, row)
