"""Settings: addresses, secrets, the versions there are."""

from __future__ import annotations

from typing import get_args

import pytest
from pydantic import ValidationError

from embeddings_orch_plugins.clip_server import Multi2VecClipConfig, RoboflowClipConfig, RoboflowClipEmbedder
from embeddings_orch_plugins.clip_server.config import DIMENSIONS, ClipVersion
from embeddings_orch_testing.servers import roboflow as kit


def test_one_address_several_or_the_usual_one():
    assert Multi2VecClipConfig(name="m").servers() == ("http://localhost:8080",)
    assert Multi2VecClipConfig(name="m", inference_url="http://gpu:8080/").servers() == ("http://gpu:8080",)
    several = Multi2VecClipConfig(name="m", inference_urls=["http://a:1", "https://b/clip/"])
    assert several.servers() == ("http://a:1", "https://b/clip")


def test_all_addresses_are_used_and_none_may_stand_there_twice():
    both = Multi2VecClipConfig(name="m", inference_url="http://a:1", inference_urls=["http://b:1"])
    assert both.servers() == ("http://a:1", "http://b:1")
    with pytest.raises(ValidationError, match="twice"):
        Multi2VecClipConfig(name="m", inference_url="http://a:1", inference_urls=["http://a:1/"])


def test_the_container_does_not_say_its_name_so_the_declaration_has_to():
    with pytest.raises(ValidationError, match="name"):
        Multi2VecClipConfig(inference_url="http://a:1")


@pytest.mark.parametrize(
    "url", ["localhost:8080", "ftp://a", "http://", "http://user:hunter2@host", "http://host?api_key=hunter2", ""]
)
def test_what_is_no_address_or_holds_a_secret_is_refused_without_showing_it(url):
    for make in (
        lambda: Multi2VecClipConfig(name="m", inference_url=url),
        lambda: Multi2VecClipConfig(name="m", inference_urls=[url]),
        lambda: RoboflowClipConfig(base_url=url),
    ):
        with pytest.raises(ValidationError, match="is not an address|an address with a password or a key") as raised:
            make()
        assert all("hunter2" not in error["msg"] for error in raised.value.errors())


def test_a_key_in_the_declaration_is_refused():
    with pytest.raises(ValidationError, match="api_key_env"):
        RoboflowClipConfig(api_key="rf_0123456789abcdef")


def test_versions_and_lengths_are_those_of_the_server():
    assert set(get_args(ClipVersion)) == set(DIMENSIONS) == set(kit.DIMENSIONS)
    for version in get_args(ClipVersion):
        config = RoboflowClipConfig(clip_version_id=version)
        assert RoboflowClipEmbedder(config).dimensions() == kit.DIMENSIONS[version]


def test_roboflow_takes_no_more_than_eight_items():
    with pytest.raises(ValidationError, match="less than or equal to 8"):
        RoboflowClipConfig(batch_size=9)
