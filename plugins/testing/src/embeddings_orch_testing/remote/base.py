"""What the promises of remote providers share: the server, the key, configs that differ in one setting."""

from __future__ import annotations

import os
import secrets
import tempfile
import threading
import time
import unittest
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

import numpy as np

from embeddings_orch.embedding.outcome import Outcome, Prepared
from embeddings_orch.embedding.step import EmbedStep
from embeddings_orch.errors import TerminalError
from embeddings_orch.models.base import EmbedderConfig
from embeddings_orch.models.content import Item, Modality, Vectors
from embeddings_orch_testing.conformance import EmbedderConformance
from embeddings_orch_testing.conformance.base import good, unit
from embeddings_orch_testing.conformance.samples import item_of
from embeddings_orch_testing.servers import Fault, LoopbackServer, RecordedRequest

_SHORT = {"initial_wait": 0.01, "max_wait": 0.01}


class Hours:
    """Time in which nobody waits: a sleep only puts the clock forward."""

    def __init__(self) -> None:
        self.slept: list[float] = []
        self._lock = threading.Lock()
        self._ahead = 0.0

    def clock(self) -> float:
        """Seconds, monotonic."""
        return time.monotonic() + self._ahead

    def sleep(self, seconds: float) -> None:
        """Be so much later at once."""
        with self._lock:
            self.slept.append(seconds)
            self._ahead += seconds


class RemoteBase(EmbedderConformance):
    """A server for each class of tests, and ways to embed with it.

    Attributes:
        key: what the server takes as the key, and `key_variable` holds; another for each class that says none.
        key_variable: the environment variable with the key, None for a provider without one.
        server: started, one for the class; its faults and requests are forgotten before each promise.
    """

    key: ClassVar[str] = ""
    key_variable: ClassVar[str | None] = None
    server: ClassVar[LoopbackServer]

    _environment: ClassVar[dict[str, str | None]]
    _cache: ClassVar[tempfile.TemporaryDirectory[str]]

    # What a plugin gives

    def make_server(self) -> LoopbackServer:
        """The provider's server, not started."""
        raise NotImplementedError(f"{type(self).__name__} has to say make_server()")

    def malformed(self) -> Mapping[str, Fault]:
        """By name, faults that make an answer unusable: a vector too few, too many, text instead of numbers."""
        return {}

    def reordered(self) -> Fault | None:
        """A fault that gives the vectors in another order with their indexes, where the protocol has indexes."""
        return None

    def terminal(self) -> Mapping[str, Fault]:
        """By name, refusals after which no request can succeed: a wrong key, an unknown model, an exhausted quota."""
        return {}

    def counted(self, request: RecordedRequest) -> bool:
        """Whether a request is one for vectors; by default each that is no GET."""
        return request.method != "GET"

    def make_rejected(self, modality: Modality, mark: str) -> Item | None:
        """An item that a server refuses whose ``reject`` is ``mark``; None where there is none of this modality."""
        if modality == "text":
            return item_of("text", f"a text with {mark} in it")
        if modality == "image":
            return item_of("image", self.make_images(1)[0] + mark.encode())
        return None

    # The class's server

    @classmethod
    def setup_class(cls) -> None:
        """Start the server and set the key; pytest calls it."""
        suite = cls()
        # Of its own: what another class had read is taken out of this one's messages too.
        cls.key = cls.key or f"conformance-{secrets.token_hex(8)}"
        cls._cache = tempfile.TemporaryDirectory()
        cls._environment = {}
        # The rate limits' state is none of the user's.
        cls._set("XDG_CACHE_HOME", cls._cache.name)
        if cls.key_variable is not None:
            cls._set(cls.key_variable, cls.key)
        cls.server = suite.make_server()
        cls.server.key = cls.key if cls.key_variable is not None else None
        cls.server.__enter__()

    @classmethod
    def teardown_class(cls) -> None:
        """Stop the server, release the client, set the environment back; pytest calls it."""
        super().teardown_class()
        cls.server.__exit__(None, None, None)
        for variable, value in cls._environment.items():
            if value is None:
                os.environ.pop(variable, None)
            else:
                os.environ[variable] = value
        cls._cache.cleanup()

    @classmethod
    def _set(cls, variable: str, value: str) -> None:
        cls._environment.setdefault(variable, os.environ.get(variable))
        os.environ[variable] = value

    def setup_method(self) -> None:
        """Forget faults, requests and refusals; pytest calls it before each promise."""
        self.calm()
        server = self.server
        server.reject, server.latency = "", 0.0
        server.key = self.key if self.key_variable is not None else None

    def teardown_method(self) -> None:
        """Leave the server as it was; pytest calls it after each promise."""
        self.setup_method()

    def calm(self) -> None:
        """Forget faults and requests."""
        self.server.faults.clear()
        self.server.clear()

    # How to embed

    def config_with(self, **changes: Any) -> EmbedderConfig:
        """`make_config` with short waits between retries, and other settings.

        Raises:
            unittest.SkipTest: the config has no such setting.
        """
        config = self.make_config()
        if missing := [name for name in changes if name not in type(config).model_fields]:
            raise unittest.SkipTest(f"the config has no {', '.join(missing)}")
        settings = config.settings()
        retry = {**settings["retry"], **_SHORT, **changes.pop("retry", {})}
        return type(config).model_validate({**settings, **changes, "retry": retry})

    @contextmanager
    def fresh(self, hours: Hours | None = None, **changes: Any) -> Iterator[EmbedStep]:
        """A new step of `config_with`, in which nobody waits between retries."""
        hours = hours or Hours()
        step = EmbedStep(self.config_with(**changes), clock=hours.clock, sleep=hours.sleep)
        try:
            yield step
        finally:
            step.close()

    def sample(self, count: int) -> list[Item]:
        """Items of one modality: texts, where it reads them."""
        reads = self.step.embedder.modalities
        return self.one_modality(count, "text" if "text" in reads else None)

    def meets(self, *faults: Fault) -> None:
        """The next requests for vectors meet these faults, in order; any other request is answered."""
        self.calm()
        left = deque(faults)
        lock = threading.Lock()

        def rule(request: RecordedRequest) -> Fault | None:
            with lock:
                return left.popleft() if left and self.counted(request) else None

        self.server.faults.when(rule)

    def always_meets(self, fault: Fault) -> None:
        """Every request for vectors meets this fault."""
        self.calm()
        self.server.faults.when(lambda request: fault if self.counted(request) else None)

    def count_sent(self) -> int:
        """Requests for vectors that reached the server."""
        return sum(self.counted(request) for request in list(self.server.requests))


def prepare(step: EmbedStep, items: Sequence[Item]) -> list[Prepared]:
    """The items, decoded."""
    return [good(step.prepare(item)) for item in items]


def embed(step: EmbedStep, items: Sequence[Item]) -> Outcome:
    """What becomes of a batch."""
    return step(prepare(step, items))


def right(suite: RemoteBase, items: Sequence[Item]) -> dict[bytes, Vectors]:
    """The vectors without any fault, by key."""
    suite.calm()
    outcome = embed(suite.step, items)
    assert not outcome.failures, f"a sample failed without any fault: {outcome.failures[0].reason}"
    return dict(zip(outcome.keys, outcome.vectors, strict=True))


def compare(suite: RemoteBase, outcome: Outcome, expected: Mapping[bytes, Vectors], what: str) -> None:
    """Nothing but right vectors came out, whatever is missing."""
    assert len(outcome.keys) == len(outcome.vectors), (
        f"{what}: {len(outcome.vectors)} vectors, {len(outcome.keys)} keys"
    )
    for key, vector in zip(outcome.keys, outcome.vectors, strict=True):
        right_vector = expected[key]
        assert vector.shape == right_vector.shape, (
            f"{what}: a vector of {len(vector)} numbers, not of {len(right_vector)}"
        )
        apart = float(np.linalg.norm(unit(vector[None]) - unit(right_vector[None])))
        assert apart <= suite.tolerance, f"{what}: an item has another vector than without it ({apart:.2g} apart)"


def stop_of(step: EmbedStep, items: Sequence[Item], what: str) -> TerminalError:
    """The error that embedding stops with."""
    try:
        outcome = embed(step, items)
    except TerminalError as error:
        return error
    end = outcome.failures[0].reason if outcome.failures else f"{len(outcome.keys)} vectors"
    raise AssertionError(f"{what}: no TerminalError, but {end}")
