"""A provider that goes away in the middle of a run and comes back: on a clock that only waiting moves."""

from __future__ import annotations

import pickle
from collections import deque
from typing import ClassVar

import numpy as np
import pytest

from embeddings_orch.embedding import step as embed_step
from embeddings_orch.embedding.outcome import Prepared
from embeddings_orch.embedding.step import EmbedStep
from embeddings_orch.errors import RateLimitedError, ResponseError, SuspectError, TransientError, UnavailableError
from embeddings_orch.models.base import Embedder, EmbedderConfig, EmbedResult
from embeddings_orch.policy.retry import RetryPolicy


class DistantConfig(EmbedderConfig):
    provider: ClassVar[str] = "distant"


class Distant(Embedder[DistantConfig]):
    """Fails with an error while the time is between two seconds."""

    config_class = DistantConfig
    modalities = frozenset({"text"})
    now, away, back = 0.0, float("inf"), float("inf")
    error: Exception = TransientError("503")
    calls = 0

    def dimensions(self):
        return 2

    def embed(self, batch):
        self.calls += 1
        if self.away <= self.now < self.back:
            raise self.error
        return EmbedResult(np.ones((len(batch), 2), np.float32))

    def sleep(self, seconds):
        self.now += seconds


@pytest.fixture
def distant(monkeypatch):
    """Makes a step of a run, and returns it with the provider."""

    def make(outlasts=True, **retry):
        config = DistantConfig(retry=RetryPolicy(**retry))
        provider = Distant(config)
        monkeypatch.setattr(embed_step, "embedder_for", lambda _: provider)
        clock = {"clock": lambda: provider.now, "sleep": provider.sleep, "uniform": lambda _, high: high}
        return EmbedStep(config, outlasts=outlasts, **clock), provider

    return make


def batch(*names):
    return [Prepared(name.encode(), f"file/{name}", "text", name) for name in names]


@pytest.mark.parametrize("error", [TransientError("503"), SuspectError("500"), ConnectionError("refused")])
@pytest.mark.parametrize("seconds", [100, 590])
def test_an_outage_shorter_than_the_deadline_costs_nothing_but_time(distant, error, seconds):
    step, provider = distant()
    assert len(step(batch("a", "b")).keys) == 2
    provider.error, provider.away, provider.back = error, 0.0, float(seconds)
    outcome = step(batch("c", "d", "e"))
    assert (len(outcome.keys), outcome.failures) == (3, [])
    assert provider.now >= seconds
    assert provider.calls < 40


def test_a_longer_one_ends_the_run_soon_after_the_deadline(distant):
    step, provider = distant()
    step(batch("a"))
    provider.away = 0.0
    with pytest.raises(UnavailableError, match="requests in a row had no answer"):
        deque((step(batch(f"n{number}")) for number in range(20)), maxlen=0)
    # The deadline counts from the last answer, and not anew for each batch.
    assert 500 < provider.now < 600 + 5 * 64


def test_before_the_first_answer_the_retries_are_counted(distant):
    step, provider = distant()
    provider.away = 0.0
    with pytest.raises(UnavailableError, match="tried 8 times"):
        step(batch("a"))
    assert provider.calls == 8


def test_without_retries_nothing_is_waited_for(distant):
    step, provider = distant(max_retries=0)
    step(batch("a"))
    provider.away = 0.0
    assert [failure.kind for failure in step(batch("b")).failures] == ["transient"]
    assert (provider.calls, provider.now) == (2, 0.0)


def test_a_query_does_not_wait_as_a_run_does(distant):
    step, provider = distant(outlasts=False)
    step(batch("a"))
    provider.away = 0.0
    assert step(batch("b")).failures
    assert provider.calls == 1 + 8


@pytest.mark.parametrize("error", [RateLimitedError("429"), ResponseError("half an answer")])
def test_what_a_limit_or_an_input_may_explain_is_tried_as_often_as_the_policy_says(distant, error):
    step, provider = distant()
    step(batch("a"))
    provider.error, provider.away = error, 0.0
    assert step(batch("b")).failures
    assert provider.calls == 1 + 8


def test_a_bad_item_in_an_outage_is_still_found(distant):
    step, provider = distant()
    step(batch("a"))
    provider.error, provider.away, provider.back = SuspectError("500"), 0.0, 120.0
    healthy = Distant.embed

    def embed(request):
        if provider.now >= 120.0 and "bad" in request.contents:
            raise SuspectError("500 for one")
        return healthy(provider, request)

    provider.embed = embed
    outcome = step(batch("b", "bad", "c"))
    assert sorted(outcome.keys) == [b"b", b"c"]
    assert [failure.key for failure in outcome.failures] == [b"bad"]


def test_a_step_that_waits_does_so_in_another_process_too():
    assert pickle.loads(pickle.dumps(EmbedStep(DistantConfig(), outlasts=True)))._outlasts is True
