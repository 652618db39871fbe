"""The suite for remote providers: it passes what is sound, and finds what each of the toys breaks."""

from __future__ import annotations

import unittest

import pytest

from embeddings_orch_testing.remote_conformance import RemoteConformance
from embeddings_orch_testing.servers import Fault

PROMISES = sorted(name for name in dir(RemoteConformance) if name.startswith("test_"))


def changed(change):
    return Fault.change_answer(lambda body: {**body, "data": change(body["data"])})


def suite_of(toy):
    import toy_remote

    class Suite(RemoteConformance):
        key_variable = "TOY_API_KEY"
        count = 60
        sdks = ("toy_sdk",)

        def make_server(self):
            return toy_remote.ToyServer()

        def make_config(self):
            return toy.config_class(base_url=self.server.url)

        def malformed(self):
            return {
                "a vector too few": changed(lambda rows: rows[:-1]),
                "a vector too many": changed(lambda rows: [*rows, {**rows[-1], "index": len(rows)}]),
                "an index twice": changed(lambda rows: [{**row, "index": 0} for row in rows]),
                "text instead of numbers": changed(lambda rows: [{**row, "vector": ["x"] * 6} for row in rows]),
                "another dimension": changed(lambda rows: [{**row, "vector": row["vector"][:-1]} for row in rows]),
                "no data": Fault.change_answer(lambda _: {}),
            }

        def reordered(self):
            return changed(lambda rows: rows[::-1])

        def terminal(self):
            return {
                "unknown model": Fault.status_code(404, {"error": {"message": "there is no such toy"}}),
                "forbidden": Fault.status_code(403),
            }

    return Suite


def broken_promises(suite, promises):
    """The promises that do not hold, each with what the suite says of it."""
    broken, skipped = {}, set()
    suite.setup_class()
    try:
        for promise in promises:
            tried = suite()
            tried.setup_method()
            try:
                getattr(tried, promise)()
            except unittest.SkipTest:
                skipped.add(promise)
            except Exception as error:
                broken[promise] = f"{type(error).__name__}: {error}"
            tried.teardown_method()
    finally:
        suite.teardown_class()
    return broken, skipped


@pytest.mark.process
def test_a_sound_provider_passes(toys):
    import toy_remote

    broken, skipped = broken_promises(suite_of(toy_remote.RemoteToy), PROMISES)
    assert broken == {}
    assert skipped == {
        "test_a_bad_item_among_a_hundred_pictures_fails_alone",
        "test_a_bad_item_fails_alone",
        "test_the_fingerprint_is_the_golden_one",
    }


@pytest.mark.parametrize(
    ("toy", "promise", "said"),
    [
        ("RetriesItself", "test_a_fault_that_passes_changes_no_vector", "the SDK's own retries have to be off"),
        (
            "RetriesItself",
            "test_a_request_that_never_succeeds_is_sent_once_and_retried_as_often_as_configured",
            "max_retries 0: 3 requests were sent, 1 are allowed",
        ),
        ("StopsAt500", "test_a_fault_that_passes_changes_no_vector", "scripted fault 500"),
        ("HidesWords", "test_a_request_that_never_succeeds_is_sent_once_and_retried_as_often_as_configured", "said"),
        ("NoRetryAfter", "test_retry_after_is_waited_for", "7 s were asked for"),
        ("NoTimeout", "test_an_answer_that_hangs_is_given_up_after_the_timeout", "an answer was waited for 4"),
        ("IgnoresIndexes", "test_vectors_in_another_order_go_to_their_items", "another vector than without it"),
        ("TakesAnyCount", "test_a_malformed_answer_is_asked_for_again", "after a vector too few"),
        ("TakesAnyCount", "test_an_answer_that_stays_malformed_is_an_error_that_says_so", "with a vector too few"),
        ("SaysKeyError", "test_a_malformed_answer_is_asked_for_again", "it is not retried: KeyError: 3"),
        ("SaysKeyError", "test_an_answer_that_stays_malformed_is_an_error_that_says_so", "'KeyError: 3', not what"),
        ("Estimates", "test_usage_has_the_tokens_that_the_server_counted", "usage has 3 tokens, the server counted"),
        (
            "RetriesRefusals",
            "test_a_permanent_refusal_stops_after_one_request_with_the_providers_words",
            "unknown model: it was taken for an outage",
        ),
        ("RetriesRefusals", "test_a_permanent_refusal_stops_a_run_within_one_request_a_worker", "there is no such toy"),
        ("RetriesRefusals", "test_a_wrong_key_stops_after_one_request", "it was taken for an outage"),
        (
            "HidesWords",
            "test_a_permanent_refusal_stops_after_one_request_with_the_providers_words",
            "the provider said 'there is no such toy'",
        ),
        ("HidesWords", "test_a_wrong_key_stops_after_one_request", "said 'this key is not known here'"),
        ("HidesWords", "test_a_bad_item_among_a_hundred_texts_fails_alone", "said ['one of the texts is not nice']"),
        ("NeedsNoKey", "test_a_missing_key_is_named_before_any_request", "the error does not name TOY_API_KEY"),
        ("StopsAtBadItems", "test_a_bad_item_among_a_hundred_texts_fails_alone", "one of the texts is not nice"),
        ("OneByOne", "test_a_bad_item_among_a_hundred_texts_fails_alone", "requests more, 15 are allowed"),
        ("OneAtATime", "test_no_more_requests_are_under_way_than_configured", "requests follow each other"),
        ("FansOut", "test_no_more_requests_are_under_way_than_configured", "3 are allowed"),
        ("NeverStops", "test_no_request_is_made_after_a_cancel", "were made after the cancel"),
        ("SleepsItself", "test_a_cancel_wakes_up_what_waits_to_try_again", "a batch"),
        ("KeyInAddress", "test_the_key_is_in_no_address", "the key is in the address of POST /embed"),
        ("RemembersNoKey", "test_the_key_is_in_no_error_and_no_traceback", "shows the key"),
        ("ConfigShowsKey", "test_the_key_is_in_no_setting", "repr(config) shows the key"),
        ("ShowsItself", "test_the_key_is_in_no_setting", "repr of the embedder shows the key"),
    ],
)
def test_a_broken_promise_is_found(toys, toy, promise, said):
    import toy_remote

    broken, _ = broken_promises(suite_of(getattr(toy_remote, toy)), [promise])
    assert said in broken[promise]


def test_a_key_that_an_embedder_logs_is_hidden_all_the_same(toys):
    import toy_remote

    promise = "test_the_key_is_in_no_log_record"
    broken, _ = broken_promises(suite_of(toy_remote.LogsKey), [promise])
    assert promise not in broken
