"""Requests to a provider: their turn, cost and retries, what errors mean, whether an answer can be used."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from embeddings_orch.embedding.outcome import Usage
from embeddings_orch.errors import (
    BudgetError,
    ProviderError,
    RateLimitedError,
    SuspectError,
    TerminalError,
    TransientError,
)
from embeddings_orch.models.base import Batch, Embedder, EmbedderConfig, EmbedResult
from embeddings_orch.models.content import Vectors
from embeddings_orch.policy.limiter import Limiter
from embeddings_orch.policy.prices import Budget
from embeddings_orch.policy.retry import Retrier
from embeddings_orch.policy.secrets import redact, shows_secret
from embeddings_orch.policy.stopping import Stop
from embeddings_orch.policy.throttle import Throttle


class Requester:
    """Sends requests for the threads of an embed step and its twins.

    Args:
        config: of the embedder.
        clock: seconds, monotonic.
        uniform: a random number between two.
        outlasts: a provider that has answered and does not any more is waited for until the policy's deadline, however
            many attempts that takes.

    Attributes:
        budget: what may be spent, and what was.
        dimensions: of the vectors, None until they are known.
    """

    def __init__(
        self,
        config: EmbedderConfig,
        clock: Callable[[], float],
        uniform: Callable[[float, float], float],
        *,
        outlasts: bool = False,
    ) -> None:
        self.budget = Budget(config.max_cost_usd, config.prices)
        self.dimensions: int | None = None
        self._config, self._clock, self._uniform = config, clock, uniform
        self._lock = threading.Lock()
        self._throttle: Throttle | None = None
        self._outlasts = outlasts
        self._answered_at: float | None = None

    def send(
        self,
        embedder: Embedder[Any],
        request: Batch,
        tokens: int,
        usage: Usage,
        *,
        stop: Stop,
        patience: int = 0,
    ) -> Vectors:
        """Have one batch embedded: shape (n, dimensions), float32, as the model gives them.

        Args:
            embedder: makes the vectors.
            request: the batch.
            tokens: of all its contents, at the most.
            usage: counters, added to in place.
            stop: whether it is still wanted.
            patience: how often what may be the input's fault is tried again.

        Raises:
            ProviderError: of the last attempt, see `embeddings_orch.errors`.
        """
        throttle = self._make_throttle(embedder)
        images = _images(request)
        turns, tried_again = 0.0, 0

        def attempt() -> Vectors:
            nonlocal turns
            with throttle.request(tokens, stop) as waited:
                turns += waited
                usage.waited += waited
                try:
                    reserved = self.budget.reserve(tokens, images)
                except BudgetError:
                    usage.requests -= 1  # it was never sent
                    raise
                try:
                    return self._attempt(
                        embedder, request, reserved=reserved, tokens=tokens, usage=usage, throttle=throttle
                    )
                except TerminalError:
                    if stop.at_terminal_errors:
                        stop.set()  # before its turn is another's
                    raise

        def is_worth_another(error: TransientError) -> bool:
            nonlocal tried_again
            if not isinstance(error, SuspectError):
                return True
            tried_again += 1
            most = patience if error.max_retries is None else min(patience, error.max_retries - 1)
            return tried_again <= most or seconds_to_outlast(error) > 0

        def seconds_to_outlast(error: TransientError) -> float:
            # A failure of the whole server, not one that an input or a limit may explain.
            elsewhere = type(error) is TransientError or (
                isinstance(error, SuspectError) and patience > 0 and error.max_retries is None
            )
            return self._seconds_to_outlast() if elsewhere else 0.0

        retrier = Retrier(self._config.retry, self._clock, stop.wait, self._uniform)
        return retrier.call(
            attempt,
            usage,
            turns=lambda: turns,
            is_worth_another=is_worth_another,
            seconds_to_outlast=seconds_to_outlast,
        )

    def wait_again(self, error: SuspectError, patient: bool, usage: Usage, stop: Stop) -> None:
        """Before an item that failed alone is tried again: wait, where nothing else is answered."""
        usage.retries += 1
        if patient:
            seconds = max(error.retry_after or 0.0, self._uniform(0.0, self._config.retry.initial_wait))
            usage.waited += seconds
            stop.wait(seconds)

    def _attempt(
        self,
        embedder: Embedder[Any],
        request: Batch,
        *,
        reserved: float,
        tokens: int,
        usage: Usage,
        throttle: Throttle,
    ) -> Vectors:
        result: EmbedResult | None = None
        started = self._clock()
        try:
            result = embedder.embed(request)
            vectors = self._check(result.vectors, len(request))
        except Exception as error:
            known = _classify(embedder, error)
            if isinstance(known, RateLimitedError):
                throttle.count_refusal(known.retry_after)
            if shows_secret(error):
                raise known from None
            if known is error:
                raise
            raise known from error
        finally:
            usage.seconds += self._clock() - started
            # An answer that cannot be used was paid for all the same.
            counted, pictures = (result.tokens, _images(request)) if result is not None else (0, 0)
            self.budget.settle(reserved, counted, pictures)
            usage.tokens += counted
            usage.images += pictures
        throttle.count_success(tokens, counted)
        self._answered_at = self._clock()
        return vectors

    def _seconds_to_outlast(self) -> float:
        """For how long a provider that has answered is still waited for: the deadline, from its last answer on."""
        policy, answered_at = self._config.retry, self._answered_at
        if not self._outlasts or not policy.max_retries or answered_at is None:
            return 0.0
        return max(0.0, policy.deadline - (self._clock() - answered_at))

    def _make_throttle(self, embedder: Embedder[Any]) -> Throttle:
        with self._lock:
            if self._throttle is None:
                limits = self._config.rate_limits()
                self._throttle = Throttle(
                    self._config.concurrency,
                    Limiter(embedder.account(), limits) if limits.any else None,
                    clock=self._clock,
                )
            return self._throttle

    def _check(self, vectors: Any, count: int) -> Vectors:
        provider = self._config.provider
        try:
            array = np.asarray(vectors, dtype=np.float32)
        except (ValueError, TypeError) as error:
            raise TerminalError(f"{provider} did not return a matrix of numbers: {error}") from error
        if array.ndim != 2 or array.shape[0] != count:
            shape = " x ".join(map(str, array.shape))
            raise TerminalError(f"{provider} returned {shape} numbers for {count} items, not one vector each")
        if self.dimensions is None:
            self.dimensions = int(array.shape[1])
        if array.shape[1] != self.dimensions:
            raise TerminalError(f"{provider} returned vectors of {array.shape[1]} dimensions, not of {self.dimensions}")
        return array


def _images(request: Batch) -> int:
    return len(request) if request.modality == "image" else 0


def _classify(embedder: Embedder[Any], error: Exception) -> ProviderError:
    known = embedder.classify(error)
    if known.args and isinstance(known.args[0], str):
        known.args = (redact(known.args[0]), *known.args[1:])
    return known
