"""AWS credentials: from botocore's usual places, or of a role that is assumed again before they end."""

from __future__ import annotations

import os
from copy import copy
from functools import cache
from typing import TYPE_CHECKING, Any

from embeddings_orch.models import TerminalError, remember
from embeddings_orch_plugins.aws.config import BedrockConfig

if TYPE_CHECKING:
    from botocore.credentials import Credentials
    from botocore.session import Session

BEARER = "AWS_BEARER_TOKEN_BEDROCK"
"""A Bedrock API key, which botocore takes before any other credentials."""


class Secrets:
    """The credentials of one session; what they are now is never shown from then on.

    Args:
        session: whose credentials they are.
        bearer: a Bedrock API key instead.

    Raises:
        TerminalError: there are none.
    """

    def __init__(self, session: Session, bearer: str | None) -> None:
        self._credentials: Credentials | None = None
        self._known = bearer
        if bearer:
            remember(bearer)
            return
        self._credentials = session.get_credentials()
        if self._credentials is None:
            from botocore.exceptions import NoCredentialsError

            raise NoCredentialsError

    def refresh_and_remember(self) -> str:
        """The access key id (or API key) of now, after fetching new credentials where it is time."""
        if self._credentials is None:
            return self._known or ""
        frozen = self._credentials.get_frozen_credentials()
        if frozen.access_key != self._known:
            for secret in (frozen.access_key, frozen.secret_key, frozen.token):
                remember(secret)
            self._known = frozen.access_key
        return str(frozen.access_key)


def bearer_of(config: BedrockConfig) -> str | None:
    """The Bedrock API key of the environment, where no other credentials are asked for."""
    named = config.assumed_role or config.profile_name
    return None if named else os.environ.get(BEARER) or None


def session_of(config: BedrockConfig, client_config: Any) -> Session:
    """A botocore session with the credentials that a config asks for; nothing is sent yet.

    Args:
        config: profile and role.
        client_config: timeouts and retries of the client that assumes the role.
    """
    session = _session(config.profile_name)
    if config.assumed_role is None:
        return session
    role = _session(None)
    role.register_component("credential_provider", _Role(session, config, client_config))
    return role


def _session(profile: str | None) -> Session:
    from botocore.session import Session

    session = Session(profile=profile, event_hooks=copy(_handlers()), include_builtin_handlers=False)
    session.register_component("data_loader", _loader())
    return session


@cache
def _handlers() -> Any:
    """What botocore does at each event, registered once for all sessions: it takes longer than all else of one."""
    from botocore.hooks import HierarchicalEmitter
    from botocore.session import Session

    handlers = HierarchicalEmitter()
    Session(event_hooks=handlers)
    return handlers


@cache
def _loader() -> Any:
    """Reads the descriptions of AWS's services, once for all sessions: it takes longer than all else of a client."""
    from botocore.session import Session

    return Session().get_component("data_loader")


class _Role:
    """A credential provider for botocore: a role, assumed when it is first needed and again before it ends."""

    def __init__(self, session: Session, config: BedrockConfig, client_config: Any) -> None:
        self._session, self._config, self._client_config = session, config, client_config

    def load_credentials(self) -> Credentials:
        from botocore.credentials import DeferredRefreshableCredentials

        return DeferredRefreshableCredentials(self._assume, "assume-role")

    def _assume(self) -> dict[str, Any]:
        source = Secrets(self._session, None)
        source.refresh_and_remember()
        client: Any = self._session.create_client("sts", region_name=self._config.region, config=self._client_config)
        try:
            answer = client.assume_role(
                RoleArn=self._config.assumed_role, RoleSessionName=self._config.role_session_name
            )
        finally:
            client.close()
        credentials = answer.get("Credentials")
        if not credentials:
            raise TerminalError(f"AWS gave no credentials for the role {self._config.assumed_role}")
        for name in ("AccessKeyId", "SecretAccessKey", "SessionToken"):
            remember(credentials[name])
        return {
            "access_key": credentials["AccessKeyId"],
            "secret_key": credentials["SecretAccessKey"],
            "token": credentials["SessionToken"],
            "expiry_time": credentials["Expiration"].isoformat(),
        }
