"""What a user declares: one pipeline of media, embeddings and indexes, as frozen pydantic models."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    BaseModel,
    Field,
    SerializerFunctionWrapHandler,
    StringConstraints,
    ValidationInfo,
    field_validator,
    model_serializer,
    model_validator,
)
from pydantic_core import PydanticCustomError

from embeddings_orch import plugins
from embeddings_orch.errors import PluginError
from embeddings_orch.media.base import CATALOG_SCHEMA, SourceConfig
from embeddings_orch.media.inputs import Inputs
from embeddings_orch.models.base import EmbedderConfig
from embeddings_orch.models.identity import digest
from embeddings_orch.models.paths import local_path
from embeddings_orch.spec.index import NAME_PATTERN, IndexSpec, Name, Spec
from embeddings_orch.spec.inputs import INPUT_SCHEMA, Input

OWNER_PATTERN = r"^(?:team:.+|\b[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,7})$"
Owner = Annotated[str, StringConstraints(pattern=OWNER_PATTERN)]
"""What Dagster takes as the owner of an asset."""

_CRON_FIELD = r"[\dA-Za-z*/,#?L-]+"
_CRON = re.compile(rf"^(@(yearly|annually|monthly|weekly|daily|midnight|hourly)|{_CRON_FIELD}( +{_CRON_FIELD}){{4}})$")


class _PluginSpec(Spec):
    """A flat mapping whose plugin's name decides which other keys are allowed."""

    plugin_group: ClassVar[plugins.Group]
    plugin_key: ClassVar[str]
    own_keys: ClassVar[tuple[str, ...]]

    @classmethod
    def config_class(cls, name: object) -> type[BaseModel]:
        """The config class of a plugin.

        Raises:
            PluginError: the plugin is missing or broken.
        """
        config: type[BaseModel] = plugins.load(cls.plugin_group, str(name)).config_class
        return config

    @model_validator(mode="before")
    @classmethod
    def _split(cls, value: Any, info: ValidationInfo) -> Any:
        if not isinstance(value, Mapping):
            return value
        value = dict(value)
        if isinstance(config := value.get("config"), BaseModel):
            return {cls.plugin_key: getattr(config, cls.plugin_key), **value}
        outer = {key: value.pop(key) for key in cls.own_keys if key in value}
        default = cls.model_fields[cls.plugin_key].get_default()
        name = outer.get(cls.plugin_key, default)
        if not isinstance(name, str):
            known = ", ".join(plugin.name for plugin in plugins.list_plugins(cls.plugin_group))
            raise PydanticCustomError(
                "plugin", "'{key}' is missing; allowed: {known}", {"key": cls.plugin_key, "known": known}
            )
        try:
            config_class = cls.config_class(name)
        except PluginError as error:
            raise PydanticCustomError("plugin", "{reason}", {"reason": str(error), "key": cls.plugin_key}) from error
        # A ValidationError raised here keeps its own locations below this one.
        return {**outer, "config": config_class.model_validate(value, context=info.context)}

    @model_serializer(mode="wrap")
    def _flat(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        outer: dict[str, Any] = handler(self)
        outer.pop("config")
        config: BaseModel = getattr(self, "config")  # noqa: B009 - declared by the subclasses
        return {**outer, **config.model_dump(mode="json")}


class MediaSpec(_PluginSpec):
    """Where the media live; further keys are the source plugin's."""

    plugin_group = "sources"
    plugin_key = "source"
    own_keys = ("source",)

    source: str = Field(default="folder", description="The source plugin.")
    config: SourceConfig


class EmbeddingSpec(_PluginSpec):
    """One embedding model; further keys are the embedder plugin's."""

    plugin_group = "embedders"
    plugin_key = "provider"
    own_keys = ("provider", "input", "vectors")

    provider: str = Field(description="The embedder plugin.")
    input: Input = Field(
        default="media",
        description="What is embedded: media, caption, text, or another column; or several, each with its weight in "
        "an item's vector: {media: 0.7, caption: 0.3}.",
        json_schema_extra=INPUT_SCHEMA,
    )
    vectors: Name | None = Field(
        default=None,
        description="In place of input: a column of the media with vectors of this model. They are taken as they are.",
        json_schema_extra={"type": "string", "pattern": NAME_PATTERN},
    )
    config: EmbedderConfig

    @model_validator(mode="before")
    @classmethod
    def _either(cls, value: Any) -> Any:
        if isinstance(value, Mapping) and value.get("vectors") is not None and value.get("input") is not None:
            message = "give either 'input', which is embedded, or 'vectors', which are taken as they are"
            raise PydanticCustomError("plugin", "{message}", {"message": message, "key": "vectors"})
        return value

    @model_serializer(mode="wrap")
    def _one_of_both(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        dumped = self._flat(handler)
        dumped.pop("vectors" if self.vectors is None else "input", None)
        return dumped

    @property
    def inputs(self) -> Inputs:
        """What it reads of an item."""
        if self.vectors is not None:
            return Inputs.ready(self.vectors)
        return Inputs.from_weights({self.input: 1} if isinstance(self.input, str) else self.input)


class StoreSpec(Spec):
    """Where vectors, indexes and the published pointer live."""

    uri: str = Field(
        default=".embeddings_orch", min_length=1, description="A folder, or an object store: s3://bucket/prefix."
    )
    gc_grace: float = Field(default=3600, ge=0, description="Seconds for which gc leaves alone all that is written.")

    @model_validator(mode="before")
    @classmethod
    def _absolute(cls, value: Any, info: ValidationInfo) -> Any:
        uri = value.get("uri", ".embeddings_orch") if isinstance(value, Mapping) else None
        if isinstance(uri, str) and uri and "://" not in uri:
            return {**value, "uri": str(local_path(uri, info).resolve())}
        return value


class AutoSpec(Spec):
    """What is started without being asked for, and how much of it."""

    max_items: int = Field(default=1_000_000, ge=0, description="Most contents that a sensor has embedded in one run.")
    max_cost_usd: float = Field(default=5.0, ge=0, description="Most that a sensor's run may cost, as estimated.")
    models: bool = Field(default=True, description="Whether the model-config sensor runs from the start.")
    media: bool = Field(default=True, description="Whether the media sensor runs from the start.")
    interval: int = Field(default=30, ge=1, description="Seconds between two ticks of a sensor, at the least.")
    settle: float = Field(
        default=30, ge=0, description="Seconds without a change in the media before the media sensor starts a run."
    )
    cron: str | None = Field(default=None, description="A schedule of whole runs, as in crontab: 0 3 * * *")
    timezone: str = Field(default="UTC", description="Time zone of the schedule: Europe/Berlin")

    @field_validator("cron")
    @classmethod
    def _schedule(cls, cron: str | None) -> str | None:
        if cron is not None and not _CRON.match(cron):
            raise PydanticCustomError(
                "cron", "a schedule has five fields (minute hour day month weekday) or is @daily, @hourly, ..."
            )
        return cron

    @field_validator("timezone")
    @classmethod
    def _zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise PydanticCustomError("timezone", "there is no such time zone; as in Europe/Berlin") from error
        return name


class PipelineSpec(Spec):
    """One pipeline: media -> embeddings -> indexes.

    Example:
        >>> PipelineSpec(
        ...     name="photos",
        ...     media={"path": "photos"},
        ...     embeddings={"clip": {"provider": "open-clip", "name": "emoji-s"}},
        ...     indexes={"photo_search": {"vectors": ["clip"]}},
        ... )
    """

    name: Name = Field(description="Prefix of the asset keys, and the pipeline's name in the store.")
    description: str = Field(default="", description="Shown on the assets.")
    owners: tuple[Owner, ...] = Field(default=(), description="E-mail addresses, or team:NAME, shown in Dagster's UI.")
    store: StoreSpec = Field(default_factory=StoreSpec, validate_default=True, description="Where it is kept.")
    media: MediaSpec
    embeddings: dict[Name, EmbeddingSpec] = Field(min_length=1, description="One asset each, by name.")
    indexes: dict[Name, IndexSpec] = Field(default_factory=dict, description="One index each, by name.")
    auto: AutoSpec = Field(default=AutoSpec(), description="What is started without being asked for.")

    @model_validator(mode="before")
    @classmethod
    def _store_default(cls, value: Any) -> Any:
        # The default folder is relative to the YAML too, so it must pass validation with the context.
        return {"store": {}, **value} if isinstance(value, Mapping) else value

    @model_validator(mode="after")
    def _references(self) -> PipelineSpec:
        reserved = {*CATALOG_SCHEMA.names, "media", "score", "distance"}
        for name in self.embeddings:
            if name.lower() in reserved:
                raise _at(
                    "embeddings",
                    f"an embedding cannot be named {name!r}: the catalog has a column of that name",
                )
        for index, spec in self.indexes.items():
            for vector in spec.vectors:
                if vector not in self.embeddings:
                    hint = plugins.suggestion(vector, self.embeddings)
                    raise _at(
                        f"indexes.{index}.vectors",
                        f"index {index!r} names the embedding {vector!r}, which is not declared{hint}",
                    )
            if len(set(spec.vectors)) != len(spec.vectors):
                raise _at(f"indexes.{index}.vectors", f"index {index!r} names an embedding twice")
            for number, golden in enumerate(spec.checks.golden):
                if golden.embedding is not None and golden.embedding not in spec.vectors:
                    raise _at(
                        f"indexes.{index}.checks.golden.{number}.embedding",
                        f"index {index!r} has no embedding {golden.embedding!r}"
                        f"{plugins.suggestion(golden.embedding, spec.vectors)}",
                    )
        return self

    def media_version(self) -> str:
        """A hash that changes when the media settings do."""
        return digest(self.media.model_dump(mode="json"))

    def index_version(self, index: str) -> str:
        """A hash that changes when an index needs a new table: other models, inputs, metric or text columns."""
        spec = self.indexes[index]
        vectors = {
            name: [self.embeddings[name].config.fingerprint(), str(self.embeddings[name].inputs)]
            for name in spec.vectors
        }
        return digest({"vectors": vectors, "metric": spec.metric, "full_text": sorted(set(spec.full_text))})


def _at(path: str, message: str) -> PydanticCustomError:
    # An "after" validator has no location below the model; the YAML loader reads this one to find the line.
    return PydanticCustomError("reference", "{message}", {"message": message, "path": path})
