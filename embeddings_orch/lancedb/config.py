"""An embedder's config from the arguments of a registry function, and what of it a table keeps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from embeddings_orch import plugins
from embeddings_orch.errors import SpecError
from embeddings_orch.models.base import EmbedderConfig
from embeddings_orch.models.identity import role_of
from embeddings_orch.plugins import suggestion

OWN = ("source", "allow_urls")
"""Arguments of the function that are none of the provider's settings."""


def make_config(provider: str, settings: Mapping[str, Any]) -> EmbedderConfig:
    """The config of a provider.

    Raises:
        PluginError: the provider's plugin is missing or broken.
        SpecError: settings are wrong; the message shows no value, which could be a key in the wrong place.
    """
    config_class: type[EmbedderConfig] = plugins.load("embedders", provider).config_class
    try:
        return config_class.model_validate(dict(settings))
    except ValidationError as error:
        raise SpecError(
            f"the model {provider!r} cannot be made: {explain(error, [*config_class.model_fields, *OWN])}"
        ) from error


def explain(error: ValidationError, allowed: Sequence[str]) -> str:
    """A validation error in one line, with the names that are allowed where one is not."""
    lines = []
    for detail in error.errors(include_url=False):
        name = ".".join(map(str, detail["loc"]))
        if detail["type"] == "extra_forbidden" and len(detail["loc"]) == 1:
            lines.append(f"unknown setting {name!r}{suggestion(name, allowed)}")
        else:
            message = detail["msg"].removeprefix("Value error, ")
            lines.append(f"{name}: {message}" if name else message)
    return "; ".join(lines)


def pin(config: EmbedderConfig, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """What a table keeps of a config, as plain values: all that makes the vectors, and else what was given.

    Args:
        config: whose secrets are names of environment variables.
        arguments: what was given; one that is a variable of LanceDB's registry (``$var:NAME``) stays one.

    Raises:
        EmbeddingsOrchError: a local file that is part of the fingerprint cannot be read.
    """
    settings = config.settings()
    fields = type(config).model_fields
    pinned = {name: value for name, value in settings.items() if role_of(fields[name]) == "identity"}
    for name in settings.keys() & arguments.keys() - pinned.keys():
        pinned[name] = arguments[name] if str(arguments[name]).startswith("$var:") else settings[name]
    return {"provider": config.provider, **pinned, "fingerprint": config.fingerprint()}
