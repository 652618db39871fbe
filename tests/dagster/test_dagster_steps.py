"""Dagster's names of steps, there and back."""

import pytest

from embeddings_orch.dagster.runs.steps import parse_step, step_name
from embeddings_orch.pipeline.events import STEP_KINDS, StepKey
from embeddings_orch.spec.keys import AssetKey


@pytest.mark.parametrize("kind", STEP_KINDS)
@pytest.mark.parametrize("pipeline", ["photos", "my__photos", "index"])
@pytest.mark.parametrize("name", ["clip", "clip__large", "index"])
def test_a_name_is_read_back_whatever_underscores_it_has(pipeline, name, kind):
    for key in (
        AssetKey.of_media(pipeline),
        AssetKey.of_embedding(pipeline, name),
        AssetKey.of_index(pipeline, name),
        AssetKey.of_published(pipeline, name),
    ):
        assert parse_step(pipeline, step_name(StepKey(key, kind))) == StepKey(key, kind)


@pytest.mark.parametrize("name", ["", "other", "films__raw_media", "photos__raw_medias", "photos__index"])
def test_a_step_of_somebody_else_is_none_of_ours(name):
    assert parse_step("photos", name) is None
