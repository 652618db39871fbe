"""The Dagster instance that commands record their work in."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from embeddings_orch.errors import EmbeddingsOrchError

if TYPE_CHECKING:
    import dagster as dg


@contextmanager
def _one_at_a_time(home: Path) -> Iterator[None]:
    """Two processes that make Dagster's SQLite files in the same instant can leave them unusable."""
    with ExitStack() as held:
        if sys.platform != "win32":
            import fcntl

            # A home that cannot be written to has no SQLite files to make.
            with suppress(OSError):
                fcntl.flock(held.enter_context((home / ".opening").open("w")), fcntl.LOCK_EX)
        yield


@contextmanager
def dagster_instance(home: Path) -> Iterator[dg.DagsterInstance]:
    """The instance of a prepared Dagster home.

    Raises:
        EmbeddingsOrchError: it cannot be used.
    """
    import dagster as dg

    try:
        with _one_at_a_time(home):
            instance = dg.DagsterInstance.get()
    # YAML's, Dagster's, SQLAlchemy's, or of whatever class the file names.
    except Exception as error:
        raise EmbeddingsOrchError(
            f"the Dagster home {home} cannot be used: {home / 'dagster.yaml'} or the files beside it are the reason: "
            f"{short(error)}"
        ) from error
    with instance:
        yield instance


def short(error: BaseException) -> str:
    """An error's message in one line."""
    text = str(error).strip() or type(error).__name__
    return "; ".join(line.strip() for line in text.splitlines() if line.strip())[:600]
