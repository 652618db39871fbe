"""Exact counts of tokens by tiktoken, where its table can be had; it is loaded once for a process.

tiktoken reads the table from ``TIKTOKEN_CACHE_DIR``, else from a folder of its own in the system's temporary one, else
from a server of OpenAI, without a time limit. So a thread loads it, for which nobody waits long.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import tiktoken

logger = logging.getLogger(__name__)

ENCODING = "cl100k_base"
"""What all of OpenAI's embedding models read."""

_PATIENCE = 3.0
_LONGEST_TOKEN = 128
"""Bytes of the longest token of the table: 128 spaces."""


def load_table() -> tiktoken.Encoding:
    """The table, from disk or from the network.

    Raises:
        Exception: whatever tiktoken, requests or the file system say.
    """
    import tiktoken

    return tiktoken.get_encoding(ENCODING)


class TokenCounter:
    """Counts tokens with a table that it loads on first use; safe to call from several threads.

    Args:
        load: gives the table.
        patience: seconds to wait for it, once; it is used as soon as it is there, however late.
        join: waits for the thread that loads it, for so many seconds at most.
    """

    def __init__(
        self,
        load: Callable[[], tiktoken.Encoding] = load_table,
        patience: float = _PATIENCE,
        join: Callable[[threading.Thread, float], None] = threading.Thread.join,
    ) -> None:
        self._load, self._patience, self._join = load, patience, join
        self._lock = threading.Lock()
        self._loading: threading.Thread | None = None
        self._table: tiktoken.Encoding | None = None
        self._waited = threading.Event()

    def count(self, text: str, enough: int) -> int | None:
        """Tokens of a text, None where there is no table.

        Args:
            text: what to count.
            enough: a text that certainly has more is not counted to its end, and this number and one is returned.
        """
        table = self._find_table()
        if table is None:
            return None
        if len(text) > enough * _LONGEST_TOKEN:
            return enough + 1
        try:
            return len(table.encode_ordinary(text))
        except Exception:
            return None  # its regular expressions run out of stack on some texts

    @property
    def available(self) -> bool:
        """Whether there is a table."""
        return self._find_table() is not None

    def _find_table(self) -> tiktoken.Encoding | None:
        if self._table is not None or self._waited.is_set():
            return self._table
        with self._lock:
            if self._loading is None:
                self._loading = threading.Thread(target=self._run, name="tiktoken", daemon=True)
                self._loading.start()
        self._join(self._loading, self._patience)
        self._waited.set()
        return self._table

    def _run(self) -> None:
        try:
            self._table = self._load()
        except Exception as error:
            logger.info("tokens are bounded by bytes: tiktoken has no table (%s: %s)", type(error).__name__, error)


COUNTER = TokenCounter()
"""The one of this process."""
