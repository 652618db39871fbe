"""Odd files through whole pipelines: ``tests/data/odd/manifest.yaml`` says of each what must come of it.

A new case is a file there and a line in the manifest.
"""

from __future__ import annotations

import math
from datetime import time, timedelta
from decimal import Decimal
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from embeddings_orch.errors import SourceError
from odd_files import ODD, OddRun, libraries, make_files, manifest, run_media, run_source

SOURCES = [("tables", name) for name in manifest().tables] + [("folders", name) for name in manifest().folders]
NO_CASES = {"make.py", "manifest.yaml"}


@pytest.fixture(scope="module")
def media(tmp_path_factory) -> OddRun:
    return run_media(tmp_path_factory.mktemp("odd") / "media")


def same(value, expected) -> bool:
    if isinstance(value, Decimal | time | timedelta):  # YAML has none
        return str(value) == expected
    if isinstance(value, float) and math.isnan(value):
        return isinstance(expected, float) and math.isnan(expected)
    return type(value) is type(expected) and value == expected


def has_vector_of(row, other) -> bool:
    return bool(np.allclose(row["toy"], other["toy"], atol=1e-5))


def check_row(row, expected):
    assert all(same(row.get(name), value) for name, value in expected.items()), {
        name: row.get(name) for name in expected
    }


def check_reasons(reasons, parts):
    """Each reason has its part, and no reason is left over."""
    assert len(reasons) == len(parts), reasons
    for part in parts:
        assert any(part in reason for reason in reasons), (part, reasons)


@pytest.mark.slow
@pytest.mark.parametrize("name", manifest().media)
def test_a_file_of_a_folder(media, name):
    odd = manifest().media[name]
    check_reasons([problem for problem in media.problems if problem_of(problem) == name], odd.problems)
    if odd.passed_over or Path(name).stem == "metadata" or (odd.problems and name not in media.rows):
        assert name not in media.rows
        return
    row = media.rows[name]
    check_row(row, odd.row)
    if odd.fails is not None:
        assert odd.fails in media.failures[name]
        assert row["toy"] is None
        return
    vector = np.asarray(row["toy"])
    assert np.isfinite(vector).all()
    if odd.same_as is not None:
        assert has_vector_of(row, media.rows[odd.same_as])
    if odd.close_to is not None:
        assert vector @ np.asarray(media.rows[odd.close_to]["toy"]) > 0.995
    (hit,) = media.find(vector=vector, where="id = :id", params={"id": name}).values()
    file = ODD / "media" / (odd.copy_of or name)
    assert Path(hit.uri).read_bytes() == file.read_bytes()
    if odd.keyword is not None:
        assert name in media.find(keyword=odd.keyword)


def problem_of(problem: str) -> str:
    """The file that a problem of the folder is about, by the manifest."""
    where = problem.split(": ", 1)[0].split(", row ", 1)[0]
    return where.rpartition("/media/")[2]


@pytest.mark.slow
def test_all_of_a_folder_is_accounted_for(media):
    items = manifest().media
    assert media.passed_over == sum(odd.passed_over for odd in items.values())
    assert {problem_of(problem) for problem in media.problems} == {name for name, odd in items.items() if odd.problems}
    assert media.rows.keys() <= items.keys()
    assert media.failures.keys() == {name for name, odd in items.items() if odd.fails is not None}
    contents = {(row["modality"], row["content_hash"]) for row in media.rows.values() if row["toy"] is not None}
    assert (media.embedded, media.again) == (len(contents), 0)


@pytest.mark.slow
def test_pictures_that_others_are_compared_with_have_vectors_of_their_own(media):
    # Else "the same vector as that file" would say nothing.
    names = sorted({odd.same_as or odd.close_to for odd in manifest().media.values()} - {None})
    assert len(names) > 5
    for one, other in combinations(names, 2):
        assert not has_vector_of(media.rows[one], media.rows[other]), (one, other)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "name"), SOURCES, ids=[f"{kind}/{name}" for kind, name in SOURCES])
def test_a_table_or_folder_of_its_own(tmp_path, kind, name):
    odd = (manifest().tables if kind == "tables" else manifest().folders)[name]
    if odd.refused is not None:
        with pytest.raises(SourceError) as refused:
            run_source(tmp_path / "run", kind, name, odd)
        assert odd.refused in str(refused.value)
        return
    run = run_source(tmp_path / "run", kind, name, odd)
    check_reasons(run.problems, odd.problems)
    assert run.rows.keys() == odd.items.keys() | odd.fails.keys()
    assert run.failures.keys() == odd.fails.keys()
    for key, part in odd.fails.items():
        assert part in run.failures[key]
    for key, columns in odd.items.items():
        check_row(run.rows[key], columns)
    assert run.passed_over == odd.passed_over
    assert (run.embedded, run.again) == (len(odd.items) if odd.embedded is None else odd.embedded, 0)
    assert {column: run.types.get(column) for column in odd.types} == odd.types
    for query in odd.found:
        asked = {"keyword": query.keyword} if query.keyword else {"vector": [1.0] * 8}
        found = run.find(**asked, where=query.where, params=query.params or None)
        assert found.keys() == set(query.ids), query
        for key, hit in found.items():
            check_row(hit.metadata, {column: value for column, value in odd.items[key].items() if column != "uri"})


def test_the_manifest_speaks_of_every_file_and_of_no_other():
    files = {
        str(path.relative_to(ODD)) for path in ODD.rglob("*") if path.is_file() and "__pycache__" not in path.parts
    }
    folders = {name for name in files if name.startswith("folders/")}
    assert manifest().files() == files - folders - NO_CASES
    assert set(manifest().folders) == {name.split("/")[1] for name in folders}
    media = manifest().media
    for odd in media.values():
        assert {odd.copy_of, odd.same_as, odd.close_to} - {None} <= media.keys()


def test_the_files_are_made_again_as_they_are():
    made_with, now = manifest().made_with, libraries()
    files = make_files()
    differ = [name for name, data in files.items() if (ODD / name).read_bytes() != data]
    if differ and made_with != now:
        pytest.skip(f"made with {made_with}, here are {now}")
    assert differ == []
