"""Settings of the provider ``acme``."""

from __future__ import annotations

from typing import ClassVar

from embeddings_orch.models import RemoteConfig, SecretName, identity, operational

DIMENSIONS = {"acme-small": 64, "acme-large": 256}
"""Lengths of the vectors of Acme's own models; another model's is told by its first answer."""


class AcmeConfig(RemoteConfig):
    """Acme's models; concurrency, timeout, retries, rate limits and prices come from `RemoteConfig`."""

    provider: ClassVar[str] = "acme"

    name: str = identity("acme-small", description="Acme's name of the model.")
    base_url: str = operational("https://api.acme.example", description="The server's address, without a path.")
    api_key_env: SecretName = operational("ACME_API_KEY", description="Name of the variable that holds the key.")
