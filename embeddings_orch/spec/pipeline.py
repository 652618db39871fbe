"""What a user declares: one pipeline of media, embeddings and indexes, as frozen pydantic models."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    Field,
    ModelWrapValidatorHandler,
    PrivateAttr,
    SerializerFunctionWrapHandler,
    StringConstraints,
    ValidationInfo,
    model_serializer,
    model_validator,
)
from pydantic_core import PydanticCustomError

from embeddings_orch import plugins
from embeddings_orch.errors import PluginError
from embeddings_orch.media.base import CATALOG_SCHEMA, SourceConfig
from embeddings_orch.models.base import EmbedderConfig
from embeddings_orch.models.identity import digest
from embeddings_orch.models.inputs import Inputs
from embeddings_orch.models.paths import local_path
from embeddings_orch.spec.auto import AutoSpec
from embeddings_orch.spec.base import ColumnName, Name, Spec
from embeddings_orch.spec.index import IndexSpec
from embeddings_orch.spec.inputs import INPUT_SCHEMA, Input

OWNER_PATTERN = r"^(?:team:.+|\b[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,7})$"
Owner = Annotated[str, StringConstraints(pattern=OWNER_PATTERN)]
"""What Dagster takes as the owner of an asset."""


def _check_runner(name: str) -> str:
    known = [plugin.name for plugin in plugins.list_plugins("runners") if plugin.installed]
    if name not in known:
        raise PydanticCustomError(
            "runner", "{reason}", {"reason": f"there is no runner {name!r}{plugins.suggestion(name, known)}"}
        )
    return name


RunnerName = Annotated[str, AfterValidator(_check_runner)]
"""An installed runner plugin."""


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
    _written: dict[str, str] = PrivateAttr(default_factory=dict)

    @model_validator(mode="wrap")
    @classmethod
    def _note_written(cls, value: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        spec = handler(value)
        if isinstance(value, Mapping):
            spec._written = {name: str(text) for name, text in value.items() if isinstance(text, str | Path)}
        return spec

    def __eq__(self, other: object) -> bool:
        # However a path was written, it is the same folder.
        return isinstance(other, MediaSpec) and (self.source, self.config) == (other.source, other.config)

    def __hash__(self) -> int:
        return hash((self.source, self.config))

    def version(self) -> str:
        """A hash that changes when a setting does; a path counts as it is written, so that a project can move."""
        settings = self.model_dump(mode="json")
        paths = [name for name, text in settings.items() if isinstance(text, str) and os.path.isabs(text)]
        return digest(settings | {name: self._written[name] for name in paths if name in self._written})


class EmbeddingSpec(_PluginSpec):
    """One embedding model; further keys are the embedder plugin's."""

    plugin_group = "embedders"
    plugin_key = "provider"
    own_keys = ("provider", "input", "vectors", "runner")

    provider: str = Field(description="The embedder plugin.")
    input: Input = Field(
        default="media",
        description="What is embedded: media, caption, text, or another column; or several, each with its weight in "
        "an item's vector: {media: 0.7, caption: 0.3}.",
        json_schema_extra=INPUT_SCHEMA,
    )
    vectors: ColumnName | None = Field(
        default=None,
        description="In place of input: a column of the media with vectors of this model. They are taken as they are.",
        json_schema_extra={"type": "string", "minLength": 1},
    )
    runner: RunnerName | None = Field(
        default=None,
        description="The runner plugin that carries the batches; default the pipeline's.",
        json_schema_extra={"type": "string"},
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
        if self.runner is None:
            dumped.pop("runner", None)
        return dumped

    @property
    def inputs(self) -> Inputs:
        """What it reads of an item."""
        if self.vectors is not None:
            return Inputs.ready(self.vectors)
        return Inputs.from_weights({self.input: 1} if isinstance(self.input, str) else self.input)


DeploymentName = Annotated[str, StringConstraints(pattern="^[A-Za-z0-9_-]{1,100}$")]
"""What the store takes as the name of a deployment; said here too, as the store takes a while to import."""


class StoreSpec(Spec):
    """Where vectors, indexes and the published pointer live."""

    uri: str = Field(
        default=".embeddings_orch", min_length=1, description="A folder, or an object store: s3://bucket/prefix."
    )
    deployment: DeploymentName | None = Field(
        default=None,
        description="Whose catalogs, states and published pointers these are. Default: the environment variable "
        "EMBEDDINGS_ORCH_DEPLOYMENT, else the branch deployment of Dagster+, else main.",
        json_schema_extra={"type": "string"},
    )
    gc_grace: float = Field(default=3600, ge=0, description="Seconds for which gc leaves alone all that is written.")

    @model_validator(mode="before")
    @classmethod
    def _absolute(cls, value: Any, info: ValidationInfo) -> Any:
        uri = value.get("uri", ".embeddings_orch") if isinstance(value, Mapping) else None
        if isinstance(uri, str) and uri and "://" not in uri:
            return {**value, "uri": str(local_path(uri, info).resolve())}
        return value


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
    runner: RunnerName = Field(
        default="local",
        validate_default=False,
        description="The runner plugin that carries the batches of all embeddings.",
    )

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
        """A hash that changes when the media settings do, and not where the project moves."""
        return self.media.version()

    def runner_of(self, embedding: str) -> str:
        """The runner plugin that carries an embedding's batches."""
        return self.embeddings[embedding].runner or self.runner

    def index_version(self, index: str) -> str:
        """A hash that changes when an index needs a new table: other models, inputs, metric or full text."""
        spec = self.indexes[index]
        vectors = {
            name: [self.embeddings[name].config.fingerprint(), str(self.embeddings[name].inputs)]
            for name in spec.vectors
        }
        identity = {"vectors": vectors, "metric": spec.metric, "full_text": sorted(set(spec.text_columns))}
        # Only what differs from LanceDB's own: the version of a table outlives options and defaults that come to it.
        analysis = spec.analysis.to_data()
        return digest({**identity, "analysis": analysis} if analysis else identity)


def _at(path: str, message: str) -> PydanticCustomError:
    # An "after" validator has no location below the model; the YAML loader reads this one to find the line.
    return PydanticCustomError("reference", "{message}", {"message": message, "path": path})
