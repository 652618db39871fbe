"""Tries one embedding: one tiny call for each modality and side, without the patience that a run has."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from dataclasses import dataclass

from PIL import Image

from embeddings_orch.cli.advice import advice
from embeddings_orch.embed_step import EmbedStep
from embeddings_orch.embedder import EmbedderConfig, Item, Modality, Side
from embeddings_orch.errors import EmbeddingsOrchError, ItemError
from embeddings_orch.outcome import Failure
from embeddings_orch.retry import RetryPolicy
from embeddings_orch.secrets import redact

TIMEOUT = 10.0
"""Seconds that a provider has to answer one call, where it is asked over a network."""

_WORDS: dict[Modality, str] = {"image": "a picture", "text": "a text"}


@dataclass(frozen=True)
class Tried:
    """What came of it.

    Attributes:
        detail: the vectors' length and what the calls took, or what is wrong.
        advice: what would be faster, truer or safer.
    """

    ok: bool
    detail: str
    advice: tuple[str, ...] = ()


@dataclass(frozen=True)
class Call:
    """One call that was answered."""

    what: str
    dimensions: int
    seconds: float
    tokens: int


def probe(config: EmbedderConfig) -> Tried:
    """Embed a picture and a text as documents, and a text as a query, as far as the embedder reads them."""
    step = EmbedStep(_impatient(config))
    what = "its settings"
    calls: list[Call] = []
    try:
        fingerprint = config.fingerprint()
        for what, modality, side in _sides(step):
            calls.append(_call(step, what, modality, side))
        if not calls:
            return Tried(True, f"nothing to try it with, fingerprint {fingerprint[:16]}")
        if len({call.dimensions for call in calls}) > 1:
            shown = ", ".join(f"{call.what} has {call.dimensions}" for call in calls)
            return Tried(False, f"the vectors differ in length: {shown}")
        found = advice(config, step.embedder, calls[-1].seconds, sum(call.tokens for call in calls))
    except EmbeddingsOrchError as error:
        return Tried(False, redact(f"{what}: {error}" if calls else str(error)))
    except Exception as error:  # of an SDK or a plugin: whatever it is, the others are tried as well
        return Tried(False, redact(f"{what}: {type(error).__name__}: {error}"))
    finally:
        step.close()
    answered = ", ".join(f"{call.what} {call.seconds:.1f} s" for call in calls)
    detail = f"{calls[0].dimensions} dimensions, {answered}, fingerprint {fingerprint[:16]}"
    return Tried(True, detail, tuple(found))


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


def _call(step: EmbedStep, what: str, modality: Modality, side: Side) -> Call:
    """One call; the first one of a local model loads it.

    Raises:
        ProviderError: it was not answered.
    """
    step.side = side
    started = time.monotonic()
    prepared = step.prepare(Item("probe:0", modality, _content(modality), "a probe"))
    if isinstance(prepared, Failure):
        raise ItemError(prepared.reason)
    outcome = step([prepared])
    if outcome.failures:
        raise ItemError(outcome.failures[0].reason)
    return Call(what, len(outcome.vectors[0]), time.monotonic() - started, outcome.usage.tokens)


def _content(modality: Modality) -> str | bytes:
    if modality == "text":
        return "hello"
    encoded = io.BytesIO()
    Image.new("RGB", (64, 64), (200, 60, 60)).save(encoded, "PNG")
    return encoded.getvalue()
