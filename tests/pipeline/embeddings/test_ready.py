"""Ready-made vectors: taken as they are from a column of the media, looked at, and never embedded."""

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from embeddings_orch.errors import EmbeddingsOrchError, PublishRefusedError, SourceError, SpecError
from embeddings_orch.models.inputs import Inputs
from embeddings_orch.pipeline.checks.run import check_embedding
from embeddings_orch.pipeline.embeddings.preview import preview
from embeddings_orch.pipeline.garbage.collect import collect
from embeddings_orch.pipeline.garbage.listing import make_gc
from embeddings_orch.pipeline.garbage.needs import Needs
from embeddings_orch.pipeline.plan.status import make_failures
from embeddings_orch.search import Index
from embeddings_orch.spec.yaml_file import load_pipeline
from embeddings_orch_testing.counting import CountingConfig, CountingEmbedder

COUNT, LENGTH = 20, 8


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def vectors():
    return unit(np.random.default_rng(3).standard_normal((COUNT, LENGTH))).astype(np.float32)


@pytest.fixture
def ready(make_gallery):
    """A gallery over ``items.parquet`` of texts, whose column ``made`` holds vectors of the counting model's length."""
    gallery = make_gallery(pictures=0)
    declare_ready(gallery)
    gallery.vectors = vectors()
    return gallery


@pytest.fixture
def ready_run(once):
    """The gallery `ready` after its first run."""
    gallery = once(run_ready, pictures=0)
    gallery.vectors = vectors()
    return gallery


def run_ready(gallery):
    declare_ready(gallery)
    gallery.run()


def declare_ready(gallery):
    gallery.declare(
        media={"source": "table", "path": "items.parquet"},
        embeddings={"toy": {"provider": "counting", "name": "toy", "log": str(gallery.log), "vectors": "made"}},
        indexes={"found": {"vectors": ["toy"]}},
    )
    write(gallery, list(vectors()))


def write(gallery, vectors, kind=None, **columns):
    """Write the table with a vector a row, and ``defs.yaml`` to read it."""
    kind = kind or pa.list_(pa.float32())
    count = len(vectors)
    table = {
        "id": [f"i{number:02}" for number in range(count)],
        "text": [f"text {number}" for number in range(count)],
        "made": pa.array([None if one is None else list(one) for one in vectors], kind),
        "shelf": [number % 3 for number in range(count)],
        **columns,
    }
    pq.write_table(pa.table(table), gallery.root / "items.parquet")


def write_json(gallery, vectors):
    lines = [
        {
            "id": f"i{number:02}",
            "text": f"text {number}",
            "made": one if one is None or isinstance(one, str) else list(one),
        }
        for number, one in enumerate(vectors)
    ]
    (gallery.root / "items.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    gallery.declare(media={"source": "table", "path": "items.jsonl"})


def opened(gallery):
    return Index(gallery.pipeline().store, "gallery", "found")


@pytest.mark.parametrize(
    ("kind", "dtype"),
    [
        (pa.list_(pa.float32()), np.float32),
        (pa.list_(pa.float64()), np.float64),
        (pa.list_(pa.float16()), np.float16),
        (pa.list_(pa.float32(), LENGTH), np.float32),
        (pa.list_(pa.float16(), LENGTH), np.float16),
        (pa.large_list(pa.float64()), np.float64),
    ],
    ids=str,
)
def test_they_are_taken_as_they_are_from_parquet(ready, kind, dtype):
    given = ready.vectors.astype(dtype)
    write(ready, list(given), kind)
    ran = ready.run()
    rows = ready.rows()
    assert all(
        np.array_equal(rows[f"i{number:02}"]["toy"], given[number].astype(np.float32)) for number in range(COUNT)
    )
    assert (ran.embedded(), ran.embeddings["toy"].reused, ready.items()) == (0, COUNT, 0)
    assert ran.published["found"].generation.models[0].inputs == Inputs.ready("made")


@pytest.mark.slow
def test_they_are_taken_from_json_lines_and_csv_as_well(ready):
    write_json(ready, ready.vectors.astype(float).tolist())
    ready.run()
    from_json = ready.rows()
    header = "id,text,made\n"
    rows = [f'i{number:02},text {number},"{one.tolist()}"\n' for number, one in enumerate(ready.vectors)]
    (ready.root / "items.csv").write_text(header + "".join(rows))
    ready.declare(media={"source": "table", "path": "items.csv"})
    ready.run()
    from_csv = ready.rows()
    for number, vector in enumerate(ready.vectors):
        assert np.array_equal(from_json[f"i{number:02}"]["toy"], vector)
        assert np.array_equal(from_csv[f"i{number:02}"]["toy"], vector)
    assert ready.items() == 0


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["list", "fixed"])
@pytest.mark.parametrize("name", ["clip_vector", "embedding", "made"])
def test_a_column_may_have_any_name_and_any_vectors(ready, name, kind):
    vectors = ready.vectors.astype(float).tolist()
    vectors[1], vectors[2] = [float("nan")] * LENGTH, None
    if kind == "list":
        vectors[3] = vectors[3][:2]
    made = pa.array(vectors, pa.list_(pa.float64()) if kind == "list" else pa.list_(pa.float64(), LENGTH))
    ids = [f"i{number:02}" for number in range(COUNT)]
    pq.write_table(
        pa.table({"id": ids, "text": [f"text {one}" for one in ids], name: made}), ready.root / "items.parquet"
    )
    ready.declare(media={"source": "table", "path": "items.parquet"})
    ready.model(vectors=name)
    ready.tolerate_failures()
    ready.run()
    versions = ready.versions()
    rows = ready.rows()
    without = {item for item, row in rows.items() if row["toy"] is None}
    assert without == ({"i01", "i02", "i03"} if kind == "list" else {"i01", "i02"})
    assert len(make_failures(ready.pipeline())["failed"]) == len(without) - 1
    assert np.array_equal(rows["i00"]["toy"], ready.vectors[0])
    ready.run()
    assert ready.versions() == versions


def test_they_are_taken_from_a_folders_metadata(make_gallery):
    gallery = make_gallery(pictures=3)
    (gallery.media / "metadata.csv").unlink()
    vectors = unit(np.random.default_rng(1).standard_normal((3, LENGTH))).tolist()
    lines = [{"file_name": f"p00{number}.png", "caption": "c", "made": one} for number, one in enumerate(vectors)]
    (gallery.media / "metadata.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    gallery.model(vectors="made")
    gallery.run()
    rows = gallery.rows()
    assert all(np.allclose(rows[f"p00{number}.png"]["toy"], one, atol=1e-7) for number, one in enumerate(vectors))
    assert gallery.items() == 0
    assert preview(gallery.pipeline(), "toy")


def test_a_text_finds_what_brute_force_finds(ready_run):
    query = CountingEmbedder(CountingConfig(name="toy"))._vector(b"words")
    order = np.argsort(-(ready_run.vectors @ (query / np.linalg.norm(query))))
    results = opened(ready_run).search("words", limit=COUNT)
    assert [hit.id for hit in results] == [f"i{number:02}" for number in order]
    assert ready_run.calls() == [("text", 1)]  # the query


def test_hits_and_the_index_have_no_copy_of_the_column_and_the_catalog_keeps_it(ready_run):
    results = opened(ready_run).search("words", where="shelf = 1")
    assert results.hits
    assert all(hit.metadata.keys() >= {"shelf", "text"} for hit in results)
    assert all("made" not in hit.metadata for hit in results)
    assert "made" not in results.to_arrow().column_names
    assert "made" not in ready_run.rows()["i00"]
    assert len(ready_run.pipeline().catalog()["made"][0].as_py()) == LENGTH


def test_an_embedding_may_have_the_name_of_its_column(ready):
    ready.declare(
        embeddings={"made": {"provider": "counting", "name": "toy", "vectors": "made"}},
        indexes={"found": {"vectors": ["made"]}},
    )
    ready.run()
    assert np.array_equal(ready.rows()["i07"]["made"], ready.vectors[7])


def test_the_plan_says_how_many_there_are_and_that_they_cost_nothing(ready):
    ready.model(prices={"per_million_tokens": 1000})
    planned = ready.plan()
    embedding = planned["embeddings/toy"]
    assert embedding.reason == "20 ready-made; never materialized"
    assert (embedding.new, embedding.estimate.contents, embedding.estimate.cost_usd) == (COUNT, 0, 0)
    assert embedding.estimate.seconds == 0
    ran = ready.run()
    assert (ran.embeddings["toy"].delta.new, ran.indexes["found"].new) == (COUNT, planned["index/found"].new)
    assert ready.plan()["embeddings/toy"].reason == "20 ready-made; up to date"


@pytest.mark.slow
def test_a_second_run_writes_nothing(ready):
    write(ready, [*ready.vectors, np.full(LENGTH, 9), None])
    ready.tolerate_failures()
    ready.run()
    versions = ready.versions()
    assert not any(one.changes for one in ready.plan().values())
    ready.run()
    assert ready.versions() == versions
    assert not any(name.startswith("embeddings.") for name in versions)


def test_an_edited_vector_changes_its_row_alone(ready_run):
    vectors = ready_run.vectors.copy()
    vectors[4] = -vectors[4]
    write(ready_run, list(vectors))
    planned = ready_run.plan()
    assert (planned["embeddings/toy"].changed, planned["embeddings/toy"].unchanged) == (1, COUNT - 1)
    assert planned["embeddings/toy"].reason == "20 ready-made; vectors differ"
    assert (planned["index/found"].changed, planned["index/found"].unchanged) == (1, COUNT - 1)
    before = ready_run.run().indexes["found"]
    assert (before.changed, before.new) == (1, 0)
    assert np.array_equal(ready_run.rows()["i04"]["toy"], vectors[4])


def test_a_null_is_an_item_without_a_vector(ready):
    write(ready, [None, *ready.vectors[1:]])
    ran = ready.run()
    assert (ran.embeddings["toy"].failed, ran.embeddings["toy"].total) == (0, COUNT - 1)
    report = ran.indexes["found"]
    assert (report.without_vector, report.nothing_to_embed) == (0, 1)
    assert ready.rows()["i00"]["toy"] is None
    assert ran.published["found"].changed


BAD = {
    "i00": ([1.0, 0.0], r"has 2 numbers, the model's vectors have 8"),
    "i01": ([float("nan")] * LENGTH, r"holds NaN or infinity"),
    "i02": ([float("inf")] + [0.0] * 7, r"holds NaN or infinity"),
    "i03": ([0.0] * LENGTH, r"is all zeros"),
    "i04": ([2.0] + [0.0] * 7, r"has the norm 2, not 1: scale it, or set normalize: false"),
    "i05": ([], r"has 0 numbers"),
    "i06": ([1.0, None] + [0.0] * 6, r"is no list of numbers"),
}


@pytest.mark.slow
def test_a_vector_that_does_not_fit_is_a_failure_of_its_item(ready):
    vectors = [one for one, _ in BAD.values()] + list(ready.vectors[len(BAD) :])
    write(ready, vectors)
    planned = ready.plan()["embeddings/toy"]
    assert (planned.failed, planned.new) == (len(BAD), COUNT - len(BAD))
    with pytest.raises(PublishRefusedError, match="7 of 20 items have no vector of toy"):
        ready.run()
    listed = {row["id"]: row for row in make_failures(ready.pipeline())["failed"]}
    assert listed.keys() == BAD.keys()
    for item, (_, said) in BAD.items():
        assert f"its 'made' {said}" in listed[item]["reason"]
    checks = {check.name: check for check in check_embedding(ready.pipeline(), "toy")}
    assert [name for name, check in checks.items() if not check.passed] == ["failed_share"]
    # What is mended is a failure no more.
    write(ready, list(ready.vectors))
    assert ready.run().published["found"].changed
    assert make_failures(ready.pipeline())["failed"] == []
    assert ready.items() == 0


def test_normalize_false_takes_any_length(ready):
    ready.model(normalize=False)
    write(ready, list(ready.vectors * 5))
    ran = ready.run()
    assert (ran.embeddings["toy"].failed, ran.indexes["found"].without_vector) == (0, 0)
    assert np.allclose(ready.rows()["i03"]["toy"], ready.vectors[3] * 5)
    assert ran.published["found"].changed


def test_a_single_value_of_another_kind_spoils_no_other(ready):
    vectors = ready.vectors.astype(float).tolist()
    write_json(ready, ["oops", [*vectors[1][:-1], "x"], *vectors[2:]])
    ready.tolerate_failures()
    ran = ready.run()
    assert ran.embeddings["toy"].failed == 2
    assert {row["id"] for row in make_failures(ready.pipeline())["failed"]} == {"i00", "i01"}
    assert np.array_equal(ready.rows()["i09"]["toy"], ready.vectors[9])


SILENT = {"provider": "multi2vec-clip", "name": "c", "inference_url": "http://127.0.0.1:9", "vectors": "made"}
"""A model that does not tell how long its vectors are; nothing answers at its address."""


def test_where_the_model_does_not_tell_most_rows_say_how_long_a_vector_is(ready):
    ready.declare(embeddings={"toy": SILENT})
    ready.tolerate_failures()
    write(ready, [[1.0, 0.0], *ready.vectors[1:]])
    ran = ready.run()
    assert [one["reason"].split(":")[0] for one in make_failures(ready.pipeline())["failed"]] == [
        "its 'made' has 2 numbers, most have 8"
    ]
    assert ran.indexes["found"].generation.models[0].dimensions == LENGTH


@pytest.mark.slow
def test_vectors_of_another_length_under_the_same_declaration_are_refused(ready):
    ready.declare(embeddings={"toy": SILENT})
    ready.run()
    before = ready.rows()
    write(ready, [one[:4] / np.linalg.norm(one[:4]) for one in ready.vectors])
    with pytest.raises(EmbeddingsOrchError, match="toy have 4 numbers, and had 8 under the same declaration: declare"):
        ready.run()
    assert ready.rows() == before
    ready.declare(embeddings={"toy": {**SILENT, "dimensions": 4}})
    assert ready.run().published["found"].changed


def test_a_table_of_none_that_fits_says_what_to_look_at(ready):
    write(ready, [[] for _ in range(3)])
    ready.declare(embeddings={"toy": SILENT})
    with pytest.raises(EmbeddingsOrchError, match="no vector for any item"):
        ready.run()
    assert {row["reason"] for row in make_failures(ready.pipeline())["failed"]} == {"its 'made' is empty"}


@pytest.mark.parametrize(
    ("column", "said"),
    [
        ("maid", "no column 'maid' of vectors; did you mean 'made'"),
        ("shelf", "the column 'shelf' holds int64, not vectors"),
        ("text", "no column 'text' of vectors"),
    ],
)
def test_a_column_that_cannot_be_vectors_is_named(ready, column, said):
    ready.model(vectors=column)
    with pytest.raises(SourceError, match=said):
        ready.plan()


def test_keywords_cannot_be_searched_in_a_column_of_vectors(ready):
    write_json(ready, ["[1, 2]"])
    ready.declare(indexes={"found": {"vectors": ["toy"], "full_text": ["made"]}})
    with pytest.raises(SpecError, match="full_text names 'made', which is no text column"):
        ready.plan()


@pytest.mark.slow
def test_ready_made_and_embedded_vectors_of_one_model_stay_apart(ready):
    own = {"provider": "counting", "name": "toy", "log": str(ready.log)}
    ready.declare(
        embeddings={"toy": {**own, "vectors": "made"}, "own": {**own, "input": "text"}},
        indexes={"found": {"vectors": ["toy", "own"]}},
    )
    ran = ready.run()
    assert (ran.embedded("toy"), ran.embedded("own"), ready.items()) == (0, COUNT, COUNT)
    rows = ready.rows()
    made = CountingEmbedder(CountingConfig(name="toy"))._vector(b"text 2")
    assert np.allclose(rows["i02"]["own"], made / np.linalg.norm(made), atol=1e-6)
    assert np.array_equal(rows["i02"]["toy"], ready.vectors[2])
    # There and back again: nothing is embedded, and the generation has the vectors of its own declaration.
    ready.declare(embeddings={"toy": {**own, "input": "text"}}, indexes={"found": {"vectors": ["toy"]}})
    assert ready.plan()["embeddings/toy"].reason == "input changed: ready-made made -> text"
    ready.run()
    assert np.allclose(ready.rows()["i02"]["toy"], made / np.linalg.norm(made), atol=1e-6)
    ready.declare(embeddings={"toy": {**own, "vectors": "made"}})
    ready.run()
    assert np.array_equal(ready.rows()["i02"]["toy"], ready.vectors[2])
    assert ready.items() == COUNT


@pytest.mark.slow
def test_gc_keeps_what_is_served_and_removes_what_a_dropped_embedding_left(ready):
    write(ready, [[1.0], *ready.vectors[1:]])
    ready.tolerate_failures()
    ready.run()
    store = ready.pipeline().store

    def later():
        return datetime.now(UTC) + timedelta(days=2)

    def garbage():
        return make_gc(Needs(ready.pipeline(), clock=later)).garbage

    assert [one for one in garbage() if one.kind != "versions"] == []
    own = {"provider": "counting", "name": "other", "log": str(ready.log), "input": "text"}
    ready.declare(embeddings={"own": own}, indexes={"found": {"vectors": ["own"], "keep_generations": 1}})
    ready.run()
    ready.declare(indexes={"other": {"vectors": ["own"]}})
    ready.run()
    needs = Needs(ready.pipeline(), clock=later)
    assert {"pointer", "generation", "table", "state", "failures"} <= {one.kind for one in garbage()}
    collect(needs, make_gc(needs))
    assert not [name for name in store.table_names() if name.startswith("index.gallery.found")]
    assert store.failures.by_fingerprint() == {}
    assert ready.rows("other")["i01"]["own"] is not None


SCRIPT = """
import sys
from pathlib import Path
from embeddings_orch.pipeline import Pipeline
from embeddings_orch.pipeline.checks.run import check_index
from embeddings_orch.pipeline.embeddings.embed import embed
from embeddings_orch.pipeline.indexes.build import build_index
from embeddings_orch.pipeline.published.publish import publish
from embeddings_orch.pipeline.catalog.scan import scan_media
from embeddings_orch.spec.yaml_file import load_pipeline

pipeline = Pipeline(load_pipeline(Path(sys.argv[1])))
scan_media(pipeline)
embed(pipeline, "toy")
build_index(pipeline, "found")
check_index(pipeline, "found")
publish(pipeline, "found")
print({"torch", "open_clip", "onnxruntime"} & set(sys.modules))
"""


@pytest.mark.process
def test_a_real_model_is_loaded_by_the_first_query_and_by_no_run(ready):
    vectors = unit(np.random.default_rng(5).standard_normal((COUNT, 128))).astype(np.float32)
    write(ready, list(vectors))
    ready.declare(embeddings={"toy": {"provider": "open-clip", "name": "emoji-s", "device": "cpu", "vectors": "made"}})
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(ready.file)], capture_output=True, text=True, check=False, cwd=ready.root
    )
    assert (done.returncode, done.stdout.strip()) == (0, "set()"), done.stderr
    config = load_pipeline(ready.file).embeddings["toy"].config
    from embeddings_orch.embedding.contents import vectors_of
    from embeddings_orch.embedding.step import EmbedStep

    step = EmbedStep(config)
    (query,) = vectors_of(step, "text", ["a red fruit"], "query")
    step.close()
    order = np.argsort(-(vectors @ query))
    assert [hit.id for hit in opened(ready).search("a red fruit", limit=5)] == [f"i{n:02}" for n in order[:5]]


@pytest.mark.slow
def test_an_index_that_does_not_use_them_has_no_copy_of_the_column_either(ready):
    own = {"provider": "counting", "name": "toy", "input": "text"}
    ready.declare(embeddings={**ready.attributes["embeddings"], "own": own}, indexes={"found": {"vectors": ["own"]}})
    ready.run()
    before = ready.rows()
    assert "made" not in before["i00"]
    # So an edited vector is none of its business.
    write(ready, list(-ready.vectors))
    assert ready.plan()["index/found"].unchanged == COUNT
    ready.run()
    assert ready.rows() == before
