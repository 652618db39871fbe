"""The files of the page over HTTP, and the values by which its map is coloured."""

from collections import Counter

import pytest

from embeddings_orch.server.page.routes import page_files


@pytest.fixture(scope="module")
def gallery(shared_gallery):
    gallery = shared_gallery(pictures=9)
    for place, name in enumerate(sorted(gallery.captions)):
        gallery.captions[name]["shelf"] = ("low", "high", "")[place % 3]
    gallery.write_captions()
    gallery.run()
    return gallery


@pytest.fixture(scope="module")
def http(gallery, shared_served):
    return shared_served(gallery).http


def test_the_page_and_all_it_names_are_there(http):
    answer = http.get("/")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    for name in page_files():
        if name != "index.html" and name.endswith((".css", ".js", ".svg")):
            found = http.get(f"/static/{name}")
            assert found.status_code == 200
            assert found.headers["content-type"].split(";")[0] in ("text/css", "text/javascript", "image/svg+xml")
            assert found.headers["x-content-type-options"] == "nosniff"
    assert http.get("/favicon.ico").headers["content-type"] == "image/svg+xml"


def test_nothing_of_the_page_is_of_another_host():
    for name, file in page_files().items():
        text = file.data.decode()
        assert "http://www.w3.org" in text or "http" not in text.replace("https://", "http://").replace(
            "http(s)", ""
        ), name


def test_the_page_writes_no_markup_from_data():
    for name, file in page_files().items():
        for never in (b"innerHTML", b"outerHTML", b"insertAdjacentHTML", b"document.write", b"eval(", b"new Function"):
            assert never not in file.data, (name, never)


def test_an_unchanged_file_is_not_sent_again(http):
    first = http.get("/static/app.js")
    assert first.headers["cache-control"] == "no-cache"
    again = http.get("/static/app.js", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    "path",
    [
        "/static/../page.py",
        "/static/..%2fpage.py",
        "/static/%2e%2e/page.py",
        "/static/%2fetc%2fpasswd",
        "/static/..%5cpage.py",
        "/static/",
        "/static/none.js",
        "/static/app.js%00.html",
    ],
)
def test_no_other_file_is_sent(http, path):
    answer = http.get(path)
    assert answer.status_code == 404
    assert "router" not in answer.text


def test_the_values_of_a_column_come_by_item(http, gallery):
    answer = http.get("/v1/indexes/gallery/found/values?column=shelf").json()
    found = {
        name: None if code < 0 else answer["values"][code]
        for name, code in zip(answer["ids"], answer["codes"], strict=True)
    }
    assert found == {name: row["shelf"] for name, row in gallery.rows().items()}


@pytest.mark.parametrize(("column", "status"), [("toy", 404), ("none", 404)])
def test_other_columns_have_no_values(http, column, status):
    answer = http.get(f"/v1/indexes/gallery/found/values?column={column}")
    assert answer.status_code == status
    assert column in answer.json()["error"]["message"]


@pytest.mark.parametrize("column", ["id", "width", "caption"])
def test_of_many_values_the_most_frequent_are_told_apart(once_many, column):
    gallery, http = once_many
    answer = http.get(f"/v1/indexes/gallery/found/values?column={column}").json()
    rows = gallery.rows()
    wanted = {name: name if column == "id" else rows[name][column] for name in rows}
    places = dict(zip(answer["ids"], answer["codes"], strict=True))
    assert set(places) == set(rows)
    counts = Counter(wanted.values())
    assert [counts[value] for value in answer["values"]] == sorted(counts.values(), reverse=True)[:50]
    for name, place in places.items():
        if place < len(answer["values"]):
            assert answer["values"][place] == wanted[name]
        else:
            assert (place, wanted[name] in answer["values"]) == (50, False)
    assert (
        answer["others"] == sum(place == 50 for place in places.values()) == max(0, len(rows) - 50) * (len(counts) > 50)
    )


@pytest.fixture(scope="module")
def once_many(shared_gallery, shared_served):
    gallery = shared_gallery(pictures=60, folder="many")
    gallery.run()
    return gallery, shared_served(gallery).http
