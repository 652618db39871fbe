"""Tries one embedding: one tiny call for each modality and side, without the patience that a run has."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from PIL import Image

from embeddings_orch.embedding.step import EmbedStep
from embeddings_orch.errors import EmbeddingsOrchError, ItemError
from embeddings_orch.models.base import Embedder, EmbedderConfig
from embeddings_orch.models.content import Failure, Item, Modality, Side
from embeddings_orch.models.remote import RemoteConfig
from embeddings_orch.policy.retry import RetryPolicy
from embeddings_orch.policy.secrets import redact

TIMEOUT = 10.0
"""Seconds that a provider has to answer one call, where it is asked over a network."""

_WORDS: dict[Modality, str] = {"image": "a picture", "text": "a text"}


@dataclass(frozen=True)
class ProbeResult:
    """What came of it.

    Attributes:
        detail: the vectors' length and what the calls took, or what is wrong.
        advice: what would be faster, truer or safer.
    """

    ok: bool
    detail: str
    advice: tuple[str, ...] = ()


@dataclass(frozen=True)
class ProbedCall:
    """One call that was answered."""

    what: str
    dimensions: int
    seconds: float
    tokens: int


def probe(config: EmbedderConfig) -> ProbeResult:
    """Embed a picture and a text as documents, and a text as a query, as far as the embedder reads them."""
    step = EmbedStep(_impatient(config))
    what = "its settings"
    calls: list[ProbedCall] = []
    try:
        fingerprint = config.fingerprint()
        for what, modality, side in _sides(step):
            calls.append(_call(step, what, modality, side))
        if not calls:
            return ProbeResult(True, f"nothing to try it with, fingerprint {fingerprint[:16]}")
        if len({call.dimensions for call in calls}) > 1:
            lengths = ", ".join(f"{call.what} has {call.dimensions}" for call in calls)
            return ProbeResult(False, f"the vectors differ in length: {lengths}")
        hints = advice(config, step.embedder, calls[-1].seconds, sum(call.tokens for call in calls))
    except EmbeddingsOrchError as error:
        return ProbeResult(False, redact(f"{what}: {error}" if calls else str(error)))
    except Exception as error:  # of an SDK or a plugin: whatever it is, the others are tried as well
        return ProbeResult(False, redact(f"{what}: {type(error).__name__}: {error}"))
    finally:
        step.close()
    answered = ", ".join(f"{call.what} {call.seconds:.1f} s" for call in calls)
    detail = f"{calls[0].dimensions} dimensions, {answered}, fingerprint {fingerprint[:16]}"
    return ProbeResult(True, detail, tuple(hints))


def _impatient(config: EmbedderConfig) -> EmbedderConfig:
    changed: dict[str, object] = {"retry": RetryPolicy(max_retries=1, max_wait=2, deadline=TIMEOUT)}
    timeout = getattr(config, "timeout", None)
    if isinstance(timeout, int | float):
        changed["timeout"] = min(float(timeout), TIMEOUT)
    return config.model_copy(update=changed)


def _sides(step: EmbedStep) -> Iterator[tuple[str, Modality, Side]]:
    for modality, words in _WORDS.items():
        if modality in step.embedder.modalities:
            yield words, modality, "document"
    if "text" in step.embedder.modalities:
        yield "a query", "text", "query"


def _call(step: EmbedStep, what: str, modality: Modality, side: Side) -> ProbedCall:
    """One call; the first one of a local model loads it.

    Raises:
        ProviderError: it was not answered.
    """
    step.side = side
    started = time.monotonic()
    prepared = step.prepare(Item(b"probe", modality, _content(modality), "a probe"))
    if isinstance(prepared, Failure):
        raise ItemError(prepared.reason)
    outcome = step([prepared])
    if outcome.failures:
        raise ItemError(outcome.failures[0].reason)
    return ProbedCall(what, len(outcome.vectors[0]), time.monotonic() - started, outcome.usage.tokens)


def _content(modality: Modality) -> str | bytes:
    if modality == "text":
        return "hello"
    encoded = io.BytesIO()
    Image.new("RGB", (64, 64), (200, 60, 60)).save(encoded, "PNG")
    return encoded.getvalue()


def advice(config: EmbedderConfig, embedder: Embedder[Any], seconds: float, tokens: int) -> list[str]:
    """Sentences, most important first; empty where there is nothing to say.

    Args:
        config: as declared.
        embedder: of that config; its own ``advice()`` is asked, where it has one.
        seconds: that one small call took.
        tokens: that the provider counted for the calls, 0 where it counts none.
    """
    general = [*_speed(config, seconds), *_money(config, tokens)] if isinstance(config, RemoteConfig) else []
    try:
        return [*getattr(embedder, "advice", list)(), *general]
    except EmbeddingsOrchError:
        return general  # the calls were answered, so it is not what is wrong


def _speed(config: RemoteConfig, seconds: float) -> Iterator[str]:
    default = type(config).model_fields["concurrency"].default
    if config.concurrency == 1 and default > 1:
        yield f"concurrency: 1 waits for each answer before it asks again; {default} is the default"
    if config.batch_size == 1 and type(config).model_fields["batch_size"].default > 1:
        yield "batch_size: 1 makes a request of every item"
    limit = config.requests_per_minute
    possible = config.concurrency * 60 / max(seconds, 1e-3)
    if limit is not None and limit < possible:
        yield (
            f"requests_per_minute: {limit:,} is what limits a run: at {seconds:.2f} s for an answer, concurrency "
            f"{config.concurrency} could make {possible:,.0f}; raise it if your account allows more"
        )


def _money(config: RemoteConfig, tokens: int) -> Iterator[str]:
    if tokens and not config.prices.known:
        yield (
            "prices is not set, though the provider counts tokens: plan shows no cost, and max_cost_usd cannot "
            "stop a run; as in prices: {per_million_tokens: 0.02}"
        )
