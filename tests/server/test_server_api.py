"""The server's own routes over HTTP: they answer what the index does, and say what is wrong with a request."""

import base64
import json
import shutil
import time

import pytest


@pytest.fixture(scope="module")
def server(words, shared_served):
    return shared_served(words, max_limit=50)


@pytest.fixture(scope="module")
def http(server):
    return server.http


def encoded(data):
    return {"base64": base64.b64encode(data).decode()}


def picture(gallery, name="p000.png"):
    return (gallery.media / name).read_bytes()


@pytest.mark.parametrize(
    "asked",
    [
        {"text": "red fruit"},
        {"text": "red fruit", "column": "words"},
        {"text": "red fruit", "hybrid": True, "limit": 7},
        {"text": "red fruit", "alpha": 0.3, "offset": 5},
        {"text": "red fruit", "weights": {"toy": 0.2, "words": 0.8}, "fusion": "rrf"},
        {"text": "red", "columns": ["words", "toy"], "candidates": 20},
        {"keyword": "boat"},
        {"id": "p003.png", "keyword": "boat"},
        {"id": "p003.png"},
        {"vector": [1, 0, 0, 0.5, 0, 0, 0, -1], "column": "toy"},
        {"text": "red", "where": "shelf = :n AND title IN :t", "params": {"n": 2, "t": ["car", "dog's"]}},
        {"text": "red", "where": "caption LIKE '%dog%'"},
    ],
    ids="-".join,
)
def test_a_search_answers_what_the_index_does(http, words, right, asked):
    answer = http.post("/v1/search", json=asked)
    assert answer.status_code == 200, answer.text
    options = {name: value for name, value in asked.items() if name != "text"}
    wanted = right.opened(words).search(asked.get("text"), **options)
    body = answer.json()
    assert body["hits"] == wanted.to_json()["hits"]
    assert (body["pipeline"], body["index"], body["generation"]) == ("gallery", "found", wanted.generation)
    assert body["seconds"] >= 0


def test_a_picture_comes_as_base64(http, words, right):
    data = picture(words)
    answer = http.post("/v1/search", json={"image": encoded(data), "keyword": "boat"})
    assert answer.json()["hits"] == right.opened(words).search(image=data, keyword="boat").to_json()["hits"]


@pytest.mark.parametrize("index", [{}, {"index": "found"}, {"index": "gallery/found"}, {"pipeline": "gallery"}])
def test_an_index_is_named_or_the_only_one(http, index):
    assert http.post("/v1/search", json={"text": "red", **index}).json()["index"] == "found"


@pytest.mark.parametrize(
    ("asked", "status", "words_of_it", "param"),
    [
        ({"text": "red", "txt": 1}, 400, "txt: Extra inputs", "txt"),
        ({"text": "red", "id": "p000.png"}, 400, "exactly one of text", None),
        ({}, 400, "exactly one of text", None),
        ({"text": "red", "limit": 51}, 400, "at most 50", "limit"),
        ({"text": "red", "limit": 0}, 400, "greater than or equal to 1", "limit"),
        ({"text": "red", "offset": 100_001}, 400, "100000", "offset"),
        ({"text": "red", "limit": "many"}, 400, "integer", "limit"),
        ({"text": "red", "index": "fuond"}, 404, "allowed: gallery/found", "index"),
        ({"text": "red", "pipeline": "other"}, 404, "there is no index 'other'", "index"),
        ({"text": "red", "generation": "nope-1"}, 404, "no generation 'nope-1'", "generation"),
        ({"id": "nope.png"}, 404, "no item 'nope.png'", "id"),
        ({"text": "red", "column": "wrods"}, 400, "no embedding 'wrods'", None),
        ({"text": "red", "where": "colour = 1"}, 400, "columns: id, uri", "where"),
        ({"text": "red", "where": "shelf = :n"}, 400, "has no value in params", "where"),
        ({"text": "red", "where": "shelf = :n", "params": {"n": [[1]]}}, 400, "list of lists", "where"),
        ({"vector": [1, 2], "column": "toy"}, 400, "8 dimensions", None),
        ({"image": "media/p000.png"}, 400, "image", "image"),
        ({"image": {"path": "/etc/passwd"}}, 400, "image.path: Extra inputs", "image.path"),
        ({"image": {}}, 400, "exactly one of base64 and url", "image"),
        ({"image": {"base64": "/etc/passwd/"}}, 415, "not a picture", "image.base64"),
        ({"image": {"base64": "media/p000.png"}}, 400, "its character 11 is '.'", "image.base64"),
        ({"image": encoded(b"GIF of a dog")}, 415, "not a picture", "image.base64"),
        ({"image": encoded(b"")}, 415, "not a picture", "image.base64"),
        ({"image": {"url": "https://example.org/dog.png"}}, 400, "--allow-urls", "image.url"),
    ],
)
def test_what_is_wrong_with_a_request_is_said_with_the_field(http, asked, status, words_of_it, param):
    answer = http.post("/v1/search", json=asked)
    error = answer.json()["error"]
    assert (answer.status_code, error["param"]) == (status, param), error
    assert words_of_it in error["message"]
    assert error["type"]


@pytest.mark.parametrize(
    ("body", "words_of_it"),
    [
        (b'{"text": ', "not JSON"),
        (b"[" * 100_000 + b"]" * 100_000, "body"),
        (b'{"text": "red", "params": ' + b'{"a":' * 20_000 + b"1" + b"}" * 20_000 + b"}", "body"),
        (b'{"text": "red", "limit": 1' + b"0" * 5_000 + b"}", "body"),
        (b'"red"', "dictionary"),
        (b'{"vector": [NaN, 1, 1, 1, 1, 1, 1, 1], "column": "toy"}', "NaN"),
        (b'{"text": "\\ud800"}', "text"),
    ],
    ids=["cut", "deep", "deep params", "long number", "text", "NaN", "half a pair"],
)
def test_a_body_that_is_no_request_is_refused(http, body, words_of_it):
    answer = http.post("/v1/search", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert words_of_it in answer.json()["error"]["message"]


def test_the_list_tells_indexes_models_and_columns(http, words):
    (entry,) = http.get("/v1/indexes").json()["indexes"]
    assert (entry["pipeline"], entry["index"], entry["rows"], entry["error"]) == ("gallery", "found", 60, None)
    assert (entry["metric"], entry["full_text"], entry["held"]) == ("cosine", ["caption"], False)
    assert entry["full_text_options"] == {}
    kinds = {column["name"]: column["type"] for column in entry["columns"]}
    assert (kinds["caption"], kinds["shelf"], kinds["width"]) == ("string", "number", "number")
    assert not {"toy", "words", "_digest"} & set(kinds)
    (model, other) = entry["models"]
    assert (model["column"], model["provider"], model["name"], model["dimensions"]) == ("toy", "counting", "toy", 8)
    assert {"text", "image"} <= set(model["modalities"])
    assert (other["column"], other["input"], len(other["fingerprint"])) == ("words", "caption", 12)
    (generation,) = entry["generations"]
    assert (generation["id"], generation["published"], generation["passed"]) == (entry["published"], True, True)


def test_facets_tell_what_the_columns_hold(http, words):
    rows = words.rows().values()
    answer = http.get("/v1/indexes/gallery/found/facets").json()
    facets = {facet["name"]: facet for facet in answer["columns"]}
    titles = [row["title"] for row in rows]
    wanted = sorted(({"value": one, "count": titles.count(one)} for one in set(titles)), key=lambda v: v["value"])
    assert facets["title"]["values"] == sorted(wanted, key=lambda value: -value["count"])
    assert (facets["shelf"]["type"], facets["shelf"]["min"], facets["shelf"]["max"]) == ("number", 0, 4)
    assert facets["text"]["nulls"] == 60
    assert facets["id"]["values"] is None
    assert http.get("/v1/indexes/gallery/found/facets?generation=nope").status_code == 404


def test_an_item_is_told_by_its_id(http, words):
    answer = http.get("/v1/indexes/gallery/found/items/p007.png").json()
    row = words.rows()["p007.png"]
    assert (answer["id"], answer["uri"]) == ("p007.png", str(words.media / row["uri"]))
    assert answer["metadata"]["caption"] == row["caption"]
    assert "toy" not in answer["metadata"]
    missing = http.get("/v1/indexes/gallery/found/items/p999.png")
    assert (missing.status_code, missing.json()["error"]["param"]) == (404, "id")
    assert http.get("/v1/indexes/gallery/other/items/p007.png").status_code == 404


def test_what_is_not_published_is_listed_and_told_with_the_command(make_gallery, served):
    http = served(make_gallery()).http
    (entry,) = http.get("/v1/indexes").json()["indexes"]
    assert (entry["published"], entry["rows"], entry["generations"], entry["error"]) == (None, 0, [], None)
    for answer in (
        http.post("/v1/search", json={"text": "red"}),
        http.get("/v1/indexes/gallery/found/facets"),
        http.get("/v1/indexes/gallery/found/thumbnails/p000.png"),
    ):
        assert answer.status_code == 409
        assert "embeddings-orch run --pipeline gallery" in answer.json()["error"]["message"]
    assert http.get("/health").status_code == 200


@pytest.mark.slow
def test_any_generation_is_searched_and_those_that_are_gone_are_not_listed(make_gallery, served, right):
    gallery = make_gallery()
    gallery.run()
    before = right.opened(gallery).generation()
    gallery.model(name="another")
    gallery.run()
    http = served(gallery).http
    (entry,) = http.get("/v1/indexes").json()["indexes"]
    assert [one["id"] for one in entry["generations"]][1:] == [before.id]
    assert entry["generations"][0]["id"] == entry["published"] != before.id
    old = http.post("/v1/search", json={"text": "red", "generation": before.id}).json()
    assert old["generation"] == before.id
    assert old["hits"] == right.opened(gallery).search("red", generation=before).to_json()["hits"]
    gallery.pipeline().store.drop(before.table)
    time.sleep(0.25)
    (entry,) = http.get("/v1/indexes").json()["indexes"]
    assert [one["id"] for one in entry["generations"]] == [entry["published"]]
    gone = http.post("/v1/search", json={"text": "red", "generation": before.id})
    assert gone.status_code == 404, gone.text


def test_several_pipelines_are_served_side_by_side(make_gallery, served):
    first, second = make_gallery(folder="one", name="one"), make_gallery(folder="two", name="two")
    first.run()
    http = served(first, second).http
    assert [entry["pipeline"] for entry in http.get("/v1/indexes").json()["indexes"]] == ["one", "two"]
    unclear = http.post("/v1/search", json={"text": "red", "index": "found"})
    assert unclear.status_code == 400
    assert "one/found, two/found" in unclear.json()["error"]["message"]
    assert http.post("/v1/search", json={"text": "red", "index": "one/found"}).status_code == 200
    assert http.post("/v1/search", json={"text": "red", "pipeline": "two"}).status_code == 409


@pytest.mark.slow
def test_an_index_that_is_made_anew_is_not_mixed_up_with_the_one_before(make_gallery, served, right):
    gallery = make_gallery(pictures=3)
    gallery.run()
    before = right.opened(gallery).generation()
    http = served(gallery).http
    at = "/v1/indexes/gallery/found/"
    assert http.get(at + "facets").json()["columns"][8]["values"][0]["value"] == "picture 0"
    shown = http.get(at + "thumbnails/p000.png").content
    shutil.rmtree(gallery.root / "store")
    gallery.add("p000.png", (gallery.media / "p001.png").read_bytes(), caption="another")
    gallery.run()
    assert right.opened(gallery).generation().id == before.id
    time.sleep(0.25)
    assert http.get(at + "facets").json()["columns"][8]["values"][0]["value"] == "another"
    assert http.get(at + "items/p000.png").json()["metadata"]["caption"] == "another"
    assert http.get(at + "thumbnails/p000.png").content != shown


def test_a_store_that_cannot_be_read_is_told_without_stopping_the_others(make_gallery, served):
    whole, broken = make_gallery(folder="one", name="one"), make_gallery(folder="two", name="two")
    whole.run()
    (broken.root / "store").write_text("a file")
    http = served(whole, broken).http
    entries = {entry["pipeline"]: entry for entry in http.get("/v1/indexes").json()["indexes"]}
    assert "is a file, not a folder" in entries["two"]["error"]
    assert entries["one"]["error"] is None
    assert http.post("/v1/search", json={"text": "red", "pipeline": "two"}).status_code == 503
    assert http.post("/v1/search", json={"text": "red", "pipeline": "one"}).status_code == 200
    health = http.get("/health")
    assert (health.status_code, health.json()["unreadable"]) == (503, ["two/found"])
    assert str(broken.root) not in health.text


def test_metadata_of_any_kind_are_json(make_gallery, served):
    gallery = make_gallery(pictures=2)
    rows = [
        {"file_name": "p000.png", "caption": "a", "score": float("nan"), "tags": ["x", "y"], "flag": True},
        {"file_name": "p001.png", "caption": "b", "score": 1.5, "tags": [], "flag": None},
    ]
    (gallery.media / "metadata.csv").unlink()
    (gallery.media / "metadata.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    gallery.run()
    http = served(gallery).http
    hits = http.post("/v1/search", json={"text": "red"}).json()["hits"]
    assert {hit["id"]: hit["metadata"]["tags"] for hit in hits} == {"p000.png": ["x", "y"], "p001.png": []}
    facets = {one["name"]: one for one in http.get("/v1/indexes/gallery/found/facets").json()["columns"]}
    assert facets["flag"]["values"] == [{"value": True, "count": 1}]
    assert (facets["tags"]["type"], facets["tags"]["values"]) == ("list", None)


def test_the_routes_are_described_without_another_host(http):
    described = http.get("/openapi.json").json()
    assert {"/v1/search", "/v1/indexes", "/v1/embeddings", "/vectorize"} <= set(described["paths"])
    page = http.get("/docs").text
    assert "<code>/v1/search</code>" in page
    assert "The vectors&#x27; share" in page
    assert "<script" not in page
    assert "http" not in page.replace("http(s)", "").replace("HTTP", "")
    assert "max-width" in http.get("/docs/style.css").text


def test_metrics_count_requests_searches_batches_and_thumbnails(words, served):
    http = served(words).http
    for asked in ({"text": "a new text"}, {"keyword": "red"}, {"text": "red", "hybrid": True}, {"nothing": 1}):
        http.post("/v1/search", json=asked)
    for _ in range(2):
        http.get("/v1/indexes/gallery/found/thumbnails/p000.png")
    http.get("/nowhere/" + "x" * 50)
    told = http.get("/metrics").text
    for line in (
        'embeddings_orch_requests_total{method="POST",route="/v1/search",status="200"} 3.0',
        'embeddings_orch_requests_total{method="POST",route="/v1/search",status="400"} 1.0',
        'embeddings_orch_requests_total{method="GET",route="other",status="404"} 1.0',
        'embeddings_orch_searches_total{index="found",kind="text",pipeline="gallery"} 1.0',
        'embeddings_orch_searches_total{index="found",kind="keyword",pipeline="gallery"} 1.0',
        'embeddings_orch_searches_total{index="found",kind="hybrid",pipeline="gallery"} 1.0',
        'embeddings_orch_thumbnails_total{result="made"} 1.0',
        'embeddings_orch_thumbnails_total{result="kept"} 1.0',
        'embeddings_orch_request_seconds_count{method="POST",route="/v1/search"} 4.0',
        'embeddings_orch_model_batch_size_sum{model="gallery/toy"} 2.0',
        "embeddings_orch_requests_in_flight 1.0",
    ):
        assert line in told, line


def test_two_servers_in_one_process_count_for_themselves(words, served):
    first, second = served(words), served(words)
    first.http.post("/v1/search", json={"keyword": "red"})
    assert 'kind="keyword"' in first.http.get("/metrics").text
    assert 'kind="keyword"' not in second.http.get("/metrics").text


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/favicon.ico",
        "/static/app.js",
        "/health",
        "/docs",
        "/openapi.json",
        "/metrics",
        "/.well-known/live",
        "/v1/indexes",
        "/v1/indexes/gallery/found/facets",
        "/v1/indexes/gallery/found/map",
        "/v1/indexes/gallery/found/items/p000.png",
        "/v1/indexes/gallery/found/thumbnails/p000.png",
        "/v1/indexes/gallery/found/items/nope.png",
        "/nowhere",
    ],
)
def test_head_is_answered_as_get_without_a_body(http, path):
    got, head = http.get(path), http.head(path)
    assert head.status_code == got.status_code
    assert head.content == b""
    own = ("date", "content-length") if path == "/metrics" else ("date",)
    assert [one for one in head.headers.items() if one[0] not in own] == [
        one for one in got.headers.items() if one[0] not in own
    ]
    assert http.get("/health").status_code == 200  # by the same connection


def test_head_is_counted_and_logged_as_head_and_is_no_post(words, served, caplog):
    http = served(words).http
    with caplog.at_level("INFO", logger="embeddings_orch.access"):
        assert http.head("/v1/indexes").status_code == 200
        assert http.head("/v1/search").status_code == 405
    assert "HEAD /v1/indexes 200" in caplog.text
    assert (
        'embeddings_orch_requests_total{method="HEAD",route="/v1/indexes",status="200"} 1.0'
        in http.get("/metrics").text
    )


def test_a_blank_filter_is_none(http):
    wanted = http.post("/v1/search", json={"text": "red"}).json()["hits"]
    assert http.post("/v1/search", json={"text": "red", "where": "  \n"}).json()["hits"] == wanted


@pytest.mark.parametrize("asked", [{"text": "red"}, {"keyword": "picture"}])
def test_a_filter_is_blamed_for_its_own_mistakes_only(make_gallery, served, right, asked):
    gallery = make_gallery()
    gallery.run()
    http = served(gallery).http
    fine = {**asked, "where": "width > 0"}
    assert http.post("/v1/search", json=fine).status_code == 200
    wrong = http.post("/v1/search", json={**asked, "where": "colour = 1"})
    assert (wrong.status_code, wrong.json()["error"]["param"]) == (400, "where")
    files = list((gallery.root / "store").rglob(f"{right.opened(gallery).generation().table}.lance/data/*.lance"))
    assert files
    for file in files:
        file.write_bytes(b"")
    http = served(gallery).http
    broken = http.post("/v1/search", json=fine)
    assert (broken.status_code, broken.json()["error"]["param"]) == (503, None), broken.text
