"""Log records without secrets, whichever library writes them and wherever they go."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from typing import Any


def hide_in_logs(redact: Callable[[str], str], shows_secret: Callable[[BaseException], bool]) -> None:
    """Have every log record of this process made without secrets, from now on.

    SDKs log addresses, headers and bodies at level DEBUG, and whoever catches an error logs its traceback: a filter on
    one logger or handler sees but some of it.

    Args:
        redact: takes secrets out of a text.
        shows_secret: whether an error, or one that it came from, has one.
    """
    make = logging.getLogRecordFactory()
    if not isinstance(make, _WithoutSecrets):
        logging.setLogRecordFactory(_WithoutSecrets(make, redact, shows_secret))


class _WithoutSecrets:
    """Makes log records as another factory does, and hides secrets in them."""

    def __init__(
        self,
        make: Callable[..., logging.LogRecord],
        redact: Callable[[str], str],
        shows_secret: Callable[[BaseException], bool],
    ) -> None:
        self._make, self._redact, self._shows_secret = make, redact, shows_secret

    def __call__(self, *args: Any, **options: Any) -> logging.LogRecord:
        record = self._make(*args, **options)
        _hide(record, self._redact, self._shows_secret)
        return record


def _hide(
    record: logging.LogRecord, redact: Callable[[str], str], shows_secret: Callable[[BaseException], bool]
) -> None:
    try:
        message = record.getMessage()
    except Exception:
        return  # its handler reports what is wrong with it
    if (shown := redact(message)) != message:
        record.msg, record.args = shown, ()
    error = record.exc_info[1] if record.exc_info else None
    if error is not None and shows_secret(error):
        record.exc_text = redact("".join(traceback.format_exception(error)).rstrip())
        record.exc_info = None
