"""What a search cannot find is told over HTTP: items without a vector, each with its reason, and files passed over."""

import pytest

BROKEN = b"\x89PNG\r\n\x1a\n" + bytes(range(200))
COPIES = [f"copy{number}.png" for number in range(5)]


@pytest.fixture(scope="module")
def gallery(shared_gallery):
    """Five copies of a broken picture among three good ones, a text without a caption, and a HEIC."""
    gallery = shared_gallery(pictures=3)
    for name in COPIES:
        gallery.add(name, BROKEN, caption="a copy")
    gallery.add("plain.txt", "a text")
    gallery.media.joinpath("phone.heic").write_bytes(b"?")
    gallery.model(decode=True)
    gallery.model("words", provider="counting", log=str(gallery.log), name="words", input="caption")
    gallery.declare(indexes={"found": {"vectors": ["toy", "words"], "checks": {"max_failed": 1}}})
    gallery.run()
    return gallery


@pytest.fixture(scope="module")
def http(gallery, shared_served):
    return shared_served(gallery).http


def test_the_list_of_indexes_counts_the_items_without_a_vector(http):
    (entry,) = http.get("/v1/indexes").json()["indexes"]
    toy, words = entry["models"]
    assert (toy["items_without_vector"], toy["items_with_nothing_to_embed"]) == (5, 0)
    assert (words["items_without_vector"], words["items_with_nothing_to_embed"]) == (0, 1)
    assert (entry["rows"], entry["left_out"], entry["passed_over"]) == (9, 0, 1)


def test_each_item_is_named_with_its_reason(http, gallery):
    answer = http.get("/v1/indexes/gallery/found/left-out").json()
    assert [row["id"] for row in answer["failed"]] == COPIES
    assert {row["embedding"] for row in answer["failed"]} == {"toy"}
    assert all(row["reason"].startswith("corrupt") for row in answer["failed"])
    assert answer["failures"] == 5
    toy, words = answer["embeddings"]
    assert (toy["without_vector"], toy["failed_contents"], words["nothing_to_embed"]) == (5, 1, 1)
    (kind,) = answer["media"]["passed_over_kinds"]
    assert (kind["kind"], kind["count"], kind["examples"]) == (".heic", 1, ["phone.heic"])


def test_of_an_index_that_is_not_there_it_is_a_404(http):
    assert http.get("/v1/indexes/gallery/lost/left-out").status_code == 404
