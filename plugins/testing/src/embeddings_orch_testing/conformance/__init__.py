"""What every embedder promises, as tests that a plugin runs over its own.

A plugin's test module derives a class; pytest collects the promises as its tests:

Example:
    >>> class TestMyEmbedder(EmbedderConformance):  # doctest: +SKIP
    ...     variations = {"name": ["another-model"]}
    ...
    ...     def make_config(self) -> MyConfig:
    ...         return MyConfig(name="a-model")

The plugin has to be installed, since what its entry point registers is tried. What does not apply to an embedder
(pictures, for a model of texts) is skipped.
"""

from __future__ import annotations

from embeddings_orch_testing.conformance.contents import ContentPromises
from embeddings_orch_testing.conformance.life import SDKS as SDKS
from embeddings_orch_testing.conformance.life import LifePromises
from embeddings_orch_testing.conformance.settings import SettingsPromises
from embeddings_orch_testing.conformance.vectors import VectorPromises


class EmbedderConformance(VectorPromises, ContentPromises, LifePromises, SettingsPromises):
    """The promises of one embedder; derive a class named ``Test...`` and give `make_config`."""
