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

import io
import json
import os
import pickle
import subprocess
import sys
import unittest
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar, Literal, get_args, get_origin

import numpy as np
from PIL import Image, ImageDraw
from pydantic import BaseModel, ValidationError

from embeddings_orch import plugins
from embeddings_orch.embed_step import EmbedStep, content_hash, content_key
from embeddings_orch.embedder import (
    Batch,
    Embedder,
    EmbedderConfig,
    Item,
    Modality,
    Side,
    Vectors,
    config_from,
)
from embeddings_orch.errors import ItemError, ProviderError, TerminalError
from embeddings_orch.fingerprint import Role, role_of
from embeddings_orch.outcome import Failure, Outcome, Prepared

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

UNICODE_TEXTS = (
    "Größe, naïveté, Ångström",
    "e\u0301te\u0301 decomposed",
    "日本語の文章と漢字",
    "مرحبا بالعالم",
    "नमस्ते दुनिया",
    "👩‍👩‍👧‍👦 🏳️‍🌈 👍🏽",
    "tab\tline\nbreak\r\nzero\u200bwidth",
    "mixed \u202eright to left\u202c and back",
    "\U0001d518\U0001d52b\U0001d526 beyond the first plane",
    "a long text. " * 800,
)

_THREADS = 4
_BATCHES = (1, 2, 3, 5, 8, 13, 17)
"""Sizes of batches, in turn: the last of a run is rarely full."""

_NEEDS: Mapping[str, Mapping[str, Any]] = {"max_cost_usd": {"prices": {"per_million_tokens": 0.01, "per_image": 0.01}}}
"""Fields without which another is refused; all of them operational."""

_OTHERS: Mapping[str, Sequence[Any]] = {"requests_per_minute": [100_000], "tokens_per_minute": [1_000_000_000]}
"""Other values of fields that all remote providers have: some that need no waiting."""

_IMPORTED = """
import importlib, json, sys
importlib.import_module(sys.argv[1])
print(json.dumps([name for name in json.loads(sys.argv[2]) if name in sys.modules]))
"""
_FINGERPRINT = """
import json, sys
from embeddings_orch.embedder import config_from
print(config_from(sys.argv[1], json.load(sys.stdin)).fingerprint())
"""


class EmbedderConformance:
    """The promises of one embedder; derive a class named ``Test...`` and give `make_config`.

    Attributes:
        tolerance: largest distance, of unit vectors, between an item's vectors made alone and in a batch.
        count: items that the order is tried with.
        golden: the fingerprint that `make_fingerprint_config` has to have for ever, where it is known.
        variations: for a field whose other values cannot be guessed from its type, some that are allowed.
        sdks: modules that importing the embedder must not load, besides `SDKS`.
    """

    tolerance: ClassVar[float] = 1e-3
    count: ClassVar[int] = 200
    golden: ClassVar[str | None] = None
    variations: ClassVar[Mapping[str, Sequence[Any]]] = {}
    sdks: ClassVar[tuple[str, ...]] = ()

    _step: ClassVar[EmbedStep | None] = None

    # What a plugin gives

    def make_config(self) -> EmbedderConfig:
        """A config that works on this machine, fast; ``normalize`` as by default."""
        raise NotImplementedError(f"{type(self).__name__} has to say make_config()")

    def make_fingerprint_config(self) -> EmbedderConfig:
        """The config whose fields are varied; it is never embedded with, so its weights need not be here."""
        return self.make_config()

    def make_texts(self, count: int) -> list[str]:
        """Texts that differ from each other."""
        nouns = ("dog", "red car", "birthday cake", "snowy mountain", "clock", "guitar", "whale")
        places = ("on a table", "at night", "in the rain", "seen from above", "in a museum")
        return [
            f"a {nouns[number % len(nouns)]} {places[number % len(places)]}, number {number}" for number in range(count)
        ]

    def make_images(self, count: int) -> list[bytes]:
        """Encoded pictures that differ from each other in size, format and content."""
        return [_drawing(number) for number in range(count)]

    def make_bad_items(self) -> list[Item]:
        """Items that the model cannot embed; by default broken pictures where it reads pictures."""
        if "image" not in self.step.embedder.modalities:
            return []
        whole = self.make_images(1)[0]
        return [_item("image", data) for data in (b"this is no picture", whole[: len(whole) // 2])]

    def make_items(self, count: int) -> list[Item]:
        """Items of all modalities for which there are samples, mixed."""
        made: dict[Modality, Iterator[Item]] = {}
        if "text" in self.step.embedder.modalities:
            made["text"] = (_item("text", text) for text in self.make_texts(count))
        if "image" in self.step.embedder.modalities:
            made["image"] = (_item("image", data) for data in self.make_images(count))
        if not made:
            raise unittest.SkipTest("the suite has samples of texts and pictures only: override make_items")
        turns = list(made.values())
        return [next(turns[number * 7 % 5 % len(turns)]) for number in range(count)]

    # What the promises share

    @property
    def step(self) -> EmbedStep:
        """The embed step of `make_config`, one for the class, so that a model is loaded once."""
        cls = type(self)
        if "_step" not in cls.__dict__ or cls._step is None:
            cls._step = EmbedStep(self.make_config())
        return cls._step

    @classmethod
    def teardown_class(cls) -> None:
        """Release the model; pytest calls it."""
        if "_step" in cls.__dict__ and cls._step is not None:
            cls._step.close()
            cls._step = None

    def _texts(self, count: int) -> list[Item]:
        if "text" not in self.step.embedder.modalities:
            raise unittest.SkipTest("the embedder reads no text")
        return [_item("text", text) for text in self.make_texts(count)]

    # Promises: order, number, form of vectors

    def test_order_is_kept_in_batches_of_all_sizes_by_several_threads(self) -> None:
        """Every item has the vector that it has alone, whatever it shares its batch with."""
        items = self.make_items(self.count)
        step = self.step
        with ThreadPoolExecutor(_THREADS) as pool:
            prepared = list(pool.map(step.prepare, items))
            alone = np.stack([_vectors(step, [item])[0] for item in items])
            batches = list(_batched([_good(one) for one in prepared]))
            outcomes = list(pool.map(step, batches))
        together: dict[str, Vectors] = {}
        for batch, outcome in zip(batches, outcomes, strict=True):
            assert not outcome.failures, f"failed in a batch and not alone: {outcome.failures[0]}"
            assert outcome.keys == [one.key for one in batch], "the keys are in another order"
            together.update(zip(outcome.keys, outcome.vectors, strict=True))
        rows = _unit(np.stack([together[item.key] for item in items]))
        alone = _unit(alone)
        apart = np.linalg.norm(rows[:, None] - alone[None], axis=2)
        own = np.diagonal(apart)
        worst = int(own.argmax())
        assert own.max() <= self.tolerance, (
            f"item {worst} ({items[worst].modality}) has another vector in a batch than alone: "
            f"{own.max():.2g} apart, {self.tolerance:g} is the tolerance"
        )
        others = apart + np.eye(len(items)) * 4
        assert np.median(others.min(axis=1)) > self.tolerance, (
            "the samples' vectors are too much alike to tell their order: override make_texts or make_images"
        )

    def test_the_same_content_has_the_same_vector(self) -> None:
        """Twice in one batch, and in another batch."""
        first, second, *_ = self._one_modality(3)
        vectors = _unit(_vectors(self.step, [first, second, first, first]))
        again = _unit(_vectors(self.step, [second, first]))
        for other in (vectors[2], vectors[3], again[1]):
            assert np.linalg.norm(vectors[0] - other) <= self.tolerance, "equal contents, other vectors"
        assert np.linalg.norm(vectors[0] - vectors[1]) > self.tolerance, "other contents, equal vectors"

    def test_each_item_has_one_vector_of_the_declared_length(self) -> None:
        """Whatever `Embedder.embed` is given."""
        embedder = self.step.embedder
        lengths = set()
        for count in (1, 2, 7):
            items = self._one_modality(count)
            batch = Batch(items[0].modality, [embedder.prepare(item) for item in items])
            vectors = np.asarray(embedder.embed(batch).vectors)
            assert vectors.ndim == 2, f"vectors have {vectors.ndim} axes, not 2"
            assert len(vectors) == count, f"{len(vectors)} vectors for {count} items"
            lengths.add(vectors.shape[1])
        assert len(lengths) == 1, f"vectors of several lengths: {sorted(lengths)}"
        declared = embedder.dimensions()
        assert declared in (None, *lengths), f"dimensions() says {declared}, vectors have {lengths.pop()}"

    def test_vectors_are_finite_float32(self) -> None:
        """As the core hands them on."""
        for vector in self._outcome().vectors:
            assert vector.dtype == np.float32, f"{vector.dtype}, not float32"
            assert np.isfinite(vector).all(), "a vector is not finite"

    def test_vectors_have_unit_length_where_normalize_says_so(self) -> None:
        """To 1e-5."""
        if not self.step.config.normalize:
            raise unittest.SkipTest("the config does not normalize")
        norms = np.linalg.norm(np.stack(self._outcome().vectors), axis=1)
        assert np.abs(norms - 1).max() < 1e-5, f"lengths from {norms.min()} to {norms.max()}"

    def test_tokens_are_counted_as_a_number(self) -> None:
        """Never negative; 0 where the provider counts none."""
        tokens = self._outcome().usage.tokens
        assert isinstance(tokens, int), f"tokens is {type(tokens).__name__}, not int"
        assert tokens >= 0, f"{tokens} tokens"

    # Promises: contents

    def test_text_of_any_script_is_embedded(self) -> None:
        """Accents, other scripts, emoji, control characters, long texts."""
        self._texts(1)
        for text in UNICODE_TEXTS:
            outcome = self.step([_good(self.step.prepare(_item("text", text)))])
            assert outcome.keys, f"no vector for {text[:40]!r}: {outcome.failures[0].reason}"

    def test_an_empty_content_is_a_failure_and_no_exception(self) -> None:
        """Of every modality that the embedder reads."""
        for modality in sorted(self.step.embedder.modalities):
            content: str | bytes = "" if modality == "text" else b""
            found = self.step.prepare(_item(modality, content))
            assert isinstance(found, Failure), f"empty {modality} was prepared: {found}"
            assert found.reason, f"the failure of empty {modality} has no reason"

    def test_a_modality_it_does_not_read_is_a_failure_and_no_exception(self) -> None:
        """With the modalities that it reads in the reason."""
        for modality in get_args(Modality):
            if modality in self.step.embedder.modalities:
                continue
            found = self.step.prepare(Item("key:0", modality, b"some bytes"))
            assert isinstance(found, Failure), f"{modality} was prepared"
            assert modality in found.reason, found.reason

    def test_a_bad_item_fails_alone(self) -> None:
        """The good ones around it have their vectors."""
        if not (bad := self.make_bad_items()):
            raise unittest.SkipTest("there are no bad items: override make_bad_items")
        good = self._one_modality(4, bad[0].modality)
        items = [*good[:2], *bad, *good[2:]]
        prepared = [self.step.prepare(item) for item in items]
        outcome = self.step([one for one in prepared if isinstance(one, Prepared)])
        failures = [*(one for one in prepared if isinstance(one, Failure)), *outcome.failures]
        assert outcome.keys == [item.key for item in good], "a good item has no vector, or a bad one has"
        assert {one.key for one in failures} == {item.key for item in bad}, "a bad item is no failure"
        for failure in failures:
            assert failure.kind == "item", f"{failure.reason}: a bad item is not {failure.kind}"
            assert failure.reason.strip(), "a failure has no reason"

    def test_documents_and_queries_have_vectors_of_one_space(self) -> None:
        """Of one length; equal only where the model does not tell the sides apart."""
        items = self._texts(3)
        sides: tuple[Side, Side] = ("document", "query")
        shapes = set()
        for side in sides:
            step = EmbedStep(self.step.config, side=side)
            step._embedder = self.step.embedder  # loaded already
            shapes.add(_vectors(step, items).shape)
        assert len(shapes) == 1, f"documents and queries differ in shape: {shapes}"

    # Promises: life cycle, errors

    def test_it_works_again_after_close(self) -> None:
        """A closed embedder loads its model again."""
        items = self._one_modality(2)
        before = _vectors(self.step, items)
        self.step.embedder.close()
        assert np.linalg.norm(_unit(before) - _unit(_vectors(self.step, items)), axis=1).max() <= (self.tolerance), (
            "other vectors after close"
        )

    def test_the_embed_step_works_after_pickling(self) -> None:
        """New, and after it was used: a runner can send it anywhere."""
        items = self._one_modality(2)
        expected = _unit(_vectors(self.step, items))
        for step in (EmbedStep(self.step.config), self.step):
            copy: EmbedStep = pickle.loads(pickle.dumps(step))
            try:
                apart = np.linalg.norm(expected - _unit(_vectors(copy, items)), axis=1)
            finally:
                copy.close()
            assert apart.max() <= self.tolerance, "another vector from the unpickled step"

    def test_every_error_is_classified(self) -> None:
        """Our own as they are, any other as one of ours."""
        embedder = self.step.embedder
        for own in (ItemError("an item"), TerminalError("an end")):
            assert embedder.classify(own) is own, f"{type(own).__name__} was changed"
        for other in (ConnectionError("no route"), TimeoutError("late"), ValueError("odd"), MemoryError()):
            known = embedder.classify(other)
            assert isinstance(known, ProviderError), f"{type(other).__name__} became {type(known).__name__}"

    # Promises: registration and import

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
        loaded = json.loads(_python(_IMPORTED, module, json.dumps([*SDKS, *self.sdks])))
        assert not loaded, f"importing {module} loads {', '.join(loaded)}"

    # Promises: config and fingerprint

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
            _python(_FINGERPRINT, config.provider, stdin=json.dumps(config.settings()), PYTHONHASHSEED=seed)
            for seed in ("0", "4711")
        }
        assert fingerprints == {config.fingerprint()}, f"{fingerprints} and {config.fingerprint()} here"

    def test_the_fingerprint_is_the_golden_one(self) -> None:
        """A new version of the code must not re-embed what is embedded."""
        if self.golden is None:
            raise unittest.SkipTest("there is no golden fingerprint")
        found = self.make_fingerprint_config().fingerprint()
        assert found == self.golden, f"{found}, not {self.golden}: every user would re-embed everything"

    def test_each_identity_field_changes_the_fingerprint(self) -> None:
        """Two configs that make other vectors never share a table."""
        for name, config, changed in self._varied(self.make_fingerprint_config(), "identity"):
            assert changed.fingerprint() != config.fingerprint(), (
                f"{name} {getattr(config, name)!r} -> {getattr(changed, name)!r} keeps the fingerprint: "
                "is it operational?"
            )

    def test_no_operational_field_changes_the_fingerprint(self) -> None:
        """A new device or price embeds nothing again."""
        for name, config, changed in self._varied(self.make_fingerprint_config(), "operational"):
            assert changed.fingerprint() == config.fingerprint(), (
                f"{name} {getattr(config, name)!r} -> {getattr(changed, name)!r} changes the fingerprint: "
                "is it identity?"
            )

    def test_no_operational_field_changes_the_vectors(self) -> None:
        """Where a setting lets the embedder work at all; what changes vectors has to be identity."""
        items = self._one_modality(2)
        expected = _unit(_vectors(self.step, items))
        tried = set()
        for name, config, changed in self._varied(self.make_config(), "operational"):
            if name in tried:
                continue  # a model may be loaded each time: one other value has to do
            step = EmbedStep(changed, sleep=lambda _: None)
            try:
                vectors = _unit(_vectors(step, items))
            except TerminalError:
                continue  # a device that is not here, for one
            finally:
                step.close()
            tried.add(name)
            assert np.linalg.norm(expected - vectors, axis=1).max() <= self.tolerance, (
                f"{name} {getattr(config, name)!r} -> {getattr(changed, name)!r} makes other vectors: "
                "declare it with identity(...)"
            )

    # How

    def _varied(self, config: EmbedderConfig, role: Role) -> Iterator[tuple[str, EmbedderConfig, EmbedderConfig]]:
        given = {name: getattr(config, name) for name in config.model_fields_set}
        for name, field in type(config).model_fields.items():
            if role_of(field) != role:
                continue
            value = getattr(config, name)
            candidates = self.variations.get(name) or _OTHERS.get(name) or list(_others(value, field.annotation))
            changed = [
                other
                for candidate in candidates
                if (other := _config(type(config), {**given, **_NEEDS.get(name, {}), name: candidate})) is not None
                and getattr(other, name) != value
            ]
            assert changed, f"no other value of {name} was found: give some in variations[{name!r}]"
            for other in changed:
                yield name, config, other

    def _one_modality(self, count: int, modality: Modality | None = None) -> list[Item]:
        items = self.make_items(6 * max(count, 2))
        wanted = modality or items[0].modality
        return [item for item in items if item.modality == wanted][:count]

    def _outcome(self) -> Outcome:
        outcome = self.step([_good(self.step.prepare(item)) for item in self._one_modality(5)])
        assert not outcome.failures, f"a sample failed: {outcome.failures[0].reason}"
        return outcome


def _item(modality: Modality, content: str | bytes) -> Item:
    return Item(content_key(content_hash(content)), modality, content, f"a sample of {modality}")


def _good(prepared: Prepared | Failure) -> Prepared:
    assert isinstance(prepared, Prepared), f"a sample cannot be prepared: {prepared.reason}"
    return prepared


def _vectors(step: EmbedStep, items: Sequence[Item]) -> Vectors:
    outcome = step([_good(step.prepare(item)) for item in items])
    assert not outcome.failures, f"a sample failed: {outcome.failures[0].reason}"
    return np.stack(outcome.vectors)


def _batched(prepared: list[Prepared]) -> Iterator[list[Prepared]]:
    for modality in sorted({one.modality for one in prepared}):
        left = [one for one in prepared if one.modality == modality]
        turn = 0
        while left:
            size = _BATCHES[turn % len(_BATCHES)]
            yield left[:size]
            left, turn = left[size:], turn + 1


def _unit(vectors: Vectors) -> Vectors:
    unit: Vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit


def _drawing(number: int) -> bytes:
    """A picture like no other: its colours, shape, place, size and format follow its number."""
    chance = np.random.default_rng(number)
    width, height = (int(side) for side in chance.integers(40, 160, 2))
    colours = [tuple(int(level) for level in chance.integers(0, 256, 3)) for _ in range(3)]
    image = Image.new("RGB", (width, height), colours[0])
    draw = ImageDraw.Draw(image)
    left, top = int(chance.integers(0, width // 2)), int(chance.integers(0, height // 2))
    box = (left, top, left + width // 2, top + height // 2)
    (draw.ellipse if number % 2 else draw.rectangle)(box, fill=colours[1])
    draw.line((0, height, width, top), fill=colours[2], width=1 + number % 9)
    encoded = io.BytesIO()
    image.save(encoded, ("PNG", "JPEG", "WEBP")[number % 3])
    return encoded.getvalue()


def _config(config_class: type[EmbedderConfig], settings: dict[str, Any]) -> EmbedderConfig | None:
    try:
        return config_class.model_validate(settings)
    except ValidationError:
        return None


def _others(value: Any, annotation: Any) -> Iterator[Any]:
    """Other values of a field, guessed from its type and value; the config says which of them are allowed."""
    if get_origin(annotation) is Literal:
        yield from (choice for choice in get_args(annotation) if choice != value)
    elif isinstance(value, bool):
        yield not value
    elif isinstance(value, int | float):
        yield from (value + 1, value * 2 + 1, value / 2)
    elif isinstance(value, str):
        yield from (f"{value}-other", f"{value}_OTHER")
    elif isinstance(value, BaseModel):
        for name, field in type(value).model_fields.items():
            for other in _others(getattr(value, name), field.annotation):
                yield {**value.model_dump(), name: other}
    elif isinstance(value, tuple | list):
        yield type(value)(value[:-1]) if value else ("other",)
    elif value is None:
        for part in get_args(annotation):
            yield from _others_of_type(part)
    elif get_args(annotation):
        yield None


def _others_of_type(kind: Any) -> Sequence[Any]:
    if get_origin(kind) is Literal:
        return get_args(kind)
    known: dict[Any, Sequence[Any]] = {bool: [True], int: [1, 512], float: [0.5, 2.0], str: ["other"]}
    return known.get(kind, ())


def _python(code: str, *arguments: str, stdin: str = "", **environment: str) -> str:
    """What a fresh Python prints that finds the modules which this one finds."""
    path = os.pathsep.join(part for part in sys.path if part)
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={**os.environ, "PYTHONPATH": path, **environment},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
