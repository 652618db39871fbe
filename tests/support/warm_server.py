"""A process that has imported much, and forks for each program that it is asked to run; see warm.py.

Arguments: the number of a socket, and the modules to import. A request is a JSON object with the descriptors of the
program's standard input, output and error, and of a socket that its process id and its exit status are told on.
"""

from __future__ import annotations

import array
import contextlib
import gc
import importlib
import json
import os
import runpy
import selectors
import signal
import socket
import sys
import traceback
import warnings
from typing import Any

Request = dict[str, Any]


def receive(requests: socket.socket) -> tuple[Request, list[int]] | None:
    """The next request with its descriptors; None when nobody asks any more."""
    size = array.array("i")
    head, ancillary, _, _ = requests.recvmsg(8, socket.CMSG_SPACE(4 * size.itemsize))
    if not head:
        return None
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            size.frombytes(data)
    length, body = int.from_bytes(head, "big"), b""
    while len(body) < length:
        body += requests.recv(length - len(body))
    return json.loads(body), list(size)


def serve(requests: socket.socket) -> Request:
    """Fork until nobody asks any more; returns in each child, with what it is to do."""
    children: dict[int, socket.socket] = {}
    woken, wake = socket.socketpair()
    for end in (woken, wake):
        end.setblocking(False)
    signal.set_wakeup_fd(wake.fileno())
    signal.signal(signal.SIGCHLD, lambda *_: None)
    # What a terminal sends to all is for the children.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with selectors.DefaultSelector() as selector:
        selector.register(woken, selectors.EVENT_READ)
        selector.register(requests, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is woken:
                    woken.recv(4096)
                    tell(children)
                    continue
                received = receive(requests)
                if received is None:
                    os._exit(0)
                request, (told, *streams) = received
                process = os.fork()
                if process == 0:
                    become(request, streams)
                    for end in (requests, woken, wake, *children.values()):
                        end.close()
                    os.close(told)
                    return request
                children[process] = socket.socket(fileno=told)
                children[process].sendall(process.to_bytes(8, "big"))
                for descriptor in streams:
                    os.close(descriptor)


def tell(children: dict[int, socket.socket]) -> None:
    """Tell the status of each child that has ended."""
    for process in list(children):
        ended, status = os.waitpid(process, os.WNOHANG)
        if ended:
            with children.pop(process) as told, contextlib.suppress(OSError):
                told.sendall(os.waitstatus_to_exitcode(status).to_bytes(8, "big", signed=True))


def become(request: Request, streams: list[int]) -> None:
    """Give the child what a process that was just started has: signals, streams, folder, environment."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number, descriptor in enumerate(streams):
        os.dup2(descriptor, number)
        os.close(descriptor)
    encoding = request["environment"].get("PYTHONIOENCODING") or "utf-8"
    lines = 1 if os.isatty(1) else -1
    sys.stdin = os.fdopen(0, encoding=encoding, closefd=False)
    sys.stdout = os.fdopen(1, "w", lines, encoding=encoding, closefd=False)
    sys.stderr = os.fdopen(2, "w", 1, encoding=encoding, errors="backslashreplace", closefd=False)
    sys.__stdin__, sys.__stdout__, sys.__stderr__ = sys.stdin, sys.stdout, sys.stderr
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["environment"])
    for folder in reversed(os.environ.get("PYTHONPATH", "").split(os.pathsep)):
        if folder and folder not in sys.path:
            sys.path.insert(0, folder)
    if os.environ.get("PYTHONWARNINGS") == "always":
        warnings.simplefilter("always")
    importlib.invalidate_caches()


def run(request: Request) -> None:
    """Run a program: a function of a module (``module:name``), a file, or code."""
    program, sys.argv = request["program"], request["argv"]
    if request["kind"] == "function":
        module, _, name = program.partition(":")
        sys.exit(getattr(importlib.import_module(module), name)())
    elif request["kind"] == "file":
        runpy.run_path(program, run_name="__main__")
    else:
        main = type(sys)("__main__")
        sys.modules["__main__"] = main
        exec(compile(program, "<string>", "exec"), main.__dict__)


def main() -> None:
    """Import, serve, and in a child run."""
    requests = socket.socket(fileno=int(sys.argv[1]))
    requests.set_inheritable(False)
    for name in sys.argv[2:]:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    gc.collect()
    gc.freeze()
    request = serve(requests)
    try:
        run(request)
    except Exception:
        traceback.print_exc()
        sys.exit(1)


if __name__ == "__main__":
    main()
