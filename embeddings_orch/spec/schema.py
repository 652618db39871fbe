"""The JSON schema of a pipeline's declaration, with the keys of all installed plugins, for editors and checks."""

from __future__ import annotations

from typing import Any

from embeddings_orch import plugins
from embeddings_orch.errors import PluginError
from embeddings_orch.spec.pipeline import EmbeddingSpec, MediaSpec, PipelineSpec, _PluginSpec
from embeddings_orch.spec.yaml_file import COMPONENT_TYPE


def attributes_schema() -> dict[str, Any]:
    """The schema of what stands under ``attributes``; one alternative for each installed plugin."""
    schema = PipelineSpec.model_json_schema(mode="validation")
    definitions = schema["$defs"]
    for spec in (MediaSpec, EmbeddingSpec):
        definitions[spec.__name__] = {"anyOf": [_flat(spec, plugin.name, definitions) for plugin in _usable(spec)]}
    return schema


def file_schema() -> dict[str, Any]:
    """The schema of a whole ``defs.yaml``."""
    attributes = attributes_schema()
    definitions = attributes.pop("$defs")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "embeddings_orch pipeline",
        "type": "object",
        "properties": {"type": {"const": COMPONENT_TYPE}, "attributes": attributes},
        "required": ["type", "attributes"],
        "$defs": definitions,
    }


def _usable(spec: type[_PluginSpec]) -> list[plugins.Plugin]:
    usable = []
    for plugin in plugins.list_plugins(spec.plugin_group):
        try:
            spec.config_class(plugin.name)
        except PluginError:
            continue  # missing or broken: it has no keys to complete
        usable.append(plugin)
    return usable


def _flat(spec: type[_PluginSpec], name: str, definitions: dict[str, Any]) -> dict[str, Any]:
    config = spec.config_class(name).model_json_schema(mode="validation")
    definitions.update(config.pop("$defs", {}))
    properties = {key: _describe(spec, key) for key in spec.own_keys}
    properties[spec.plugin_key] = {"const": name, **_describe(spec, spec.plugin_key)}
    default = spec.model_fields[spec.plugin_key].get_default()
    required = [
        *config.get("required", []),
        *([] if isinstance(default, str) and default == name else [spec.plugin_key]),
    ]
    return {
        "title": name,
        "type": "object",
        "properties": {**properties, **config["properties"]},
        "required": required,
        "additionalProperties": False,
        **({"not": {"required": ["input", "vectors"]}} if spec is EmbeddingSpec else {}),
    }


def _describe(spec: type[_PluginSpec], key: str) -> dict[str, Any]:
    field = spec.model_fields[key]
    schema = field.json_schema_extra
    return {**(schema if isinstance(schema, dict) else {"type": "string"}), "description": field.description}
