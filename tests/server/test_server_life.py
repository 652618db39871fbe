"""A server's life: it follows what is published, and outlives slow and broken models."""

import logging
import threading
import time

import httpx
import pytest

from embeddings_orch.pipeline.published.rollback import rollback
from embeddings_orch_testing.counting import CountingEmbedder


class Asking:
    """Threads that search all the time and keep what came back."""

    def __init__(self, url, *asked):
        self.answers, self.problems = [], []
        self._answered, self._stop = threading.Condition(), threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(url, one)) for one in asked]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def wait_for(self, generation, count, seconds=60):
        """Wait until so many answers were of a generation, or something went wrong."""

        def come():
            return self.problems or sum(one["generation"] == generation for one in self.answers) >= count

        with self._answered:
            assert self._answered.wait_for(come, seconds), f"{generation} is not served"

    def _ask(self, url, asked):
        with httpx.Client(base_url=url, verify=False, trust_env=False, timeout=30) as http:
            number = 0
            while not self._stop.is_set():
                number += 1
                body = {**asked, "text": f"{asked['text']} {number % 50}"} if "text" in asked else asked
                try:
                    answer = http.post("/v1/search", json=body)
                except httpx.HTTPError as error:
                    self._tell(self.problems, repr(error))
                    continue
                if answer.status_code != 200:
                    self._tell(self.problems, answer.text)
                else:
                    self._tell(self.answers, answer.json())
                self._stop.wait(0.05)  # the gallery's runs need the processor too

    def _tell(self, said, answer):
        with self._answered:
            said.append(answer)
            self._answered.notify_all()


@pytest.mark.slow
def test_new_generations_are_served_without_a_failed_or_mixed_answer(make_gallery, served, right):
    gallery = make_gallery(pictures=12)
    gallery.run()
    one = served(gallery)
    rounds = []
    with Asking(
        one.url, {"text": "red"}, {"keyword": "picture"}, {"id": "p003.png"}, {"text": "a", "hybrid": True}
    ) as asking:
        for number in range(3):
            # Each generation names itself in every caption.
            for name in gallery.captions:
                gallery.captions[name] = {"caption": f"picture of round {number}"}
            gallery.write_captions()
            if number % 2:
                gallery.model(name=f"model{number}", dim=8 + number)
            gallery.run()
            rounds.append(right.opened(gallery).generation().id)
            asking.wait_for(rounds[-1], count=8)
    assert asking.problems == []
    assert len(asking.answers) > 12
    seen = {}
    for answer in asking.answers:
        captions = {hit["metadata"]["caption"] for hit in answer["hits"]}
        if answer["generation"] not in rounds:
            continue  # the one before the first round
        assert len(captions) == 1, captions
        seen.setdefault(answer["generation"], set()).update(captions)
    assert set(seen) == set(rounds)
    assert all(len(captions) == 1 for captions in seen.values())
    assert one.http.post("/v1/search", json={"keyword": "picture"}).json()["generation"] == rounds[-1]


@pytest.mark.slow
def test_a_publish_is_seen_within_a_moment_and_a_rollback_too(make_gallery, served):
    gallery = make_gallery()
    gallery.run()
    http = served(gallery).http
    first = http.post("/v1/search", json={"text": "red"}).json()["generation"]
    gallery.add("new.png", caption="new")
    gallery.run()
    time.sleep(0.25)
    second = http.post("/v1/search", json={"text": "red"}).json()["generation"]
    assert second != first
    rollback(gallery.pipeline(), "found")
    time.sleep(0.25)
    assert http.post("/v1/search", json={"text": "red"}).json()["generation"] == first
    (entry,) = http.get("/v1/indexes").json()["indexes"]
    assert (entry["published"], entry["held"]) == (first, True)


def test_an_index_that_is_published_later_is_served_then(make_gallery, served):
    gallery = make_gallery()
    http = served(gallery).http
    assert http.post("/v1/search", json={"text": "red"}).status_code == 409
    gallery.run()
    time.sleep(0.25)
    assert http.post("/v1/search", json={"text": "red"}).status_code == 200


@pytest.mark.slow
def test_a_slow_model_keeps_no_other_index_waiting(make_gallery, served, monkeypatch):
    slow, quick = make_gallery(folder="slow", name="slow"), make_gallery(folder="quick", name="quick")
    quick.model(name="quick")
    slow.run()
    quick.run()
    embed, answered = CountingEmbedder.embed, threading.Event()

    def slowly(self, batch):
        if self.config.name == "toy":
            answered.wait(60)
        return embed(self, batch)

    monkeypatch.setattr(CountingEmbedder, "embed", slowly)
    one = served(slow, quick)
    body = {"text": "red", "pipeline": "slow"}
    waiting = [threading.Thread(target=lambda: one.http.post("/v1/search", json=body, timeout=60)) for _ in range(40)]
    for thread in waiting:
        thread.start()
    time.sleep(0.3)
    for number in range(5):
        assert one.http.post("/v1/search", json={"text": f"red {number}", "pipeline": "quick"}).status_code == 200
    assert one.http.get("/health").status_code == 200
    assert one.http.get("/v1/indexes/slow/found/thumbnails/p000.png").status_code == 200
    assert one.http.post("/v1/search", json={"keyword": "picture", "pipeline": "quick"}).status_code == 200
    assert all(thread.is_alive() for thread in waiting), "none was to be answered yet"
    answered.set()
    for thread in waiting:
        thread.join()


def test_a_search_that_takes_too_long_is_given_up(make_gallery, served):
    gallery = make_gallery()
    gallery.run()
    gallery.model(delay=3.0)
    http = served(gallery, seconds=0.5).http
    answer = http.post("/v1/search", json={"text": "red"})
    assert answer.status_code == 504
    assert "0.5 s" in answer.json()["error"]["message"]


@pytest.mark.slow
def test_more_requests_than_can_wait_are_sent_away(make_gallery, served):
    gallery = make_gallery()
    gallery.run()
    gallery.model(delay=0.5)
    one = served(gallery, concurrency=1)
    answers = []

    def ask(number):
        body = {"text": f"red {number}"}
        answers.append(one.http.post("/v1/search", json=body, timeout=60))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(14)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    refused = [answer for answer in answers if answer.status_code == 503]
    assert {answer.status_code for answer in answers} == {200, 503}
    assert len(refused) >= 4
    assert refused[0].headers["retry-after"] == "1"


@pytest.mark.parametrize(
    ("settings", "status"),
    [({"broken": True}, 502), ({"flaky": 9, "retry": {"max_retries": 1, "initial_wait": 0}}, 503)],
)
def test_a_provider_that_fails_is_told_by_the_status(make_gallery, served, settings, status):
    gallery = make_gallery()
    gallery.run()
    gallery.model(**settings)
    http = served(gallery).http
    answer = http.post("/v1/search", json={"text": "red"})
    assert answer.status_code == status
    assert "counting provider" in answer.json()["error"]["message"]
    assert http.post("/v1/search", json={"keyword": "picture"}).status_code == 200


def test_an_input_that_the_model_refuses_is_the_clients(make_gallery, served):
    gallery = make_gallery()
    gallery.run()
    gallery.model(reject="forbidden")
    answer = served(gallery).http.post("/v1/search", json={"text": "forbidden words"})
    assert answer.status_code == 400
    assert "forbidden" in answer.json()["error"]["message"]


def test_the_models_of_what_is_published_are_loaded_at_the_start(make_gallery, served):
    gallery, later = make_gallery(folder="one", name="one"), make_gallery(folder="two", name="two")
    gallery.run()
    gallery.forget_calls()
    http = served(gallery, later, load=True).http
    for _ in range(100):
        models = http.get("/health").json()["models"]
        if "loading" not in models.values():
            break
        time.sleep(0.05)
    assert models == {"one/found": "ready", "two/found": "not published"}
    assert gallery.calls() == [("text", 1)]


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        (
            "/v1/embeddings",
            {"model": "toy", "input": [f"text {n}" for n in range(20)]},
            lambda body: body["error"]["message"],
        ),
        ("/vectorize", {"texts": [f"text {n}" for n in range(20)]}, lambda body: body["error"]),
        ("/clip/embed_text", {"text": [f"text {n}" for n in range(20)]}, lambda body: body["message"]),
    ],
)
def test_embeddings_that_take_too_long_are_given_up_and_leave_their_places(make_gallery, served, path, body, said):
    gallery = make_gallery(pictures=1)
    gallery.model(delay=0.4, batch_size=1)
    http = served(gallery, seconds=0.7).http
    answer = http.post(path, json=body)
    assert answer.status_code == 504
    assert "0.7 s" in said(answer.json())
    time.sleep(1.0)
    assert len(gallery.calls()) <= 3


def test_a_model_that_is_slow_to_prepare_keeps_no_other_waiting(make_gallery, served, monkeypatch):
    gallery = make_gallery(pictures=1)
    gallery.model(name="slow")
    gallery.model("quick", name="quick")
    prepare, prepared = CountingEmbedder.prepare, threading.Event()

    def slowly(self, item):
        if self.config.name == "slow":
            prepared.wait(60)
        return prepare(self, item)

    monkeypatch.setattr(CountingEmbedder, "prepare", slowly)
    one = served(gallery, concurrency=1)

    def ask(number):
        body = {"model": "toy", "input": f"text {number}"}
        one.http.post("/v1/embeddings", json=body, timeout=60)

    waiting = [threading.Thread(target=ask, args=(number,)) for number in range(3)]
    for thread in waiting:
        thread.start()
    time.sleep(0.3)
    assert one.http.post("/v1/embeddings", json={"model": "quick", "input": "a dog"}).status_code == 200
    assert all(thread.is_alive() for thread in waiting)
    prepared.set()
    for thread in waiting:
        thread.join()


@pytest.mark.slow
def test_a_plugin_that_fails_in_its_own_way_is_told_and_the_others_are_served(
    make_gallery, served, monkeypatch, caplog, capsys
):
    bad, good = make_gallery(folder="bad", name="bad"), make_gallery(folder="good", name="good")
    bad.model(name="bad")
    for gallery in (bad, good):
        gallery.run()

    def reads(self):
        if self.config.name == "bad":
            raise RuntimeError("a secret of the plugin")
        return frozenset({"text", "image"})

    monkeypatch.setattr(CountingEmbedder, "modalities", property(reads))
    with caplog.at_level(logging.WARNING):
        one = served(bad, good, load=True)
        for _ in range(100):
            models = one.http.get("/health").json()["models"]
            if "loading" not in models.values():
                break
            time.sleep(0.05)
        listed = one.http.get("/v1/indexes")
    assert models == {"bad/found": "failed (RuntimeError)", "good/found": "ready"}
    entries = {entry["pipeline"]: entry for entry in listed.json()["indexes"]}
    assert entries["bad"]["models"][0]["error"] == "RuntimeError; the server's log has the details"
    assert entries["bad"]["models"][0]["modalities"] is None
    assert entries["good"]["models"][0]["error"] is None
    assert "a secret of the plugin" not in listed.text
    assert [record for record in caplog.records if record.exc_info and "bad/found" in record.getMessage()]
    assert one.http.post("/v1/search", json={"text": "red", "pipeline": "good"}).status_code == 200
    assert one.http.post("/v1/search", json={"keyword": "picture", "pipeline": "bad"}).status_code == 200


@pytest.mark.slow
def test_what_fails_while_it_is_listed_is_told(make_gallery, served, monkeypatch, caplog):
    from embeddings_orch.server.shared import listing

    bad, good = make_gallery(folder="bad", name="bad"), make_gallery(folder="good", name="good")
    for gallery in (bad, good):
        gallery.run()
    maps_of = listing.maps_of

    def broken(one, generation):
        if one.index.pipeline == "bad":
            raise KeyError("a secret of the plugin")
        return maps_of(one, generation)

    monkeypatch.setattr(listing, "maps_of", broken)
    listed = served(bad, good).http.get("/v1/indexes")
    errors = {entry["pipeline"]: entry["error"] for entry in listed.json()["indexes"]}
    assert errors == {"bad": "KeyError; the server's log has the details", "good": None}
    assert "KeyError" in caplog.text


@pytest.mark.slow
def test_the_list_remembers_the_columns_of_what_is_published_only(make_gallery, served):
    gallery = make_gallery()
    one = served(gallery)
    for number in range(3):
        gallery.add(f"new{number}.png", caption="new")
        gallery.run()
        time.sleep(0.25)
        (entry,) = one.http.get("/v1/indexes").json()["indexes"]
        assert [column["name"] for column in entry["columns"]][:2] == ["id", "uri"]
    assert len(one.app.state.own.listing._columns) == 1
