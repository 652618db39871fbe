"""One bedrock-runtime client, and what it answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from embeddings_orch.models import ResponseError, message_in
from embeddings_orch_plugins.aws.config import BedrockConfig
from embeddings_orch_plugins.aws.credentials import Secrets, bearer_of, session_of

_CONNECT = 10.0
"""Seconds within which a connection is made, or never."""

_TOKENS = "x-amzn-bedrock-input-token-count"


class BedrockClient:
    """Calls one model; safe to use from several threads.

    Raises:
        BotoCoreError: there is no such profile, or no credentials.
    """

    def __init__(self, config: BedrockConfig) -> None:
        from botocore.config import Config

        self._model = config.model_id
        bearer = bearer_of(config)
        settings: dict[str, Any] = {
            "connect_timeout": min(config.timeout, _CONNECT),
            "read_timeout": config.timeout,
            # The shared retry policy tries again, and nobody else.
            "retries": {"total_max_attempts": 1, "mode": "standard"},
        }
        session = session_of(config, Config(**settings))
        settings["max_pool_connections"] = config.concurrency
        if not bearer:
            # An API key in the environment would win over the profile or role that was asked for.
            settings["signature_version"] = "v4"
        self._secrets = Secrets(session, bearer)
        self._client: Any = session.create_client(
            "bedrock-runtime",
            region_name=config.region,
            endpoint_url=config.endpoint_url,
            config=Config(**settings),
        )

    def key(self) -> str:
        """The access key id, or API key, of now."""
        return self._secrets.refresh_and_remember()

    def invoke(self, body: Mapping[str, Any]) -> tuple[Any, int]:
        """The JSON that the model answers, and the tokens in the answer's header (0 where it has none).

        Raises:
            ResponseError: the answer is no JSON.
            ClientError: Bedrock refuses.
            BotoCoreError: there was no answer.
        """
        self._secrets.refresh_and_remember()
        response = self._client.invoke_model(
            modelId=self._model,
            body=json.dumps(body, ensure_ascii=False).encode(),
            contentType="application/json",
            accept="application/json",
        )
        data = response["body"].read()
        try:
            answer = json.loads(data, parse_constant=_no_number)
        except ValueError as error:
            raise ResponseError(f"the answer is no JSON ({error}): {message_in(data)}") from error
        counted = str(response["ResponseMetadata"]["HTTPHeaders"].get(_TOKENS, ""))
        return answer, int(counted) if counted.isdecimal() else 0

    def close(self) -> None:
        """Close all connections."""
        self._client.close()


def _no_number(constant: str) -> float:
    raise ValueError(f"{constant} is no number of JSON")
