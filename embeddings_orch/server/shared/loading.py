"""Loads the models when the server starts, and lets go of them when it stops; neither keeps it waiting."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from embeddings_orch.errors import EmbeddingsOrchError
from embeddings_orch.server.gate.observed import record
from embeddings_orch.server.shared.served import Served, ServedIndex

_log = logging.getLogger("embeddings_orch.serve")


def load_models(served: Served, states: dict[str, str]) -> None:
    """Load the models of what is published, one after the other, in a thread.

    Only those on this machine: a provider might charge for it.

    Args:
        served: the indexes.
        states: gets ``loading``, then ``ready``, ``not published``, ``failed`` or ``failed (type of the error)`` by
            ``pipeline/index``.
    """
    states.update((served_index.key, "loading") for served_index in served.indexes)
    threading.Thread(target=lambda: _load(served, states), name="load-models", daemon=True).start()


def end_within(seconds: float, end: Callable[[], None]) -> None:
    """Call what may hang, and wait for it so long at the most."""
    thread = threading.Thread(target=end, name="end", daemon=True)
    thread.start()
    thread.join(seconds)


def _load(served: Served, states: dict[str, str]) -> None:
    for served_index in served.indexes:
        try:
            states[served_index.key] = _load_index(served_index)
        except EmbeddingsOrchError as error:
            states[served_index.key] = "failed"
            _log.warning("the models of %s cannot be loaded: %s", served_index.key, error)
        except Exception as error:
            # A plugin's own, whose text may hold anything.
            states[served_index.key] = f"failed ({type(error).__name__})"
            record(f"loading the models of {served_index.key}", error)


def _load_index(served_index: ServedIndex) -> str:
    if served_index.pointer().generation is None:
        return "not published"
    for model in served_index.generation().models:
        served_index.index.model(model).load()
    return "ready"
