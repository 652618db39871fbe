"""Queries of many clients at once: batched through the model, beside one by one, against real server processes.

Run by hand, on a quiet machine:

    .venv/bin/python benchmarks/serve.py                                    # the emoji, emoji-s, 32 clients
    .venv/bin/python benchmarks/serve.py --clients 1                        # what waiting costs who is alone
    .venv/bin/python benchmarks/serve.py --name ViT-B-32 --pictures 64      # random weights
    .venv/bin/python benchmarks/serve.py --route embeddings                 # the model without the search
    .venv/bin/python benchmarks/serve.py --name counting --delay 0.02       # a call takes 20 ms, however many share it

Three servers of the same index: ``batched`` waits up to 4 ms for more, ``gathered`` batches what came while the model
was busy and waits for nobody, ``one by one`` calls the model for each query alone. They are asked in turns, round after
round, by clients that keep their connection and send the next query when they have the answer to the last. Every query
is another one, so nothing is answered from memory. Clients and servers share the machine's cores; the CPU
shown is the server's alone.
"""

import argparse
import asyncio
import base64
import io
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from images import draw_pictures, save_random_model
from PIL import Image

from embeddings_orch.pipeline import Pipeline
from embeddings_orch.pipeline.catalog.scan import scan_media
from embeddings_orch.pipeline.checks.run import check_index
from embeddings_orch.pipeline.embeddings.embed import embed
from embeddings_orch.pipeline.indexes.build import build_index
from embeddings_orch.pipeline.published.publish import publish
from embeddings_orch.server.app import create_app
from embeddings_orch.server.running import address, bind, run
from embeddings_orch.server.settings import ServeSettings
from embeddings_orch.server.shared.served import Served
from embeddings_orch.spec.pipeline import PipelineSpec

EMOJI = Path(__file__).parent.parent / "definitions" / "data" / "emoji"
SERVERS: dict[str, dict[str, Any]] = {
    "batched": {"wait": 0.004},
    "gathered": {"wait": 0.0},
    "one by one": {"wait": 0.0, "batch_size": 1},
}
WORDS = ("red", "green", "blue", "small", "happy", "sad", "old", "dog", "cat", "boat", "car", "tree", "house", "face")


def declared(store: str, media: str, name: str, *, delay: float = 0.0, batch_size: int = 64) -> PipelineSpec:
    """The pipeline; servers differ in what changes no vector."""
    clip: dict[str, Any] = {"provider": "open-clip", "name": name, "batch_size": batch_size}
    if name == "counting":
        clip.update(provider="counting", dim=128, delay=delay)
    return PipelineSpec.model_validate(
        {
            "name": "bench",
            "store": {"uri": store},
            "media": {"path": media, "include": ["**/*.png", "**/*.jpg"]},
            "embeddings": {"clip": clip},
            "indexes": {"found": {"vectors": ["clip"], "checks": {"max_failed": 1}}},
        }
    )


def build(spec: PipelineSpec) -> int:
    """Embed, index and publish; the number of items."""
    pipeline = Pipeline(spec)
    scan_media(pipeline)
    report = embed(pipeline, "clip")
    build_index(pipeline, "found")
    check_index(pipeline, "found")
    publish(pipeline, "found")
    return report.embedded


def serve(settings: dict[str, Any]) -> None:
    """The server's process: its address on the first line."""
    given = {name: settings[name] for name in ("store", "media", "name", "delay", "batch_size") if name in settings}
    spec = declared(**given)
    serving = ServeSettings(port=0, batch_wait=settings["wait"])
    listening = bind(serving)
    print(address(listening), flush=True)
    run(create_app(Served([spec], serving.batch_wait), serving), listening)


@contextmanager
def server(settings: dict[str, Any]) -> Iterator[tuple[str, int]]:
    """A server's address and process."""
    process = subprocess.Popen(
        [sys.executable, __file__, "--serve", json.dumps(settings)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": str(settings["threads"])},
    )
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip(), process.pid
    finally:
        process.terminate()
        process.wait(30)


class Queries:
    """Queries that were never asked before."""

    def __init__(self, kind: str, route: str, size: tuple[int, int]) -> None:
        self._kind, self._route = kind, route
        self._numbers = itertools.count()
        random = np.random.default_rng(1)
        self._base = random.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)

    def next(self) -> tuple[str, dict[str, Any]]:
        """Path and body."""
        number = next(self._numbers)
        content = self._text(number) if self._kind == "text" else self._picture(number)
        if self._route == "embeddings":
            given = content if self._kind == "text" else {"image": content}
            return "/v1/embeddings", {"model": "clip", "input": given, "input_type": "query"}
        return "/v1/search", {"text": content} if self._kind == "text" else {"image": {"base64": content}}

    def _text(self, number: int) -> str:
        chosen = np.random.default_rng(number).choice(WORDS, 5)
        return f"{' '.join(chosen)} {number}"

    def _picture(self, number: int) -> str:
        pixels = self._base.copy()
        pixels[0, 0] = number % 256, number // 256 % 256, number // 65536
        encoded = io.BytesIO()
        Image.fromarray(pixels).save(encoded, "JPEG", quality=85)
        # The first pixels may be lost in a JPEG; what follows its end is not read, yet makes it another content.
        return base64.b64encode(encoded.getvalue() + number.to_bytes(4, "big")).decode()


async def ask(url: str, queries: Queries, clients: int, seconds: float) -> list[float]:
    """Seconds of each answer."""
    taken: list[float] = []
    limits = httpx.Limits(max_connections=clients, max_keepalive_connections=clients)
    async with httpx.AsyncClient(base_url=url, limits=limits, timeout=120, trust_env=False) as client:
        until = time.perf_counter() + seconds

        async def one() -> None:
            while time.perf_counter() < until:
                path, body = queries.next()
                started = time.perf_counter()
                answer = await client.post(path, json=body)
                answer.raise_for_status()
                taken.append(time.perf_counter() - started)

        await asyncio.gather(*(one() for _ in range(clients)))
    return taken


def cpu_seconds(process: int) -> float:
    """That a process has used so far, as Linux counts them."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(servers: dict[str, tuple[str, int]], asked: argparse.Namespace, kind: str, size: tuple[int, int]) -> None:
    """Ask the servers in turns, and print."""
    queries = Queries(kind, asked.route, size)
    taken: dict[str, list[float]] = {name: [] for name in servers}
    elapsed, used = dict.fromkeys(servers, 0.0), dict.fromkeys(servers, 0.0)
    for url, _ in servers.values():
        asyncio.run(ask(url, queries, asked.clients, 1.0))
    for _ in range(asked.rounds):
        for name, (url, process) in servers.items():
            started, before = time.perf_counter(), cpu_seconds(process)
            taken[name] += asyncio.run(ask(url, queries, asked.clients, asked.seconds))
            elapsed[name] += time.perf_counter() - started
            used[name] += cpu_seconds(process) - before
    print(f"{kind} queries, {asked.clients} clients, /v1/{asked.route}")
    for name, times in taken.items():
        p50, p99 = np.percentile(times, [50, 99]) * 1000
        rate, cpu = len(times) / elapsed[name], used[name] / len(times) * 1000
        print(f"  {name:<11} p50 {p50:7.1f} ms   p99 {p99:7.1f} ms   {rate:6.1f} queries/s   {cpu:5.1f} ms of CPU each")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    parser.add_argument("--name", default="emoji-s", help="a bundled model, counting, or one for random weights")
    parser.add_argument("--delay", type=float, default=0.02, help="seconds of each call of --name counting")
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=6.0, help="of a round of one server")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1, help="of torch, in each server")
    parser.add_argument("--route", default="search", choices=("search", "embeddings"))
    parser.add_argument("--pictures", type=int, default=0, help="items, drawn; 0 for the emoji")
    parser.add_argument("--size", default="72x72", help="of the pictures that are asked for, and drawn")
    asked = parser.parse_args()
    if asked.serve:
        serve(json.loads(asked.serve))
        return
    width, height = (int(side) for side in asked.size.split("x"))
    with tempfile.TemporaryDirectory() as temporary, ExitStack() as stack:
        root = Path(temporary)
        media = EMOJI
        if asked.pictures:
            media = root / "media"
            draw_pictures(media, asked.pictures, (width, height), "jpg")
        known = asked.name == "counting" or asked.name.startswith("emoji")
        name = asked.name if known else save_random_model(asked.name, root / "model")
        items = build(declared(str(root / "store"), str(media), name))
        print(f"{items} items, {asked.name}, pictures of {asked.size}, {asked.rounds} rounds of {asked.seconds:g} s")
        common = {
            "store": str(root / "store"),
            "media": str(media),
            "name": name,
            "threads": asked.threads,
            "delay": asked.delay,
        }
        servers = {one: stack.enter_context(server({**common, **settings})) for one, settings in SERVERS.items()}
        for kind in ("text", "picture"):
            measure(servers, asked, kind, (width, height))


if __name__ == "__main__":
    main()
