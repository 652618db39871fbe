"""What the server refuses: files by path, too much, other hosts' names, other sites' pages, a wrong key."""

import base64
import json
import logging
import re
import socket
import struct
import threading
import zlib
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import quote

import pytest

from embeddings_orch.server import protocol

KEY = "correct horse battery staple"
POST = b"POST /v1/search HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


@pytest.fixture(scope="module")
def server(words, shared_served):
    return shared_served(words, max_body=1_000_000)


@pytest.fixture(scope="module")
def http(server):
    return server.http


@pytest.fixture(scope="module")
def locked(words, shared_served):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEARCH_KEY", KEY)
        return shared_served(words, api_key_env="SEARCH_KEY")


def bare(server, request):
    """The answer to a request as it stands, which no client tidied up."""
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(request)
        answer = b""
        while part := connection.recv(65_536):
            answer += part
    return int(answer.split(b" ", 2)[1]), answer


def bomb(width, height):
    """A PNG of some bytes that says it has so many pixels."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = zlib.compress(b"\0" * 10_000_000)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    "place",
    [
        "/etc/passwd",
        "file:///etc/passwd",
        "..\\..\\secret.png",
        "\\\\server\\share\\secret.png",
        "{file}",
        "file://{file}",
    ],
)
def test_a_path_in_a_request_is_words_and_never_opened(http, words, right, place):
    file = words.media / "p000.png"
    place = place.replace("{file}", str(file))
    assert http.post("/v1/search", json={"image": place}).status_code == 400
    # Letters and slashes alone are base64.
    assert http.post("/v1/search", json={"image": {"base64": place}}).status_code in (400, 415)
    assert http.post("/v1/search", json={"image": {"url": place}}).status_code == 400
    assert http.post("/v1/search", json={"id": place}).status_code == 404
    # As words it is embedded like any other text.
    found = http.post("/v1/search", json={"text": place})
    assert found.json()["hits"] == right.opened(words).search(place).to_json()["hits"]


@pytest.mark.parametrize("place", ["file:///etc/passwd", "ftp://example.org/a", "//etc/passwd", "http:///etc/passwd"])
def test_urls_that_are_allowed_are_of_the_web(words, served, place):
    answer = served(words, allow_urls=True).http.post("/v1/search", json={"image": {"url": place}})
    assert answer.status_code == 400
    assert "begins with http:// or https://" in answer.json()["error"]["message"]


def test_urls_that_are_allowed_do_not_reach_this_machine(words, served):
    asked = []

    class Inside(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)

    inside = HTTPServer(("127.0.0.1", 0), Inside)
    thread = threading.Thread(target=inside.serve_forever)
    thread.start()
    try:
        http = served(words, allow_urls=True).http
        for host in ("127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0.0.0.0", "2130706433"):
            url = f"http://{host}:{inside.server_port}/secret.png"
            answer = http.post("/v1/search", json={"image": {"url": url}})
            assert answer.status_code == 400, (host, answer.text)
        assert asked == []
    finally:
        inside.shutdown()
        thread.join()
        inside.server_close()


@pytest.mark.parametrize(
    "path",
    [
        "/static/../settings.py",
        "/static/..%2fsettings.py",
        "/static/%2e%2e/settings.py",
        "/static/..%5csettings.py",
        "/static//etc/passwd",
        "/static/%00",
        "/v1/indexes/gallery/found/thumbnails/../../../../../defs.yaml",
        "/v1/indexes/gallery/found/thumbnails/..%2f..%2fdefs.yaml",
        "/v1/indexes/gallery/found/thumbnails//etc/passwd",
        "/v1/indexes/gallery/found/thumbnails/p000.png%00",
        "/v1/indexes/gallery/found/items/%ff%fe",
        "/v1/indexes/gallery/found/items/x'%20OR%20'1'='1",
        "/v1/indexes/gallery/..%2f..%2fstore/items/p000.png",
    ],
)
def test_paths_lead_nowhere(server, path):
    status, answer = bare(server, f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    assert status in (400, 404), answer
    assert b"root:" not in answer
    assert b"dataclass" not in answer
    assert b"Traceback" not in answer


def test_a_body_has_a_limit_whether_its_length_is_told_or_not(http):
    large = b'{"text": "' + b"x" * 1_000_000 + b'"}'
    told = http.post("/v1/search", content=large, headers={"Content-Type": "application/json"})
    assert told.status_code == 413
    assert "1,000,000 bytes" in told.json()["error"]["message"]

    def parts():
        for start in range(0, len(large), 50_000):
            yield large[start : start + 50_000]

    untold = http.post("/v1/search", content=parts(), headers={"Content-Type": "application/json"})
    assert untold.status_code == 413
    assert http.get("/health").status_code == 200


def test_a_body_that_is_never_ending_is_not_read_to_its_end(server):
    head = POST + b"Transfer-Encoding: chunked\r\n\r\n"
    host, port = server.url.removeprefix("http://").split(":")
    sent = 0
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(head)
        try:
            while sent < 50_000_000:
                connection.sendall(b"10000\r\n" + b"x" * 65_536 + b"\r\n")
                sent += 65_536
        except OSError:
            pass
    assert sent < 20_000_000


def test_headers_have_a_limit(server):
    host, port = server.url.removeprefix("http://").split(":")
    sent = 0
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n")
        try:
            for number in range(1000):
                connection.sendall(b"X-%d: %s\r\n" % (number, b"x" * 60_000))
                sent += 60_000
        except OSError:  # the server has closed it
            pass
    assert sent < 20_000_000


def test_a_picture_that_unpacks_to_too_much_is_refused_and_not_unpacked(http, unpacked):
    for size in ((50_000, 50_000), (10_000, 10_000)):
        answer = http.post("/v1/search", json={"image": {"base64": base64.b64encode(bomb(*size)).decode()}})
        assert answer.status_code == 413, answer.text
        assert f"{size[0]} x {size[1]} pixels" in answer.json()["error"]["message"]
        assert size not in unpacked


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "127.0.0.1.nip.io", "10.0.0.1", ""])
def test_a_server_on_loopback_answers_to_its_own_names_only(http, host):
    answer = http.get("/v1/indexes", headers={"Host": host})
    assert answer.status_code in (400, 403)
    if host:
        assert "--allowed-host" in answer.json()["error"]["message"]


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:9999", "127.0.0.1:1", "[::1]:8080", "localhost."])
def test_its_own_names_have_any_port(http, host):
    assert http.get("/v1/indexes", headers={"Host": host}).status_code == 200


def test_other_names_are_allowed_by_name(words, served):
    http = served(words, allowed_hosts=("search.example",)).http
    assert http.get("/v1/indexes", headers={"Host": "Search.example:443"}).status_code == 200
    assert http.get("/v1/indexes", headers={"Host": "other.example"}).status_code == 403


def test_beyond_loopback_addresses_are_its_own_names_and_others_are_not(words, served):
    http = served(words, host="0.0.0.0").http
    assert http.get("/v1/indexes", headers={"Host": "192.168.1.5:8080"}).status_code == 200
    assert http.get("/v1/indexes", headers={"Host": "evil.example"}).status_code == 403


def test_other_sites_pages_get_nothing(http):
    preflight = http.options(
        "/v1/search",
        headers={
            "Origin": "https://evil.example",
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "content-type",
        },
    )
    assert preflight.status_code == 405
    asked = http.post("/v1/search", json={"text": "red"}, headers={"Origin": "https://evil.example"})
    assert asked.status_code == 403
    null = http.post("/v1/search", json={"text": "red"}, headers={"Origin": "null"})
    assert null.status_code == 403
    hidden = http.post("/v1/search", json={"text": "red"}, headers={"Sec-Fetch-Site": "cross-site"})
    assert hidden.status_code == 403
    read = http.get("/v1/indexes", headers={"Origin": "https://evil.example"})
    for answer in (preflight, asked, null, hidden, read):
        assert not [name for name in answer.headers if name.startswith("access-control")]
    own = http.post("/v1/search", json={"text": "red"}, headers={"Origin": str(http.base_url).rstrip("/")})
    assert own.status_code == 200


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_json_has_to_be_called_json(http, kind):
    answer = http.post("/v1/search", content=b'{"text": "red"}', headers={"Content-Type": kind} if kind else {})
    assert answer.status_code == 415
    assert "application/json" in answer.json()["error"]["message"]


def every_route(router):
    for route in router.routes:
        # FastAPI keeps the routers that were included from some version on, before their routes.
        inner = getattr(route, "original_router", None)
        yield from [route] if inner is None else every_route(inner)


def test_every_route_tells_browsers_to_load_nothing_from_elsewhere_and_answers_no_markup(http, server):
    markup = quote("<img src=x onerror=alert(1)>")
    asked = [("GET", "/nowhere"), ("TRACE", f"/{markup}"), ("GET", f"/v1/indexes/{markup}%2F..%2F{markup}")]
    for route in every_route(server.app.router):
        for named in (markup, "found", "words"):  # of what there is not, and of what there may be
            path = re.sub(r"\{[^}]*\}", named, route.path)
            asked += [(method, path) for method in (route.methods or ()) if named == markup or path != route.path]
    assert len(asked) > 30
    for method, path in asked:
        query = {"q": "<script>", "column": "<script>", "ids": "<script>", "size": "<script>"}
        answer = http.request(method, path, params=query)
        headers, pages = answer.headers, ("/", "/docs")
        assert ("text/html" in headers.get("content-type", "")) == (path in pages and answer.status_code == 200), path
        policy = headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "img-src 'self' blob: data:" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert (headers["x-content-type-options"], headers["referrer-policy"]) == ("nosniff", "no-referrer")
        assert "server" not in headers


@pytest.mark.parametrize(
    ("headers", "query", "status"),
    [
        ({}, "", 401),
        ({"Authorization": f"Bearer {KEY}"}, "", 200),
        ({"authorization": f"bearer {KEY}"}, "", 200),
        ({"X-API-Key": KEY}, "", 200),
        ({}, f"?api_key={KEY.replace(' ', '%20')}", 200),
        ({"Authorization": f"Basic {KEY}"}, "", 401),
        ({"Authorization": f"Bearer {KEY}x"}, "", 401),
        ({"Authorization": "Bearer"}, "", 401),
        ({"X-API-Key": KEY[:-1]}, "", 401),
        ({"X-API-Key": "ü".encode()}, "", 401),
        ({"Cookie": f"embeddings_orch_session={KEY[:7]}"}, "", 401),
        ({"Cookie": '=;;="\\'}, "", 401),
        ({}, "?api_key=", 401),
        ({}, "?api_key[]=" + KEY.replace(" ", "%20"), 401),
    ],
)
def test_the_key_opens_the_server(locked, headers, query, status):
    for path in ("/v1/indexes", "/metrics", "/docs", "/openapi.json", "/nowhere"):
        answer = locked.http.get(f"{path}{query}", headers=headers)
        assert answer.status_code == (404 if status == 200 and path == "/nowhere" else status), path
        if status == 401:
            assert answer.headers["www-authenticate"] == "Bearer"
            assert KEY not in answer.text


def test_routes_need_the_key_but_for_health_and_the_page(locked):
    assert locked.http.post("/v1/search", json={"text": "red"}).status_code == 401
    assert locked.http.get("/v1/indexes/gallery/found/thumbnails/p000.png").status_code == 401
    assert locked.http.post("/v1/embeddings", json={"input": "a", "model": "toy"}).status_code == 401
    for path in ("/health", "/.well-known/live"):
        assert locked.http.get(path).status_code in (200, 204)


def test_a_session_counts_as_the_key_until_it_is_ended(locked):
    import httpx

    with httpx.Client(base_url=locked.url, trust_env=False) as browser:
        refused = browser.post("/v1/session", json={"key": "wrong"})
        assert refused.status_code == 401
        assert not browser.cookies
        opened = browser.post("/v1/session", json={"key": KEY})
        cookie = opened.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=strict" in cookie
        assert KEY not in cookie
        assert browser.get("/v1/indexes").status_code == 200
        assert browser.get("/v1/indexes/gallery/found/thumbnails/p000.png").status_code == 200
        kept = dict(browser.cookies)
        assert browser.delete("/v1/session").status_code == 200
        assert browser.get("/v1/indexes").status_code == 401
        # Not only forgotten by the browser.
        header = "; ".join(f"{name}={value}" for name, value in kept.items())
        assert browser.get("/v1/indexes", headers={"Cookie": header}).status_code == 401


def test_the_key_is_in_no_log_and_no_answer(locked, caplog):
    escaped = KEY.replace(" ", "%20")
    with caplog.at_level(logging.DEBUG):
        locked.http.get(f"/v1/indexes?api_key={escaped}")
        told = locked.http.post("/v1/session", json={"key": KEY, "more": 1})
    assert told.status_code == 400
    assert KEY not in told.text
    own = [record for record in caplog.records if not record.name.startswith(("httpx", "httpcore"))]
    assert [record for record in own if "/v1/indexes 200" in record.getMessage()]
    assert not [record for record in own if KEY in record.getMessage() or escaped in record.getMessage()]


def test_a_mistake_of_the_server_is_told_without_its_text(words, served, caplog):
    server = served(words)
    server.app.state.own.listing = None
    answer = server.http.get("/v1/indexes")
    assert answer.status_code == 500
    assert answer.json()["error"]["message"] == "the server made a mistake; its log has the details"
    assert "AttributeError" in caplog.text


@pytest.mark.parametrize(
    ("where", "why"),
    [
        ("+".join("1" * 1000) + " > 0", "more than 200 terms"),
        ("CAST(" * 600 + "1" + " AS INT)" * 600 + " = 1", "the function CAST"),
        ("lower(" * 17 + "caption" + ")" * 17 + " = 'a'", "more than 16 deep"),
        ("(" * 4_000 + "1=1" + ")" * 4_000, "more than 16 deep"),
        ("NOT " * 2_000 + "true", "more than 200 terms"),
        ("(" * 40_000 + "1=1" + ")" * 40_000, "more than 16,384 bytes"),
        ("true" + " = true" * 1000, "more than 200 terms"),
        ("length(repeat('a', 2000000000)) > 1", "the function repeat"),
        ("length(repeat ('a', 2000000000)) > 1", "the function repeat"),
        ("length(repeat/**/('a', 2000000000)) > 1", "a comment"),
        ("length(\"repeat\"('a', 2000000000)) > 1", 'the function "repeat"'),
        ("length(`repeat`('a', 2000000000)) > 1", "the function `repeat`"),
        ("caption = E'\\'' || repeat('a', 2000000000) || ''", "the function E"),
        ("caption = U&'\\'' || repeat('a', 2000000000) || ''", "'&' outside"),
        ("$$'$$ = repeat('a', 2000000000) OR caption = ''", "'$' outside"),
        ("array_length(generate_series(1, 1000000000)) > 1", "the function generate_series"),
        ("caption = 'open", "not closed"),
        ("1=1 -- ", "a comment"),
        ("id IN (SELECT id FROM meta)", "where"),
        ("1=1; DROP TABLE found", "';' outside"),
    ],
    ids=lambda value: value[:20],
)
def test_a_filter_cannot_take_the_server_down(http, words, where, why):
    # The client waits for half a minute; what a filter would make takes longer, or more memory than there is.
    answer = http.post("/v1/search", json={"keyword": "red", "where": where})
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert why in error["message"] + error["param"]
    assert http.get("/health").status_code == 200
    assert len(words.rows()) == 60


def test_a_list_makes_no_call_of_a_name(http):
    asked = {"keyword": "red", "where": "length(repeat :x) > 1", "params": {"x": ["a", 2_000_000_000]}}
    answer = http.post("/v1/search", json=asked)
    assert answer.status_code == 400
    assert "the function repeat" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "where",
    [
        "caption LIKE '%dog''s; -- (x) $ %' OR title IN ('car', 'dog')",
        "\"title\" = 'car' AND `shelf` BETWEEN 1 AND 3 AND NOT (width < -1.5e3 OR height >= 2 * 4)",
        "lower(title) LIKE 'c%' AND shelf IN (1, 2) AND text IS NULL AND shelf % 2 = 0",
        "coalesce(text, 'x') = 'x' AND length(title) = 3",
        "starts_with(title, 'c') OR regexp_like(caption, 'd.g')",
    ],
)
def test_what_filters_are_made_of_is_allowed(http, where, words, right):
    answer = http.post("/v1/search", json={"id": "p000.png", "where": where})
    assert answer.status_code == 200, answer.text
    assert answer.json()["hits"] == right.opened(words).search(id="p000.png", where=where).to_json()["hits"]


def test_long_lists_are_parameters_and_have_a_limit(http):
    ids = [f"p{number:03}.png" for number in range(9_000)]
    asked = {"keyword": "red", "where": "id IN :ids AND NOT (lower(title) = 'x')"}
    assert http.post("/v1/search", json={**asked, "params": {"ids": ids}}).status_code == 200
    refused = http.post("/v1/search", json={**asked, "params": {"ids": ids * 2}})
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "params.ids")


def test_an_idle_connection_holds_nothing_up(server):
    host, port = server.url.removeprefix("http://").split(":")
    idle = [socket.create_connection((host, int(port))) for _ in range(50)]
    try:
        for one in idle:
            one.sendall(POST + b"Content-Length: 900\r\n\r\n{")
        assert server.http.post("/v1/search", json={"text": "red"}).status_code == 200
    finally:
        for one in idle:
            one.close()


def test_a_request_that_never_begins_is_given_up(server, monkeypatch):
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.2)
    answered = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
    for sent in (b"", b"GET /health HTTP/1.1\r\nHost: localhost\r\n", answered + b"GET / HTTP/1.1\r\nHost: "):
        host, port = server.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            connection.sendall(sent)
            got = b""
            while part := connection.recv(65_536):
                got += part
            assert got.startswith(b"HTTP/1.1 200" if sent.startswith(answered) else b"")


def test_a_request_that_takes_longer_than_its_head_may_is_answered(make_gallery, served, monkeypatch):
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.2)
    gallery = make_gallery()
    gallery.run()
    gallery.model(delay=0.6)
    assert served(gallery).http.post("/v1/search", json={"text": "a slow one"}).status_code == 200


@pytest.mark.parametrize("others", ['a={"x":1, "y":2}', "path=/", "a@b=1", 'a="un'])
def test_a_session_is_found_among_the_cookies_of_other_programs(locked, others):
    opened = locked.http.post("/v1/session", json={"key": KEY})
    cookie = opened.headers["set-cookie"].partition(";")[0]
    locked.http.cookies.clear()
    assert locked.http.get("/v1/indexes", headers={"Cookie": f"{others}; {cookie}"}).status_code == 200


def test_an_origin_that_is_no_address_is_another_site(http):
    answer = http.post("/v1/search", json={"text": "red"}, headers={"Origin": "http://["})
    assert answer.status_code == 403


@pytest.mark.parametrize(
    "body",
    [
        {"text": "red", "index": "x" * 2000},
        {"text": "red", "column": "x" * 2000},
        {"text": "red", "columns": ["x" * 2000]},
        {"text": "red", "columns": [f"c{number}" for number in range(101)]},
        {"text": "red", "columns": ["toy", "toy"]},
        {"text": "red", "weights": {"x" * 2000: 1.0}},
        {"text": "red", "generation": "x" * 2000},
        {"id": "x" * 20_000},
        {"id": "\ud800"},
        {"text": "red", "x" * 100_000: 1},
    ],
    ids=lambda body: "-".join(list(body)[:2])[:30],
)
def test_names_have_a_limit(http, body):
    answer = http.post("/v1/search", content=json.dumps(body), headers={"Content-Type": "application/json"})
    assert answer.status_code == 400, answer.text
    assert len(answer.content) < 3000


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/v1/embeddings", {"model": "toy", "input": "\ud800"}, 400),
        ("/v1/embeddings", {"model": "toy", "input": {"text": "a\udfff"}}, 400),
        ("/vectorize", {"texts": ["\ud800"]}, 422),
        ("/clip/embed_text", {"text": ["\ud800"]}, 400),
    ],
)
def test_half_of_a_surrogate_pair_is_no_text(http, path, body, status):
    answer = http.post(path, content=json.dumps(body), headers={"Content-Type": "application/json"})
    assert answer.status_code == status
    assert "surrogate" in answer.text


def test_why_there_is_no_model_is_told_to_who_has_the_key_only(words, served, monkeypatch):
    monkeypatch.setenv("SEARCH_KEY", KEY)
    http = served(words, api_key_env="SEARCH_KEY", model="a-secret-name").http
    answer = http.get("/.well-known/ready")
    assert answer.status_code == 503
    assert "a-secret-name" not in answer.text
    assert "a-secret-name" in http.get("/meta", headers={"X-API-Key": KEY}).text


LONG = "x" * 100_001


@pytest.mark.parametrize(
    ("path", "body", "status", "words_of_it"),
    [
        ("/v1/search", {"text": LONG}, 400, '"param":"text"'),
        ("/v1/embeddings", {"model": "toy", "input": ["fine", LONG]}, 400, '"param":"input[1]"'),
        ("/vectorize", {"texts": ["fine", LONG]}, 422, "texts[1] cannot be embedded"),
        ("/clip/embed_text", {"text": ["fine", LONG]}, 400, "text 1 cannot be embedded"),
        ("/clip/compare", {"subject": "a", "subject_type": "text", "prompt": ["fine", LONG]}, 400, "prompt 1 cannot"),
    ],
)
def test_a_long_text_is_refused_before_a_model_reads_it(http, path, body, status, words_of_it):
    answer = http.post(path, json=body)
    assert (answer.status_code, words_of_it in answer.text) == (status, True), answer.text
    assert "100,000" in answer.text or "100000" in answer.text
    assert len(answer.content) < 1000
    fits = json.loads(json.dumps(body).replace(LONG, LONG[1:]))
    assert http.post(path, json=fits).status_code == 200


def test_two_servers_of_one_host_have_sessions_of_their_own(locked, words, served, monkeypatch):
    import httpx

    monkeypatch.setenv("OTHER_KEY", "another key of another server")
    other = served(words, api_key_env="OTHER_KEY")
    with httpx.Client(trust_env=False) as browser:
        assert browser.post(f"{locked.url}/v1/session", json={"key": KEY}).status_code == 200
        assert browser.post(f"{other.url}/v1/session", json={"key": "another key of another server"}).status_code == 200
        assert browser.get(f"{locked.url}/v1/indexes").status_code == 200
        assert browser.delete(f"{locked.url}/v1/session").status_code == 200
        assert browser.get(f"{locked.url}/v1/indexes").status_code == 401
        assert browser.get(f"{other.url}/v1/indexes").status_code == 200


@pytest.mark.parametrize("where", ["width::int > 1", "'5' :: int = 5", "(width)::bigint = 1"])
def test_a_filter_has_no_cast_in_short_either(http, where):
    answer = http.post("/v1/search", json={"keyword": "red", "where": where})
    assert answer.status_code == 400
    assert "the cast ::" in answer.json()["error"]["message"]
    assert http.post("/v1/search", json={"keyword": "red", "where": "caption != 'a::b'"}).status_code == 200
