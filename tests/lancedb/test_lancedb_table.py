"""A published index through LanceDB's own API: the same answers, and nothing written."""

import io
import json
import subprocess
import sys
from pathlib import Path
from unicodedata import normalize

import lancedb
import numpy as np
import pytest
from lancedb.pydantic import LanceModel
from lancedb.query import BooleanQuery, BoostQuery, MatchQuery, MultiMatchQuery, Occur, PhraseQuery
from lancedb.table import LanceTable
from PIL import Image

from embeddings_orch import Index
from embeddings_orch.errors import EmbeddingsOrchError, StoreError
from embeddings_orch.lancedb import open_table, release
from embeddings_orch.lancedb.table import READING
from embeddings_orch.store import Store
from embeddings_orch.store.tables import index_table
from embeddings_orch_testing.counting import CountingConfig, CountingEmbedder
from galleries import Gallery
from kept import after

EMOJI = Path(__file__).parents[2] / "definitions" / "data" / "emoji"
WORDS = ("red", "green", "fruit", "car", "dog", "house", "tree", "boat")


def store_of(gallery):
    return gallery.root / "store"


def found(builder):
    return [row["id"] for row in builder.to_list()]


def expected(gallery, *args, limit=5, **options):
    with Index.open("found", store=store_of(gallery)) as index:
        return [hit.id for hit in index.search(*args, limit=limit, **options)]


@pytest.fixture(autouse=True)
def _released():
    yield
    release()


@pytest.fixture
def two(make_gallery):
    """30 pictures with captions of words; embeddings of picture and caption, of other lengths and not normalised."""

    def make(metric="cosine", pictures=30):
        gallery = make_gallery(pictures=pictures)
        numbers = np.random.default_rng(3)
        for place, name in enumerate(sorted(gallery.captions)):
            words = " ".join(numbers.choice(WORDS, size=3))
            gallery.captions[name] = {"caption": f"{words} number{place}"}
        gallery.write_captions()
        gallery.model(normalize=False)
        gallery.model("words", input="caption", name="words", dim=6, normalize=False)
        gallery.declare(indexes={"found": {"vectors": ["toy", "words"], "metric": metric, "full_text": ["caption"]}})
        gallery.run()
        return gallery

    return make


@pytest.mark.slow
@pytest.mark.parametrize("metric", ["cosine", "l2", "dot"])
def test_words_and_pictures_find_what_index_finds_in_the_same_order(two, metric):
    gallery = two(metric)
    table = open_table(store_of(gallery), "found")
    assert isinstance(table, LanceTable)

    with Index.open("found", store=store_of(gallery)) as index:
        hits = index.search("a dog", limit=5).hits
    rows = table.search("a dog").limit(5).to_list()
    assert [(row["id"], row["_distance"]) for row in rows] == [(hit.id, hit.distance) for hit in hits]

    picture = Image.open(io.BytesIO((gallery.media / "p003.png").read_bytes()))
    assert found(table.search(picture).limit(5)) == expected(gallery, image=picture)
    assert found(table.search("a dog", vector_column_name="words").limit(5)) == expected(
        gallery, "a dog", column="words"
    )
    vector = list(range(1, 7))
    assert found(table.search(vector).limit(5)) == expected(gallery, vector=vector, column="words")
    where = "caption LIKE '%dog%'"
    assert found(table.search("a dog").where(where).limit(5)) == expected(gallery, "a dog", where=where)


@pytest.mark.slow
def test_a_builder_can_still_choose_another_distance(two):
    table = open_table(store_of(two("cosine")), "found")
    row = table.search("a dog").distance_type("l2").limit(1).to_list()[0]
    query = CountingEmbedder(CountingConfig(name="toy"))._vector(b"a dog")
    assert row["_distance"] == pytest.approx(float(((query - np.array(row["toy"])) ** 2).sum()), rel=1e-5)


@pytest.mark.slow
def test_phrases_are_found_in_every_language(make_gallery):
    gallery = make_gallery(pictures=4)
    captions = ("東京タワーの夜景", "夜景と東京", "The Who live", "who is the one")
    for name, caption in zip(sorted(gallery.captions), captions, strict=True):
        gallery.captions[name] = {"caption": caption}
    gallery.write_captions()
    gallery.run()
    table = open_table(store_of(gallery), "found")
    assert sorted(found(table.search("夜景", query_type="fts"))) == ["p000.png", "p001.png"]
    assert found(table.search(PhraseQuery("東京タワー", "caption"), query_type="fts")) == ["p000.png"]
    assert found(table.search(PhraseQuery("the who", "caption"), query_type="fts")) == ["p002.png"]


@pytest.mark.slow
def test_words_are_found_however_their_accents_are_written(make_gallery):
    gallery = make_gallery(pictures=3)
    forms = [normalize(form, "Tiếng Việt") for form in ("NFC", "NFD")]
    for name, caption in zip(sorted(gallery.captions), [*forms, "a dog"], strict=True):
        gallery.captions[name] = {"caption": caption}
    gallery.write_captions()
    name = normalize("NFD", "ngữ.png")
    gallery.add(name)
    gallery.declare(
        indexes={"found": {"vectors": ["toy"], "full_text": {"columns": ["caption", "id"], "tokenizer": "icu"}}}
    )
    gallery.run()
    table = open_table(store_of(gallery), "found")
    far = table.search().where("id = 'p002.png'").to_list()[0]["toy"]
    for words in forms:
        match = MatchQuery(words, "caption")
        for query in (
            words,
            match,
            PhraseQuery(words, "caption"),
            MultiMatchQuery(words, ["caption"]),
            BoostQuery(match, MatchQuery("dog", "caption")),
            BooleanQuery([(Occur.MUST, match), (Occur.MUST_NOT, MatchQuery("dog", "caption"))]),
        ):
            assert sorted(found(table.search(query, query_type="fts"))) == ["p000.png", "p001.png"], query
        # By LanceDB's fusion those with the words come before those without, where all are near.
        hybrid = table.search(query_type="hybrid").vector(far).text(words).limit(4)
        assert set(found(hybrid)[:2]) == {"p000.png", "p001.png"}
    # The name of a file stays as it is.
    assert found(table.search(MatchQuery(name, "id"), query_type="fts")) == [name]
    assert found(table.search(MultiMatchQuery(name, ["id"]), query_type="fts")) == [name]
    assert found(table.search(name, query_type="fts", fts_columns="id")) == [name]


@pytest.mark.slow
def test_keywords_and_hybrid_search(two):
    gallery = two()
    table = open_table(store_of(gallery), "found")
    assert found(table.search("number7", query_type="fts").limit(5)) == ["p007.png"]
    assert expected(gallery, keyword="number7") == ["p007.png"]
    hybrid = found(table.search("number7", query_type="hybrid").limit(3))
    assert len(hybrid) == 3
    # LanceDB's fusion is its own; by its own formula the one with the word is among the first two.
    assert "p007.png" in hybrid[:2]
    by_words = table.search("number7", query_type="hybrid", vector_column_name="words").limit(3).to_list()
    assert "p007.png" in [row["id"] for row in by_words]


@pytest.mark.slow
def test_hits_become_pydantic_models(two):
    class Hit(LanceModel):
        id: str
        caption: str

    table = open_table(store_of(two()), "found")
    (hit,) = table.search("number4", query_type="fts").limit(1).to_pydantic(Hit)
    assert (hit.id, hit.caption.split()[-1]) == ("p004.png", "number4")


@pytest.mark.slow
def test_approximate_search_has_the_parameters_that_the_generation_was_tuned_to(make_gallery, monkeypatch):
    monkeypatch.setattr(index_table, "EXACT_UP_TO", 500)
    gallery = make_gallery(pictures=900)
    gallery.model(dim=32)
    gallery.run()
    table = open_table(store_of(gallery), "found")
    assert table.generation.search["refine_factor"] > 0
    assert {index.name for index in table.list_indices() if index.columns == ["toy"]}
    asked = table.search("a dog").to_query_object()
    tuned = table.generation.search
    assert (asked.minimum_nprobes, asked.refine_factor) == (tuned["nprobes"], tuned["refine_factor"])
    for words in WORDS:
        # Our search asks for one more, to see a tie; an approximate index then looks at more candidates.
        assert found(table.search(words).limit(11))[:10] == expected(gallery, words, limit=10)


@after(Gallery.run)
def test_the_query_is_embedded_as_a_query_by_models_loaded_once(gallery, monkeypatch):
    loaded = []
    load = CountingEmbedder.__init__
    monkeypatch.setattr(CountingEmbedder, "__init__", lambda self, config: (loaded.append(self), load(self, config))[1])
    table = open_table(store_of(gallery), "found")
    gallery.forget_calls()
    for words in ("red", "green", "blue"):
        table.search(words).to_list()
    assert gallery.calls() == [("text", 1)] * 3
    open_table(store_of(gallery), "found").search("white").to_list()
    assert len(loaded) == 1
    table.close()
    table.search("black").to_list()
    assert len(loaded) == 2


@after(Gallery.run)
def test_metadata_is_lancedbs_and_not_on_disk(gallery):
    versions = gallery.versions()
    table = open_table(Store(str(store_of(gallery))), "found", pipeline="gallery")
    (kept,) = json.loads(table.schema.metadata[b"embedding_functions"])
    assert (kept["name"], kept["vector_column"], kept["model"]["provider"]) == ("embeddings-orch", "toy", "counting")
    plain = lancedb.connect(store_of(gallery)).open_table(table.name)
    assert b"embedding_functions" not in (plain.schema.metadata or {})
    table.search("dog").to_list()
    assert gallery.versions() == versions


@pytest.mark.parametrize(
    ("given", "column"), [("caption", "caption"), ("media", "uri"), ({"media": 1, "caption": 1}, "uri")]
)
def test_the_source_column_is_the_one_that_was_embedded_where_the_table_has_it(gallery, given, column):
    gallery.model(input=given)
    gallery.run()
    (kept,) = json.loads(open_table(store_of(gallery), "found").schema.metadata[b"embedding_functions"])
    assert kept["source_column"] == column


@after(Gallery.run)
def test_the_table_stays_at_its_generation(gallery):
    before = open_table(store_of(gallery), "found")
    gallery.remove("p000.png")
    gallery.run()
    assert (before.count_rows(), len(before.search("dog").limit(50).to_list())) == (12, 12)
    assert open_table(store_of(gallery), "found").count_rows() == 11


@after(Gallery.run)
def test_whatever_is_not_reading_is_refused(gallery):
    table = open_table(store_of(gallery), "found")
    versions = gallery.versions()
    offered = {name for name in dir(LanceTable) if not name.startswith("_")}
    refused = offered - READING
    assert {
        "add",
        "merge_insert",
        "update",
        "delete",
        "optimize",
        "cleanup_old_versions",
        "to_lance",
        "create_index",
    } < (refused)
    assert {"tags", "branches", "checkout", "checkout_latest", "restore", "drop_columns", "create"} < refused
    for name in sorted(refused):
        with pytest.raises(StoreError, match="read-only: change the media and run the pipeline"):
            getattr(table, name)()
    for use in (lambda: table.tags.create("mine", 1), lambda: table.branches):
        with pytest.raises(StoreError, match="read-only"):
            use()
    assert gallery.versions() == versions


@after(Gallery.run)
def test_what_reads_works_and_writes_nothing(gallery):
    table = open_table(store_of(gallery), "found")
    versions = gallery.versions()
    assert (table.count_rows(), len(table.head(3)), table.to_arrow().num_rows, len(table.to_pandas())) == (
        12,
        3,
        12,
        12,
    )
    assert table.version == table.generation.version
    assert {table.generation.version} <= {version["version"] for version in table.list_versions()}
    assert table.take_offsets([0, 1]).to_arrow().num_rows == 2
    assert table.stats()["num_rows"] == 12
    assert [index.columns for index in table.list_indices()] == [["caption"]]
    assert gallery.versions() == versions


@after(Gallery.run)
def test_a_filter_speaks_the_columns_type_and_a_limit_is_any_number(gallery):
    table = open_table(store_of(gallery), "found")
    narrow = [row["id"] for row in table.to_arrow().to_pylist() if row["width"] > 0.5]
    assert narrow
    assert found(table.search().where("width > 0.5").limit(10**30)) == narrow
    assert len(found(table.search("a dog").where("width < 1e30").limit(np.int16(3)))) == 3
    assert table.count_rows("width > 0.5 AND size <> 20.5") == len(narrow)
    assert found(table.search().limit(5).offset(10**30)) == []
    with pytest.raises(EmbeddingsOrchError, match=r"names widht, which is not there.* did you mean width\?"):
        table.search("a dog").where("widht = 1").to_list()
    for wrong in (2.5, float("nan"), "3"):
        with pytest.raises(EmbeddingsOrchError, match="limit is a whole number"):
            table.search("a dog").limit(wrong)


def test_what_cannot_be_answered_says_why(gallery, tmp_path):
    with pytest.raises(StoreError, match="no index 'found' is published"):
        open_table(store_of(gallery), "found")
    gallery.run()
    with pytest.raises(StoreError, match="did you mean 'found'"):
        open_table(store_of(gallery), "fuond")
    table = open_table(store_of(gallery), "found")
    with pytest.raises(EmbeddingsOrchError, match="the query text cannot be embedded: empty"):
        table.search("")
    with pytest.raises(EmbeddingsOrchError, match=r"nothing\.png cannot be read"):
        table.search(tmp_path / "nothing.png")


@after(Gallery.run)
def test_a_model_that_changed_on_this_machine_is_refused(gallery, monkeypatch):
    table = open_table(store_of(gallery), "found")
    monkeypatch.setattr(CountingConfig, "vector_version", 2)
    with pytest.raises(EmbeddingsOrchError, match="is not the one that made the table's vectors"):
        table.search("dog")
    # What needs no model still works.
    assert table.search([1.0] * 8).limit(2).to_list()
    assert table.search("picture", query_type="fts").limit(2).to_list()


def test_the_emoji_index_answers_by_words_and_picture_with_a_real_model(make_gallery):
    names = ("1f431", "1f436", "1f434", "1f34e", "1f697", "1f3e0")
    gallery = make_gallery(pictures=0, embeddings={"clip": {"provider": "open-clip", "name": "emoji-s"}})
    gallery.declare(indexes={"found": {"vectors": ["clip"]}})
    for name in names:
        gallery.add(f"{name}.png", (EMOJI / f"{name}.png").read_bytes())
    gallery.run()
    table = open_table(store_of(gallery), "found")
    assert found(table.search("dog").limit(3)) == expected(gallery, "dog", limit=3)
    assert found(table.search("dog").limit(1)) == ["1f436.png"]
    assert found(table.search(Image.open(EMOJI / "1f34e.png")).limit(1)) == ["1f34e.png"]


@after(Gallery.run)
@pytest.mark.process
def test_a_program_needs_the_store_alone_and_no_dagster(gallery):
    program = (
        "from embeddings_orch.lancedb import open_table\n"
        f"table = open_table({str(store_of(gallery))!r}, 'found')\n"
        "print(*(row['id'] for row in table.search('dog').limit(3).to_list()))\n"
        "import sys; assert not {'dagster', 'torch'} & set(sys.modules)\n"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=120)
    assert ran.stdout.split() == expected(gallery, "dog", limit=3)
