"""A change of models: how many of its nearest an item keeps, against brute force, and what cannot be compared."""

import io
import re
import shutil

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from embeddings_orch.errors import PublishRefusedError
from embeddings_orch.pipeline.catalog.scan import scan_media
from embeddings_orch.pipeline.checks.change_report import LARGEST, change_report
from embeddings_orch.pipeline.checks.run import inspect_index
from embeddings_orch.pipeline.embeddings.embed import embed
from embeddings_orch.pipeline.indexes import neighbours
from embeddings_orch.pipeline.indexes.build import build_index
from embeddings_orch.pipeline.indexes.delta import current_generation
from embeddings_orch.pipeline.published.publish import publish
from embeddings_orch.store.tables.vector_column import VectorColumn
from embeddings_orch_testing.counting import CountingEmbedder
from galleries import Gallery

PICTURES = 40


@pytest.fixture
def many(once):
    """40 pictures, published with the model ``toy``."""
    return once(Gallery.run, pictures=PICTURES)


@pytest.fixture
def exchanged(once):
    """These, and an index of the model ``another`` that is built and not checked yet."""
    return once(exchange, pictures=PICTURES)


def exchange(gallery):
    gallery.run()
    gallery.model(name="another")
    build(gallery)


def build(gallery):
    """All steps up to the checks."""
    pipeline = gallery.pipeline()
    scan_media(pipeline)
    for name in pipeline.spec.embeddings:
        embed(pipeline, name)
    build_index(pipeline, "found")


def built(gallery):
    """All steps up to the checks, and what these find."""
    build(gallery)
    return inspect_index(gallery.pipeline(), "found")


def result_of(checked):
    (result,) = (result for result in checked.results if result.name == "model_change")
    return result


def matrix(gallery, generation, column):
    rows = gallery.pipeline().store.index(generation.table).at(generation.version).to_arrow()
    return rows["id"].to_pylist(), np.stack(rows[column].to_numpy()).astype(np.float64)


def exact(ids, vectors, k):
    """For each id its k nearest others by cosine."""
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    far = 1 - unit @ unit.T
    np.fill_diagonal(far, np.inf)
    return {item: [ids[place] for place in np.argsort(row)[:k]] for item, row in zip(ids, far, strict=True)}


def test_before_anything_is_published_there_is_nothing_to_compare(gallery):
    checked = built(gallery)
    assert result_of(checked).passed
    assert result_of(checked).description == "nothing is published yet"
    assert checked.change is None


@pytest.mark.slow
def test_the_same_models_are_not_compared(many):
    many.add("new.png")
    checked = built(many)
    assert result_of(checked).description == "same models as the published generation"
    assert checked.change is None


@pytest.mark.slow
def test_the_overlap_is_that_of_the_exact_neighbours(many):
    old = current_generation(many.pipeline(), "found")
    many.model(name="another", dim=5)

    checked = built(many)

    before = exact(*matrix(many, old, "toy"), 10)
    after = exact(*matrix(many, checked.generation, "toy"), 10)
    shares = {item: len(set(before[item]) & set(after[item])) / 10 for item in before}
    (column,) = checked.change.columns
    assert column.overlap == pytest.approx(sum(shares.values()) / PICTURES)
    assert (column.items, column.nearest) == (PICTURES, 10)
    for one in (*column.least, *column.spread):
        assert (list(one.before), list(one.after)) == (before[one.item], after[one.item])
        assert one.overlap == pytest.approx(shares[one.item])
    assert [one.overlap for one in column.least] == sorted(shares.values())[:4]
    assert max(one.overlap for one in column.spread) == max(shares.values())
    result = result_of(checked)
    assert (result.passed, result.blocking) == (True, True)
    assert result.metadata["overlap"] == round(column.overlap, 4)
    assert result.metadata["columns"] == {"toy": round(column.overlap, 4)}
    assert f"toy: an item keeps {column.overlap:.0%} of its 10 nearest on average (counting/toy" in result.description
    assert "40 items sampled" in result.description
    assert result_of(inspect_index(many.pipeline(), "found")) == result


def test_a_model_that_differs_in_name_only_keeps_everything(many, monkeypatch):
    made = CountingEmbedder._vector
    monkeypatch.setattr(
        CountingEmbedder,
        "_vector",
        lambda self, content: made(CountingEmbedder(self.config.model_copy(update={"name": "toy"})), content),
    )
    many.model(name="twin")
    checked = built(many)
    assert checked.change.worst.overlap == 1


@pytest.mark.slow
def test_too_little_overlap_is_not_published_where_a_least_is_declared(many):
    rows = many.rows()
    many.declare(indexes={"found": {"vectors": ["toy"], "full_text": ["caption"], "checks": {"min_overlap": 0.9}}})
    many.model(name="another")

    with pytest.raises(PublishRefusedError, match=r"model_change: toy: an item keeps \d+% .*; 90% is wanted\)"):
        many.run()

    assert many.rows() == rows
    many.declare(indexes={"found": {"vectors": ["toy"], "full_text": ["caption"], "checks": {"min_overlap": 0.01}}})
    many.run()
    assert many.rows() != rows


@pytest.mark.slow
def test_the_result_stays_with_the_generation_after_it_was_published(exchanged):
    checked = inspect_index(exchanged.pipeline(), "found")
    publish(exchanged.pipeline(), "found")
    before = exchanged.versions()

    again = inspect_index(exchanged.pipeline(), "found")

    assert result_of(again) == result_of(checked)
    assert exchanged.versions() == before


def test_the_published_generation_is_not_compared_with_itself(many):
    before = many.versions()
    result = result_of(inspect_index(many.pipeline(), "found"))
    assert (result.passed, result.description) == (True, "this generation is the published one")
    assert many.versions() == before


def test_only_items_with_a_vector_in_both_are_compared(many):
    many.tolerate_failures()
    many.model(name="another", reject="poison")
    for number in range(20):
        many.add(f"new{number}.png")
    many.remove("p000.png")
    many.add("p001.png", "poison")

    checked = built(many)

    (column,) = checked.change.columns
    assert column.items == PICTURES - 2
    named = {item for one in (*column.least, *column.spread) for item in (one.item, *one.before, *one.after)}
    assert not [item for item in named if item.startswith("new") or item in ("p000.png", "p001.png")]


@pytest.mark.slow
def test_items_at_the_same_distance_do_not_count_as_changed(make_gallery):
    gallery = make_gallery(pictures=0)
    for number in range(30):
        gallery.add(f"same{number:02}.png", b"one and the same")
    for number in range(5):
        gallery.add(f"other{number}.png")
    gallery.run()
    gallery.model(name="another")
    gallery.remove("same00.png")
    gallery.run()
    gallery.add("same00.png", b"one and the same")  # now the last row of its table
    gallery.model(name="third")

    (column,) = built(gallery).change.columns

    assert {one.overlap for one in (*column.least, *column.spread) if one.item.startswith("same")} == {1.0}


@pytest.mark.slow
def test_few_items_are_compared_with_as_many_as_there_are(make_gallery):
    gallery = make_gallery(pictures=4)
    gallery.run()
    gallery.model(name="another")
    (column,) = built(gallery).change.columns
    assert (column.items, column.nearest, column.overlap) == (4, 3, 1.0)
    assert len(column.least) + len(column.spread) == 4


@pytest.mark.slow
def test_no_item_in_common_passes_and_says_so(make_gallery):
    gallery = make_gallery(pictures=2)
    gallery.run()
    gallery.model(name="another")
    gallery.remove("p000.png")
    checked = built(gallery)
    assert result_of(checked).passed
    assert "no two items with a vector in both generations" in result_of(checked).description


@pytest.mark.slow
def test_of_several_columns_the_worst_counts_and_new_and_gone_ones_are_named(make_gallery):
    gallery = make_gallery(pictures=PICTURES)
    gallery.model("words", input="caption", name="words")
    gallery.model("third", input="caption", name="third")
    gallery.declare(indexes={"found": {"vectors": ["toy", "words", "third"]}})
    gallery.run()
    gallery.model(name="another")
    gallery.model("words", name="other words")
    gallery.declare(indexes={"found": {"vectors": ["toy", "words"]}})

    checked = built(gallery)

    columns = {column.after.column: column.overlap for column in checked.change.columns}
    assert sorted(columns) == ["toy", "words"]
    assert result_of(checked).metadata["overlap"] == round(min(columns.values()), 4)
    assert result_of(checked).description.endswith("; third is gone")
    assert "**third** is gone" in change_report(gallery.pipeline(), checked.change)


@pytest.mark.slow
def test_a_column_under_a_new_name_is_compared_with_the_one_it_replaces(many):
    many.model("other", name="another")
    many.declare(indexes={"found": {"vectors": ["other"]}})
    checked = built(many)
    (column,) = checked.change.columns
    assert (column.before.column, column.after.column) == ("toy", "other")
    assert (checked.change.new, checked.change.gone) == ((), ())
    many.model("renamed", name="toy")
    many.declare(indexes={"found": {"vectors": ["renamed"]}})
    assert result_of(built(many)).description == "same models as the published generation"


def test_a_new_column_beside_the_same_is_named(many):
    many.model("words", input="caption", name="words")
    many.declare(indexes={"found": {"vectors": ["toy", "words"]}})
    checked = built(many)
    assert (result_of(checked).passed, result_of(checked).description) == (True, "words is new")


@pytest.mark.parametrize("lost", ["table", "generation"])
def test_a_published_generation_that_is_lost_stops_nothing(many, lost):
    pipeline = many.pipeline()
    old = current_generation(pipeline, "found")
    if lost == "table":
        shutil.rmtree(many.root / "store" / f"{old.table}.lance")
    else:
        pipeline.store.generations.remove([old.id])
    many.model(name="another")

    checked = built(many)

    assert result_of(checked).passed
    assert "could not be compared" in result_of(checked).description
    assert old.id in result_of(checked).description
    assert publish(many.pipeline(), "found").generation.id == checked.generation.id


@pytest.mark.slow
def test_a_published_table_whose_files_are_damaged_stops_nothing(exchanged):
    store = exchanged.pipeline().store
    old = store.generations.get(store.published.get("gallery", "found").generation)
    for file in (exchanged.root / "store" / f"{old.table}.lance" / "data").iterdir():
        file.write_bytes(b"damaged")
    checked = inspect_index(exchanged.pipeline(), "found")
    assert result_of(checked).passed
    assert "could not be compared with the published generation" in result_of(checked).description


def test_neighbours_are_exact_over_many_batches(many, monkeypatch):
    generation = current_generation(many.pipeline(), "found")
    table = many.pipeline().store.index(generation.table)
    scan = table.scan
    monkeypatch.setattr(table, "scan", lambda *arguments, **options: scan(*arguments, **{**options, "batch_rows": 3}))
    column = VectorColumn(table, generation, generation.models[0])
    ids, vectors = matrix(many, generation, "toy")
    found = neighbours.nearest_items(column, ids[:9], 6, pa.array([], pa.string()))
    assert dict(zip(ids[:9], found, strict=True)) == {
        item: near for item, near in exact(ids, vectors, 6).items() if item in ids[:9]
    }


# The report


def test_the_report_shows_each_picture_once_and_marks_what_is_common(exchanged):
    checked = inspect_index(exchanged.pipeline(), "found")
    report = change_report(exchanged.pipeline(), checked.change)
    (column,) = checked.change.columns
    rows = [line for line in report.splitlines() if line.startswith("| !")]
    assert len(rows) == 8
    assert rows[0].endswith(f"| {len(column.least[0].common)} of 10 |")
    definitions = [line for line in report.splitlines() if line.startswith("[t")]
    assert definitions
    assert all("]: data:image/jpeg;base64," in line for line in definitions)
    assert len({line.split(" ", 1)[1] for line in definitions}) == len(definitions)
    common = [item for one in column.least for item in one.common if item in one.before[:5]]
    for item in common:
        assert any(f'"{item} (nearest in both)"' in line for line in definitions)


@pytest.mark.slow
def test_a_report_of_many_columns_stays_small_enough_for_an_event_log(make_gallery):
    gallery = make_gallery(pictures=0)
    for number in range(60):
        noise = np.random.default_rng(number).integers(0, 256, (64, 64, 3), dtype=np.uint8)
        encoded = io.BytesIO()
        Image.fromarray(noise).save(encoded, "PNG")
        gallery.add(f"n{number:02}.png", encoded.getvalue())
    names = ["one", "two", "three"]
    for name in names:
        gallery.model(name, name=name)
    gallery.declare(indexes={"found": {"vectors": names}})
    gallery.run()
    for name in names:
        gallery.model(name, name=f"other {name}")

    change = built(gallery).change
    whole = change_report(gallery.pipeline(), change)
    small = change_report(gallery.pipeline(), change, largest=50_000)

    assert "| n" not in whole
    assert len(whole) < LARGEST
    assert "| n" in small  # shown by their ids, once there is no more room
    assert 50_000 < len(small) < 65_000


@pytest.mark.slow
def test_items_without_a_picture_are_shown_by_their_words_or_ids(make_gallery):
    gallery = make_gallery(pictures=0)
    gallery.add("a|b.txt", "pipes | and *stars* and a very long text that is cut")
    gallery.add("gone.png")
    gallery.add("weird[1].png")
    gallery.add("plain.txt", "words")
    gallery.run()
    gallery.model(name="another")
    checked = built(gallery)
    (gallery.media / "gone.png").unlink()

    report = change_report(gallery.pipeline(), checked.change)

    rows = [line for line in report.splitlines() if line.startswith("| ") and "keeps" not in line and "---" not in line]
    assert len(rows) == 4
    assert all(len(re.findall(r"(?<!\\)\|", row)) == 5 for row in rows)  # no cell is broken
    assert r"**pipes \| and \*stars\* and…**" in report
    assert "**words**" in report
    assert "gone.png" in report
    assert r"![weird\[1\].png][t" in report


def test_where_pictures_take_too_long_to_read_the_ids_are_shown(exchanged):
    change = inspect_index(exchanged.pipeline(), "found").change
    report = change_report(exchanged.pipeline(), change, seconds=5, clock=iter(range(0, 10_000, 2)).__next__)
    assert report.count("data:image/jpeg") == 2
    assert "p0" in report


@pytest.mark.slow
def test_captions_are_shown_where_the_model_reads_captions(many):
    many.model("words", input="caption", name="words")
    many.declare(indexes={"found": {"vectors": ["words"]}})
    many.run()
    many.model("words", name="other words")
    report = change_report(many.pipeline(), built(many).change)
    assert "data:image" not in report
    assert "| picture " in report
