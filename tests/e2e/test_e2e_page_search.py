"""A person searches emoji in a browser: by words, by pictures, with filters, by mouse and by keyboard."""

import base64
import csv
import io
import re
import shutil
from pathlib import Path
from urllib.parse import quote

import pytest
from PIL import Image

pytestmark = pytest.mark.browser

EMOJI = Path(__file__).resolve().parents[2] / "definitions" / "data" / "emoji"
GROUPS = {"Food & Drink": 24, "Animals & Nature": 24, "Travel & Places": 12}
WANTED = ("1f34e.png", "1f352.png", "1f353.png", "1f436.png", "1f431.png", "1f697.png")
MARKUP = "<img src=x onerror=document.title='owned'><b>bold</b>"
HOSTILE = (
    '"><script>document.title="owned"</script>',
    "</title></style></script><script>alert(1)</script>",
    "javascript:alert(document.domain)",
    "'-alert(1)-' onmouseover=alert(1) {{constructor.constructor('alert(1)')()}} ${alert(1)}",
    "<svg onload=alert(1)><a href=javascript:alert(1)>press</a>",
    "an \u202egnp.exe of \u200bnothing\u2066 and \x1b[31mred",
    '<link rel=stylesheet href=//evil.example/a.css><img src="http://evil.example/a.png">',
    "<iframe srcdoc='<script>alert(1)</script>'></iframe><base href=//evil.example/>",
)
"""Captions, ids and values; none of them is more than text."""
COLUMN = "note"


def file_name_of(text):
    return f"{text.replace('/', chr(0x2215))}.png"  # in place of a slash, which no name has


@pytest.fixture(scope="module")
def emoji(shared_gallery):
    """60 emoji with the small CLIP that knows them; one caption is markup."""
    gallery = shared_gallery(pictures=0)
    left = dict(GROUPS)
    with (EMOJI / "metadata.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for row in sorted(rows, key=lambda row: row["file_name"] not in WANTED):
        name, group = row["file_name"], row["group"]
        if left.get(group, 0) == 0 and name not in WANTED:
            continue
        left[group] -= 1
        shutil.copy(EMOJI / name, gallery.media / name)
        gallery.captions[name] = {name: row[name] for name in ("caption", "keywords", "group")}
    gallery.captions["1f697.png"]["caption"] = MARKUP
    gallery.captions["1f697.png"]["weight"] = "7"
    places = sorted(name for name, row in gallery.captions.items() if row["group"] == "Travel & Places")
    for text, name in zip(HOSTILE, [name for name in places if name not in WANTED][: len(HOSTILE)], strict=True):
        hostile = file_name_of(text)
        (gallery.media / name).rename(gallery.media / hostile)
        gallery.captions[hostile] = {**gallery.captions.pop(name), "caption": text, "keywords": text, COLUMN: text}
    gallery.write_captions()
    gallery.declare(
        embeddings={"clip": {"provider": "open-clip", "name": "emoji-s", "device": "cpu"}},
        indexes={"found": {"vectors": ["clip"], "full_text": ["caption", "keywords"]}},
    )
    gallery.run()
    return gallery


@pytest.fixture(scope="module")
def server(emoji, shared_served):
    return shared_served(emoji)


def picture(name="1f431.png", side=300):
    """A new picture of an emoji, as a file."""
    ground = Image.new("RGBA", (side, side), (120, 170, 150, 255))
    face = Image.open(EMOJI / name).convert("RGBA").resize((side * 3 // 4, side * 3 // 4))
    ground.alpha_composite(face, (side // 8, side // 8))
    file = io.BytesIO()
    ground.convert("RGB").save(file, "PNG")
    return file.getvalue()


def hand_over(visited, event, data, name="query.png"):
    """Drop or paste a file."""
    visited.page.evaluate(
        """([event, base64, name]) => {
          const bytes = Uint8Array.from(atob(base64), (one) => one.charCodeAt(0));
          const transfer = new DataTransfer();
          transfer.items.add(new File([bytes], name, { type: "image/png" }));
          const more = event === "paste" ? { clipboardData: transfer } : { dataTransfer: transfer };
          const Kind = event === "paste" ? ClipboardEvent : DragEvent;
          for (const one of event === "drop" ? ["dragenter", "dragover", "drop"] : [event])
            document.body.dispatchEvent(new Kind(one, { bubbles: true, cancelable: true, ...more }));
        }""",
        [event, base64.b64encode(data).decode(), name],
    )


def test_typing_searches_and_the_address_keeps_it(visit, server):
    page = visit(server)
    page.status("60 items")
    page.page.get_by_label("Search by words").type("red apple")
    page.first("red apple")
    assert "q=red+apple" in page.page.url
    assert re.match(r"First 48 hits of 60 · .*s$", page.page.locator("#status").inner_text())
    page.page.reload()
    page.first("red apple")
    assert page.page.get_by_label("Search by words").input_value() == "red apple"


def test_an_older_answer_never_replaces_a_newer_one(visit, server):
    page = visit(server)
    page.status("60 items")
    held = []

    def hold(route):
        if '"text":"red apple"' in (route.request.post_data or ""):
            held.append(route)
        else:
            route.continue_()

    page.page.route("**/v1/search", hold)
    box = page.page.get_by_label("Search by words")
    box.fill("red apple")
    page.page.wait_for_timeout(400)
    assert len(held) == 1
    box.fill("dog face")
    page.first("dog face")
    held[0].continue_()
    page.page.wait_for_timeout(500)
    assert page.captions()[0] == "dog face"


def test_keys_in_quick_succession_are_one_search(visit, server):
    page = visit(server)
    page.status("60 items")
    before = page.searches()
    page.page.get_by_label("Search by words").type("dog face", delay=15)
    page.first("dog face")
    assert page.searches() - before <= 2


@pytest.mark.parametrize("event", ["drop", "paste"])
def test_a_picture_is_dropped_or_pasted(visit, server, event):
    page = visit(server)
    page.status("60 items")
    hand_over(page, event, picture())
    page.first("cat face")
    assert page.page.locator(".query-chip canvas").is_visible()
    page.page.get_by_label("Remove the picture").click()
    page.status("60 items")


def test_a_large_picture_is_made_smaller_before_it_is_sent(visit, server, tmp_path):
    page = visit(server)
    page.status("60 items")
    large = tmp_path / "large.png"
    large.write_bytes(picture(side=2400))
    with page.page.expect_request("**/v1/search") as asked:
        page.page.locator("#choose").set_input_files(large)
    sent = Image.open(io.BytesIO(base64.b64decode(asked.value.post_data_json["image"]["base64"])))
    assert max(sent.size) == 1024
    page.first("cat face")


def test_a_picture_that_is_read_slowly_does_not_undo_what_came_after(visit, server):
    page = visit(server)
    page.status("60 items")
    hand_over(page, "drop", picture())
    page.first("cat face")
    page.page.add_init_script(
        """const read = window.createImageBitmap;
        window.createImageBitmap = async (...given) => {
          await new Promise((done) => setTimeout(done, 1000));
          return read(...given);
        };"""
    )
    page.page.reload()
    page.page.locator("#tools").wait_for()
    page.page.go_back()
    page.status("A look at 60 items")
    page.page.wait_for_timeout(1500)
    page.status("A look at 60 items")
    assert page.page.locator(".query-chip").count() == 0


def test_what_is_no_picture_says_so(visit, server):
    page = visit(server)
    page.status("60 items")
    hand_over(page, "drop", b"no picture", name="notes.png")
    page.page.get_by_role("alert").filter(has_text="notes.png").wait_for()
    assert len(page.captions()) == 48


def test_a_picture_and_words_search_together(visit, server):
    page = visit(server)
    page.status("60 items")
    hand_over(page, "drop", picture())
    page.first("cat face")
    with page.page.expect_request("**/v1/search") as asked:
        page.page.get_by_label("Search by words").fill("dog")
    body = asked.value.post_data_json
    assert body["keyword"] == "dog"
    assert body["alpha"] == 0.5
    assert "image" in body
    page.page.locator(".caption", has_text="dog face").first.wait_for()
    assert {"dog face", "cat face"} <= set(page.captions()[:6])


def test_hybrid_balances_words_and_meaning(visit, server):
    page = visit(server, "/?q=dog")
    page.first("dog")
    page.page.get_by_label("Hybrid").check()
    page.page.wait_for_url("**alpha=0.5*")
    page.page.locator(".score[title*='words and vectors']").first.wait_for()
    slider = page.page.get_by_label("Words or meaning")
    with page.page.expect_response("**/v1/search") as answer:
        slider.fill("0")
    assert answer.value.request.post_data_json["alpha"] == 0
    page.status("hits of 60")
    assert all("dog" in one for one in page.captions())


def test_more_like_this_and_back(visit, server):
    page = visit(server, "/?q=red+apple")
    page.first("red apple")
    page.page.locator(".tile").nth(1).hover()
    second = page.captions()[1]
    with page.page.expect_response("**/v1/search") as answer:
        page.page.get_by_label(f"More like {second}", exact=True).click()
    page.first(answer.value.json()["hits"][0]["metadata"]["caption"])
    page.page.locator(".query-chip", has_text=f"Like {second}").wait_for()
    page.page.wait_for_timeout(100)
    assert second not in page.captions()
    page.page.go_back()
    page.first("red apple")
    assert page.page.get_by_label("Search by words").input_value() == "red apple"
    page.page.go_forward()
    page.page.locator(".query-chip", has_text=f"Like {second}").wait_for()


def test_filters_are_chips_and_live_in_the_address(visit, server):
    page = visit(server, "/?q=dog")
    page.first("dog")
    page.page.get_by_role("button", name="Food & Drink 2").click()
    page.page.get_by_label("Remove the filter group: Food & Drink").wait_for()
    page.status("hits of 60")
    page.page.wait_for_function("() => !document.querySelector('#results').textContent.includes('dog face')")
    assert "is.group=Food" in page.page.url
    page.page.reload()
    page.page.get_by_label("Remove the filter group: Food & Drink").click()
    page.first("dog")


def test_text_contains_takes_every_character_as_it_is(visit, server):
    page = visit(server)
    page.status("60 items")
    contains = page.page.get_by_label("caption contains")
    contains.fill("RED A")
    contains.press("Enter")
    page.status("1 item of 60")
    assert page.captions() == ["red apple"]
    for pattern in ("%", "'; drop table x; --", "_"):
        contains.fill(pattern)
        contains.press("Enter")
        page.page.get_by_role("heading", name="Nothing found").wait_for()
        page.page.get_by_role("button", name="Remove the filters").click()
        page.status("A look at 60 items")


def test_numbers_have_a_range(visit, server):
    page = visit(server)
    page.status("60 items")
    least = page.page.get_by_label("size from")
    least.fill("3000.5")
    least.press("Enter")
    page.page.get_by_label("Remove the filter size from 3000.5").wait_for()
    page.status("items of 60")


def test_scrolling_shows_more(visit, server):
    page = visit(server, "/?q=dog")
    page.first("dog")
    assert len(page.captions()) == 48
    page.page.get_by_role("button", name="Show more").scroll_into_view_if_needed()
    page.page.wait_for_function("() => document.querySelectorAll('#results .tile').length === 60")
    assert len(set(page.captions())) == 60
    assert page.page.get_by_role("button", name="Show more").is_hidden()


def test_an_item_in_detail(visit, server):
    page = visit(server, "/?q=red+apple")
    page.first("red apple")
    page.page.locator(".tile .frame").first.click()
    panel = page.page.get_by_role("complementary", name="red apple")
    panel.get_by_text("1f34e.png").wait_for()
    assert "fruit" in panel.inner_text()
    page.page.keyboard.press("ArrowRight")
    page.page.wait_for_function("() => document.querySelector('#detail h2')?.textContent !== 'red apple'")
    page.page.keyboard.press("Escape")
    assert page.page.locator("#detail").is_hidden()
    page.page.reload()
    assert page.page.locator("#detail").is_hidden()


def test_a_caption_with_markup_is_text(visit, server):
    page = visit(server, "/?q=red+car&item=1f697.png")
    tile = page.page.locator(".tile .caption", has_text="<img src=x").first
    tile.wait_for()
    assert tile.inner_text() == MARKUP
    assert page.page.locator("#detail h2").inner_text() == MARKUP
    page.page.get_by_label(f"More like {MARKUP}").first.click(force=True)
    page.page.locator(".query-chip", has_text="Like <img").wait_for()
    assert page.page.locator("img[src='x'], .tile b, #detail b, .query-chip b").count() == 0
    assert page.page.title() != "owned"


def test_the_keyboard_is_enough(visit, server):
    page = visit(server)
    page.status("60 items")
    keyboard = page.page.keyboard
    keyboard.press("/")
    keyboard.type("red apple")
    page.first("red apple")
    keyboard.press("ArrowDown")
    focused = "document.activeElement.closest('.tile')?.dataset.id"
    assert page.page.evaluate(focused) == "1f34e.png"
    keyboard.press("ArrowRight")
    keyboard.press("ArrowDown")
    keyboard.press("ArrowUp")
    keyboard.press("ArrowLeft")
    assert page.page.evaluate(focused) == "1f34e.png"
    keyboard.press("Space")
    page.page.get_by_role("complementary", name="red apple").wait_for()
    keyboard.press("Escape")
    assert page.page.evaluate(focused) == "1f34e.png"
    keyboard.press("Enter")
    page.page.locator(".query-chip", has_text="Like red apple").wait_for()
    keyboard.press("?")
    page.page.get_by_role("dialog", name="Keyboard").get_by_text("more like this").wait_for()
    assert "Esc" in page.page.locator("dialog kbd").all_inner_texts()
    keyboard.press("Escape")
    page.page.locator("dialog").wait_for(state="detached")
    keyboard.press("Escape")
    page.status("A look at 60 items")
    assert page.page.evaluate("document.activeElement.id") == "words"


def test_a_phone_needs_no_sideways_scrolling(visit, server):
    page = visit(server, "/?q=red+apple&alpha=0.5&is.group=Food+%26+Drink", width=360, height=740, has_touch=True)
    page.first("red apple")
    fits = "document.documentElement.scrollWidth <= innerWidth"
    assert page.page.evaluate(fits)
    page.page.get_by_role("button", name=re.compile("Filters ?1 active")).click()
    page.page.get_by_role("heading", name="Filters").wait_for()
    assert page.page.evaluate(fits)
    page.page.get_by_label("Close the filters").click()
    page.page.locator(".tile .frame").first.tap()
    page.page.get_by_role("complementary", name="red apple").wait_for()
    assert page.page.evaluate(fits)


def test_dark_and_light_follow_the_system_until_one_is_chosen(visit, server):
    page = visit(server, color_scheme="dark")
    ground = "getComputedStyle(document.documentElement).backgroundColor"
    dark = page.page.evaluate(ground)
    page.page.emulate_media(color_scheme="light")
    light = page.page.evaluate(ground)
    brightness = [sum(map(int, re.findall(r"\d+", colour)[:3])) for colour in (dark, light)]
    assert brightness[0] < 150
    assert brightness[1] > 600
    page.page.get_by_label("Dark or light").click()
    assert page.page.evaluate(ground) == dark
    page.page.reload()
    assert page.page.evaluate(ground) == dark


def test_captions_ids_and_values_of_any_kind_are_text_and_nothing_runs(visit, server):
    page = visit(server, None)
    page.page.add_init_script(
        "window.violations = [];"
        "addEventListener('securitypolicyviolation', (event) => violations.push(event.violatedDirective));"
    )
    dialogs = []
    page.page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    page.go("/")
    page.status("60 items")
    for text in HOSTILE:
        page.go(f"/?q={quote(text)}&item={quote(file_name_of(text))}")
        detail = page.page.locator("#detail")
        detail.locator("h2").wait_for()
        page.page.locator("#results .tile .caption").first.wait_for()
        assert detail.locator("h2").text_content() == text
        assert COLUMN in detail.text_content()
        assert detail.locator("a[href^='javascript:'], script, iframe, svg[onload], base, link").count() == 0
        assert page.page.evaluate("violations") == []
    page.go("/?view=map")
    page.page.locator(".map .overlay").wait_for()
    for path in ("/docs", "/<script>alert(1)</script>", "/v1/indexes/<svg onload=alert(1)>/found/map"):
        page.go(path)
        assert page.page.evaluate("violations") == []
        assert page.page.locator("script").count() == 0
    page.go("/")
    page.status("60 items")
    assert page.page.evaluate("violations") == []
    assert not dialogs
    assert page.page.title() != "owned"
