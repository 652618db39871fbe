"""Tokens: counted by tiktoken where it has its table, else bounded, and never waited for long.

The real table is on a server of OpenAI; here tiktoken's own tokenizer gets a small one.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time

import pytest
import tiktoken
import tiktoken_ext.openai_public

from embeddings_orch.embedding.outcome import Prepared
from embeddings_orch.embedding.step import EmbedStep
from embeddings_orch.models.content import Failure, Item
from embeddings_orch_plugins.openai import OpenAIConfig, OpenAIEmbedder
from embeddings_orch_plugins.openai.tokens import TokenCounter


def small_table() -> tiktoken.Encoding:
    """Tokens for all bytes, and for `` dog``; the pattern is the one that splits texts for the real table."""
    ranks = {bytes([value]): value for value in range(256)}
    for token in (b"do", b" do", b" dog"):
        ranks[token] = len(ranks)
    pattern = tiktoken_ext.openai_public.r50k_pat_str
    return tiktoken.Encoding("small", pat_str=pattern, mergeable_ranks=ranks, special_tokens={})


def failing() -> tiktoken.Encoding:
    raise OSError("no network")


def test_tokens_are_counted_with_a_table():
    embedder = OpenAIEmbedder(OpenAIConfig(), TokenCounter(small_table))
    assert embedder.tokens("text", "a dog dog") == 3
    assert embedder.tokens("text", "<|endoftext|>") == 12  # ordinary text, with a "do" in it


def test_tokens_are_bounded_by_bytes_without_one():
    embedder = OpenAIEmbedder(OpenAIConfig(), TokenCounter(failing))
    assert embedder.tokens("text", "a dog dog") == 11
    assert embedder.tokens("text", "é") == 4


def test_another_servers_model_is_bounded_and_no_table_is_asked_for():
    asked = []
    counter = TokenCounter(lambda: asked.append(1))
    embedder = OpenAIEmbedder(OpenAIConfig(name="bge-m3", base_url="http://localhost:7997"), counter)
    assert embedder.tokens("text", "a dog") == 7
    assert embedder.prepare(Item(b"key", "text", "a" * 100_000)) == "a" * 100_000
    assert not asked


def test_a_text_with_too_many_tokens_is_a_failure_that_says_so():
    step = EmbedStep(OpenAIConfig())
    step._embedder = OpenAIEmbedder(OpenAIConfig(), TokenCounter(small_table))
    fits, too_long, hopeless = " dog" * 8192, " dog" * 8193, "0" * 5_000_000
    assert isinstance(step.prepare(Item(b"fits", "text", fits)), Prepared)
    for text in (too_long, hopeless):
        failure = step.prepare(Item(b"long", "text", text, "here.txt"))
        assert isinstance(failure, Failure)
        assert failure.kind == "item"
        assert "more than 8,192 tokens" in failure.reason


def test_without_a_table_a_long_text_is_left_to_the_server():
    embedder = OpenAIEmbedder(OpenAIConfig(), TokenCounter(failing))
    assert embedder.prepare(Item(b"key", "text", " dog" * 9000)) == " dog" * 9000


def test_many_threads_load_one_table():
    loads = []

    def load() -> tiktoken.Encoding:
        loads.append(threading.get_ident())
        time.sleep(0.2)
        return small_table()

    counter = TokenCounter(load)
    found: list[int | None] = []
    threads = [threading.Thread(target=lambda: found.append(counter.count(" dog", 10))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(loads), found) == (1, [1] * 8)


def test_a_table_that_does_not_come_is_waited_for_once_and_used_when_it_is_there():
    come = threading.Event()

    def load() -> tiktoken.Encoding:
        come.wait(60)
        return small_table()

    waits: list[float] = []
    counter = TokenCounter(load, patience=5.0, join=lambda _, seconds: waits.append(seconds))
    assert [counter.count(" dog", 10) for _ in range(50)] == [None] * 50
    assert waits == [5.0]
    come.set()
    limit = time.monotonic() + 60
    while counter.count(" dog", 10) is None and time.monotonic() < limit:
        time.sleep(0.01)
    assert counter.count(" dog", 10) == 1


def test_a_table_that_cannot_be_had_is_asked_for_once():
    loads = []

    def load() -> tiktoken.Encoding:
        loads.append(1)
        return failing()

    counter = TokenCounter(load)
    assert [counter.count("a", 10) for _ in range(5)] == [None] * 5
    assert len(loads) == 1
    assert not counter.available


@pytest.mark.process
def test_a_process_without_network_waits_for_seconds_and_ends(tmp_path):
    """tiktoken's own loader, which finds no table in an empty folder, and a proxy that never answers."""
    code = """
import os, socket
from embeddings_orch_plugins.openai.tokens import TokenCounter
silent = socket.create_server(("127.0.0.1", 0))
os.environ["HTTPS_PROXY"] = f"http://127.0.0.1:{silent.getsockname()[1]}"
waits = []
counter = TokenCounter(join=lambda thread, seconds: waits.append((seconds, silent.accept())))
print(counter.count("a dog", 10), [seconds for seconds, _ in waits])
"""
    environment = {
        "PATH": "/usr/bin",
        "TIKTOKEN_CACHE_DIR": str(tmp_path),
        "PYTHONPATH": ":".join(path for path in sys.path if path),
    }
    command = [sys.executable, "-c", code]
    # The time is many times what it needs: who waits for the proxy never ends.
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120, check=False)
    assert done.stdout == "None [3.0]\n", done.stderr
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["text-embedding-3-small", "text-embedding-ada-002"])
def test_advice_names_what_would_be_better(name):
    with_table = OpenAIEmbedder(OpenAIConfig(name=name), TokenCounter(small_table)).advice()
    without = OpenAIEmbedder(OpenAIConfig(name=name), TokenCounter(failing)).advice()
    assert any("costs a fifth" in one for one in with_table) == (name == "text-embedding-ada-002")
    assert "TIKTOKEN_CACHE_DIR" in next(one for one in without if one not in with_table)
