"""Search of an index whose full text has options, after a run of the pipeline."""

from datetime import UTC, datetime, timedelta

import pytest

from embeddings_orch.pipeline.garbage.collect import collect
from embeddings_orch.pipeline.garbage.listing import make_gc
from embeddings_orch.pipeline.garbage.needs import Needs
from embeddings_orch.pipeline.plan.plan import make_plan
from embeddings_orch.pipeline.plan.status import list_generations
from embeddings_orch.pipeline.published.publish import release
from embeddings_orch.pipeline.published.rollback import rollback
from embeddings_orch.search import Index
from embeddings_orch.store.store import Store
from kept import after

CAPTIONS = ["ein altes Haus", "viele Häuser", "東京都の猫", "to be or not to be", "der Hund"]


def caption(gallery):
    for number, text in enumerate(CAPTIONS):
        gallery.captions[f"p{number:03}.png"]["caption"] = text
    gallery.write_captions()
    gallery.run()


def declare(gallery, **options):
    gallery.declare(indexes={"found": {"vectors": ["toy"], "full_text": {"columns": ["caption"], **options}}})


def published(gallery):
    store = gallery.pipeline().store
    return store.generations.get(store.published.get("gallery", "found").generation)


@after(caption)
@pytest.mark.parametrize(
    ("options", "query", "before", "now"),
    [
        ({"language": "German"}, "Haus", ["p000.png"], ["p000.png", "p001.png"]),
        ({"tokenizer": "simple"}, "猫", ["p002.png"], []),
        ({"tokenizer": "ngram", "ngram_min_length": 2}, "京都", [], ["p002.png"]),
        ({"tokenizer": "simple", "language": "English"}, "to be or not to be", ["p003.png"], []),
        ({"stop_words": ["hund"]}, "Hund", ["p004.png"], []),
    ],
)
def test_another_option_is_a_new_generation_of_the_same_vectors(gallery, right, options, query, before, now):
    def find(generation=None):
        return sorted(hit.id for hit in right.opened(gallery).search(keyword=query, generation=generation))

    earlier, vectors = published(gallery), {item: row["toy"] for item, row in gallery.rows().items()}
    assert find() == before
    gallery.forget_calls()

    declare(gallery, **options)
    gallery.run()

    assert gallery.calls() == [], "something was embedded"
    assert published(gallery).table != earlier.table
    assert find() == now
    assert find(earlier) == before, "the earlier generation has to stay as it is"
    assert {item: row["toy"] for item, row in gallery.rows().items()} == vectors
    assert make_plan(gallery.pipeline()).changes is False


@after(caption)
def test_a_default_that_is_written_out_builds_nothing(gallery):
    earlier, tables = published(gallery), gallery.versions()
    declare(gallery, tokenizer="icu/split", stem=False, stop_words=False)
    assert make_plan(gallery.pipeline()).changes is False
    gallery.run()
    assert (published(gallery), gallery.versions()) == (earlier, tables)


@after(caption)
def test_the_plan_says_what_changes(gallery):
    declare(gallery, language="German", stop_words=["der"])
    plan = gallery.plan()
    assert plan["index/found"].reason == (
        "its models, columns or settings changed: a new table "
        "(full_text: language English -> German, stem false -> true, stop_words false -> [der])"
    )
    assert plan["embeddings/toy"].reason == "up to date"


def caption_in_german(gallery):
    declare(gallery, language="German")
    caption(gallery)


@after(caption_in_german)
def test_the_store_alone_knows_the_options(gallery):
    with Index.open("found", store=gallery.pipeline().spec.store.uri) as index:
        assert index.generation().analysis.language == "German"
        assert sorted(hit.id for hit in index.search(keyword="Hauses")) == ["p000.png", "p001.png"]


@after(caption_in_german)
def test_a_hybrid_search_reads_its_words_by_the_options(gallery, right):
    index = right.opened(gallery)
    near = {hit.id: hit.score for hit in index.search("Hauses", limit=12)}
    words = {hit.id: hit.score for hit in index.search(keyword="Hauses", limit=12)}
    assert set(words) == {"p000.png", "p001.png"}
    expected = right.rrf(near, words)
    hits = index.search("Hauses", hybrid=True, limit=12).hits
    assert {hit.id: hit.score for hit in hits} == pytest.approx(dict(expected))


@after(caption_in_german)
def test_rows_that_come_later_are_read_by_the_same_options(gallery, right):
    table = published(gallery).table
    gallery.captions["p005.png"]["caption"] = "noch ein Haus"
    gallery.write_captions()
    gallery.run()
    assert published(gallery).table == table
    assert sorted(hit.id for hit in right.opened(gallery).search(keyword="Häuser")) == [
        "p000.png", "p001.png", "p005.png",
    ]  # fmt: skip


def run_again_in_german(gallery):
    gallery.run()
    declare(gallery, language="German")
    gallery.run()


@after(run_again_in_german)
def test_the_list_of_generations_has_the_options_of_each(gallery):
    before, now = list_generations(gallery.pipeline(), "found")["generations"]
    assert (before["full_text"], before["full_text_options"]) == (["caption"], {})
    assert (now["full_text"], now["full_text_options"]) == (["caption"], {"language": "German"})


LANCEDBS_OWN = {"tokenizer": "simple", "language": "English", "max_token_length": 40}


def caption_as_lancedb_would(gallery):
    declare(gallery, **LANCEDBS_OWN)
    caption(gallery)


@after(caption_as_lancedb_would)
def test_a_table_that_says_nothing_of_its_words_gives_way_to_words_of_every_language(gallery, right):
    def find(query):
        return [hit.id for hit in right.opened(gallery).search(keyword=query)]

    old = published(gallery)
    (row,) = Store(gallery.pipeline().spec.store.uri).open("index_generations").to_arrow().to_pylist()
    assert "analysis" not in row["settings"]
    assert list_generations(gallery.pipeline(), "found")["generations"][0]["full_text_options"] == LANCEDBS_OWN
    assert (find("猫"), find("to be or not to be")) == ([], [])

    gallery.declare(indexes={"found": {"vectors": ["toy"], "full_text": ["caption"]}})
    assert gallery.plan()["index/found"].reason == (
        "its models, columns or settings changed: a new table (full_text: tokenizer simple -> icu/split, stem true -> "
        "false, stop_words true -> false, max_token_length 40 -> 160)"
    )
    gallery.forget_calls()
    gallery.run()
    assert gallery.calls() == [], "something was embedded"
    assert (find("猫"), find("to be or not to be")) == (["p002.png"], ["p003.png"])

    report = rollback(gallery.pipeline(), "found")
    assert (report.generation.id, report.held) == (old.id, True)
    gallery.run()
    assert (published(gallery).id, find("猫")) == (old.id, [])
    asked = Needs(gallery.pipeline(), clock=lambda: datetime.now(UTC) + timedelta(hours=2))
    collect(asked, make_gc(asked))
    release(gallery.pipeline(), "found")
    assert find("猫") == ["p002.png"]
    declare(gallery, **LANCEDBS_OWN)
    gallery.run()
    assert published(gallery).id == old.id, "it is built again"
    assert gallery.calls() == []
