"""The decisions of a tick, as a table: no clock, no Dagster, no store."""

import dataclasses

import pytest

from embeddings_orch.pipeline.automation.reconcile import (
    MAX_ATTEMPTS,
    PAUSES,
    Cursor,
    LastRun,
    Need,
    Situation,
    reconcile,
)

ASSETS = ("p/embeddings/a", "p/index/i", "p/published/i")
NEED = Need(ASSETS, "a: name x -> y")
EVERYTHING = frozenset({"p/raw_media", *ASSETS})
NOW = 10_000.0
EPOCH = Cursor(digest="d", epoch="e0", began=NOW - 100, moving=NOW - 100)


def situation(**values):
    base = Situation("s", "d", NEED, "all is well", EVERYTHING, {}, None, NOW)
    return dataclasses.replace(base, **values)


def decide(cursor, **values):
    names = iter(f"new{number}" for number in range(9))
    return reconcile(cursor, situation(**values), epoch=lambda: next(names))


def tried(status, **values):
    return LastRun("0123456789ab", status, **{"ended": NOW - 1, **values})


@pytest.mark.parametrize(
    ("attempt", "seen", "said"),
    [
        (0, {"need": None}, "all is well"),
        (2, {"need": None}, "all is well"),
        (0, {"loaded": EVERYTHING - {ASSETS[0]}}, "p/embeddings/a: declared in the YAML, but not in the definitions"),
        (0, {"in_flight": {ASSETS[2]: "run12345678"}}, "waiting for the run run12345 (p/published/i)"),
        (1, {"tried": tried("running")}, "run 01234567 is under way"),
        (0, {"tried": tried("cancelled")}, "was cancelled"),
        (1, {"tried": tried("cancelled")}, "was cancelled"),
        (0, {"tried": tried("failed", again=False, error="bad key")}, "another try would fail as well: bad key"),
        (1, {"tried": tried("failed", again=False, error="bad key")}, "Any edit of the YAML starts it again"),
        (1, {"tried": tried("failed", error="timeout")}, "attempt 1 of 3: timeout. The next one starts in 59 s"),
        (2, {"tried": tried("failed", ended=NOW - 299)}, "The next one starts in 1 s"),
        (3, {"tried": tried("failed", ended=0, error="timeout")}, "3 times, the last time in run 01234567: timeout"),
        (3, {"tried": tried("succeeded", ended=0)}, "it succeeded, and still a: name x -> y"),
        (0, {"settle": 101}, "starting in 1 s, if nothing more changes"),
        (0, {"refused": lambda need: f"too many for {need.reason}"}, "not started: too many for a: name x -> y"),
    ],
)  # fmt: skip
def test_reasons_to_start_nothing(attempt, seen, said):
    decision = decide(dataclasses.replace(EPOCH, attempt=attempt), **seen)
    assert decision.need is None
    assert said in decision.skip


@pytest.mark.parametrize(
    ("attempt", "seen", "key"),
    [
        (0, {}, "s:e0:1"),
        (0, {"in_flight": {"p/raw_media": "run"}}, "s:e0:1"),
        (0, {"settle": 100}, "s:e0:1"),
        (0, {"tried": tried("failed")}, "s:e0:1"),
        (0, {"tried": tried("succeeded")}, "s:e0:1"),
        (1, {"tried": tried("failed", ended=NOW - 60)}, "s:e0:2"),
        (2, {"tried": tried("failed", ended=NOW - 300)}, "s:e0:3"),
        (1, {"tried": tried("succeeded", ended=NOW - 60)}, "s:e0:2"),
        (1, {"tried": None}, "s:e0:1"),
        (0, {"digest": "other"}, "s:new0:1"),
        (3, {"digest": "other", "tried": None}, "s:new0:1"),
    ],
)
def test_reasons_to_start_a_run(attempt, seen, key):
    decision = decide(dataclasses.replace(EPOCH, attempt=attempt), **seen)
    assert decision.need == NEED
    assert decision.run_key == key
    assert decision.cursor.run_key("s") == key


def test_pauses_grow_and_cover_all_attempts():
    assert len(PAUSES) == MAX_ATTEMPTS - 1
    assert sorted(PAUSES) == list(PAUSES)


def test_there_and_back_is_an_epoch_of_its_own():
    first = decide(EPOCH)
    there = decide(first.cursor, digest="other")
    back = reconcile(there.cursor, situation(), epoch=lambda: "again")
    assert len({first.run_key, there.run_key, back.run_key}) == 3


def test_what_was_mended_may_fail_three_times_again():
    mended = decide(dataclasses.replace(EPOCH, attempt=3), need=None)
    assert (mended.cursor.attempt, mended.cursor.epoch) == (0, "new0")
    assert decide(mended.cursor).run_key == "s:new0:1"


def test_a_refusal_is_only_asked_for_before_a_request():
    def refused(_):
        raise AssertionError("asked for")

    decide(EPOCH, refused=refused, need=None)
    decide(EPOCH, refused=refused, tried=tried("running"))
    decide(EPOCH, refused=refused, settle=1000)


def test_each_change_waits_anew_until_patience_ends():
    cursor, now = dataclasses.replace(EPOCH, moving=0.0), NOW
    for number in range(100):
        now += 20
        decision = reconcile(cursor, situation(digest=f"d{number}", settle=30, now=now), epoch=lambda: "e")
        cursor = decision.cursor
        if decision.need:
            break
    assert now - NOW == pytest.approx(300, abs=40)


@pytest.mark.parametrize("text", [None, "", "null", "[]", "{}", "12", '{"digest": "d"}', '{"digest": 1, "epoch": "e"'])
def test_a_cursor_that_is_lost_begins_anew(text):
    assert Cursor.from_json(text) == Cursor()
    assert decide(Cursor.from_json(text)).run_key == "s:new0:1"


def test_a_cursor_is_kept_as_text():
    assert Cursor.from_json(EPOCH.to_json()) == EPOCH
