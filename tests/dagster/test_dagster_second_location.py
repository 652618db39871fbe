"""The typed resource in an ordinary asset of somebody else's."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import dagster as dg
import pytest


@pytest.fixture
def location(monkeypatch, tmp_path):
    """The module of the second code location; its signs are drawn into a folder of their own."""
    monkeypatch.setenv("CLIP_DEVICE", "cpu")
    monkeypatch.setenv("SIGNS", str(tmp_path / "signs"))
    file = Path(__file__).parent / "second_location" / "definitions.py"
    spec = importlib.util.spec_from_file_location("second_location_definitions", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_an_ordinary_asset_embeds_with_the_resource(location):
    result = dg.materialize(list(location.defs.assets), resources=location.defs.resources)
    assert result.success
    nearest = result.output_for_node("nearest_colour")
    assert set(nearest) == {"red", "green", "blue"}
    assert set(nearest.values()) <= {"red", "green", "blue"}
    (event,) = result.asset_materializations_for_node("nearest_colour")
    assert event.metadata["dimensions"].value > 0


def test_a_variable_is_resolved_when_the_run_starts(location, monkeypatch):
    monkeypatch.setenv("CLIP_DEVICE", "abacus")
    with pytest.raises(dg.DagsterResourceFunctionError) as caught:
        dg.materialize(list(location.defs.assets), resources=location.defs.resources)
    assert "there is no device 'abacus'; allowed: auto, cpu" in str(caught.value.__cause__)
