"""The tiers stay true: a test without a mark for it that starts a process is an error.

The interpreter tells an audit hook of each process before it starts; multiprocessing's are told of by hand.
"""

from __future__ import annotations

import multiprocessing.util
import os
import sys
from collections.abc import Iterator
from typing import Any

import pytest

MARKS = ("process", "daemon", "browser", "soak")
STARTS = {"subprocess.Popen", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.system"}
HELPERS = {"file", "ldconfig", "lscpu", "uname"}
"""Programs that libraries ask about the machine; they take no time and no part in what is tested."""


CONFORMANCE = {"test_importing_it_loads_no_sdk", "test_the_fingerprint_is_the_same_in_every_process"}
"""Tests of the conformance suites that start a process; what other people subclass has no marks of this repository."""


class Guard:
    """Refuses the processes of the test that runs now, unless it has a mark."""

    def __init__(self) -> None:
        self.refused: list[str] | None = None

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.refused is not None and event in STARTS:
            self.refuse(f"{event}{arguments[:2]}", arguments[0] if arguments else "")

    def refuse(self, start: str, program: Any) -> None:
        """Refuse a start, if there is a test that may not."""
        if self.refused is None or os.path.basename(os.fsdecode(program or "")) in HELPERS:
            return
        self.refused.append(start)
        raise PermissionError(_words(start))


def _words(start: str) -> str:
    return (
        f"a test of the tier without marks starts a process: {start[:300]}\n"
        f"Mark it with @pytest.mark.process (or daemon, browser, soak), see CONTRIBUTING.md."
    )


GUARD = Guard()
sys.addaudithook(GUARD)


def pytest_configure() -> None:
    """Watch multiprocessing, which starts its processes past the hook."""
    start = multiprocessing.util.spawnv_passfds

    def watched(path: bytes, arguments: list[Any], descriptors: Any) -> Any:
        GUARD.refuse(f"multiprocessing{(path, arguments)}", path)
        return start(path, arguments, descriptors)

    multiprocessing.util.spawnv_passfds = watched


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark the tests that are inherited from a conformance suite."""
    if getattr(item, "originalname", "") in CONFORMANCE:
        item.add_marker("process")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Refuse from the first fixture of a test to its last."""
    marked = any(item.get_closest_marker(mark) for mark in MARKS)
    GUARD.refused = None if marked else []
    try:
        return (yield)
    finally:
        GUARD.refused = None


def _fail_where_refused(item: pytest.Item) -> None:
    # A library may have caught the error and gone on.
    if GUARD.refused:
        start, GUARD.refused = GUARD.refused[0], []
        pytest.fail(f"{item.nodeid}: {_words(start)}", pytrace=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    """Fail after fixtures that started a process."""
    yield
    _fail_where_refused(item)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Fail after a test that started a process."""
    yield
    _fail_where_refused(item)
