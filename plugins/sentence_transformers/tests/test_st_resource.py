"""The Dagster resources: typed settings, and vectors for a user's own asset."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pytest
from pydantic import ValidationError

from embeddings_orch.errors import ItemError
from embeddings_orch.models.base import Batch
from embeddings_orch_plugins.sentence_transformers import SentenceTransformersConfig, SentenceTransformersEmbedder
from embeddings_orch_plugins.sentence_transformers.resources import (
    InstructorResource,
    RetryConfig,
    SentenceTransformersResource,
)

from .conftest import cosines, picture


def in_an_asset(resource: Any, use: Callable[[Any], Any]) -> Any:
    @dg.asset
    def my_asset(model: SentenceTransformersResource) -> Any:
        return use(model)

    return dg.materialize([my_asset], resources={"model": resource}).output_for_node("my_asset")


@pytest.mark.slow
def test_an_ordinary_asset_embeds_texts_and_pictures(clip: Path) -> None:
    resource = SentenceTransformersResource(name=str(clip), batch_size=2, device="cpu")
    texts = in_an_asset(resource, lambda model: model.embed_texts(["a", "b", "c"]))
    pictures = in_an_asset(resource, lambda model: model.embed_images([picture(1), picture(2)]))
    embedder = SentenceTransformersEmbedder(SentenceTransformersConfig(name=str(clip), device="cpu"))
    assert cosines(texts, embedder.embed(Batch("text", ["a", "b", "c"])).vectors).min() > 0.99999
    assert cosines(pictures, embedder.embed(Batch("image", [picture(1), picture(2)])).vectors).min() > 0.99999
    assert np.allclose(np.linalg.norm(texts, axis=1), 1)


def test_an_asset_that_types_its_resource(instructor: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INSTRUCTOR", str(instructor))

    @dg.asset
    def my_asset(model: InstructorResource) -> Any:
        return model.embed_texts(["a"]), model.embed_texts(["a"], side="query")

    resources = {"model": InstructorResource(name=dg.EnvVar("INSTRUCTOR"), device="cpu")}
    document, query = dg.materialize([my_asset], resources=resources).output_for_node("my_asset")
    assert document.shape == query.shape == (1, 24)
    assert cosines(document, query).max() < 0.9999


def test_a_resource_has_the_fingerprint_of_its_config() -> None:
    resource = SentenceTransformersResource(retry=RetryConfig(max_retries=2))
    assert resource.fingerprint() == SentenceTransformersConfig().fingerprint()


def test_wrong_settings_are_refused_when_the_definitions_load() -> None:
    with pytest.raises(ValidationError, match="'revision' does not apply"):
        SentenceTransformersResource(name="./model", revision="main")


def test_pictures_for_a_model_of_texts_are_named(instructor: Path) -> None:
    resource = SentenceTransformersResource(name=str(instructor), device="cpu")
    with pytest.raises(ItemError, match=r"image 0: sentence-transformers reads text, not image"):
        resource.embed_images([picture()])
