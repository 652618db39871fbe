"""Servers in processes of their own, for the tests that kill one."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

_SERVE = """
import sys, time
from embeddings_orch_testing.servers.multi2vec import Multi2VecServer
with Multi2VecServer(port=int(sys.argv[1]), model=sys.argv[2]) as server:
    print(server.url, flush=True)
    time.sleep(600)
"""


@dataclass
class Container:
    """A multi2vec-clip server that can be killed and started again at the same address."""

    port: int
    model: str = "ViT-B-32"
    process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", _SERVE, str(self.port), self.model], stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline().strip() == self.url

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.communicate()
            self.process = None


class Clock:
    """Time that passes when a test says so, or somebody sleeps."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.now += seconds
        time.sleep(0.001)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def container() -> Iterator[Callable[..., Container]]:
    """Makes containers, not started yet, at addresses that are free."""
    made: list[Container] = []

    def make(model: str = "ViT-B-32") -> Container:
        made.append(Container(free_port(), model))
        return made[-1]

    yield make
    for one in made:
        one.kill()


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port
