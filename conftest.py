"""What holds for the tests of the core and of all plugins."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import pytest

# Small arrays on busy machines: threads of one operation would mostly wait for each other. Read at the first import.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "RAYON_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import hypothesis  # noqa: E402

pytest_plugins = ["process_guard"]

# A busy machine is no failure: no example has a time limit.
hypothesis.settings.register_profile(
    "busy", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow], print_blob=True
)
hypothesis.settings.load_profile("busy")


@pytest.fixture(autouse=True)
def _no_model_of_another_test() -> Iterator[None]:
    """The models of the process are one for each fingerprint: a test would have those of the one before it."""
    yield
    if (pool := sys.modules.get("embeddings_orch.embedding.pool.pool")) is not None:
        pool.shared_pool().close()
