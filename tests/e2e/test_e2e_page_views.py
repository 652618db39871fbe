"""The map of all points, and two generations side by side."""

from urllib.parse import urlencode

import pytest

from odd_ids import odd_gallery

pytestmark = pytest.mark.browser

SHELVES = ("low", "high", "<i>top</i>")


@pytest.fixture(scope="module")
def gallery(shared_gallery):
    """40 pictures on three shelves; published twice, by two models."""
    gallery = shared_gallery(pictures=40)
    for place, name in enumerate(sorted(gallery.captions)):
        gallery.captions[name]["shelf"] = SHELVES[place % 3]
    gallery.write_captions()
    gallery.run()
    gallery.model(name="other")
    gallery.run()
    return gallery


@pytest.fixture(scope="module")
def server(gallery, shared_served):
    return shared_served(gallery)


def ready(page):
    """Wait for the map; its points in pixels of the screen, by id."""
    page.page.locator(".map .overlay").wait_for()
    page.page.locator(".legend button").first.wait_for()
    box = page.page.locator(".map .overlay").bounding_box()
    answer = page.page.evaluate("fetch('/v1/indexes/gallery/found/map').then((answer) => answer.json())")
    side = 0.92 * min(box["width"], box["height"])
    middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    places = zip(answer["ids"], answer["x"], answer["y"], strict=True)
    return {name: (middle[0] + (x / 65535 - 0.5) * side, middle[1] + (0.5 - y / 65535) * side) for name, x, y in places}


def alone(points):
    """The point that is farthest from all others."""

    def room(name):
        x, y = points[name]
        return min((x - a) ** 2 + (y - b) ** 2 for other, (a, b) in points.items() if other != name)

    return max(points, key=room)


def test_a_point_of_the_map_is_pressed(visit, server):
    page = visit(server, "/?view=map")
    points = ready(page)
    name = alone(points)
    page.page.mouse.move(*points[name])
    caption = f"picture {int(name[1:4])}"
    page.page.locator(".hover-card", has_text=caption).wait_for()
    page.page.mouse.click(*points[name])
    page.page.get_by_role("complementary", name=caption, exact=True).wait_for()
    assert f"item={name}" in page.page.url
    page.page.get_by_role("button", name="More like this").click()
    page.page.locator(".query-chip", has_text=f"Like {caption}").wait_for()
    assert page.page.locator("#results").is_visible()


def test_the_map_moves_with_wheel_pointer_and_keys(visit, server):
    page = visit(server, "/?view=map")
    points = ready(page)
    name = alone(points)
    x, y = map(round, points[name])  # a wheel's place has no fractions
    page.page.mouse.move(x, y)
    for _ in range(4):
        page.page.mouse.wheel(0, -400)
    page.page.wait_for_timeout(300)  # a wheel's events come later
    page.page.mouse.down()
    page.page.mouse.move(x + 60, y - 40, steps=4)
    page.page.mouse.up()
    page.page.wait_for_timeout(150)
    assert page.page.locator("#detail").is_hidden(), "a drag is no press"
    page.page.mouse.click(x + 60, y - 40)
    page.page.get_by_role("complementary", name=f"picture {int(name[1:4])}", exact=True).wait_for()
    page.page.keyboard.press("Escape")
    page.page.keyboard.press("0")
    page.page.mouse.click(x, y)
    page.page.get_by_role("complementary", name=f"picture {int(name[1:4])}", exact=True).wait_for()


def test_the_map_is_used_without_a_mouse(visit, server):
    page = visit(server)
    page.status("40 items")
    page.page.keyboard.press("m")
    ready(page)
    page.page.keyboard.press("m")
    for key in ("+", "+", "ArrowLeft", "-", "0"):
        page.page.keyboard.press(key)
    for step in ("ArrowRight", "ArrowUp", "ArrowDown", "ArrowLeft"):
        if page.page.locator(".hover-card").is_visible():
            break
        page.page.keyboard.press(step)
    page.page.locator(".hover-card").wait_for()
    page.page.keyboard.press("Enter")
    page.page.locator("#detail h2").wait_for()


def test_the_legend_names_the_values_and_hides_them(visit, server):
    page = visit(server, "/?view=map")
    points = ready(page)
    assert {one.strip() for one in page.page.locator(".legend .label").all_inner_texts()} == set(SHELVES)
    name = alone(points)
    shelf = SHELVES[int(name[1:4]) % 3]
    page.page.locator(".legend button", has_text=shelf).click()
    page.page.mouse.click(*points[name])
    page.page.wait_for_timeout(200)
    assert page.page.locator("#detail").is_hidden(), "what is hidden cannot be pressed"
    page.page.get_by_label("Colour by").select_option(label="one colour")
    page.page.locator(".legend").wait_for(state="hidden")


def test_colours_come_when_the_columns_do(visit, server):
    page = visit(server, "/?view=map")
    ready(page)
    held = []

    def hold(route):
        held.append(route)

    page.page.route("**/facets*", hold)
    with page.page.expect_response("**/map?*"):
        page.choose("Generation", "toy")
    page.page.locator(".map .overlay").wait_for()
    page.page.locator(".legend").wait_for(state="hidden")
    assert len(held) == 1
    held[0].continue_()
    page.page.locator(".legend button").first.wait_for()


def test_an_item_is_shown_on_the_map(visit, server):
    page = visit(server, "/?item=p007.png")
    page.page.get_by_role("button", name="On the map").click()
    page.page.locator(".map .overlay").wait_for()
    page.page.locator(".legend button").first.wait_for()
    page.page.wait_for_timeout(200)
    box = page.page.locator(".map .overlay").bounding_box()
    page.page.get_by_label("Close the details").click()
    page.page.wait_for_timeout(200)
    box = page.page.locator(".map .overlay").bounding_box()
    page.page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.page.get_by_role("complementary", name="picture 7", exact=True).wait_for()


@pytest.mark.parametrize("address", ["/?view=map", "/?view=map&q=picture+3"])
def test_points_are_drawn(visit, server, address):
    page = visit(server, address)
    ready(page)
    page.page.wait_for_timeout(400)
    inked = page.page.evaluate(
        """() => [...document.querySelectorAll(".map canvas")].map((canvas) => {
          const copy = Object.assign(document.createElement("canvas"), { width: canvas.width, height: canvas.height });
          const context = copy.getContext("2d");
          context.drawImage(canvas, 0, 0);
          return context.getImageData(0, 0, copy.width, copy.height).data.filter((_, at) => at % 4 === 3).some(Boolean);
        })"""
    )
    assert inked == [True, True], "points, and pictures over them"


def test_no_map_says_how_to_get_one(visit, served, make_gallery):
    gallery = make_gallery(pictures=3)
    gallery.attributes["indexes"]["found"]["map"] = "none"
    gallery.declare()
    gallery.run()
    page = visit(served(gallery), "/?view=map")
    page.page.get_by_role("heading", name="There is no map of this generation").wait_for()
    page.page.get_by_text("map: none").first.wait_for()
    assert page.page.locator(".command code").inner_text() == "embeddings-orch run --pipeline gallery"


def generations(server):
    return server.http.get("/v1/indexes").json()["indexes"][0]["generations"]


def hits(server, generation, text):
    asked = {"text": text, "generation": generation["id"], "limit": 24, "column": "toy"}
    return [one["id"] for one in server.http.post("/v1/search", json=asked).json()["hits"]]


def test_two_generations_side_by_side(visit, server):
    new, old = generations(server)
    assert new["published"]
    page = visit(server, "/?q=something")
    page.status("40 hits")
    page.choose("Compare with another generation", "toy")
    page.page.locator(".overlap strong").wait_for()
    lists = [hits(server, one, "something") for one in (new, old)]
    common = set(lists[0]) & set(lists[1])
    assert page.page.locator(".overlap strong").inner_text() == f"{len(common)} of 24 in common"
    for place, side in enumerate(page.page.locator(".side").all()):
        shown = side.locator(".tile").evaluate_all("(tiles) => tiles.map((one) => one.dataset.id)")
        assert shown == lists[place]
    assert page.page.locator(".mark.new").count() == 24 - len(common) == page.page.locator(".mark.gone").count()
    mover = next(one for one in lists[1] if one in common and lists[0].index(one) != lists[1].index(one))
    moved = lists[0].index(mover) - lists[1].index(mover)
    mark = page.page.locator(f".side:nth-child(2) .tile[data-id='{mover}'] .mark").inner_text()
    assert mark == f"{'▲' if moved > 0 else '▼'} {abs(moved)}"
    page.page.locator(f".side:nth-child(1) .tile[data-id='{mover}'] .frame").hover()
    linked = page.page.locator(".tile.linked")
    assert linked.evaluate_all("(tiles) => tiles.map((one) => one.dataset.id)") == [mover, mover]
    page.page.reload()
    page.page.locator(".overlap strong").wait_for()
    page.page.get_by_role("button", name="End the comparison").click()
    page.status("40 hits")


def test_the_keyboard_links_the_sides_too(visit, server):
    new, old = generations(server)
    page = visit(server, f"/?q=something&against={old['id']}")
    page.page.locator(".overlap strong").wait_for()
    lists = [hits(server, one, "something") for one in (new, old)]
    place = next(place for place, one in enumerate(lists[0]) if one in lists[1])
    page.page.get_by_label("Search by words").press("ArrowDown")
    for _ in range(place):
        page.page.keyboard.press("ArrowRight")
    linked = page.page.locator(".tile.linked")
    assert linked.evaluate_all("(tiles) => tiles.map((one) => one.dataset.id)") == [lists[0][place]] * 2


def test_another_generation_says_that_it_is_not_published(visit, server):
    page = visit(server)
    page.status("40 items")
    page.choose("Generation", "toy")
    page.page.locator(".pill", has_text="not published").wait_for()
    old = generations(server)[1]
    assert f"generation={old['id']}" in page.page.url
    page.page.go_back()
    page.page.locator(".pill", has_text="not published").wait_for(state="detached")


def test_an_item_of_any_id_has_its_picture_its_details_and_more_like_it(visit, served, make_gallery):
    gallery = odd_gallery(make_gallery, ["..", "line\nbreak", "a/../b?c#d&%2F", "plain"])
    gallery.run()
    page = visit(served(gallery))
    page.status("4 items")
    page.page.wait_for_function(
        "() => [...document.querySelectorAll('.tile img')].filter((one) => one.naturalWidth).length === 4"
    )
    for number, item in enumerate(["..", "line\nbreak", "a/../b?c#d&%2F"]):
        page.go(f"/?{urlencode({'item': item})}")
        page.page.get_by_role("complementary", name=f"item {number}", exact=True).wait_for()
        assert page.page.locator("#detail dd").first.text_content().startswith(item)
        page.page.wait_for_function("() => document.querySelector('#detail img')?.naturalWidth > 0")
        page.page.locator("#detail").get_by_role("button", name="More like this").click()
        page.page.wait_for_function("() => document.querySelectorAll('#results .tile').length === 3")
        page.page.reload()
        page.page.locator(".query-chip", has_text=f"Like item {number}").wait_for()
