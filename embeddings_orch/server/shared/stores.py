"""Whether the stores of what is served can be read."""

from __future__ import annotations

import asyncio

from embeddings_orch.errors import EmbeddingsOrchError
from embeddings_orch.server.shared.served import Served
from embeddings_orch.server.shared.threads import Lanes


class StoreHealth:
    """Looks at the stores; all who ask meanwhile share one look, so that none is sent away."""

    def __init__(self, served: Served, lanes: Lanes) -> None:
        self._served = served
        self._lanes = lanes
        self._look: asyncio.Task[list[str]] | None = None

    async def broken(self) -> list[str]:
        """The indexes, as ``pipeline/index``, whose stores cannot be read.

        Raises:
            HttpProblem: 504, it took too long.
        """
        if self._look is None or self._look.done():
            look = self._lanes.run(" health", lambda: unreadable(self._served), at_once=1)
            self._look = asyncio.ensure_future(look)
        # One who goes away takes the look from nobody.
        return await asyncio.shield(self._look)


def unreadable(served: Served) -> list[str]:
    """The indexes, as ``pipeline/index``, whose stores cannot be read."""
    broken: list[str] = []
    for served_index in served.indexes:
        try:
            served_index.pointer()
        except EmbeddingsOrchError:
            broken.append(served_index.key)
    return broken
