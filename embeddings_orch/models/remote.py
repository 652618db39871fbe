"""What the configs of all remote providers have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import ConfigDict, model_validator

from embeddings_orch.models.base import EmbedderConfig
from embeddings_orch.models.identity import operational
from embeddings_orch.policy.limiter import RateLimits
from embeddings_orch.policy.secrets import refuse_literals


class RemoteConfig(EmbedderConfig):
    """Settings of a provider that is asked over a network.

    A provider's config derives from it, and adds ``api_key_env`` (a `embeddings_orch.models.SecretName`) where it
    has a key.
    """

    # A refused value may be the key itself.
    model_config = ConfigDict(hide_input_in_errors=True)

    secret_keys: ClassVar[Mapping[str, str]] = {"api_key": "api_key_env"}
    """What a person could take for a place for a secret, and the key that names its variable."""

    concurrency: int = operational(8, ge=1, le=256, description="Requests under way at once; fewer after 429s.")
    timeout: float = operational(60.0, gt=0, description="Seconds until an answer must have come.")
    requests_per_minute: int | None = operational(
        None, ge=1, description="Most requests a minute, over all runs on this machine with the same key."
    )
    tokens_per_minute: int | None = operational(
        None, ge=1, description="Most tokens a minute, over all runs on this machine with the same key."
    )

    @model_validator(mode="before")
    @classmethod
    def _no_secrets(cls, value: Any) -> Any:
        if isinstance(value, Mapping):
            refuse_literals(value, cls.secret_keys)
        return value

    def rate_limits(self) -> RateLimits:
        """As configured."""
        return RateLimits(self.requests_per_minute, self.tokens_per_minute)
