"""Reloads a code location through a webserver, so that the UI compares with what the YAML says now."""

from __future__ import annotations

import os

from embeddings_orch.dagster.runs.webserver import find_cause, post_question

WEBSERVER_URL = "EMBEDDINGS_ORCH_WEBSERVER_URL"
"""Environment variable with the URL of a webserver that the sensors may ask to reload their code location."""

_MUTATION = """
mutation Reload($location: String!) {
  reloadRepositoryLocation(repositoryLocationName: $location) {
    __typename
    ... on WorkspaceLocationEntry { locationOrLoadError { __typename ... on PythonError { message } } }
    ... on ReloadNotSupported { message }
    ... on RepositoryLocationNotFound { message }
    ... on UnauthorizedError { message }
    ... on PythonError { message }
  }
}
"""


def webserver_url() -> str | None:
    """The configured webserver, or None."""
    return os.environ.get(WEBSERVER_URL, "").rstrip("/") or None


def reload_location(url: str, location: str, timeout: float = 30.0) -> str:
    """Ask a webserver to reload a code location (``reloadRepositoryLocation`` of Dagster's GraphQL API).

    Args:
        url: of the webserver.
        location: name of the code location.
        timeout: seconds.

    Returns:
        What went wrong, empty where nothing did.
    """
    try:
        response = post_question(url, _MUTATION, {"location": location}, timeout=timeout)
        if response.status_code != 200:
            return f"{url} cannot be asked to reload {location}: it answers {response.status_code} {response.reason}"
        data = response.json()["data"]["reloadRepositoryLocation"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        return f"{url} cannot be asked to reload {location}: {find_cause(error)}"
    entry = data.get("locationOrLoadError") or {}
    message = data.get("message") or entry.get("message") or ""
    return f"{location} could not be reloaded: {message.strip().splitlines()[0]}" if message else ""
