"""The other processes that promises ask."""

from __future__ import annotations

import os

import pytest

from embeddings_orch_testing.conformance.process import ask_other_process, stop_other_process

pytestmark = pytest.mark.process

SEEN = "import os\ndef answer(name): return [os.environ.get(name), os.getcwd(), os.getpid()]"


def test_one_process_answers_with_the_environment_and_folder_of_now(monkeypatch, tmp_path):
    first = ask_other_process(SEEN, "CONFORMANCE_PROCESS")
    monkeypatch.setenv("CONFORMANCE_PROCESS", "here")
    monkeypatch.chdir(tmp_path)
    second = ask_other_process(SEEN, "CONFORMANCE_PROCESS")
    assert first[0] is None
    assert second[:2] == ["here", str(tmp_path)]
    assert first[2] == second[2] != os.getpid()


def test_each_seed_has_a_process_of_its_own():
    code = "def answer(): return hash('a text')"
    answers = {seed: ask_other_process(code, seed=seed) for seed in ("0", "4711")}
    assert answers["0"] != answers["4711"]
    stop_other_process("4711")
    assert ask_other_process(code, seed="4711") == answers["4711"]


def test_what_is_printed_is_no_answer():
    assert ask_other_process("def answer():\n    print('words')\n    return 1") == 1


def test_an_error_shows_its_traceback_and_the_process_goes_on():
    _, _, process = ask_other_process(SEEN, "HOME")
    with pytest.raises(AssertionError, match="ValueError: odd"):
        ask_other_process("def answer(): raise ValueError('odd')")
    assert ask_other_process(SEEN, "HOME")[2] == process


def test_a_process_that_ends_is_told_of_and_replaced():
    with pytest.raises(AssertionError, match="ended with status 3"):
        ask_other_process("import os\ndef answer(): os._exit(3)")
    assert ask_other_process("def answer(): return 1") == 1
