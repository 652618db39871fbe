from __future__ import annotations

import hashlib
import json
import math
from datetime import date
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from embeddings_orch.models.base import EmbedderConfig
from embeddings_orch.models.identity import canonical_json, digest, fingerprint, identity, operational, role_of
from embeddings_orch_testing import CountingConfig

PLAIN = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**53), 2**53),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(st.characters(exclude_categories=["Cs"])),
    ),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(max_size=5), inner)),
    max_leaves=10,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "true"),
        (1, "1"),
        (1.0, "1"),
        (-0.0, "0"),
        (0.1, "0.1"),
        (1e-7, "1e-07"),
        (1e15, "1000000000000000"),
        (1e22, "1e+22"),
        ("Größe", '"Größe"'),
        ('a "quoted"\nline', '"a \\"quoted\\"\\nline"'),
        ([], "[]"),
        ((1, "a"), '[1,"a"]'),
        ({"b": 1, "a": [1.5, None]}, '{"a":[1.5,null],"b":1}'),
        ({"B": 1, "a": 2, "ä": 3}, '{"B":1,"a":2,"ä":3}'),
    ],
)
def test_the_canonical_text_of_a_value_never_changes(value, text):
    assert canonical_json(value) == text


def test_one_and_one_point_zero_are_one_setting():
    assert digest({"scale": 1}) == digest({"scale": 1.0})


@pytest.mark.parametrize("pair", [(1, True), (0, False), (1, "1"), (None, "null"), (None, ""), (0.1, 0.2)])
def test_values_of_other_kinds_stay_apart(pair):
    assert digest(pair[0]) != digest(pair[1])


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_numbers_that_json_cannot_say_are_refused(value):
    with pytest.raises(ValueError, match="no canonical JSON form"):
        canonical_json({"scale": value})


@pytest.mark.parametrize("value", [{1, 2}, b"bytes", Path("weights"), date(2024, 1, 1), object(), 1 + 2j])
def test_values_that_are_not_plain_are_refused_by_name(value):
    with pytest.raises(TypeError, match=type(value).__name__):
        canonical_json([{"weights": value}])


def test_a_text_that_is_not_plain_is_refused():
    """An EnvVar is a text that holds the variable's name, not its value."""

    class Variable(str):
        __slots__ = ()

    with pytest.raises(TypeError, match="Variable"):
        canonical_json(Variable("MODEL"))


@given(PLAIN)
def test_the_canonical_text_says_the_value_and_nothing_else(value):
    assert json.loads(canonical_json(value)) == value


@given(st.dictionaries(st.text(max_size=5), st.integers(), min_size=2))
def test_the_order_of_keys_does_not_count(value):
    assert digest(value) == digest(dict(reversed(value.items())))


def test_a_fingerprint_is_sha256_over_the_canonical_text():
    text = '{"identity":{"dim":8,"name":"counting","normalize":true},"provider":"counting","vector_version":1}'
    expected = hashlib.sha256(text.encode()).hexdigest()
    assert expected == "452176f2db2640335458306a05807f6ae54956ac21a0050c9bd3b4a6705e1b89"
    assert fingerprint("counting", 1, {"normalize": True, "name": "counting", "dim": 8}) == expected
    assert CountingConfig().fingerprint() == expected


def test_provider_and_vector_version_count():
    base = fingerprint("one", 1, {"name": "a"})
    assert len({base, fingerprint("two", 1, {"name": "a"}), fingerprint("one", 2, {"name": "a"})}) == 3


def test_operational_settings_do_not_count():
    edited = CountingConfig(batch_size=1, concurrency=9, retry={"max_retries": 0}, delay=2, log="x",
                            prices={"per_million_tokens": 3})  # fmt: skip
    assert edited.fingerprint() == CountingConfig().fingerprint()


@pytest.mark.parametrize("edit", [{"name": "other"}, {"dim": 9}, {"normalize": False}])
def test_identity_settings_count(edit):
    assert CountingConfig(**edit).fingerprint() != CountingConfig().fingerprint()


def test_a_setting_of_a_derived_config_counts_as_declared():
    class Derived(EmbedderConfig):
        provider: ClassVar[str] = "derived"
        prompt: str = identity("", description="Put before each text.")
        region: str = operational("eu", description="Where it runs.")

    assert Derived().identity() == {"normalize": True, "prompt": ""}
    assert Derived(prompt="query: ").fingerprint() != Derived().fingerprint()
    assert Derived(region="us").fingerprint() == Derived().fingerprint()


def test_fields_say_their_role():
    fields = CountingConfig.model_fields
    assert role_of(fields["dim"]) == "identity"
    assert role_of(fields["batch_size"]) == "operational"
    assert role_of(Field(1, description="No role.")) is None


def test_roles_take_constraints_and_defaults():
    class Constrained(EmbedderConfig):
        provider: ClassVar[str] = "constrained"
        size: int = identity(4, ge=2, description="Size.")
        key: str = operational(description="It has to be given.")

    assert Constrained(key="a").size == 4
    with pytest.raises(ValueError, match="greater than or equal to 2"):
        Constrained(key="a", size=1)
    with pytest.raises(ValueError, match="Field required"):
        Constrained()
