"""The component that a ``defs.yaml`` declares a pipeline with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dagster as dg
from dagster.components import ComponentTypeSpec, Scaffolder, ScaffoldRequest
from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler
from pydantic_core import CoreSchema

from embeddings_orch.dagster.definitions import build_pipeline
from embeddings_orch.spec.pipeline import PipelineSpec
from embeddings_orch.spec.schema import attributes_schema
from embeddings_orch.spec.yaml_file import load_pipeline

_SCAFFOLD = """\
type: {type_name}
attributes:
  name: {name}
  store: {{ uri: .embeddings_orch }}          # a folder relative to this file, or s3://bucket/prefix
  media:
    source: folder                          # embeddings-orch plugins lists the others
    path: media                             # pictures, .txt and .md files; captions in media/metadata.csv
  embeddings:
    clip:
      provider: open-clip
      name: emoji-s                         # small and offline; ViT-B-32 downloads its weights once
  indexes:
    {name}_search:
      vectors: [clip]
      full_text: [caption]
"""


class EmbeddingPipelineAttributes(BaseModel):
    """Takes any attributes: the pipeline's own loader checks them, with file, line and allowed values."""

    model_config = ConfigDict(extra="allow")

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """The full schema, with the keys of all installed plugins."""
        return _inline_refs(attributes_schema())


class EmbeddingPipelineScaffolder(Scaffolder[Any]):
    """Writes a ``defs.yaml`` that works, and an empty media folder beside it."""

    def scaffold(self, request: ScaffoldRequest[Any]) -> None:
        """See `Scaffolder.scaffold`."""
        name = "".join(letter if letter.isalnum() else "_" for letter in request.target_path.name)
        text = _SCAFFOLD.format(type_name=request.type_name, name=name if name[:1].isalpha() else f"p_{name}")
        request.target_path.mkdir(parents=True, exist_ok=True)
        file = request.target_path / "defs.yaml"
        if request.append and file.exists():
            text = f"{file.read_text(encoding='utf-8').rstrip()}\n---\n{text}"
        file.write_text(text, encoding="utf-8")
        (request.target_path / "media").mkdir(exist_ok=True)


@dg.scaffold_with(EmbeddingPipelineScaffolder)
class EmbeddingPipeline(dg.Component):
    """Media, embeddings and searchable indexes as assets.

    `raw_media` lists the media, each `embeddings/NAME` holds one model's vectors, each `index/NAME` joins both into
    a searchable table, and `published/NAME` is the generation that search follows. Only what changed is embedded.
    """

    def __init__(self, spec: PipelineSpec, file: Path | None = None) -> None:
        self.spec = spec
        self.file = file

    @classmethod
    def get_spec(cls) -> ComponentTypeSpec:
        """What ``dg`` and the UI show of this component."""
        return ComponentTypeSpec(
            description="Media, embeddings and searchable indexes as assets; only what changed is embedded.",
            tags=["embeddings", "vector-search", "lancedb", "clip"],
            produces=["asset", "asset_check", "job", "sensor", "schedule"],
        )

    @classmethod
    def get_model_cls(cls) -> type[BaseModel]:
        """The model of the attributes."""
        return EmbeddingPipelineAttributes

    @classmethod
    def load(cls, attributes: BaseModel | None, context: dg.ComponentLoadContext) -> EmbeddingPipeline:
        """The component of one YAML document.

        Raises:
            SpecError: what is wrong with it, with file and line.
        """
        path = Path(context.path)
        file = path / "defs.yaml" if path.is_dir() else path
        if file.suffix == ".yaml" and file.is_file():
            key = context.component_path.instance_key
            return cls(load_pipeline(file, key if isinstance(key, int) else 0), file)
        data = attributes.model_dump() if attributes else {}
        return cls(PipelineSpec.model_validate(data, context={"base": path if path.is_dir() else path.parent}))

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """The pipeline's definitions."""
        return build_pipeline(self.spec, file=self.file)


def _inline_refs(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema without ``$ref``, which a nested schema could not resolve."""
    definitions = schema.pop("$defs", {})

    def resolve(value: Any) -> Any:
        if isinstance(value, dict):
            reference = value.get("$ref", "")
            if reference.startswith("#/$defs/"):
                rest = {key: item for key, item in value.items() if key != "$ref"}
                return {**resolve(definitions[reference.removeprefix("#/$defs/")]), **rest}
            return {key: resolve(item) for key, item in value.items()}
        return [resolve(item) for item in value] if isinstance(value, list) else value

    resolved: dict[str, Any] = resolve(schema)
    return resolved
