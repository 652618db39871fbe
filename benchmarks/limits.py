"""The worst requests that the server accepts: the seconds of each, and the memory that the server has at the most.

    python benchmarks/limits.py [--rows N] [--only WORD]

Serves an index of texts from a process of its own and sends it requests at the limits of
`embeddings_orch.server.gate.limits`, one at a time. ``health`` is the longest that /health took meanwhile: what holds
the interpreter keeps all others waiting.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.parquet as pq

from embeddings_orch.pipeline import Pipeline
from embeddings_orch.pipeline.catalog.scan import scan_media
from embeddings_orch.pipeline.checks.run import check_index
from embeddings_orch.pipeline.embeddings.embed import embed
from embeddings_orch.pipeline.indexes.build import build_index
from embeddings_orch.pipeline.published.publish import publish
from embeddings_orch.server.app import create_app
from embeddings_orch.server.gate import limits as most
from embeddings_orch.server.running import address, bind, run
from embeddings_orch.server.settings import ServeSettings
from embeddings_orch.server.shared.served import Served
from embeddings_orch.spec.pipeline import PipelineSpec

WORDS = ("red", "green", "blue", "small", "happy", "sad", "old", "dog", "cat", "boat", "car", "tree", "house", "face")
KEYED = {"keyword": "red"}
SEARCH = "/v1/search"
KEPT = 50.0
"""MiB that a server may have kept of a request; the next kind is sent to a new one."""

BODY = ServeSettings().max_body - 100


def declared(folder: Path) -> PipelineSpec:
    """The pipeline over the texts of a folder."""
    return PipelineSpec.model_validate(
        {
            "name": "bench",
            "store": {"uri": str(folder / "store")},
            "media": {"source": "table", "path": str(folder / "items.parquet")},
            "embeddings": {"toy": {"provider": "counting", "name": "toy", "dim": 64}},
            "indexes": {"found": {"vectors": ["toy"], "full_text": ["caption"]}},
        }
    )


def build(folder: Path, rows: int) -> None:
    """Write the texts, embed, index and publish them."""
    numbers = random.Random(1)
    texts = [f"{' '.join(numbers.choices(WORDS, k=40))} {number}" for number in range(rows)]
    ids = [f"{'shelf/' * 5}item{number}.txt" for number in range(rows)]
    table = pa.table({"id": ids, "text": texts, "caption": texts, "number": pa.array(range(rows))})
    pq.write_table(table, folder / "items.parquet")
    pipeline = Pipeline(declared(folder))
    scan_media(pipeline)
    embed(pipeline, "toy")
    build_index(pipeline, "found")
    check_index(pipeline, "found")
    publish(pipeline, "found")


def serve(folder: Path) -> None:
    """The server's process: its address on the first line."""
    settings = ServeSettings(port=0)
    listening = bind(settings)
    print(address(listening), flush=True)
    run(create_app(Served([declared(folder)]), settings), listening)


@contextmanager
def server(folder: Path) -> Iterator[tuple[str, int]]:
    """A server's address and process."""
    process = subprocess.Popen([sys.executable, __file__, "--serve", str(folder)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip(), process.pid
    finally:
        process.kill()
        process.wait(30)


def cpu_seconds(process: int) -> float:
    """That a process has used so far, as Linux counts them."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def mebibytes(process: int, what: str = "VmRSS") -> float:
    """The memory that a process has, or had at the most (``VmHWM``), as Linux counts it."""
    status = Path(f"/proc/{process}/status").read_text()
    return int(status.partition(f"{what}:")[2].split()[0]) / 1024


class Server:
    """A server that is started anew when it has kept much memory, so that the next kind's shows.

    Args:
        folder: where the index is.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: ExitStack | None = None
        self._kept = 0.0

    def measure(self, name: str, path: str, body: bytes) -> None:
        """Send one request, twice, and print."""
        if self._running is None or self._kept > KEPT:
            self._start()
        before = mebibytes(self._process)
        Path(f"/proc/{self._process}/clear_refs").write_text("5")
        over, waits = threading.Event(), [0.0]

        def ask_health() -> None:
            with httpx.Client(base_url=self._url, timeout=120, trust_env=False) as other:
                while not over.wait(0.02):
                    started = time.perf_counter()
                    other.get("/health")
                    waits.append(time.perf_counter() - started)

        thread = threading.Thread(target=ask_health)
        thread.start()
        seconds: list[tuple[float, float]] = []
        headers = {"Content-Type": "application/json"}
        with httpx.Client(base_url=self._url, timeout=120, trust_env=False) as client:
            for _ in range(2):
                started, used = time.perf_counter(), cpu_seconds(self._process)
                answer = client.post(path, content=body, headers=headers) if body else client.get(path)
                seconds.append((time.perf_counter() - started, cpu_seconds(self._process) - used))
        over.set()
        thread.join()
        slower, used = map(max, zip(*seconds, strict=True))
        peak, self._kept = mebibytes(self._process, "VmHWM") - before, mebibytes(self._process) - before
        print(
            f"{name:24s} {answer.status_code} {slower:6.2f} s, {used:5.2f} s of CPU  {peak:+5.0f} MiB at most  "
            f"{self._kept:+5.0f} after  health {max(waits):5.2f} s  {answer.text[:90]!r}",
            flush=True,
        )

    def stop(self) -> None:
        """End it."""
        if self._running is not None:
            self._running.close()

    def _start(self) -> None:
        self.stop()
        self._running = ExitStack()
        self._url, self._process = self._running.enter_context(server(self._folder))
        for body in ({"text": "red"}, KEYED):
            httpx.post(f"{self._url}{SEARCH}", json=body, timeout=120, trust_env=False).raise_for_status()


def filtered(where: str, **params: Any) -> tuple[str, dict[str, Any]]:
    """A search for a word that most rows have, with a filter."""
    return SEARCH, {**KEYED, "where": where, **({"params": params} if params else {})}


def requests() -> Iterator[tuple[str, tuple[str, Any]]]:
    """Each kind's name, path and body."""
    half = most.PATTERN_WILDCARDS // 2
    ids = [f"{'x' * 95}{number}" for number in range(most.FILTER_VALUES)]
    columns = ["caption"] * (most.FILTER_JOINS + 1)
    yield "like", filtered("caption LIKE :p", p="%e" * most.PATTERN_WILDCARDS + "z")
    yield "ilike", filtered("caption ILIKE :p", p="%e" * most.PATTERN_WILDCARDS + "z")
    yield "like, joined", filtered("caption LIKE " + " || ".join(["'%e%d'"] * (most.FILTER_JOINS + 1)))
    yield "likes", filtered(" OR ".join(f"caption LIKE '%e%{place}'" for place in range(half)))
    yield "regexp, points", filtered("regexp_like(caption, :p)", p="[aeo]" + "." * (most.PATTERN_WILDCARDS - 1) + "z")
    yield "regexp, words", filtered("regexp_like(caption, :p, 'i')", p=r"\w" * most.PATTERN_WILDCARDS)
    yield "regexp, counted", filtered("regexp_like(caption, :p)", p="(?i)[aeo].{12}z")
    yield "regexp, letters", filtered("regexp_like(caption, :p)", p=r"(?i)([\w\s]|\pL){7}z")
    yield "regexp, stars", filtered("regexp_like(caption, :p)", p=r"(\w*|.)*" * (most.PATTERN_WILDCARDS // 5) + "$")
    yield "regexp, parentheses", filtered("regexp_like(caption, :p)", p="(" * most.PATTERNS)
    yield "regexps", filtered(" OR ".join(rf"regexp_like(caption, '\w+ {place}')" for place in range(half)))
    yield "columns, joined", filtered(f"length({' || '.join(columns)}) < 0")
    yield "columns, in an array", filtered(f"array_has([{', '.join(columns[1:])}], 'x')")
    yield "values", filtered("lower(id) NOT IN :ids", ids=ids)
    yield "values, in 50 lists", filtered(" OR ".join(["id IN :ids"] * 50), ids=ids[::50])
    tags = [f"{'x' * 75}{number}" for number in range(most.FILTER_ALL)]
    yield "values, all of them", filtered("array_has_all([caption], :tags)", tags=tags)
    yield "terms", filtered(" OR ".join(["upper(lower(upper(caption))) = 'x'"] * 28))
    yield "a filter's error", filtered("missing IN :ids", ids=ids)
    yield "keywords", (SEARCH, {"keyword": "red " * most.KEYWORDS})
    yield "keywords, hybrid", (SEARCH, {"text": "red " * most.KEYWORDS, "hybrid": True, "candidates": most.OFFSET})
    yield "last page", (SEARCH, {"text": "red", "hybrid": True, "limit": 1000, "offset": most.OFFSET})
    yield "text", (SEARCH, {"text": "red " * (most.TEXT // 4)})
    yield "vector of texts", (SEARCH, {"vector": ["x"] * most.DIMENSIONS})
    yield "keys", (SEARCH, {f"k{number}": 1 for number in range(most.JSON_KEYS)})
    yield "elements", ("/clip/embed_text", {"text": [1] * (most.JSON_VALUES - 9)})
    yield "elements of a union", ("/clip/compare", {"subject": "a", "prompt": [1] * (most.JSON_VALUES - 9)})
    yield "texts", ("/v1/embeddings", {"model": "toy", "input": ["e" * 9_000] * most.INPUTS})
    yield "texts, wide", ("/v1/embeddings", ('{"model": "toy", "input": "' + "e" * BODY + '\U0001f34e"}').encode())
    yield "texts, escaped", ("/v1/embeddings", b'{"model": "toy", "input": "' + rb"\n" * (BODY // 2) + b'"}')
    yield "no JSON", (SEARCH, b"[" * BODY)
    yield "no JSON, texts", (SEARCH, b'"' * BODY)
    yield "a number", (SEARCH, b'{"limit": ' + b"1" * BODY + b"}")
    yield "query string", (f"/v1/indexes?{'&'.join(f'a{number}' for number in range(2_000))}&api_key=x", None)
    yield "name", (f"/v1/indexes/{'f' * most.NAME}/found/facets", None)
    yield "id", (f"/v1/indexes/bench/found/items/{'%27' * most.ID}", None)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--only", default="", help="the kinds whose names have this word")
    asked = parser.parse_args()
    if asked.serve:
        serve(Path(asked.serve))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        build(folder, asked.rows)
        print(f"{asked.rows:,} rows; of two requests the slower")
        served = Server(folder)
        for kind, (path, body) in requests():
            if asked.only in kind:
                encoded = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
                served.measure(kind, path, encoded)
        served.stop()


if __name__ == "__main__":
    main()
