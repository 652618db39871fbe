"""Promises: the key is in no text that a person, a log or a proxy can see."""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from unittest import SkipTest
from urllib.parse import unquote

from embeddings_orch.errors import ProviderError
from embeddings_orch_testing.remote.base import RemoteBase, embed
from embeddings_orch_testing.servers import Fault


class SecrecyPromises(RemoteBase):
    """Where a key could show."""

    def test_the_key_is_in_no_setting(self) -> None:
        """Only the name of its variable is."""
        self._has_key()
        config = self.make_config()
        self._check_hidden("repr(config)", repr(config))
        self._check_hidden("settings()", json.dumps(config.settings()))
        self._check_hidden("identity()", repr(config.identity()))
        with self.fresh() as step:
            embed(step, self.sample(1))
            self._check_hidden("repr of the embed step", repr(step))
            self._check_hidden("repr of the embedder", repr(step.embedder))
            self._check_hidden("account()", step.embedder.account())

    def test_the_key_is_in_no_error_and_no_traceback(self) -> None:
        """Not even where the provider's own words have it."""
        self._has_key()
        items = self.sample(1)
        for status in (400, 401, 403, 404, 429, 500):
            words = f"the key {self.key} is not for you"
            body = {"error": {"message": words, "code": status, "status": "REFUSED"}, "message": words}
            self.always_meets(Fault.status_code(status, body))
            with self.fresh(retry={"max_retries": 1}) as step:
                try:
                    outcome = embed(step, items)
                except ProviderError as error:
                    trace = "".join(traceback.format_exception(error))
                    self._check_hidden(f"the error of a {status}", f"{error} {error!r} {error.args!r}")
                    self._check_hidden(f"the traceback of a {status}", trace)
                else:
                    self._check_hidden(f"the failure of a {status}", repr(outcome.failures))

    def test_the_key_is_in_no_log_record(self) -> None:
        """Of any logger, at level DEBUG."""
        self._has_key()
        items = self.sample(2)
        with _record_logs() as records:
            with self.fresh() as step:
                embed(step, items)
                self.meets(Fault.status_code(500), Fault.reset(), Fault.page())
                embed(step, items)
            for _, fault in self.terminal().items():
                self.always_meets(fault)
                with self.fresh() as step:
                    try:
                        embed(step, items)
                    except ProviderError:
                        logging.getLogger("conformance").exception("as expected")
        for record in records:
            text = logging.Formatter().format(record)
            self._check_hidden(f"a record of the logger {record.name!r} ({record.levelname})", text)

    def test_the_key_is_in_no_address(self) -> None:
        """Addresses are logged by every proxy on the way."""
        self._has_key()
        embed(self.step, self.sample(2))
        assert self.server.requests, "no request was sent"
        for request in self.server.requests:
            address = f"{unquote(request.path)} {dict(request.query)}"
            assert self.key not in address, f"the key is in the address of {request.method} {request.path}"

    def _has_key(self) -> None:
        if self.key_variable is None:
            raise SkipTest("the provider has no key")

    def _check_hidden(self, where: str, text: str) -> None:
        assert self.key not in text, f"{where} shows the key"


@contextmanager
def _record_logs() -> Iterator[list[logging.LogRecord]]:
    """All records of all loggers, at level DEBUG."""
    records: list[logging.LogRecord] = []

    class Keeper(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            records.append(record)

    keeper = Keeper(logging.DEBUG)
    loggers = [logging.getLogger(), *(logging.getLogger(name) for name in list(logging.root.manager.loggerDict))]
    settings = [(logger, logger.level, logger.propagate, logger.disabled) for logger in loggers]
    disabled = logging.root.manager.disable
    logging.disable(logging.NOTSET)
    for logger in loggers:
        logger.setLevel(logging.DEBUG)
        logger.propagate, logger.disabled = True, False
    logging.getLogger().addHandler(keeper)
    try:
        yield records
    finally:
        logging.getLogger().removeHandler(keeper)
        logging.disable(disabled)
        for logger, level, propagate, off in settings:
            logger.setLevel(level)
            logger.propagate, logger.disabled = propagate, off
