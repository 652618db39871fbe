"""Another Python process."""

from __future__ import annotations

import os
import subprocess
import sys


def python(code: str, *arguments: str, stdin: str = "", **environment: str) -> str:
    """What a fresh Python prints that finds the modules which this one finds."""
    path = os.pathsep.join(part for part in sys.path if part)
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={**os.environ, "PYTHONPATH": path, **environment},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
