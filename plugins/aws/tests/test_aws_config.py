"""What a config accepts, what it says of a wrong one, and what its fingerprint covers."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from pydantic import ValidationError

from embeddings_orch.models.identity import role_of
from embeddings_orch_plugins.aws import BedrockConfig, BedrockEmbedder
from embeddings_orch_plugins.aws.families import MODELS

ACCOUNT = "arn:aws:bedrock:us-east-1:123456789012"

# Where one of these changes, its users embed everything again.
GOLDEN = {
    "amazon.titan-embed-text-v1": "a262bfe653bf651619eeb8e581ec7888ad23c4ecf8eff0b9a6d9708b003e6356",
    "amazon.titan-embed-text-v2:0": "9b3df5e6c835538274f67f73589c2b406c8f128d78467aa4daff2a2fdc3dff12",
    "amazon.titan-embed-image-v1": "6b45a037be7ce83d322ec58a84f48ed8f0fa6820db53e8e82c50d4086adbcf80",
    "cohere.embed-english-v3": "c6dec3ba0b556e15751b85fd04d272133780fafd88af98f56980c05e39121abd",
    "cohere.embed-multilingual-v3": "508ba3e8c9649ecdd0a7f2ecf0fc7df369498fb8c9a26dff7d0b588601eac4ca",
    "cohere.embed-v4:0": "94c55f4976af90afe1a77fe970c125558afaaa810cdaae2d348eb85f3ec04d71",
    "amazon.nova-2-multimodal-embeddings-v1:0": "d6c7df5748c060166975e3f9d3549ca9dcd52a126101b68b425ff6fbad6765f0",
    "twelvelabs.marengo-embed-2-7-v1:0": "b344e9d76699e065926362224bc0ff66488b19c08d50a6a72c2c04460fd04ad8",
    "twelvelabs.marengo-embed-3-0-v1:0": "9c7bd918c2dd2d36a1a9f5073e407e659e41ac8316577ca300bd3c60ecf34d4b",
}


def error_of(**settings: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        BedrockConfig(**settings)
    (problem,) = caught.value.errors()
    return f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}"


def test_the_defaults_are_lancedbs() -> None:
    from lancedb.embeddings import get_registry

    theirs = get_registry().get("bedrock-text").create()
    ours = BedrockConfig()
    for name in ("name", "region", "profile_name", "assumed_role", "role_session_name"):
        assert getattr(ours, name) == getattr(theirs, name), name
    assert ours.retry.max_retries == theirs.max_retries
    assert ours.dimensions == theirs.ndims()
    cohere = BedrockConfig(name="cohere.embed-english-v3")
    assert cohere.source_input_type == theirs.source_input_type
    assert cohere.query_input_type == theirs.query_input_type
    # On purpose: LanceDB sends no truncate, so that one long text is an error of all.
    assert cohere.truncate == "end"
    # On purpose: LanceDB stores Titan v1's vectors as they come, of any length.
    assert ours.normalize


@pytest.mark.parametrize("name", MODELS)
def test_the_fingerprints_are_pinned(name: str) -> None:
    assert BedrockConfig(name=name).fingerprint() == GOLDEN[name]


@pytest.mark.parametrize(
    "name",
    [
        "us.cohere.embed-v4:0",
        "global.cohere.embed-v4:0",
        "us-gov.cohere.embed-v4:0",
        "cohere.embed-v4",
        "arn:aws:bedrock:us-east-1::foundation-model/cohere.embed-v4:0",
        f"{ACCOUNT}:inference-profile/us.cohere.embed-v4:0",
    ],
)
def test_every_way_to_a_model_is_the_same_model(name: str) -> None:
    config = BedrockConfig(name=name)
    assert config.fingerprint() == GOLDEN["cohere.embed-v4:0"]
    assert (config.model_id, config.dimensions) == (name, 1536)


def test_an_application_inference_profile_changes_nothing_and_provisioned_throughput_may() -> None:
    profile = BedrockConfig(name="cohere.embed-v4:0", arn=f"{ACCOUNT}:application-inference-profile/abc123")
    assert profile.fingerprint() == GOLDEN["cohere.embed-v4:0"]
    assert profile.model_id == f"{ACCOUNT}:application-inference-profile/abc123"
    provisioned = BedrockConfig(name="cohere.embed-v4:0", arn=f"{ACCOUNT}:provisioned-model/abcdefgh1234")
    assert provisioned.fingerprint() != GOLDEN["cohere.embed-v4:0"]


def test_spelling_out_a_models_default_is_the_same_model() -> None:
    said = BedrockConfig(
        name="amazon.nova-2-multimodal-embeddings-v1:0",
        dimensions=3072,
        truncate="end",
        source_input_type="GENERIC_INDEX",
        query_input_type="GENERIC_RETRIEVAL",
    )
    assert said.fingerprint() == GOLDEN["amazon.nova-2-multimodal-embeddings-v1:0"]


def test_another_version_is_another_model_and_a_length_of_context_is_not() -> None:
    name = "amazon.titan-embed-text-v2:0"
    assert BedrockConfig(name=f"{name}:8k").fingerprint() == GOLDEN[name]
    assert BedrockConfig(name="amazon.titan-embed-text-v2:1").fingerprint() != GOLDEN[name]


def test_every_field_says_whether_it_changes_the_vectors() -> None:
    roles = {name: role_of(field) for name, field in BedrockConfig.model_fields.items()}
    assert None not in roles.values()
    assert {name for name, role in roles.items() if role == "identity"} == {
        "name", "arn", "dimensions", "truncate", "source_input_type", "query_input_type", "normalize"
    }  # fmt: skip


def test_an_unknown_model_is_refused_with_the_known_ones() -> None:
    said = error_of(name="amazon.titan-embed-txt-v2:0")
    assert "did you mean 'amazon.titan-embed-text-v2:0'" in said
    assert all(name in said for name in MODELS)
    assert "there is no embedding model 'anthropic.claude-3-haiku'" in error_of(name="anthropic.claude-3-haiku")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"dimensions": 7}, "dimensions 7 is none of amazon.titan-embed-text-v1's: 1536"),
        ({"name": "cohere.embed-v4:0", "dimensions": 300}, "1536, 1024, 512, 256"),
        ({"truncate": "end"}, "cuts none: remove truncate"),
        ({"name": "cohere.embed-v4:0", "truncate": "middle"}, "end, start, none"),
        ({"source_input_type": "search_document"}, "does not tell inputs apart: remove it"),
        ({"name": "cohere.embed-v4:0", "query_input_type": "GENERIC_RETRIEVAL"}, "search_document, search_query"),
        ({"name": f"{ACCOUNT}:provisioned-model/abc"}, "write the ARN into 'arn'"),
        ({"arn": f"{ACCOUNT}:imported-model/abc"}, "cannot be invoked"),
        ({"arn": "arn:aws:s3:::bucket"}, "is not an ARN of Bedrock"),
        ({"arn": f"{ACCOUNT}:inference-profile/us.cohere.embed-v4:0"}, "arn calls cohere.embed-v4:0, and name says"),
        ({"name": "arn:aws:bedrock:eu-west-1::foundation-model/cohere.embed-v4:0"}, "set region: eu-west-1"),
        ({"assumed_role": "embedder"}, "arn:aws:iam::ACCOUNT:role/NAME"),
        ({"role_session_name": "has spaces"}, "role_session_name"),
        ({"region": ""}, "region"),
    ],
)
def test_wrong_values_are_refused_with_what_is_allowed(settings: dict[str, Any], said: str) -> None:
    assert said in error_of(**settings)


@pytest.mark.parametrize("name", ["aws_access_key_id", "aws_secret_access_key", "aws_session_token", "api_key"])
def test_a_secret_is_refused_and_not_shown(name: str) -> None:
    with pytest.raises(ValidationError) as caught:
        BedrockConfig(**{name: "wJalrXUtnFEMI/K7MDENG"})
    assert "would put a secret into the file" in str(caught.value)
    assert "wJalrXUtnFEMI" not in str(caught.value)


def test_the_region_of_the_environment_is_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    assert BedrockConfig().region == "us-east-1"


@pytest.mark.parametrize("name", MODELS)
def test_stored_settings_give_the_same_config_back(name: str) -> None:
    config = BedrockConfig(name=name)
    assert BedrockConfig.model_validate(config.settings()) == config


def test_a_request_holds_what_the_model_takes() -> None:
    def items(name: str, modality: Any, **settings: Any) -> int:
        return BedrockEmbedder(BedrockConfig(name=name, **settings)).limits(modality).items

    assert items("amazon.titan-embed-text-v2:0", "text") == 1
    assert items("cohere.embed-english-v3", "text") == 64
    assert items("cohere.embed-english-v3", "text", batch_size=500) == 96
    assert items("cohere.embed-english-v3", "image", batch_size=500) == 1
    assert items("cohere.embed-v4:0", "image", batch_size=500) == 96


def test_a_model_reads_what_it_reads() -> None:
    def reads(name: str) -> set[str]:
        return set(BedrockEmbedder(BedrockConfig(name=name)).modalities)

    assert reads("amazon.titan-embed-text-v2:0") == {"text"}
    assert reads("amazon.titan-embed-image-v1") == {"image", "text"}


def test_advice_is_about_batches_and_what_is_withdrawn() -> None:
    def advice(**settings: Any) -> str:
        return " ".join(BedrockEmbedder(BedrockConfig(**settings)).advice())

    assert "batch_size: 96" in advice(name="cohere.embed-v4:0")
    assert advice(name="cohere.embed-v4:0", batch_size=96) == ""
    assert "withdrawn" in advice(name="twelvelabs.marengo-embed-2-7-v1:0")


@pytest.mark.process
def test_planning_imports_neither_botocore_nor_dagster() -> None:
    code = """
import sys
from embeddings_orch_plugins.aws import BedrockConfig, BedrockEmbedder
embedder = BedrockEmbedder(BedrockConfig(name="us.cohere.embed-v4:0"))
embedder.config.fingerprint(), embedder.dimensions(), embedder.limits("text"), embedder.advice()
heavy = {"boto3", "botocore", "dagster", "torch", "PIL"}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)
