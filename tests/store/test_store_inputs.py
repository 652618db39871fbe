"""What a model was given, in the store: kept as data, and read from the sentences that earlier versions kept."""

import json
from datetime import UTC, datetime, timedelta

import lancedb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embeddings_orch.models.inputs import Inputs
from embeddings_orch.pipeline.automation.missing import find_missing
from embeddings_orch.pipeline.checks.indexes import check_vectors
from embeddings_orch.pipeline.checks.run import check_index
from embeddings_orch.pipeline.garbage.collect import collect
from embeddings_orch.pipeline.garbage.listing import make_gc
from embeddings_orch.pipeline.garbage.needs import Needs
from embeddings_orch.pipeline.plan.status import list_generations, make_status
from embeddings_orch.pipeline.published.publish import release
from embeddings_orch.pipeline.published.rollback import rollback
from embeddings_orch.search import Index
from embeddings_orch.store.tables.inputs import inputs_to_data, read_inputs

SENTENCES = {"toy": "text", "both": "0.7 text + 0.3 title", "given": "ready-made made"}
"""What the version before kept of the inputs of each embedding of the gallery `earlier`."""

DATA = {
    "toy": {"weights": {"text": 1.0}},
    "both": {"weights": {"text": 0.7, "title": 0.3}},
    "given": {"vectors": "made"},
}


def weighted():
    weights = st.dictionaries(st.sampled_from(["media", "caption", "a", "B_2"]), st.floats(1e-300, 1e300), min_size=1)
    return weights.map(Inputs.from_weights) | st.sampled_from(["made", "weights"]).map(Inputs.ready)


@given(weighted())
def test_inputs_come_back_from_data_from_its_text_and_from_the_sentence(inputs):
    data = inputs_to_data(inputs)
    assert read_inputs(data) == read_inputs(json.dumps(data)) == read_inputs(str(inputs)) == inputs
    assert json.dumps(inputs_to_data(read_inputs(str(inputs)))) == json.dumps(data)


@pytest.mark.parametrize(
    ("sentence", "inputs"),
    [
        ("media", Inputs((("media", 1.0),))),
        ("0.7 media + 0.3 caption", Inputs((("media", 0.7), ("caption", 0.3)))),
        ("0.333333333 a + 0.333333333 b + 0.333333333 c", Inputs.from_weights({"a": 1, "b": 1, "c": 1})),
        ("1 media + 1e-09 caption", Inputs.from_weights({"media": 1, "caption": 1e-300})),
        ("ready-made clip_vector", Inputs.ready("clip_vector")),
    ],
)
def test_the_sentences_of_earlier_versions_are_read(sentence, inputs):
    assert read_inputs(sentence) == inputs


def write_items(gallery, count):
    vectors = [[0.6, 0.8] if number % 2 else [0.8, -0.6] for number in range(count)]
    columns = {
        "id": [f"i{number:02}" for number in range(count)],
        "text": [f"text {number}" for number in range(count)],
        "title": [f"title {number}" for number in range(count)],
        "made": pa.array(vectors, pa.list_(pa.float32())),
    }
    pq.write_table(pa.table(columns), gallery.root / "items.parquet")


def build_twice(gallery):
    """Two generations of an index over three embeddings, the second one published."""
    model = {"provider": "counting", "log": str(gallery.log)}
    gallery.declare(
        media={"source": "table", "path": "items.parquet"},
        embeddings={
            "toy": {**model, "input": "text"},
            "both": {**model, "input": {"text": 0.7, "title": 0.3}},
            "given": {**model, "dim": 2, "vectors": "made"},
        },
        indexes={"found": {"vectors": list(SENTENCES)}},
    )
    for count in (6, 8):
        write_items(gallery, count)
        gallery.run()
    gallery.run()  # two embeddings have one model: what the second one added, the first one has seen by now
    gallery.forget_calls()


def inputs_in(gallery):
    """The inputs as the rows of the store hold them: of the states, and of each generation's models."""
    store = gallery.pipeline().store
    states = {row["key"].split("/")[2]: row["input"] for row in store.open("states").to_arrow().to_pylist()}
    generations = sorted(store.open("index_generations").to_arrow().to_pylist(), key=lambda row: row["version"])
    models = [json.loads(row["settings"])["models"] for row in generations]
    return states, [{model["column"]: model["input"] for model in of_one} for of_one in models]


def keep_sentences(gallery):
    """Make the rows of a store what the version before wrote."""
    db = lancedb.connect(str(gallery.root / "store"))
    for embedding, sentence in SENTENCES.items():
        db.open_table("states").update(where=f"key = 'main/gallery/{embedding}'", values={"input": sentence})
    table = db.open_table("index_generations")
    for row in table.to_arrow().to_pylist():
        settings = json.loads(row["settings"])
        for model in settings["models"]:
            model["input"] = SENTENCES[model["column"]]
        table.update(where=f"id = '{row['id']}'", values={"settings": json.dumps(settings)})


@pytest.fixture
def earlier(once):
    """The gallery of `build_twice` in a store of the version before."""
    gallery = once(build_twice, pictures=0)
    keep_sentences(gallery)
    assert inputs_in(gallery) == (SENTENCES, [SENTENCES] * 2)
    return gallery


def test_rows_have_data(once):
    gallery = once(build_twice, pictures=0)
    states, generations = inputs_in(gallery)
    assert {name: json.loads(text) for name, text in states.items()} == DATA
    assert generations == [DATA] * 2


def test_over_rows_of_the_version_before_nothing_is_to_do_and_nothing_is_written(earlier):
    versions = earlier.versions()
    pipeline = earlier.pipeline()

    assert not any(asset.changes for asset in earlier.plan().values())
    assert find_missing(pipeline).reasons == {}
    ran = earlier.run()

    assert [report.embedded for report in ran.embeddings.values()] == [0, 0, 0]
    assert (ran.indexes["found"].built, earlier.items()) == (False, 0)
    assert earlier.versions() == versions
    assert inputs_in(earlier) == (SENTENCES, [SENTENCES] * 2)


def test_generations_of_the_version_before_are_searched_checked_and_rolled_back_to(earlier):
    pipeline = earlier.pipeline()
    first, second = pipeline.store.generations.of("gallery", "found")

    assert [model.inputs for model in second.models] == [read_inputs(data) for data in DATA.values()]
    assert all(check.passed for one in (first, second) for check in check_vectors(pipeline, one, 0))
    assert all(check.passed for check in check_index(pipeline, "found"))
    assert len(Index(pipeline.store, "gallery", "found").search("text 3", column="both").hits) == 8
    assert rollback(pipeline, "found").generation == first
    assert len(Index(pipeline.store, "gallery", "found").search("text 3", column="toy").hits) == 6
    assert release(pipeline, "found").generation == second
    assert [one["passed"] for one in list_generations(pipeline, "found")["generations"]] == [True, True]
    assert make_status(pipeline)["indexes"][0]["published"] == second.id
    assert earlier.items() == 1  # the columns have one model, whose vector of a query is remembered


def test_a_row_gets_data_when_something_else_in_it_changes(earlier):
    write_items(earlier, 9)

    ran = earlier.run()

    states, generations = inputs_in(earlier)
    assert {name: json.loads(text) for name, text in states.items()} == DATA
    assert generations == [SENTENCES, SENTENCES, DATA]
    assert [report.embedded for report in ran.embeddings.values()] == [1, 1, 0]
    assert ran.indexes["found"].unchanged == 8


def test_other_inputs_than_a_sentence_says_are_to_do(earlier):
    earlier.model("both", input={"text": 0.5, "title": 0.5})
    assert earlier.plan()["embeddings/both"].reason == "input changed: 0.7 text + 0.3 title -> 0.5 text + 0.5 title"


def test_gc_removes_a_generation_of_the_version_before_and_leaves_the_other_row(earlier):
    earlier.declare(indexes={"found": {"vectors": list(SENTENCES), "keep_generations": 1}})
    needs = Needs(earlier.pipeline(), clock=lambda: datetime.now(UTC) + timedelta(hours=2))

    report = collect(needs, make_gc(needs))

    assert (report.left, inputs_in(earlier)) == ([], (SENTENCES, [SENTENCES]))
