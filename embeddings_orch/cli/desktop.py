"""The programs of the desktop, where there is one."""

from __future__ import annotations

import os
import sys


def shown(uri: str) -> bool:
    """Open a URI as the desktop does; False where there is no desktop."""
    import webbrowser

    displays = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")
    # Else a browser for terminals could take this one over.
    if sys.platform not in ("darwin", "win32") and not any(os.environ.get(name) for name in displays):
        return False
    return webbrowser.open(uri)
