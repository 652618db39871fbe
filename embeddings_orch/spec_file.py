"""Reads pipelines from a YAML file; every error names the file, the line and the allowed values."""

from __future__ import annotations

import os
import re
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeGuard, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from embeddings_orch.errors import PluginError, SpecError
from embeddings_orch.plugins import suggestion
from embeddings_orch.spec import NAME_PATTERN, PipelineSpec, _PluginSpec

COMPONENT_TYPE = "embeddings_orch.EmbeddingPipeline"

Location = tuple[str | int, ...]
_MERGE = "tag:yaml.org,2002:merge"
_EXPECTED = {
    "tuple_type": "a list is expected",
    "dict_type": "a mapping is expected",
    "model_type": "a mapping is expected",
}
_TEMPLATE = re.compile(r"\{\{(.*?)\}\}")
_ENV = re.compile(r"""^\s*env(?:\.(\w+)|\(\s*['"](\w+)['"]\s*(?:,\s*['"](.*?)['"]\s*)?\))\s*$""")


@dataclass
class _Document:
    """One YAML document as plain data, with the line of every key and list item."""

    file: Path
    data: Any = None
    lines: dict[Location, int] = field(default_factory=dict)

    def where(self, location: Location) -> str:
        """``file:line`` of the nearest known place at or above a location."""
        while location and location not in self.lines:
            location = location[:-1]
        return f"{self.file}:{self.lines.get(location, 1)}"


def read_documents(file: Path) -> list[_Document]:
    """The documents of a YAML file; those of other types without their data.

    Raises:
        SpecError: the file cannot be read, is not YAML, or has a key twice.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise SpecError(f"{file}: there is no such file") from error
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(f"{file}: cannot be read: {error}") from error
    documents = []
    try:
        for node in yaml.compose_all(text, Loader=yaml.SafeLoader):
            if node is not None:
                document = _Document(file, lines={(): node.start_mark.line + 1})
                # Other components have their own templates and keys, which are none of our business.
                if _type_of(node) == COMPONENT_TYPE:
                    document.data = _plain(node, (), document)
                documents.append(document)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise SpecError(f"{file}:{line}: this is not valid YAML: {error.problem or error.context}") from error
    except yaml.YAMLError as error:
        raise SpecError(f"{file}: this is not valid YAML: {error}") from error
    except RecursionError as error:
        raise SpecError(f"{file}: it is nested too deeply, or an alias refers to itself") from error
    return documents


def _type_of(node: yaml.Node) -> str | None:
    pairs = node.value if isinstance(node, yaml.MappingNode) else []
    values = [value for key, value in pairs if isinstance(key, yaml.ScalarNode) and key.value == "type"]
    return values[0].value if values and isinstance(values[0], yaml.ScalarNode) else None


def _plain(node: yaml.Node, location: Location, document: _Document) -> Any:
    if isinstance(node, yaml.MappingNode):
        data: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            if key_node.tag == _MERGE:
                line = key_node.start_mark.line + 1
                raise SpecError(f"{document.file}:{line}: '<<' merges nothing here; write the keys out")
            key = yaml.SafeLoader("").construct_object(key_node, deep=True)
            if not isinstance(key, Hashable) or not isinstance(key, str):
                raise SpecError(
                    f"{document.file}:{key_node.start_mark.line + 1}: the key {key!r} is not text; quote it"
                )
            below = (*location, key)
            if key in data:
                first = document.lines[below]
                line = key_node.start_mark.line + 1
                raise SpecError(f"{document.file}:{line}: the name {key!r} stands here twice (first in line {first})")
            document.lines[below] = key_node.start_mark.line + 1
            data[key] = _plain(value_node, below, document)
        return data
    if isinstance(node, yaml.SequenceNode):
        items = []
        for number, child in enumerate(node.value):
            document.lines[*location, number] = child.start_mark.line + 1
            items.append(_plain(child, (*location, number), document))
        return items
    value = yaml.SafeLoader("").construct_object(node, deep=True)
    return _rendered(value, location, document) if isinstance(value, str) else value


def _rendered(text: str, location: Location, document: _Document) -> str:
    def value_of(match: re.Match[str]) -> str:
        parsed = _ENV.match(match.group(1))
        if parsed is None:
            raise SpecError(
                f"{document.where(location)}: '{match.group(0)}' is not understood; allowed: {{{{ env.NAME }}}}"
            )
        name, default = parsed.group(1) or parsed.group(2), parsed.group(3)
        value = os.environ.get(name, default)
        if value is None:
            raise SpecError(f"{document.where(location)}: the environment variable {name} is not set")
        return value

    return _TEMPLATE.sub(value_of, text)


def is_pipeline(document: _Document) -> bool:
    """Whether a document declares an embedding pipeline."""
    return isinstance(document.data, dict) and document.data.get("type") == COMPONENT_TYPE


def load_pipelines(file: Path) -> list[PipelineSpec]:
    """The pipelines that a YAML file declares, in order; documents of other types are passed over.

    Raises:
        SpecError: what is wrong, with file and line.
    """
    return [load_document(document) for document in read_documents(file) if is_pipeline(document)]


def load_pipeline(file: Path, number: int = 0) -> PipelineSpec:
    """The pipeline that the YAML document ``number`` (from 0) of a file declares.

    Raises:
        SpecError: what is wrong, with file and line.
    """
    documents = read_documents(file)
    if number >= len(documents) or not is_pipeline(documents[number]):
        raise SpecError(f"{file}: document {number + 1} is not of type {COMPONENT_TYPE}")
    return load_document(documents[number])


def load_document(document: _Document) -> PipelineSpec:
    """Validate one document.

    Raises:
        SpecError: all that is wrong with it, a line each.
    """
    allowed = ("type", "attributes", "requirements", "post_processing", "template_vars_module")
    unknown = [key for key in document.data if key not in allowed]
    if unknown:
        key = unknown[0]
        raise SpecError(f"{document.where((key,))}: unknown key {key!r}{suggestion(key, allowed)}")
    try:
        return PipelineSpec.model_validate(
            document.data.get("attributes") or {}, context={"base": document.file.resolve().parent}
        )
    except ValidationError as error:
        raise SpecError("\n".join(_messages(error, document))) from error


def _messages(error: ValidationError, document: _Document) -> Iterator[str]:
    for detail in error.errors(include_url=False):
        location: Location = tuple(detail["loc"])
        context = detail.get("ctx") or {}
        if detail["type"] == "reference":
            location = tuple(str(context["path"]).split("."))
        location = tuple(part for part in location if part != "[key]")
        at_key = (context["key"],) if detail["type"] == "plugin" else ()
        place = document.where(("attributes", *location, *at_key))
        path = ".".join(map(str, location)) or "attributes"
        if detail["type"] == "extra_forbidden":
            allowed = _keys_at(location[:-1], document.data.get("attributes"))
            yield f"{place}: {path}: unknown key{suggestion(str(location[-1]), allowed)}"
        elif detail["type"] == "missing":
            yield f"{place}: {path}: this key is missing"
        else:
            message = _EXPECTED.get(detail["type"]) or detail["msg"].removeprefix("Value error, ")
            if context.get("pattern") == NAME_PATTERN:
                message = "a name has letters, digits and _, begins with a letter, and is at most 63 long"
            given = detail["input"]
            shown = (
                f" (given: {given!r})"
                if isinstance(given, str | int | float | bool) and detail["type"] != "plugin"
                else ""
            )
            yield f"{place}: {path}: {message}{shown}"


def _keys_at(location: Location, data: Any) -> list[str]:
    """The keys that are allowed at a location; a plugin's part has those of the plugin too."""
    model: Any = PipelineSpec
    for part in location:
        parent, data = data, data.get(part) if isinstance(data, dict) else None
        if _is_model(model) and part in model.model_fields:
            model = _unwrapped(model.model_fields[str(part)].annotation)
        elif _is_model(model) and issubclass(model, _PluginSpec):
            model = _config_class(model, parent)
            model = _unwrapped(model.model_fields[str(part)].annotation) if part in model.model_fields else None
        elif get_origin(model) is dict:
            model = _unwrapped(get_args(model)[1])
    if not _is_model(model):
        return []
    if issubclass(model, _PluginSpec):
        return [*model.own_keys, *_config_class(model, data).model_fields]
    return list(model.model_fields)


def _is_model(value: Any) -> TypeGuard[type[BaseModel]]:
    return isinstance(value, type) and issubclass(value, BaseModel)


def _config_class(model: type[_PluginSpec], data: Any) -> type[BaseModel]:
    name = (data if isinstance(data, dict) else {}).get(model.plugin_key)
    try:
        return model.config_class(name or model.model_fields[model.plugin_key].get_default())
    except PluginError:
        return BaseModel


def _unwrapped(annotation: Any) -> Any:
    if get_origin(annotation) is Union:
        return next(part for part in get_args(annotation) if part is not type(None))
    return annotation
