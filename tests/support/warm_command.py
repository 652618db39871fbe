"""``embeddings-orch`` as an executable that shell scripts can call, and that a warm process answers; see warm.py."""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
from pathlib import Path

import warm

# It imports as little as it can: a script may call it often.
SCRIPT = """\
#!{python} -IS
import array, json, os, socket, sys
with socket.socket(socket.AF_UNIX) as asked:
    asked.connect({address!r})
    rights = array.array("i", [0, 1, 2]).tobytes()
    asked.sendmsg([b"."], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
    request = {{"arguments": sys.argv[1:], "cwd": os.getcwd(), "environment": dict(os.environ)}}
    asked.sendall(json.dumps(request).encode())
    asked.shutdown(socket.SHUT_WR)
    status = asked.recv(3)
sys.exit(int(status) if status else "nobody answers any more")
"""


class WarmCommand:
    """Answers the executables that it makes until it is closed; `folder` has what they connect to."""

    def __init__(self, folder: Path) -> None:
        # A socket's path has to be short, and the folder's own may be long.
        self._folder = os.open(folder, os.O_RDONLY)
        self._address = f"/proc/{os.getpid()}/fd/{self._folder}/warm"
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(self._address)
        self._listening.listen()
        self._thread = threading.Thread(target=self._answer, daemon=True)
        self._thread.start()

    def install(self, file: Path) -> None:
        """Write the executable."""
        file.write_text(SCRIPT.format(python=sys.executable, address=self._address))
        file.chmod(0o755)

    def close(self) -> None:
        """Answer no more."""
        self._listening.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listening.close()
        os.close(self._folder)

    def _answer(self) -> None:
        while True:
            try:
                asked, _ = self._listening.accept()
            except OSError:
                return
            with asked:
                _, streams, _, _ = socket.recv_fds(asked, 1, 3)
                with asked.makefile("rb") as lines:
                    request = json.loads(lines.read())
                process = warm.start(
                    "embeddings-orch",
                    *request["arguments"],
                    cwd=request["cwd"],
                    env=request["environment"],
                    **dict(zip(("stdin", "stdout", "stderr"), streams, strict=True)),
                )
                for stream in streams:
                    os.close(stream)
                asked.sendall(str(process.wait() & 0xFF).encode())
