"""Whose part of a store a process reads and writes: what the declaration says, else the environment."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping

from embeddings_orch.errors import StoreError
from embeddings_orch.spec.pipeline import StoreSpec
from embeddings_orch.store import Store
from embeddings_orch.store.names import DEPLOYMENT_PATTERN, MAIN, check_deployment

VARIABLE = "EMBEDDINGS_ORCH_DEPLOYMENT"
"""The environment variable that names the deployment."""

_IS_BRANCH, _BRANCH = "DAGSTER_CLOUD_IS_BRANCH_DEPLOYMENT", "DAGSTER_CLOUD_DEPLOYMENT_NAME"
_KEPT = 80
"""Characters of a name of Dagster's that stand before its hash."""


def open_store(spec: StoreSpec) -> Store:
    """The store that is declared, as the deployment of this process.

    Raises:
        StoreError: as `resolve_deployment`.
    """
    return Store(spec.uri, resolve_deployment(spec.uri, spec.deployment))


def resolve_deployment(uri: str, declared: str | None = None, environ: Mapping[str, str] = os.environ) -> str:
    """The name of the deployment.

    Args:
        uri: of the store.
        declared: what the declaration says, which goes before the environment.
        environ: the environment.

    Raises:
        StoreError: nobody says which, where that has to be said; or it is no name.
    """
    if name := declared or environ.get(VARIABLE):
        return check_deployment(name)
    if environ.get(_IS_BRANCH) == "1":
        if name := environ.get(_BRANCH):
            return _fit(name)
        raise StoreError(
            f"this is a branch deployment of Dagster+ without a name ({_BRANCH} is not set), which must not write to "
            f"what others serve: set {VARIABLE}"
        )
    if "://" in uri:
        raise StoreError(
            f"the store {uri} may be shared, so whose part of it this is has to be said: set {VARIABLE}={MAIN} where "
            f"search is served from, and to another name elsewhere (a branch, a try); or declare store.deployment"
        )
    return MAIN


def _fit(name: str) -> str:
    """A name of Dagster's as one of ours: the same where it can be, else with a hash, so that two stay two."""
    if re.fullmatch(DEPLOYMENT_PATTERN, name):
        return name
    return f"{re.sub('[^A-Za-z0-9_-]+', '-', name)[:_KEPT]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
