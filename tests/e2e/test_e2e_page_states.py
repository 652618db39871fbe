"""What the page says when there is nothing to show yet, when something fails, and when a key is needed."""

import os
from datetime import datetime
from unittest.mock import patch

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

pytestmark = pytest.mark.browser

KEY = "a key of the page"


@pytest.fixture(scope="module")
def gallery(shared_gallery):
    """12 pictures, published."""
    gallery = shared_gallery(pictures=12)
    gallery.run()
    return gallery


@pytest.fixture(scope="module")
def server(gallery, shared_served):
    return shared_served(gallery)


def test_an_index_that_is_not_published_says_how_to(visit, served, make_gallery):
    gallery = make_gallery(pictures=3)
    page = visit(served(gallery))
    page.page.get_by_role("heading", name="“found” is not published yet").wait_for()
    assert page.page.locator(".command code").inner_text() == "embeddings-orch run --pipeline gallery"
    gallery.run()
    page.page.get_by_role("button", name="Look again").click()
    page.status("A look at 3 items")


def test_what_a_search_cannot_find_is_counted_and_named(visit, served, make_gallery):
    gallery = make_gallery(pictures=3)
    for number in range(5):
        gallery.add(f"copy{number}.png", b"\x89PNG\r\n\x1a\n and no picture")
    gallery.media.joinpath("phone.heic").write_bytes(b"?")
    gallery.model(decode=True)
    gallery.tolerate_failures()
    gallery.run()
    page = visit(served(gallery))
    page.status("A look at 8 items")
    line = page.page.locator("#left-out-line")
    assert line.inner_text() == "5 items without a vector · 1 file passed over"
    line.click()
    rows = page.page.locator("#left-out-list li")
    rows.nth(5).wait_for()
    assert [row.split(" ")[0] for row in rows.all_inner_texts()[:5]] == [f"copy{number}.png" for number in range(5)]
    assert "phone.heic: HEIF pictures are not read: convert them to JPEG or PNG" in rows.nth(5).inner_text()
    assert page.complaints == []


def test_a_generation_that_is_not_published_can_be_looked_at_and_says_so(visit, served, make_gallery):
    gallery = make_gallery(pictures=3)
    from embeddings_orch.pipeline.catalog.scan import scan_media
    from embeddings_orch.pipeline.checks.run import check_index
    from embeddings_orch.pipeline.embeddings.embed import embed
    from embeddings_orch.pipeline.indexes.build import build_index

    pipeline = gallery.pipeline()
    scan_media(pipeline)
    embed(pipeline, "toy")
    build_index(pipeline, "found")
    check_index(pipeline, "found")
    page = visit(served(gallery))
    page.page.get_by_role("button", name="Look at the generation that is not published").click()
    page.status("A look at 3 items")
    page.page.locator(".pill", has_text="not published").wait_for()
    page.page.get_by_role("button", name="caption").count()
    page.page.get_by_label("Search by words").fill("picture")
    page.status("3 hits of 3")
    page.page.goto(page.page.url + "&has.caption=picture+1")
    page.status("1 hit of 3")


def test_a_server_without_an_index_says_so(visit, served):
    page = visit(served())
    page.page.get_by_role("heading", name="There is no index yet").wait_for()
    page.page.get_by_role("button", name="Look again").click()
    page.page.get_by_role("heading", name="There is no index yet").wait_for()
    page.page.locator("#filters-toggle").click()
    page.page.get_by_role("heading", name="There is no index yet").wait_for()


def test_no_hits_leads_out(visit, server):
    page = visit(server, "/?q=zebra&alpha=0&is.mime=image%2Fgif")
    page.page.get_by_role("heading", name="Nothing found").wait_for()
    page.page.get_by_role("button", name="Remove the filters").click()
    page.page.get_by_text("No item has these words").wait_for()
    page.page.get_by_role("button", name="Clear the search").nth(1).click()
    page.status("A look at 12 items")


def test_an_error_of_the_server_is_told_and_can_be_tried_again(visit, served, gallery, tmp_path):
    gallery.model(broken=True)
    try:
        page = visit(served(gallery), "/?q=anything")
    finally:
        gallery.model(broken=False)
    page.page.get_by_text("the counting provider is configured as broken").wait_for()
    with page.page.expect_response("**/v1/search") as answer:
        page.page.get_by_role("button", name="Try again").click()
    assert answer.value.status >= 400
    page.page.get_by_text("the counting provider is configured as broken").wait_for()
    page.page.keyboard.press("Escape")
    page.status("A look at 12 items")


def test_a_generation_that_is_gone_leads_to_the_published_one(visit, server):
    page = visit(server, "/?generation=gone-7")
    page.page.get_by_text("There is no generation “gone-7”").wait_for()
    page.page.get_by_role("button", name="Try again").click()
    page.status("A look at 12 items")


def test_an_index_that_is_not_there_leads_to_one_that_is(visit, server):
    page = visit(server, "/?index=gallery%2Flost")
    page.page.get_by_text("There is no index “gallery/lost”").wait_for()
    page.page.get_by_role("button", name="Try again").click()
    page.status("A look at 12 items")


def test_a_slow_model_is_waited_for_with_words(visit, served, gallery):
    gallery.model(delay=3.2)
    try:
        page = visit(served(gallery))
    finally:
        gallery.model(delay=0.0)
    page.status("A look at 12 items")
    page.page.get_by_label("Search by words").fill("picture 3")
    page.page.locator(".spinner").wait_for()
    assert page.page.locator(".tile .frame img").first.is_visible(), "what was there stays meanwhile"
    page.status("Loading the model")
    page.status("hits of 12")
    assert page.page.locator(".spinner").count() == 0


def test_a_server_that_went_away_can_be_tried_again(visit, gallery, served):
    running = served(gallery)
    page = visit(running)
    page.status("A look at 12 items")
    page.page.context.set_offline(True)
    page.page.get_by_label("Search by words").fill("picture")
    page.page.get_by_role("heading", name="The server does not answer").wait_for()
    page.page.context.set_offline(False)
    page.page.get_by_role("button", name="Try again").click()
    page.status("12 hits of 12")
    assert page.page.get_by_label("Search by words").input_value() == "picture"


def test_the_key_is_asked_for_once(visit, served, gallery):
    with patch.dict(os.environ, {"PAGE_KEY": KEY}):
        running = served(gallery, api_key_env="PAGE_KEY")
    page = visit(running, "/?q=picture+3")
    field = page.page.get_by_label("API key", exact=True).last
    field.fill("wrong")
    page.page.get_by_role("button", name="Open").click()
    page.page.get_by_text("This is not the key.").wait_for()
    field.fill(KEY)
    page.page.get_by_role("button", name="Open").click()
    page.status("12 hits of 12")
    page.page.locator(".tile img.shown").first.wait_for()
    page.page.reload()
    page.status("12 hits of 12")
    assert page.page.locator("dialog").count() == 0
    assert not any(KEY in url or "api_key" in url for url in page.requests)
    assert KEY not in page.page.evaluate(
        "document.cookie + JSON.stringify(localStorage) + JSON.stringify(sessionStorage)"
    )


def test_a_new_publish_is_followed(visit, served, make_gallery):
    gallery = make_gallery(pictures=3)
    gallery.run()
    page = visit(served(gallery))
    page.status("A look at 3 items")
    gallery.add("p900.png", caption="a new one")
    gallery.run()
    page.page.wait_for_timeout(300)
    # What is published now is known after two searches have found what is new.
    page.page.evaluate(
        """() => {
          const ask = window.fetch;
          let searches = 0;
          window.fetch = async (...asked) => {
            const answer = await ask(...asked);
            const { pathname } = new URL(asked[0], location);
            searches += pathname === "/v1/search";
            while (pathname === "/v1/indexes" && searches < 2) await new Promise((resolve) => setTimeout(resolve, 20));
            return answer;
          };
        }"""
    )
    page.page.get_by_label("Search by words").fill("a new one")
    page.page.locator(".caption", has_text="a new one").wait_for()
    page.page.get_by_label("Search by words").fill("a new")
    page.status("4 hits of 4")


def test_texts_are_read_and_filtered_by_day_number_and_truth(visit, served, make_gallery):
    gallery = make_gallery(pictures=0, media={"source": "table", "path": "notes.parquet"})
    days = [datetime(2026, 1, day, 23, 30) for day in range(1, 11)]
    rows = {
        "id": [f"n{number}" for number in range(10)],
        "text": [f"note {number} <b>of</b> a day" for number in range(10)],
        "day": days,
        "worth": [number + 0.5 for number in range(10)],
        "seen": [number < 4 for number in range(10)],
    }
    pq.write_table(pa.table(rows), gallery.root / "notes.parquet")
    gallery.declare(indexes={"found": {"vectors": ["toy"], "full_text": ["text"]}})
    gallery.model(input="text")
    gallery.run()
    page = visit(served(gallery))
    page.status("A look at 10 items")
    assert "note 3 <b>of</b> a day" in page.page.locator(".tile .words").all_inner_texts()
    page.page.get_by_label("day from", exact=True).fill("2026-01-02")
    page.status("9 items of 10")
    page.page.get_by_label("day to", exact=True).fill("2026-01-05")
    page.status("4 items of 10")
    page.page.get_by_label("worth to", exact=True).fill("3")
    page.page.keyboard.press("Enter")
    page.status("2 items of 10")
    page.page.get_by_role("button", name="false 6").click()
    page.page.get_by_role("heading", name="Nothing found").wait_for()


def test_an_address_changes_nothing_but_the_state(visit, server):
    page = visit(server, "/?min.__proto__=5&has.__proto__=x&is.__proto__=y")
    page.status("12 items of 12")
    assert page.page.evaluate("[({}).min, ({}).has, ({}).values]") == [None, None, None]


def test_a_column_may_be_called_like_what_every_object_has(visit, served, make_gallery):
    gallery = make_gallery(pictures=4)
    for place, name in enumerate(sorted(gallery.captions)):
        gallery.captions[name]["constructor"] = "ab"[place % 2]
        gallery.captions[name]['say "x" / ß AND'] = str(place + 0.5)
    gallery.write_captions()
    gallery.run()
    page = visit(served(gallery))
    page.status("A look at 4 items")
    page.page.get_by_role("button", name="a 2").click()
    page.status("2 items of 4")
    page.page.get_by_label("Remove the filter constructor: a").click()
    page.status("A look at 4 items")
    page.page.get_by_role("button", name="b 2").wait_for()
    page.page.get_by_label('say "x" / ß AND from').fill("2")
    page.page.keyboard.press("Enter")
    page.status("2 items of 4")
