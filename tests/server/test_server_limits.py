"""How much a request may have: of everything that could take the server's time or memory."""

import json

import pytest

from embeddings_orch.server.gate import limits as most
from embeddings_orch.server.gate.json_bodies import check_json
from embeddings_orch.server.gate.problems import HttpProblem
from embeddings_orch.server.shared.filtering import check_filter


@pytest.fixture(scope="module")
def http(words, shared_served):
    return shared_served(words).http


def asked(http, body):
    """The status, the field that is named, and the message of a search."""
    answer = http.post("/v1/search", content=json.dumps(body), headers={"Content-Type": "application/json"})
    error = answer.json().get("error", {})
    assert len(answer.content) < 5_000 or answer.status_code == 200
    return answer.status_code, error.get("param"), error.get("message", "")


def refusal(where, **params):
    with pytest.raises(HttpProblem) as raised:
        check_filter(where, params)
    assert raised.value.status == 400
    return str(raised.value)


LONG = "x" * (most.PATTERNS // 2)
TOO_LONG = f"{most.PATTERNS:,} bytes"
NOT_TEXTS = "not made of texts and parameters"


@pytest.mark.parametrize(
    ("where", "params", "why"),
    [
        ("caption LIKE :p", {"p": "%a" * 51}, "50 wildcards"),
        ("caption NOT ILIKE '" + "%_" * 26 + "'", {}, "50 wildcards"),
        ("caption LIKE :p OR caption LIKE :p", {"p": "%" * 26}, "50 wildcards"),
        ("caption LIKE '" + "x" * 1001 + "'", {}, TOO_LONG),
        ("caption LIKE '" + "ü" * 501 + "'", {}, TOO_LONG),
        ("caption LIKE ('%' || :p || :p || '%')", {"p": LONG}, TOO_LONG),
        ("caption LIKE :p||:p||'%'", {"p": LONG}, TOO_LONG),
        ("caption LIKE ((:p) || (:p)) || 'x'", {"p": LONG}, TOO_LONG),
        ("caption LIKE caption", {}, NOT_TEXTS),
        ("caption LIKE '%' || caption", {}, NOT_TEXTS),
        ("caption LIKE '%' || lower(:p)", {"p": "a"}, NOT_TEXTS),
        ("caption LIKE (('%' || caption))", {}, NOT_TEXTS),
        ("caption LIKE CASE WHEN true THEN :p END", {"p": "a"}, NOT_TEXTS),
        ('caption LIKE "caption"', {}, NOT_TEXTS),
        ("caption LIKE :p", {"p": ["a", "b"]}, "no text"),
        ("caption LIKE", {}, None),
        ("regexp_like(caption, :p)", {"p": "(" * 40_000}, TOO_LONG),
        ("regexp_like(caption, :p)", {"p": "x{51}"}, "50 wildcards"),
        ("regexp_like(caption, :p)", {"p": "(x{11}){ 5 }"}, "50 wildcards"),
        ("regexp_like(caption, :p)", {"p": "x{1,99999999999999}"}, "50 wildcards"),
        ("regexp_like(caption, 'x{1' || '000}')", {}, "50 wildcards"),
        ("regexp_like(caption, :p)", {"p": "(?x)e{ # }\n1000}"}, "could hide a count"),
        ("regexp_like(caption, :p)", {"p": "[aeo].{20}z"}, "50 wildcards"),
        ("regexp_like(caption, :p)", {"p": ".*" * 51}, "50 wildcards"),
        ("regexp_like(lower((caption)), caption)", {}, NOT_TEXTS),
        ("regexp_like(regexp_match('a', 'b')[1], lower('x'))", {}, NOT_TEXTS),
        ("regexp_match(caption, lower(:p))[1] = 'a'", {"p": "a"}, NOT_TEXTS),
        ("regexp_like :p", {"p": ["a", "(" * 40_000]}, "regexp_like without parentheses"),
        ("upper(lower :p) = 'A'", {"p": "a"}, "lower without parentheses"),
        ("caption ~ 'a'", {}, "'~' outside of quotes"),
        ("caption SIMILAR TO 'a'", {}, "use regexp_like"),
        ("id IN :ids OR id IN :ids", {"ids": ["x"] * 5_001}, "10,000 values in all"),
        ("id IN :a OR id IN :b", {"a": ["x"] * 9_000, "b": ["x"] * 1_001}, "10,000 values in all"),
        ("array_has_all([id], :a)", {"a": ["x"] * 201}, "200 values in array_has_all"),
        ("list_has_all([id], (((:a))))", {"a": ["x" * 100] * 200}, "bytes of values in array_has_all"),
        ("Array_Has_All([id], :a) OR array_has_all(:a, [id])", {"a": ["x"] * 101}, "200 values in array_has_all"),
        ("id = :a OR id = :a", {"a": "x" * 600_000}, "bytes of values in all"),
        ("id = '" + "x" * 20_000 + "'", {}, "16,384 bytes"),
        ("length(" + " || ".join(["caption"] * 18) + ") > 0", {}, "puts more than 16"),
        ("array_has([" + ", ".join(["caption"] * 17) + "], 'x')", {}, "puts more than 16"),
        ('array_has(["' + '", "'.join(["caption"] * 17) + "\"], 'x')", {}, "puts more than 16"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_would_take_long_in_a_filter_is_refused(where, params, why):
    if why is None:
        check_filter(where, params)  # DataFusion says what is wrong with it
    else:
        assert why in refusal(where, **params)


@pytest.mark.parametrize(
    ("where", "params"),
    [
        (
            "caption LIKE '%' || :word || '%' AND id IN :ids",
            {"word": "red", "ids": [f"p{n:03}.png" for n in range(9_990)]},
        ),
        ("NOT (caption LIKE (:p) OR caption ILIKE 'it''s%') AND title = 'a_b%c'", {"p": "%r_d%"}),
        ("caption LIKE '50%' OR title IN ('car', 'dog')", {}),
        ("regexp_like(lower(caption), 'r[aeiou]{1,3}d|' || :other, 'i') AND shelf > 0", {"other": r"\bcar\b"}),
        ("coalesce(regexp_match(caption, 'r(e)d')[1], 'x') = 'e' OR starts_with(title, 'c')", {}),
        ("title || ' ' || caption LIKE 'car%'", {}),
        ("array_has(['car', 'dog', title], 'car')", {}),
    ],
    ids=lambda value: str(value)[:40],
)
def test_filters_of_every_day_are_answered(http, where, params):
    status, _, message = asked(http, {"id": "p000.png", "where": where, **({"params": params} if params else {})})
    assert (status, message) == (200, "")


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"text": "ü" * 50_001}, "text"),
        ({"keyword": "a " * 251}, "keyword"),
        ({"keyword": "x" * 4_001}, "keyword"),
        ({"text": "a_" * 251, "hybrid": True}, "text"),
        ({"text": "a_" * 251, "alpha": 0.5}, "text"),
        ({"text": "red", "index": "ü" * 501}, "index"),
        ({"id": "ü" * 2_049}, "id"),
        ({"text": "\ud800"}, "text"),
        ({"vector": [0.0] * 16_385}, "vector"),
        ({"vector": ["x"] * 16_000}, "vector.0"),
        ({"text": "red", "where": "id = :a", "params": {f"p{number}": 1 for number in range(201)}}, "params"),
        ({"text": "red", "where": "id = :a", "params": {"x" * 1_001: 1}}, None),
        ({f"k{number}": 1 for number in range(4_201)}, None),
        ({"text": "red", "params": {"a": [0] * 50_000}}, None),
        ({"text": "red", "params": json.loads("[" * 40 + "]" * 40)}, None),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_search_has_limits(http, body, param):
    status, named, message = asked(http, body)
    assert status == 400, message
    assert param is None or named == param


def test_a_long_text_alone_is_no_search_for_words(http):
    assert asked(http, {"text": "a " * 300})[0] == 200
    assert asked(http, {"text": "a " * 300, "hybrid": True, "keyword": "red"})[0] == 200


@pytest.mark.parametrize(
    "body",
    [
        b'{"a": "' + b"[{,:" * 100_000 + b'", "b": "\\"' + b",]" * 100_000 + b'"}',
        b"[" * most.JSON_DEPTH + b"]" * most.JSON_DEPTH,
        b'"' + b"x" * 100_000,
        b"]" * 100_000,
    ],
    ids=lambda body: str(body[:20]),
)
def test_what_stands_in_texts_counts_for_nothing(body):
    check_json(body)


@pytest.mark.parametrize(
    "body",
    [
        b"1" * 1_001,
        b"[1, " + b"-" * 2_000_000,
        b"1 " * 60_000,
        b"[" * 33,
        b'{"":' * 33,
        b"[{}," * 1_000_000,
        b"," * 60_000,
        b":" * 5_000,
        b'""' * 60_000,
    ],
    ids=lambda body: str(body[:20]),
)
def test_what_is_no_json_is_looked_through_no_further_than_the_limits(body):
    with pytest.raises(HttpProblem, match="the body has .*more than"):
        check_json(body)


@pytest.mark.parametrize(
    ("path", "body", "status", "shape"),
    [
        (
            "/v1/embeddings",
            {"input": ["a"], "model": "x", "user": [[]] * 60_000},
            400,
            lambda told: told["error"]["message"],
        ),
        ("/vectorize", {"texts": [], "more": [[]] * 60_000}, 400, lambda told: told["error"]),
        ("/clip/embed_text", {"text": [[]] * 60_000}, 400, lambda told: told["message"]),
    ],
    ids=lambda value: str(value)[:20],
)
def test_each_client_is_told_in_its_own_form(http, path, body, status, shape):
    answer = http.post(path, json=body)
    assert answer.status_code == status
    assert "30,000 elements" in shape(answer.json())


def test_an_address_and_a_header_have_limits(http):
    assert http.get("/v1/indexes?" + "a" * 16_300).status_code == 200
    for path in ("/v1/indexes?" + "a" * 17_000, "/" + "a" * 17_000):
        answer = http.get(path)
        assert (answer.status_code, answer.json()["error"]["type"]) == (414, "too_large_error")
    answer = http.get("/v1/indexes", headers={"Cookie": "a" * 17_000})
    assert (answer.status_code, "cookie" in answer.json()["error"]["message"]) == (431, True)
    for path in ("facets", f"values?column={'x' * 1_001}", f"map?generation={'x' * 1_001}", f"items/{'x' * 4_097}"):
        assert http.get(f"/v1/indexes/gallery/found/{path}").status_code == (200 if path == "facets" else 400), path
    assert http.get(f"/v1/indexes/{'x' * 1_001}/found/facets").status_code == 400
    assert http.get(f"/v1/models/{'x' * 1_001}").status_code == 400
