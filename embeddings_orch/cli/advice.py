"""What would make an embedding faster or safer here, whatever its provider; a provider adds its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from embeddings_orch.embedder import Embedder, EmbedderConfig
from embeddings_orch.errors import EmbeddingsOrchError
from embeddings_orch.remote import RemoteConfig


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
    asked = config.requests_per_minute
    possible = config.concurrency * 60 / max(seconds, 1e-3)
    if asked is not None and asked < possible:
        yield (
            f"requests_per_minute: {asked:,} is what limits a run: at {seconds:.2f} s for an answer, concurrency "
            f"{config.concurrency} could make {possible:,.0f}; raise it if your account allows more"
        )


def _money(config: RemoteConfig, tokens: int) -> Iterator[str]:
    if tokens and not config.prices.known:
        yield (
            "prices is not set, though the provider counts tokens: plan shows no cost, and max_cost_usd cannot "
            "stop a run; as in prices: {per_million_tokens: 0.02}"
        )
