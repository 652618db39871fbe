"""Settings of Bedrock's models: LanceDB's names and defaults, and what each model allows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import ConfigDict, field_validator, model_validator

from embeddings_orch.models import RemoteConfig, Side, identity, operational
from embeddings_orch_plugins.aws import model_ids
from embeddings_orch_plugins.aws.families import MODELS
from embeddings_orch_plugins.aws.families.base import ModelFamily

DEFAULT = "amazon.titan-embed-text-v1"
_ROLE = re.compile(r"arn:aws[\w-]*:iam::\d{12}:role/\S+")
_SECRETS = frozenset(
    {"access_key", "access_key_id", "api_key", "aws_access_key_id", "aws_secret_access_key", "aws_session_token"}
    | {"bearer_token", "secret_access_key", "secret_key", "session_token"}
)


class BedrockConfig(RemoteConfig):
    """An embedding model on Amazon Bedrock.

    What is left out of ``dimensions``, ``truncate`` and the input types is the model's default, see `MODELS`.

    Example:
        >>> BedrockConfig(name="cohere.embed-v4:0", dimensions=512).source_input_type
        'search_document'
    """

    # Pydantic's own message shows what was given, a key among it.
    model_config = ConfigDict(hide_input_in_errors=True)
    provider: ClassVar[str] = "bedrock"
    secret_keys: ClassVar[Mapping[str, str]] = {}

    name: str = identity(
        DEFAULT, description="A model id, an inference profile (us.…), or an ARN that has the id in it."
    )
    arn: str | None = identity(
        None,
        description="Called instead of the name: an application inference profile, provisioned throughput or a "
        "deployment of a model of your own. An inference profile changes no vectors.",
    )
    dimensions: int | None = identity(None, ge=1, description="Length of the vectors; the model says which it has.")
    # No Literal: Dagster takes none that may be missing. What is allowed is the model's matter anyway.
    truncate: str | None = identity(
        None,
        description="A text that is too long: cut its end, its start, or none: it is a failure.",
        examples=["end", "start", "none"],
    )
    source_input_type: str | None = identity(
        None, description="What documents are embedded for: Cohere's input_type, Nova's embeddingPurpose."
    )
    query_input_type: str | None = identity(
        None, description="What queries are embedded for: Cohere's input_type, Nova's embeddingPurpose."
    )
    region: str = operational("us-east-1", min_length=1, description="AWS region; AWS_REGION is not looked at.")
    profile_name: str | None = operational(None, description="A profile of ~/.aws; the default is the usual chain.")
    assumed_role: str | None = operational(None, description="ARN of an IAM role to work as.")
    role_session_name: str = operational(
        "lancedb-embeddings", pattern=r"^[\w+=,.@-]{2,64}$", description="The role session's name, in CloudTrail."
    )
    endpoint_url: str | None = operational(None, description="Another address of bedrock-runtime, a VPC endpoint.")

    @model_validator(mode="before")
    @classmethod
    def _no_secrets(cls, value: Any) -> Any:
        if isinstance(value, Mapping) and (secrets := sorted(_SECRETS & set(value))):
            raise ValueError(
                f"{secrets[0]!r} would put a secret into the file: remove it; keys come from AWS_ACCESS_KEY_ID and "
                "AWS_SECRET_ACCESS_KEY, from a profile (profile_name), or from the role of the machine"
            )
        return value

    @model_validator(mode="before")
    @classmethod
    def _models_defaults(cls, value: Any) -> Any:
        if not isinstance(value, Mapping) or (model := _find_family(value.get("name", DEFAULT))) is None:
            return value
        source, query = model.input_types or (None, None)
        defaults = {
            "dimensions": model.dimensions[0],
            "truncate": model.truncates[0],
            "source_input_type": source,
            "query_input_type": query,
        }
        missing = {key: default for key, default in defaults.items() if value.get(key) is None and default is not None}
        return {**value, **missing}

    @field_validator("name", mode="before")
    @classmethod
    def _a_model(cls, value: Any) -> Any:
        if type(value) is str:  # Dagster's EnvVar is a str too, and known at run time only
            model_ids.parse_model_id(value)
        return value

    @field_validator("arn", mode="before")
    @classmethod
    def _callable(cls, value: Any) -> Any:
        if type(value) is str:
            model_ids.check_arn(value)
        return value

    @field_validator("assumed_role", mode="before")
    @classmethod
    def _a_role(cls, value: Any) -> Any:
        if type(value) is str and not _ROLE.fullmatch(value):
            raise ValueError("is not the ARN of a role: arn:aws:iam::ACCOUNT:role/NAME")
        return value

    @model_validator(mode="after")
    def _check_allowed(self) -> BedrockConfig:
        if (model := _find_family(self.name)) is None:
            return self
        base = model_ids.parse_model_id(self.name).base
        _one_of("dimensions", self.dimensions, model.dimensions, base)
        _one_of("truncate", self.truncate, model.truncates, base)
        for key in ("source_input_type", "query_input_type"):
            _one_of(key, getattr(self, key), model.allowed_types or (None,), base)
        told = model_ids.base_in(self.arn) if self.arn else None
        if told not in (None, base):
            raise ValueError(f"arn calls {told}, and name says {base}: write the model that is called into name")
        region = model_ids.region_in(self.model_id)
        if region not in (None, self.region):
            raise ValueError(f"the ARN is one of {region}, and region is {self.region!r}: set region: {region}")
        return self

    @property
    def model_id(self) -> str:
        """What InvokeModel is given as the model."""
        return self.arn or self.name

    @property
    def base(self) -> str:
        """The model's id, without region and version."""
        return model_ids.parse_model_id(self.name).base

    @property
    def model(self) -> ModelFamily:
        """What is known of the model."""
        return MODELS[self.base]

    def input_type(self, side: Side) -> str | None:
        """What contents of a side are embedded for."""
        return self.query_input_type if side == "query" else self.source_input_type

    def identity(self) -> dict[str, Any]:
        """The identity fields; the way to a model (a region's profile, an ARN of the same weights) is none."""
        fields = super().identity()
        fields["name"] = model_ids.parse_model_id(self.name).model
        if self.arn is None or not model_ids.own_weights(self.arn):
            fields["arn"] = None
        return fields


def _find_family(name: Any) -> ModelFamily | None:
    try:
        return MODELS[model_ids.parse_model_id(name).base] if type(name) is str else None
    except ValueError:
        return None


def _one_of(key: str, value: Any, allowed: tuple[Any, ...], model: str) -> None:
    if value in allowed:
        return
    if allowed == (None,):
        raise ValueError(f"{key} does not apply to {model}, which does not tell inputs apart: remove it")
    if key == "truncate" and allowed == ("none",):
        raise ValueError(f"{model} refuses a text that is too long and cuts none: remove truncate, or split the texts")
    raise ValueError(f"{key} {value!r} is none of {model}'s: {', '.join(map(str, allowed))}")
