"""What is told of the plugins: what each is, its fields, an example, and the command that adds it.

Plugins' modules are imported for it, their SDKs are not; one that cannot be imported is told as such.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import annotated_types
import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from embeddings_orch import plugins
from embeddings_orch.errors import PluginError
from embeddings_orch.models.identity import role_of

_TYPES: Mapping[Any, str] = {str: "text", int: "integer", float: "number", bool: "true or false"}
_EXAMPLES: Mapping[str, str] = {"path": "data/media", "name": "a-model"}
_TABLE = "data/media.csv"


@dataclass(frozen=True)
class Row:
    """One plugin as it is listed.

    Attributes:
        reads: the modalities of an embedder.
        error: why it cannot be used, empty where it can.
        install: the command that adds it, where it is one of ours.
    """

    group: str
    name: str
    installed: bool
    distribution: str
    version: str
    install: str | None
    reads: tuple[str, ...]
    summary: str
    error: str

    @property
    def kind(self) -> str:
        """As in: embedder."""
        return self.group.removesuffix("s")


@dataclass(frozen=True)
class Field:
    """One key of a plugin's config.

    Attributes:
        type: in words.
        role: ``identity`` (a change makes other vectors), ``operational``, or None for what is no embedder's.
    """

    name: str
    type: str
    default: Any
    required: bool
    role: str | None
    description: str


@dataclass(frozen=True)
class Page:
    """All that is told of one plugin.

    Attributes:
        example: YAML for a pipeline's declaration, empty where it is not usable or not declared by name.
    """

    row: Row
    fields: list[Field]
    example: str

    def to_json(self) -> dict[str, Any]:
        """As ``plugins show --json`` prints it."""
        return {**asdict(self.row), "fields": [asdict(field) for field in self.fields], "example": self.example}


def rows() -> list[Row]:
    """All plugins, by group and name; a broken one is a row with its error."""
    return [_row(plugin) for group in plugins.GROUPS for plugin in plugins.list_plugins(group)]


def pages(name: str) -> list[Page]:
    """The plugins of a name, in all groups.

    Raises:
        PluginError: there is none.
    """
    known = [plugin for group in plugins.GROUPS for plugin in plugins.list_plugins(group)]
    named = [plugin for plugin in known if plugin.name == name]
    if not named:
        raise PluginError(f"there is no plugin {name!r}{plugins.suggestion(name, {plugin.name for plugin in known})}")
    return [_page(plugin) for plugin in named]


def _row(plugin: plugins.Plugin) -> Row:
    ours = plugins.OURS.get((plugin.group, plugin.name))
    reads, summary = (ours.reads, ours.summary) if ours else ((), "")
    error = ""
    if plugin.installed:
        try:
            loaded = plugins.load(plugin.group, plugin.name)
        except PluginError as caught:
            error = " ".join(str(caught).split())
        else:
            modalities = getattr(loaded, "modalities", ())
            # A property where it depends on the model.
            reads = tuple(sorted(modalities)) if isinstance(modalities, frozenset | set) else reads
            summary = summary or (loaded.__doc__ or "").strip().partition("\n")[0]
    return Row(
        plugin.group, plugin.name, plugin.installed, plugin.distribution, plugin.version, plugin.install_command,
        reads, summary, error,
    )  # fmt: skip


def _page(plugin: plugins.Plugin) -> Page:
    row = _row(plugin)
    if row.error or not row.installed:
        return Page(row, [], "")
    config: type[BaseModel] | None = getattr(plugins.load(plugin.group, plugin.name), "config_class", None)
    if config is None:
        return Page(row, [], "")
    fields = [_field(name, field) for name, field in config.model_fields.items()]
    # A provider's own keys are what a reader looks for; those that all have come last, as in the docs.
    shared = [name for base in reversed(config.__mro__[1:]) for name in getattr(base, "model_fields", {})]
    fields.sort(key=lambda field: field.name in shared)
    # A reranker is chosen by who searches, and not declared.
    return Page(row, fields, "" if row.group == "rerankers" else _example(row, config))


def _field(name: str, field: FieldInfo) -> Field:
    required = field.is_required()
    default = None if required else _plain(field.get_default(call_default_factory=True, validated_data={}))
    limits = ", ".join(_limits(field.metadata))
    type_text = f"{_type(field.annotation)}, {limits}" if limits else _type(field.annotation)
    return Field(name, type_text, default, required, role_of(field), field.description or "")


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def _type(annotation: Any) -> str:
    """A field's type in words."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type(parts[0])
    if origin is Literal:
        return " | ".join(map(str, parts))
    if origin in (Union, UnionType):
        return " or ".join(_type(part) for part in parts if part is not NoneType)
    if origin in (list, tuple, set, frozenset):
        return f"list of {_type(parts[0])}" if parts else "list"
    if origin is dict:
        return f"mapping to {_type(parts[1])}"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return f"mapping: {', '.join(annotation.model_fields)}"
    return _TYPES.get(annotation, "path" if "Path" in str(annotation) else "text")


def _limits(metadata: Sequence[Any]) -> list[str]:
    words = {annotated_types.Ge: ("at least", "ge"), annotated_types.Gt: ("more than", "gt"),
             annotated_types.Le: ("at most", "le"), annotated_types.Lt: ("less than", "lt")}  # fmt: skip
    bounds = [(words[type(bound)], bound) for bound in metadata if type(bound) in words]
    return [f"{word} {getattr(bound, name):g}" for (word, name), bound in bounds]


def _example(row: Row, config: type[BaseModel]) -> str:
    """A declaration that validates: what is required, the model's name, and what else makes it this model."""
    settings: dict[str, Any] = {}
    for name, field in config.model_fields.items():
        if field.is_required():
            value = (field.examples or [_TABLE if row.name == "table" else _EXAMPLES.get(name, name)])[0]
            settings[name] = value
        elif name in ("name", "clip_version_id"):
            settings[name] = _plain(field.default)
    if row.group == "sources":
        declared: dict[str, Any] = {"media": {"source": row.name, **settings}}
    else:
        media = {} if "image" in row.reads else {"input": "caption"}
        declared = {"embeddings": {row.name.replace("-", "_"): {"provider": row.name, **media, **settings}}}
    return yaml.safe_dump(declared, sort_keys=False, allow_unicode=True)
