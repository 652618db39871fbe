"""Promises: life cycle, errors, registration, import."""

from __future__ import annotations

import pickle

import numpy as np

from embeddings_orch import plugins
from embeddings_orch.embedding.step import EmbedStep
from embeddings_orch.errors import ItemError, ProviderError, TerminalError
from embeddings_orch.models.base import Embedder
from embeddings_orch_testing.conformance.base import ConformanceBase, unit, vectors_of
from embeddings_orch_testing.conformance.process import ask_other_process, stop_other_process

SDKS = (
    "boto3",
    "botocore",
    "dagster",
    "google.genai",
    "imagebind",
    "jax",
    "onnxruntime",
    "open_clip",
    "openai",
    "ray",
    "sentence_transformers",
    "tensorflow",
    "torch",
    "torchvision",
    "transformers",
)
"""What importing a plugin's embedder must not load."""

_IMPORTED = """
def answer(module, names):
    import importlib, sys
    before = [name for name in names if name in sys.modules]
    importlib.import_module(module)
    return before, [name for name in names if name in sys.modules]
"""


class LifePromises(ConformanceBase):
    """An embedder from its import to its end."""

    def test_it_works_again_after_close(self) -> None:
        """A closed embedder loads its model again."""
        items = self.one_modality(2)
        before = vectors_of(self.step, items)
        self.step.embedder.close()
        assert np.linalg.norm(unit(before) - unit(vectors_of(self.step, items)), axis=1).max() <= (self.tolerance), (
            "other vectors after close"
        )

    def test_the_embed_step_works_after_pickling(self) -> None:
        """New, and after it was used: a runner can send it anywhere."""
        items = self.one_modality(2)
        expected = unit(vectors_of(self.step, items))
        for step in (EmbedStep(self.step.config), self.step):
            copy: EmbedStep = pickle.loads(pickle.dumps(step))
            try:
                apart = np.linalg.norm(expected - unit(vectors_of(copy, items)), axis=1)
            finally:
                copy.close()
            assert apart.max() <= self.tolerance, "another vector from the unpickled step"

    def test_every_error_is_classified(self) -> None:
        """Our own as they are, any other as one of ours."""
        embedder = self.step.embedder
        for error in (ItemError("an item"), TerminalError("an end")):
            assert embedder.classify(error) is error, f"{type(error).__name__} was changed"
        for other in (ConnectionError("no route"), TimeoutError("late"), ValueError("odd"), MemoryError()):
            known = embedder.classify(other)
            assert isinstance(known, ProviderError), f"{type(other).__name__} became {type(known).__name__}"

    def test_it_is_registered_under_its_providers_name(self) -> None:
        """So that a YAML's ``provider`` finds it."""
        config = self.make_config()
        registered = plugins.load("embedders", config.provider)
        assert issubclass(registered, Embedder), f"{registered!r} is no Embedder"
        assert registered.config_class is type(config), f"its config is {registered.config_class.__name__}"
        assert registered.modalities, "it reads no modality"
        assert all(isinstance(kind, str) for kind in registered.kinds), "kinds are texts"

    def test_importing_it_loads_no_sdk(self) -> None:
        """Neither torch nor the provider's SDK nor Dagster: they load with the first batch."""
        module = plugins.load("embedders", self.make_config().provider).__module__
        names = [*SDKS, *self.sdks]
        before, loaded = ask_other_process(_IMPORTED, module, names)
        if before:  # by what was asked before: a process without them has to say
            stop_other_process()
            _, loaded = ask_other_process(_IMPORTED, module, names)
        assert not loaded, f"importing {module} loads {', '.join(loaded)}"
