"""Reloads a code location through a webserver, so that the UI compares with what the YAML says now."""

from __future__ import annotations

import os

from embeddings_orch.dagster.runs.remote_answers import ReloadAnswer
from embeddings_orch.dagster.runs.remote_queries import RELOAD
from embeddings_orch.dagster.runs.webserver import Webserver
from embeddings_orch.errors import EmbeddingsOrchError
from embeddings_orch.policy.retry import RetryPolicy

WEBSERVER_URL = "EMBEDDINGS_ORCH_WEBSERVER_URL"
"""Environment variable with the URL of a webserver that the sensors may ask to reload their code location."""

_ONCE = RetryPolicy(max_retries=0)
"""A tick of a sensor has no time for more."""


def webserver_url() -> str | None:
    """The configured webserver, or None."""
    return os.environ.get(WEBSERVER_URL, "").rstrip("/") or None


def reload_location(url: str, location: str, timeout: float = 30.0) -> str:
    """Ask a webserver to reload a code location (``reloadRepositoryLocation`` of Dagster's GraphQL API).

    Args:
        url: of the webserver; user and password may stand before the host.
        location: name of the code location.
        timeout: seconds.

    Returns:
        What went wrong, empty where nothing did.
    """
    try:
        answer = Webserver(url, timeout=timeout).ask(RELOAD, ReloadAnswer, {"location": location}, policy=_ONCE)
    except EmbeddingsOrchError as error:
        return f"{location} could not be reloaded: {error}"
    problem = answer.reload_repository_location.problem
    return f"{location} could not be reloaded: {problem.splitlines()[0]}" if problem else ""
