"""Promises: config and fingerprint."""

from __future__ import annotations

import json
import pickle
import unittest

import numpy as np
from pydantic import ValidationError

from embeddings_orch.embedding.step import EmbedStep
from embeddings_orch.errors import TerminalError
from embeddings_orch.models.base import config_from
from embeddings_orch.models.identity import role_of
from embeddings_orch_testing.conformance.base import ConformanceBase, unit, vectors_of
from embeddings_orch_testing.conformance.process import ask_other_process
from embeddings_orch_testing.conformance.varied import vary

_FINGERPRINT = """
def answer(provider, settings):
    from embeddings_orch.models.base import config_from
    return config_from(provider, settings).fingerprint()
"""


class SettingsPromises(ConformanceBase):
    """What a config is."""

    def test_the_config_cannot_be_changed(self) -> None:
        """It is frozen, as the fingerprint is taken once."""
        config = self.make_config()
        for name in type(config).model_fields:
            try:
                setattr(config, name, getattr(config, name))
            except ValidationError:
                continue
            raise AssertionError(f"{name} can be set: derive the config from EmbedderConfig, frozen")

    def test_the_config_survives_pickling(self) -> None:
        """With its fingerprint."""
        config = self.make_config()
        copy = pickle.loads(pickle.dumps(config))
        assert copy == config, "the unpickled config differs"
        assert copy.fingerprint() == config.fingerprint(), "the unpickled config has another fingerprint"

    def test_an_unknown_key_is_refused(self) -> None:
        """A misspelt setting is no setting."""
        config = self.make_config()
        try:
            type(config).model_validate({**config.settings(), "no_such_setting": 1})
        except ValidationError:
            return
        raise AssertionError("an unknown key is taken: derive the config from EmbedderConfig")

    def test_every_field_is_identity_or_operational(self) -> None:
        """And has a description, for the schema and the docs."""
        for name, field in type(self.make_config()).model_fields.items():
            assert role_of(field), f"declare {name} with identity(...) or operational(...)"
            assert field.description, f"{name} has no description"

    def test_settings_make_the_same_config_again(self) -> None:
        """Over JSON, as the store keeps them."""
        for config in (self.make_config(), self.make_fingerprint_config()):
            again = config_from(config.provider, json.loads(json.dumps(config.settings())))
            assert again == config, f"{again!r} is not {config!r}"
            assert again.fingerprint() == config.fingerprint(), "another fingerprint"

    def test_the_fingerprint_is_the_same_in_every_process(self) -> None:
        """Whatever the order of Python's sets and dicts is there."""
        config = self.make_config()
        fingerprints = {
            ask_other_process(_FINGERPRINT, config.provider, config.settings(), seed=seed) for seed in ("0", "4711")
        }
        assert fingerprints == {config.fingerprint()}, f"{fingerprints} and {config.fingerprint()} here"

    def test_the_fingerprint_is_the_golden_one(self) -> None:
        """A new version of the code must not re-embed what is embedded."""
        if self.golden is None:
            raise unittest.SkipTest("there is no golden fingerprint")
        fingerprint = self.make_fingerprint_config().fingerprint()
        assert fingerprint == self.golden, f"{fingerprint}, not {self.golden}: every user would re-embed everything"

    def test_each_identity_field_changes_the_fingerprint(self) -> None:
        """Two configs that make other vectors never share a table."""
        config = self.make_fingerprint_config()
        for name, changed in vary(config, "identity", self.variations):
            assert changed.fingerprint() != config.fingerprint(), (
                f"{name} {getattr(config, name)!r} -> {getattr(changed, name)!r} keeps the fingerprint: "
                "is it operational?"
            )

    def test_no_operational_field_changes_the_fingerprint(self) -> None:
        """A new device or price embeds nothing again."""
        config = self.make_fingerprint_config()
        for name, changed in vary(config, "operational", self.variations):
            assert changed.fingerprint() == config.fingerprint(), (
                f"{name} {getattr(config, name)!r} -> {getattr(changed, name)!r} changes the fingerprint: "
                "is it identity?"
            )

    def test_no_operational_field_changes_the_vectors(self) -> None:
        """Where a setting lets the embedder work at all; what changes vectors has to be identity."""
        items = self.one_modality(2)
        expected = unit(vectors_of(self.step, items))
        tried = set()
        config = self.make_config()
        for name, changed in vary(config, "operational", self.variations):
            if name in tried:
                continue  # a model may be loaded each time: one other value has to do
            step = EmbedStep(changed, sleep=lambda _: None)
            try:
                vectors = unit(vectors_of(step, items))
            except TerminalError:
                continue  # a device that is not here, for one
            finally:
                step.close()
            tried.add(name)
            assert np.linalg.norm(expected - vectors, axis=1).max() <= self.tolerance, (
                f"{name} {getattr(config, name)!r} -> {getattr(changed, name)!r} makes other vectors: "
                "declare it with identity(...)"
            )
