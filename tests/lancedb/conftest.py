"""What the tests of LanceDB's clients share."""

from __future__ import annotations

import os

import pytest
from lancedb.embeddings import get_registry

import embeddings_orch.lancedb as ours

# The weights are on this machine, and Hugging Face's libraries ask the hub all the same.
os.environ.setdefault("HF_HUB_OFFLINE", "1")


@pytest.fixture
def create():
    """Makes functions as LanceDB's users do; models are released and failures forgotten at the end."""
    made = []

    def make(**settings):
        made.append(get_registry().get("embeddings-orch").create(**settings))
        return made[-1]

    yield make
    for function in made:
        function.forget_failures()
    ours.release()
