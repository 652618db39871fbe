"""The Dagster resources: typed settings, and vectors for a user's own asset."""

import io

import dagster as dg
import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from embeddings_orch_plugins.clip_server import Multi2VecClipConfig, RoboflowClipConfig
from embeddings_orch_plugins.clip_server.resources import Multi2VecClipResource, RoboflowClipResource
from embeddings_orch_testing.servers.multi2vec import Multi2VecServer
from embeddings_orch_testing.servers.roboflow import RoboflowServer

KEY = "rf-secret-0123456789"


def shapes_in_an_asset(resource):
    @dg.asset
    def mine(clip: type(resource)):
        image = io.BytesIO()
        Image.new("RGB", (9, 9)).save(image, "PNG")
        vectors = clip.embed_texts(["a", "b", "c"])
        assert np.allclose(np.linalg.norm(vectors, axis=1), 1)
        return vectors.shape, clip.embed_images([image.getvalue()]).shape

    return dg.materialize([mine], resources={"clip": resource}).output_for_node("mine")


def test_an_ordinary_asset_embeds_with_multi2vec(monkeypatch):
    with Multi2VecServer() as first, Multi2VecServer() as second:
        monkeypatch.setenv("CLIP_URL", first.url)
        one = Multi2VecClipResource(name="m", inference_url=dg.EnvVar("CLIP_URL"))
        assert shapes_in_an_asset(one) == ((3, 512), (1, 512))
        assert len(first.requests) == 2
        several = Multi2VecClipResource(name="m", inference_urls=[first.url, second.url], batch_size=1)
        assert shapes_in_an_asset(several) == ((3, 512), (1, 512))
        assert second.requests
    assert one.fingerprint() == several.fingerprint() == Multi2VecClipConfig(name="m").fingerprint()


def test_an_ordinary_asset_embeds_with_roboflow(monkeypatch):
    monkeypatch.setenv("MY_KEY", KEY)
    with RoboflowServer() as server:
        server.key = KEY
        monkeypatch.setenv("ROBOFLOW_URL", server.url)
        resource = RoboflowClipResource(
            clip_version_id="RN50", base_url=dg.EnvVar("ROBOFLOW_URL"), api_key_env="MY_KEY"
        )
        assert shapes_in_an_asset(resource) == ((3, 1024), (1, 1024))
    assert resource.fingerprint() == RoboflowClipConfig(clip_version_id="RN50").fingerprint()
    assert KEY not in repr(resource)


def test_wrong_settings_are_refused_when_the_definitions_load():
    with pytest.raises(ValidationError, match="is not an address"):
        Multi2VecClipResource(name="m", inference_url="gpu-1:8080")
    with pytest.raises(ValidationError, match="ViT-B-16"):
        RoboflowClipResource(clip_version_id="ViT-B-17")


def test_a_resource_has_the_defaults_of_its_config():
    for resource, config in (
        (Multi2VecClipResource(name="m"), Multi2VecClipConfig(name="m")),
        (RoboflowClipResource(), RoboflowClipConfig()),
    ):
        assert resource.settings() == config.settings()
