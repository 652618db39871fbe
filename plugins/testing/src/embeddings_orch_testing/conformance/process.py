"""Other Python processes. They stay and answer again, since a start takes longer than any answer."""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
import threading
from typing import Any

_TIMEOUT = 120.0
_SERVE = """
import json, os, sys, traceback

answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)  # what is printed is no answer
for line in sys.stdin:
    code, arguments, environment, folder = json.loads(line)
    try:
        os.environ.clear()
        os.environ.update(environment)
        os.chdir(folder)
        names = {}
        exec(code, names)
        said = {"answer": names["answer"](*arguments)}
    except BaseException:
        said = {"error": traceback.format_exc()}
    print(json.dumps(said), file=answers, flush=True)
"""

_running: dict[tuple[str, str], subprocess.Popen[str]] = {}
"""By hash seed and path of modules."""


def ask_other_process(code: str, *arguments: Any, seed: str = "0") -> Any:
    """What the function ``answer`` of some code returns in another Python, which finds the modules that this one finds.

    It has this process's environment and folder of now, and whatever it was asked before has been imported there.

    Args:
        code: defines ``answer``.
        arguments: of ``answer``; as its result, of types that JSON has.
        seed: the other Python's ``PYTHONHASHSEED``.
    """
    key = _key(seed)
    process = _running.get(key)
    if process is None or process.poll() is not None:
        process = _running[key] = _start(*key)
    assert process.stdin is not None
    assert process.stdout is not None
    # Who hangs is stopped, and its answer is an empty line.
    timer = threading.Timer(_TIMEOUT, process.kill)
    timer.start()
    try:
        process.stdin.write(json.dumps([code, arguments, dict(os.environ), os.getcwd()]) + "\n")
        process.stdin.flush()
        line = process.stdout.readline()
    finally:
        timer.cancel()
    assert line, f"the other Python ended with status {process.wait()}, or gave no answer within {_TIMEOUT:.0f} s"
    said = json.loads(line)
    assert "answer" in said, said["error"]
    return said["answer"]


def stop_other_process(seed: str = "0") -> None:
    """What is asked next is asked of a new one."""
    if process := _running.pop(_key(seed), None):
        _stop(process)


def _key(seed: str) -> tuple[str, str]:
    return seed, os.pathsep.join(part for part in sys.path if part)


def _start(seed: str, path: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", _SERVE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": seed},
    )


def _stop(process: subprocess.Popen[str]) -> None:
    process.kill()
    with process:
        pass


@atexit.register
def _stop_all() -> None:
    while _running:
        _stop(_running.popitem()[1])
