"""One client of OpenAI's SDK: a request's texts in, the bytes of its answer out."""

from __future__ import annotations

import time
from typing import Any

from embeddings_orch.models import ProviderError, TransientError, shows_secret
from embeddings_orch_plugins.openai.config import OpenAIConfig
from embeddings_orch_plugins.openai.errors import translate_error

_NO_KEY = "none"
"""Stands for a key in the SDK, which wants one; it is not sent."""


class Client:
    """Safe to use from several threads.

    Args:
        config: settings.
        key: None where the server has none.

    Attributes:
        address: where requests go.
    """

    def __init__(self, config: OpenAIConfig, key: str | None) -> None:
        import openai

        self.config = config
        self.address = config.address
        self._other = config.other_address
        self._headers = {} if key else {"Authorization": openai.omit}
        self._sdk = openai.OpenAI(
            api_key=key or _NO_KEY,
            base_url=config.address,
            organization=config.organization,
            timeout=config.timeout,
            max_retries=0,
        )

    def ask(self, texts: list[str]) -> bytes:
        """The bytes of the answer; finds out once whether the server's paths begin with ``/v1``.

        Raises:
            ProviderError: there is no whole answer.
        """
        import openai

        try:
            return self._ask(self.address, texts)
        except openai.NotFoundError as error:
            first = translate_error(error, self.address)
            # An unknown model is a 404 as well, and the address is right then.
            if self._other is None or self.address == self._other or "model" in str(first).lower():
                raise first from _cause_to_show(error)
        try:
            answer = self._ask(self._other, texts)
        except openai.NotFoundError as error:
            raise first from _cause_to_show(error)
        self.address = self._other
        return answer

    def close(self) -> None:
        """Close the connections."""
        self._sdk.close()

    def _ask(self, address: str, texts: list[str]) -> bytes:
        import openai

        sdk = self._sdk if address == self.config.address else self._sdk.with_options(base_url=address)
        until = time.monotonic() + self.config.timeout
        try:
            with sdk.embeddings.with_streaming_response.create(
                model=self.config.name,
                input=texts,
                dimensions=self.config.dimensions or openai.omit,
                # A fraction of the time that floats take to read; a server that does not know it sends floats.
                encoding_format="base64",
                extra_headers=self._headers,
            ) as answer:
                return self._read(answer, until)
        except openai.NotFoundError:
            raise
        except openai.OpenAIError as error:
            known = translate_error(error, address, count=len(texts), ours=self.config.base_url is not None)
            raise known from _cause_to_show(error)

    def _read(self, answer: Any, until: float) -> bytes:
        pieces = []
        try:
            for piece in answer.iter_bytes():
                pieces.append(piece)
                # The SDK's timeout is one for each piece: a server that drips would be waited for without end.
                if time.monotonic() > until:
                    raise TransientError(f"the answer was not whole within {self.config.timeout:g} s")
        except ProviderError:
            raise
        except Exception as error:
            raise TransientError(
                f"the connection to {self.address} broke in the middle of an answer: {type(error).__name__}: {error}"
            ) from error
        return b"".join(pieces)


def _cause_to_show(error: Exception) -> Exception | None:
    """An error as the cause of another; not where the server's words have the key in them."""
    return None if shows_secret(error) else error
