from __future__ import annotations

import os
from typing import ClassVar

from embeddings_orch.models.content import Item
from embeddings_orch_testing import CountingConfig, CountingEmbedder
from embeddings_orch_testing.conformance import EmbedderConformance


class TestCounting(EmbedderConformance):
    tolerance = 1e-6
    golden = "452176f2db2640335458306a05807f6ae54956ac21a0050c9bd3b4a6705e1b89"
    variations: ClassVar = {"log": [os.devnull], "delay": [0.001]}

    def make_config(self):
        return CountingConfig(decode=True)


class TestCountingOfTexts(EmbedderConformance):
    """With an item error that only the model finds, and without normalising."""

    tolerance = 1e-6
    variations: ClassVar = {"log": [os.devnull], "delay": [0.001], "reject": ["nothing like it"]}

    def make_config(self):
        return CountingConfig(normalize=False, dim=16, reject="poison")

    def make_bad_items(self):
        return [Item(b"bad", "text", "a poisoned text", "a bad one")]


def test_every_call_is_counted():
    before = len(CountingEmbedder.calls)
    step = TestCounting().step
    step([step.prepare(Item(str(number).encode(), "text", f"text {number}")) for number in range(3)])
    assert CountingEmbedder.calls[before:] == [3]
