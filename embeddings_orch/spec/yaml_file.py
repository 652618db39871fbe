"""Reads pipelines from a YAML file; every error names the file, the line and the allowed values."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from types import UnionType
from typing import Any, TypeGuard, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from embeddings_orch.errors import PluginError, SpecError
from embeddings_orch.plugins import suggestion
from embeddings_orch.policy.secrets import SECRET
from embeddings_orch.spec.base import NAME_PATTERN
from embeddings_orch.spec.pipeline import OWNER_PATTERN, PipelineSpec, _PluginSpec

COMPONENT_TYPE = "embeddings_orch.EmbeddingPipeline"

MOST_VALUES = 20_000
"""Values of one document, counted each time that an alias repeats them: a few lines of aliases can be billions."""

Location = tuple[str | int, ...]
_MERGE = "tag:yaml.org,2002:merge"
_EXPECTED = {
    "tuple_type": "a list is expected",
    "dict_type": "a mapping is expected",
    "model_type": "a mapping is expected",
    "string_type": "text is expected",
}
_PATTERNS = {
    NAME_PATTERN: "a name has letters, digits and _, begins with a letter, and is at most 63 long",
    OWNER_PATTERN: "an owner is an e-mail address or team:NAME",
}
# Where nothing closes it, all of the line is passed by, and not looked through again from each brace.
_TEMPLATE = re.compile(r"\{\{(?:(.*?)\}\}|.*+)")
_ENV = re.compile(r"""^\s*env(?:\.(\w+)|\(\s*['"](\w+)['"]\s*(?:,\s*['"](.*?)['"]\s*)?\))\s*$""")


@dataclass
class Document:
    """One YAML document as plain data, with the line of every key and list item.

    Attributes:
        kind: its ``type``; the data of another than ours is not read.
        name: the pipeline's name, as far as it can be told.
        error: why the data cannot be had.
        texts: plain values as they are written.
    """

    file: Path
    kind: str | None = None
    name: str | None = None
    error: SpecError | None = None
    data: Any = None
    lines: dict[Location, int] = field(default_factory=dict)
    texts: dict[Location, str] = field(default_factory=dict)

    def where(self, location: Location) -> str:
        """``file:line`` of the nearest known place at or above a location."""
        while location and location not in self.lines:
            location = location[:-1]
        return f"{self.file}:{self.lines.get(location, 1)}"


def read_documents(file: Path) -> list[Document]:
    """The documents of a YAML file; those of other types without their data.

    What is wrong in one document stays with it (`Document.error`), so that the others can be used.

    Raises:
        SpecError: the file cannot be read, or is not YAML.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise SpecError(f"{file}: there is no such file") from error
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(f"{file}: cannot be read: {error}") from error
    with _readable(file):
        nodes = [node for node in yaml.compose_all(text, Loader=yaml.SafeLoader) if node is not None]
    return [_document(file, node) for node in nodes]


@contextmanager
def _readable(file: Path) -> Iterator[None]:
    try:
        yield
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise SpecError(f"{file}:{line}: this is not valid YAML: {error.problem or error.context}") from error
    except yaml.YAMLError as error:
        raise SpecError(f"{file}: this is not valid YAML: {error}") from error
    except RecursionError as error:
        raise SpecError(f"{file}: it is nested too deeply, or an alias refers to itself") from error


def _document(file: Path, node: yaml.Node) -> Document:
    document = Document(file, _text_at(node, "type"), lines={(): node.start_mark.line + 1})
    # Other components have their own templates and keys, which are none of our business.
    if is_pipeline(document):
        document.name = _text_at(node, "attributes", "name")
        try:
            with _readable(file):
                document.data = _plain(node, (), document)
        except SpecError as error:
            document.error = error
        else:
            attributes = document.data.get("attributes")
            name = attributes.get("name") if isinstance(attributes, dict) else None
            document.name = name if isinstance(name, str) else document.name
    return document


def _text_at(node: yaml.Node | None, *path: str) -> str | None:
    """A scalar of nested mappings as it is written, None where there is none."""
    for name in path:
        pairs = node.value if isinstance(node, yaml.MappingNode) else []
        node = next((value for key, value in pairs if isinstance(key, yaml.ScalarNode) and key.value == name), None)
    return str(node.value) if isinstance(node, yaml.ScalarNode) else None


def _plain(node: yaml.Node, location: Location, document: Document) -> Any:
    if len(document.lines) + len(document.texts) > MOST_VALUES:
        raise SpecError(f"{document.where(location)}: the document has more than {MOST_VALUES:,} values")
    if isinstance(node, yaml.MappingNode):
        data: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            if key_node.tag == _MERGE:
                line = key_node.start_mark.line + 1
                raise SpecError(f"{document.file}:{line}: '<<' merges nothing here; write the keys out")
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                why = "a list or mapping is no key; quote it if it is text, as '{{ env.NAME }}'"
                raise SpecError(f"{document.file}:{line}: {why}")
            key = _construct(key_node, document)
            if not isinstance(key, str):
                raise SpecError(f"{document.file}:{line}: the key {key_node.value} is not text; quote it")
            below = (*location, key)
            if key in data:
                first = document.lines[below]
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
    document.texts[location] = str(node.value)
    value = _construct(node, document)
    return _render(value, location, document) if isinstance(value, str) else value


def _construct(node: yaml.Node, document: Document) -> Any:
    where = f"{document.file}:{node.start_mark.line + 1}"
    try:
        value = yaml.SafeLoader("").construct_object(node, deep=True)
    # Each is raised for some text that only looks like a date, a number or whatever a tag says.
    except (ValueError, LookupError, AttributeError, ArithmeticError, TypeError) as error:
        kind = node.tag.rpartition(":")[2]
        raise SpecError(f"{where}: {node.value} is no sound {kind} ({error}); quote it if it is text") from error
    if isinstance(value, int | float) and ":" in node.value:
        raise SpecError(f"{where}: {node.value} is a number of base 60 in YAML ({value}); quote it, or write {value}")
    return value


def _render(text: str, location: Location, document: Document) -> str:
    def value_of(match: re.Match[str]) -> str:
        if match.group(1) is None:
            return match.group(0)
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


def is_pipeline(document: Document) -> bool:
    """Whether a document declares an embedding pipeline."""
    return document.kind == COMPONENT_TYPE


def load_pipeline(file: Path, number: int = 0) -> PipelineSpec:
    """The pipeline that the YAML document ``number`` (from 0) of a file declares.

    Raises:
        SpecError: what is wrong, with file and line.
    """
    documents = read_documents(file)
    if number >= len(documents) or not is_pipeline(documents[number]):
        raise SpecError(f"{file}: document {number + 1} is not of type {COMPONENT_TYPE}")
    return load_document(documents[number])


def load_document(document: Document) -> PipelineSpec:
    """Validate one document.

    Raises:
        SpecError: all that is wrong with it, a line each.
    """
    if document.error is not None:
        raise document.error
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


def _messages(error: ValidationError, document: Document) -> Iterator[str]:
    texts = {location[1:]: text for location, text in document.texts.items() if location[:1] == ("attributes",)}
    for detail in error.errors(include_url=False):
        location: Location = tuple(detail["loc"])
        context = detail.get("ctx") or {}
        if detail["type"] == "reference":
            location = tuple(int(part) if part.isdigit() else part for part in str(context["path"]).split("."))
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
            message = _PATTERNS.get(str(context.get("pattern")), message)
            value = detail["input"]
            hint = ""
            if detail["type"] == "string_type" and texts.get(location):
                message = "text is expected; quote it"
                hint = f" (given: {texts[location]})"
            elif isinstance(value, str | int | float | bool) and detail["type"] not in ("plugin", SECRET):
                hint = f" (given: {value!r})"
            elif isinstance(value, date):
                hint = f" (given: {value})"
            yield f"{place}: {path}: {message}{hint}"


def _keys_at(location: Location, data: Any) -> list[str]:
    """The keys that are allowed at a location; a plugin's part has those of the plugin too."""
    model: Any = PipelineSpec
    for part in location:
        parent, data = data, data.get(part) if isinstance(data, dict) else None
        if _is_model(model) and part in model.model_fields:
            model = _unwrap(model.model_fields[str(part)].annotation)
        elif _is_model(model) and issubclass(model, _PluginSpec):
            model = _config_class(model, parent)
            model = _unwrap(model.model_fields[str(part)].annotation) if part in model.model_fields else None
        elif get_origin(model) is dict:
            model = _unwrap(get_args(model)[1])
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


def _unwrap(annotation: Any) -> Any:
    if get_origin(annotation) in (Union, UnionType):
        parts = [part for part in get_args(annotation) if part is not type(None)]
        # The one with keys, where a value may be plain or a mapping.
        return next((part for part in parts if _is_model(part)), parts[0])
    return annotation
