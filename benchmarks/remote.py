"""A provider with a rate limit and faults: our embed step beside LanceDB's ``openai`` function, fed the same batches.

Run by hand:

    .venv/bin/python benchmarks/remote.py                                   # 20,000 texts, 1,250 requests
    .venv/bin/python benchmarks/remote.py --count 3200 --only ours

The provider is the loopback server with OpenAI's protocol in a process of its own: 50 ms for an answer, a bucket of
600 requests a minute with a burst of 10, and 5 % faults: 429 with and without Retry-After, 500, a reset connection,
half a body. ``used`` is the share of the allowed rate between the first and the last request: requests that the bucket
let through, over what it would have let through in that time, its burst included. LanceDB sends one batch after the
other, as its tables do, and is stopped after ``--limit`` seconds; its lost texts are those that came back without a
vector.
"""

import argparse
import json
import logging
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from embeddings_orch.embedding.outcome import Outcome, Usage
from embeddings_orch.embedding.runners import Content
from embeddings_orch.embedding.runners.local import LocalRunner
from embeddings_orch.embedding.step import EmbedStep
from embeddings_orch.models.base import config_from
from embeddings_orch.models.content import Item
from embeddings_orch_testing.servers import Answer, Bucket, Fault, RecordedRequest
from embeddings_orch_testing.servers.openai import OpenAIServer

MODEL = "text-embedding-3-small"
PER_MINUTE, BURST, LATENCY, FAULTS = 600, 10, 0.05, 0.05
BATCH = 16


class CountingServer(OpenAIServer):
    """Counts what its bucket refuses."""

    limited = 0

    def handle(self, request: RecordedRequest) -> tuple[Answer, Fault | None]:
        answer, fault = super().handle(request)
        if answer.status == 429 and fault is None:
            with self._lock:
                self.limited += 1
        return answer, fault


def serve() -> None:
    """The server's process: its address on the first line, figures after the end of the input."""
    with CountingServer(latency=LATENCY, bucket=Bucket(PER_MINUTE, BURST)) as server:
        server.faults.by_chance(
            FAULTS,
            Fault.status_code(429),
            Fault.status_code(429, headers={"retry-after": "1"}),
            Fault.status_code(500),
            Fault.reset(),
            Fault.truncate(),
            seed=7,
        )
        print(server.url, flush=True)
        sys.stdin.read()
        times = [request.at for request in server.requests]
        span = times[-1] - times[0] if times else 0.0
        through = len(times) - server.limited
        used = through / (BURST + PER_MINUTE / 60 * span)
        print(json.dumps({"requests": len(times), "refused by the bucket": server.limited, "span": span, "used": used}))


@contextmanager
def provider() -> Iterator[tuple[str, dict[str, Any]]]:
    """The server's address, and its figures after the end."""
    figures: dict[str, Any] = {}
    process = subprocess.Popen(
        [sys.executable, __file__, "--serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip(), figures
        process.stdin.close()
        figures.update(json.loads(process.stdout.readline()))
    finally:
        process.kill()
        process.wait()


def texts(count: int) -> list[str]:
    """Short texts that differ from each other."""
    return [f"a short text, number {number} of many" for number in range(count)]


def wrong(vectors: dict[str, Any]) -> int:
    """Vectors that are not their text's."""
    server = OpenAIServer()
    return sum(not np.allclose(vector, server.vector(MODEL, text), atol=1e-6) for text, vector in vectors.items())


def ours(count: int, limit: float) -> dict[str, Any]:
    """The embed step under the local runner."""
    vectors: dict[str, Any] = {}
    usage = Usage()

    def commit(outcome: Outcome) -> None:
        usage.add(outcome.usage)
        vectors.update((key.decode(), vector) for key, vector in zip(outcome.keys, outcome.vectors, strict=True))

    with provider() as (url, figures):
        settings = {"base_url": url, "batch_size": BATCH, "concurrency": 8, "requests_per_minute": PER_MINUTE}
        step = EmbedStep(config_from("openai", {"name": MODEL, **settings}))
        contents = [Content(text.encode(), "text", text, "", text) for text in texts(count)]
        started = time.perf_counter()
        LocalRunner().run(step, contents, lambda one: Item(one.key, "text", one.text or "", one.uri), commit)
        seconds = time.perf_counter() - started
        step.close()
    return {
        "lost": count - len(vectors),
        "wrong": wrong(vectors),
        "seconds": seconds,
        **figures,
        "retries": usage.retries,
    }


def lancedbs(count: int, limit: float) -> dict[str, Any]:
    """LanceDB's function with its own retries, until the time is up."""
    from lancedb.embeddings import get_registry

    logging.disable(logging.CRITICAL)
    vectors: dict[str, Any] = {}
    tried = raised = 0
    over = threading.Event()
    with provider() as (url, figures):
        function = get_registry().get("openai").create(name=MODEL, base_url=f"{url}/v1")

        def run() -> None:
            nonlocal tried, raised
            everything = texts(count)
            for start in range(0, count, BATCH):
                if over.is_set():
                    return
                batch = everything[start : start + BATCH]
                tried += len(batch)
                try:
                    found = function.compute_source_embeddings_with_retry(batch)
                except Exception:
                    raised += 1
                    continue
                vectors.update({text: vector for text, vector in zip(batch, found, strict=True) if vector is not None})

        started = time.perf_counter()
        worker = threading.Thread(target=run, daemon=True)
        worker.start()
        worker.join(limit)
        seconds = time.perf_counter() - started
        done = not worker.is_alive()
        over.set()
        kept = dict(vectors)
    return {
        "lost": (tried if done else tried - BATCH) - len(kept),
        "not tried": 0 if done else count - tried + BATCH,
        "wrong": wrong(kept),
        "batches that raised": raised,
        "seconds": seconds,
        **figures,
    }


def shown(row: str, value: float | None) -> str:
    """One cell of the table."""
    if value is None:
        return ""
    if row == "used":
        return f"{value:.1%}"
    return f"{value:,.1f}" if isinstance(value, float) else f"{value:,}"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=20_000, help="texts")
    parser.add_argument("--limit", type=float, default=900, help="seconds that LanceDB may take")
    parser.add_argument("--only", choices=("ours", "lancedb"))
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.serve:
        serve()
        return
    os.environ["OPENAI_API_KEY"] = "a-key-for-loopback"
    os.environ["XDG_CACHE_HOME"] = tempfile.mkdtemp()  # the limiter's state is none of other runs
    measured = {
        name: measure(asked.count, asked.limit)
        for name, measure in (("ours", ours), ("lancedb", lancedbs))
        if asked.only in (None, name)
    }
    print(f"{asked.count:,} texts in batches of {BATCH}: {-(-asked.count // BATCH):,} requests at the least;")
    print(f"{PER_MINUTE} requests a minute, burst {BURST}, {LATENCY * 1000:.0f} ms, {FAULTS:.0%} faults")
    print(f"{'':22}" + "".join(f"{name:>12}" for name in measured))
    for row in dict.fromkeys(key for figures in measured.values() for key in figures):
        values = [figures.get(row) for figures in measured.values()]
        print(f"{row:22}" + "".join(f"{shown(row, value):>12}" for value in values))


if __name__ == "__main__":
    main()
