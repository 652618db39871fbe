"""Programs in processes of their own that need not import anew what nearly all of them import.

A server that has imported Dagster, pyarrow and this package forks for each (see warm_server.py). Such a process has its
own arguments, folder, environment, streams, signals and exit status. What is about the start itself (what is imported,
what Python reads from the environment before the first line) belongs into a process that is started cold.

LanceDB is not imported before the fork: its import starts threads, and no thread lives on in a child.
"""

from __future__ import annotations

import array
import atexit
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, TypedDict, Unpack

COMMAND = (
    "quick_sqlite",
    *("dagster", "dagster._core.storage.sqlite_storage", "dagster._core.storage.local_compute_log_manager"),
    *("dagster._core.run_coordinator.default_run_coordinator", "dagster._core.launcher.default_run_launcher"),
    *("alembic.command", "sqlalchemy.dialects.sqlite", "sqlalchemy.dialects.sqlite.pysqlite", "structlog"),
    *("pyarrow.dataset", "pyarrow.compute", "pandas", "lance_namespace", "tqdm", "deprecation", "overrides"),
    *(
        "numpy",
        "PIL.PngImagePlugin",
        "PIL.JpegImagePlugin",
        "yaml",
        "xml.etree.ElementTree",
        "upath",
        "watchdog.events",
    ),
    *("watchdog.events", "rich.console", "rich.table", "rich.progress", "pygments.lexers", "concurrent.futures.thread"),
    *("embeddings_orch.cli", "embeddings_orch.dagster.definitions", "embeddings_orch.dagster.runs.local"),
    *("embeddings_orch.dagster.automation.sensors", "embeddings_orch.pipeline.garbage.collect"),
    *("embeddings_orch.search", "embeddings_orch.pipeline.plan.plan", "embeddings_orch_testing.counting"),
)
SERVE = (*COMMAND, "embeddings_orch.server.app", "embeddings_orch.server.running")
DG = (*COMMAND, "dagster_dg_cli.cli", "dagster._cli")
PROGRAMS = {
    "embeddings-orch": "embeddings_orch.cli:main",
    "dg": "dagster_dg_cli.cli:main",
    "dagster": "dagster._cli:main",
}


class Server:
    """The process that forks; it ends with this one."""

    def __init__(self, modules: Sequence[str]) -> None:
        self.lock = threading.Lock()
        self.requests, theirs = socket.socketpair()
        script = Path(__file__).with_name("warm_server.py")
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, script, str(theirs.fileno()), *modules],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        atexit.register(self.stop)

    def ask(self, request: object, descriptors: Sequence[int]) -> None:
        body = json.dumps(request).encode()
        rights = array.array("i", descriptors)
        with self.lock:
            self.requests.sendmsg(
                [len(body).to_bytes(8, "big")], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights.tobytes())]
            )
            self.requests.sendall(body)

    def stop(self) -> None:
        self.requests.close()
        self.process.wait()


_SERVERS: dict[Sequence[str], Server] = {}
_LOCK = threading.Lock()


def server(modules: Sequence[str]) -> Server:
    """The server of this process with these modules; started when it is first needed."""
    with _LOCK:
        if modules not in _SERVERS:
            _SERVERS[modules] = Server(modules)
        return _SERVERS[modules]


class Options(TypedDict, total=False):
    """How a program is started; see `Process`."""

    cwd: Path | str | None
    env: Mapping[str, str] | None
    stdin: int | None
    stdout: int | None
    stderr: int | None
    modules: Sequence[str]


class Process:
    """A program that runs; used as `subprocess.Popen` with text in pipes.

    Args:
        program: what it is (``function``, ``file`` or ``code``), and its name or text.
        argv: what it finds in `sys.argv`.
        modules: that are imported before it starts.

    Attributes:
        pid: its process id.
        returncode: its exit status, negative for the signal that ended it; None before `wait` or `poll` saw the end.
        stdin, stdout, stderr: our ends of its streams; None where a descriptor was given.
    """

    def __init__(
        self,
        program: tuple[str, str],
        argv: Sequence[object],
        *,
        cwd: Path | str | None = None,
        env: Mapping[str, str] | None = None,
        stdin: int | None = None,
        stdout: int | None = None,
        stderr: int | None = None,
        modules: Sequence[str] = COMMAND,
    ) -> None:
        self.returncode: int | None = None
        self._ended, told = socket.socketpair()
        theirs: list[int] = []

        def pipe(given: int | None, mode: str) -> tuple[int, IO[str] | None]:
            """The descriptor for the program, and our end where none is given."""
            if given is not None:
                return given, None
            reading, writing = os.pipe()
            ours, its = (writing, reading) if mode == "w" else (reading, writing)
            theirs.append(its)
            return its, os.fdopen(ours, mode, encoding="utf-8", errors="backslashreplace")

        its_in, self.stdin = pipe(stdin, "w")
        its_out, self.stdout = pipe(stdout, "r")
        its_err, self.stderr = pipe(stderr, "r")
        environment = dict(os.environ if env is None else env)
        request = {
            "kind": program[0],
            "program": program[1],
            "argv": [str(argument) for argument in argv],
            "cwd": str(cwd or Path.cwd()),
            "environment": {str(name): str(value) for name, value in environment.items()},
        }
        with told:
            server(modules).ask(request, [told.fileno(), its_in, its_out, its_err])
        for descriptor in theirs:
            os.close(descriptor)
        self.pid = int.from_bytes(self._receive(), "big")

    def _receive(self) -> bytes:
        data = b""
        while len(data) < 8:
            part = self._ended.recv(8 - len(data))
            if not part:
                raise OSError("the server of warm processes has ended")
            data += part
        return data

    def wait(self, timeout: float | None = None) -> int:
        """The exit status; `subprocess.TimeoutExpired` after so many seconds."""
        if self.returncode is None:
            self._ended.settimeout(timeout)
            try:
                self.returncode = int.from_bytes(self._receive(), "big", signed=True)
            except (BlockingIOError, TimeoutError):
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0) from None
            self._ended.close()
        return self.returncode

    def poll(self) -> int | None:
        """The exit status, or None while it runs."""
        try:
            return self.wait(0)
        except subprocess.TimeoutExpired:
            return None

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Close its input, and read both streams to their ends."""
        deadline = None if timeout is None else time.monotonic() + timeout
        said: dict[str, str] = {}
        threads = [
            threading.Thread(target=lambda name=name: said.update({name: getattr(self, name).read()}), daemon=True)
            for name in ("stdout", "stderr")
            if getattr(self, name) and not getattr(self, name).closed
        ]
        if self.stdin and not self.stdin.closed:
            self.stdin.close()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(None if deadline is None else max(0, deadline - time.monotonic()))
            if thread.is_alive():
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
        self.wait(None if deadline is None else max(0.01, deadline - time.monotonic()))
        for stream in (self.stdout, self.stderr):
            if stream:
                stream.close()
        return said.get("stdout", ""), said.get("stderr", "")

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it at once, if it has not ended."""
        self.send_signal(9)

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: object) -> None:
        for stream in (self.stdin, self.stdout, self.stderr):
            if stream:
                stream.close()
        self.wait()


def start(name: str, *arguments: object, **options: Unpack[Options]) -> Process:
    """Start an installed command: ``embeddings-orch``, ``dg`` or ``dagster``; options as of `Process`."""
    options.setdefault("modules", COMMAND if name == "embeddings-orch" else DG)
    script = str(Path(sys.executable).with_name(name))
    return Process(("function", PROGRAMS[name]), [script, *arguments], **options)


def start_file(file: Path, *arguments: object, **options: Unpack[Options]) -> Process:
    """Start a Python file."""
    return Process(("file", str(file)), [file, *arguments], **options)


def start_code(code: str, *arguments: object, **options: Unpack[Options]) -> Process:
    """Start Python code, as ``python -c`` does."""
    return Process(("code", code), ["-c", *arguments], **options)


def run(
    name: str, *arguments: object, timeout: float = 300, **options: Unpack[Options]
) -> subprocess.CompletedProcess[str]:
    """Run an installed command to its end, as `subprocess.run` does with its output captured."""
    process = start(name, *arguments, **options)
    out, err = process.communicate(timeout)
    return subprocess.CompletedProcess([name, *map(str, arguments)], process.wait(), out, err)
