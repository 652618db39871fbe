"""Makes the odd files beside it: python tests/data/odd/make.py. What must come of each stands in manifest.yaml.

A new case is a file here, or a line of one of the modules imported below that makes it, and a line in the manifest.
"""

from __future__ import annotations

import sys
from pathlib import Path

ODD = Path(__file__).parent
sys.path.insert(0, str(ODD.parents[1] / "support"))

from odd_files import make_files  # noqa: E402

if __name__ == "__main__":
    for name, content in make_files().items():
        path = ODD / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
