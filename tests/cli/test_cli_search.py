"""The command ``search``: hybrid, by keywords, by another item, in pages, drawn and opened."""

from __future__ import annotations

import json
import os
import re
import stat

import pytest

from odd_ids import ODD_IDS, odd_gallery


def ids(result):
    return [hit["id"] for hit in json.loads(result.stdout)["hits"]]


def test_a_hybrid_search_has_the_same_keys_and_no_distance_where_there_is_none(cli, published):
    file, _, _ = published
    found = json.loads(cli("search", "red", "--hybrid", "--file", file, "--json").stdout)
    assert list(found) == ["index", "generation", "hits"]
    assert all(list(hit) == ["id", "uri", "score", "distance", "metadata"] for hit in found["hits"])
    assert found["hits"][0]["distance"] is not None
    words = json.loads(cli("search", "--keyword", "red", "--file", file, "--json").stdout)["hits"]
    assert [(hit["id"], hit["distance"]) for hit in words] == [("red.png", None)]


def test_alpha_goes_from_the_words_to_the_vectors(cli, published):
    file, _, _ = published
    vectors = ids(cli("search", "blue", "--file", file, "--json"))
    assert ids(cli("search", "blue", "--alpha", 1, "--file", file, "--json")) == vectors
    assert ids(cli("search", "blue", "--alpha", 0, "--file", file, "--json")) == ["blue.png"]
    assert ids(cli("search", "blue", "--alpha", 0.1, "--file", file, "--json"))[0] == "blue.png"


def test_what_is_like_an_item_is_not_the_item(cli, published):
    file, _, _ = published
    picture = file.parent / "media" / "green.png"
    near = ids(cli("search", "--image", picture, "--file", file, "--json"))
    assert near[0] == "green.png"
    assert ids(cli("search", "--like", "green.png", "--file", file, "--json")) == near[1:]
    result = cli("search", "--like", "nothing.png", "--file", file, status=1)
    assert "there is no item 'nothing.png' in the index" in result.stderr


@pytest.mark.slow
def test_ids_of_any_characters_are_listed_on_a_line_each_and_asked_for(cli, make_gallery):
    asked = [item for item in ODD_IDS if "\0" not in item]  # which no command line can have
    gallery = odd_gallery(make_gallery, asked)
    gallery.run()
    listed = cli("search", "--keyword", "item", "--limit", 50, "--file", gallery.file).stdout
    shown = [re.split(r"  +", line, maxsplit=2)[2].split("  ")[0] for line in listed.splitlines()[1:-1]]
    assert "\x1b" not in listed
    assert len(shown) == len(asked)
    assert {"line\\nbreak", "\\nfirst", "cr\\r\\nlf", "tab\\there", "\\x1b[31mred", "x\\u2028y", "emoji 🐈‍⬛"} <= {
        *shown
    }
    for item in ("line\nbreak", "..", "'single' \"double\"", "\x1b[31mred"):
        found = ids(cli("search", "--like", item, "--limit", 50, "--file", gallery.file, "--json"))
        assert {*found} == {*asked} - {item}


def test_pages_follow_each_other(cli, published):
    file, _, _ = published
    whole = ids(cli("search", "red", "--hybrid", "--file", file, "--json"))
    options = ("--hybrid", "--limit", 2, "--file", file, "--json")
    assert [one for start in (0, 2, 4) for one in ids(cli("search", "red", *options, "--offset", start))] == whole


@pytest.mark.slow
def test_embeddings_are_weighed_by_name(cli, declare, tmp_path):
    file = declare(
        tmp_path / "project",
        embeddings={"toy": {"provider": "counting"}, "words": {"provider": "counting", "input": "caption"}},
        indexes={"found": {"vectors": ["toy", "words"]}},
    )
    cli("run", "--file", file)
    one = ids(cli("search", "x", "--embedding", "words", "--file", file, "--json"))
    assert ids(cli("search", "x", "--weight", "words=1", "--file", file, "--json")) == one
    both = ids(cli("search", "x", "--weight", "toy=0.7", "--weight", "words=0.3", "--file", file, "--json"))
    assert sorted(both) == sorted(one)
    assert "no embedding 'wrods'" in cli("search", "x", "--weight", "wrods=1", "--file", file, status=2).stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["a", "--like", "b"],
        ["--like", "b", "--image", "PICTURE"],
        ["--hybrid"],
        ["--like", "red.png", "--hybrid"],
        ["--image", "PICTURE", "--alpha", "0.5"],
        ["a", "--alpha", "1.5"],
        ["a", "--offset", "-1"],
        ["a", "--weight", "toy"],
        ["a", "--weight", "toy=much"],
        ["a", "--weight", "toy=1", "--embedding", "toy"],
    ],
)
def test_what_does_not_go_together_is_wrong_usage(cli, published, arguments):
    file, _, _ = published
    picture = str(file.parent / "media" / "red.png")
    arguments = [picture if argument == "PICTURE" else argument for argument in arguments]
    result = cli("search", *arguments, "--file", file, status=2)
    assert "Error: " in result.stderr
    assert result.stdout == ""


def test_small_scores_are_shown_with_the_digits_that_differ(cli, published):
    file, _, _ = published
    lines = cli("search", "red", "--hybrid", "--file", file).stdout.splitlines()[1:-1]
    scores = [line.split()[1] for line in lines]
    assert scores[0].startswith("0.0")
    assert len(set(scores)) == len(scores) == 5


@pytest.mark.process
@pytest.mark.skipif(os.name != "posix", reason="the browser of this test is a shell script")
def test_open_draws_the_hits_and_gives_them_to_the_desktop(process, published, tmp_path):
    file, _, _ = published
    browser, opened = tmp_path / "browser", tmp_path / "opened"
    browser.write_text(f'#!/bin/sh\necho "$1" > {opened}.part && mv {opened}.part {opened}\n')
    browser.chmod(browser.stat().st_mode | stat.S_IXUSR)
    sheet = tmp_path / "a sheet.png"
    done = process("search", "red", "--hybrid", "--open", "--sheet", sheet, "--file", file, BROWSER=str(browser))
    assert done.returncode == 0, done.stderr
    assert sheet.read_bytes().startswith(b"\x89PNG")
    assert f"contact sheet: {sheet}" in done.stdout
    assert opened.read_text().strip() == sheet.as_uri()


def test_without_a_display_the_path_of_the_sheet_is_told(cli, published, monkeypatch, tmp_path):
    file, _, _ = published
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"):
        monkeypatch.delenv(name, raising=False)
    result = cli("search", "--like", "red.png", "--open", "--json", "--file", file)
    assert len(ids(result)) == 4
    path = result.stderr.split("contact sheet: ")[1].splitlines()[0]
    assert path.startswith(str(tmp_path))
    with open(path, "rb") as sheet:
        assert sheet.read(4) == b"\x89PNG"
    assert "there is no display to open it on" in result.stderr
