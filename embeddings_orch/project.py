"""Finds what a command works on: the project around a folder, its pipelines, and the Dagster home."""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass
from pathlib import Path

from embeddings_orch.errors import EmbeddingsOrchError, SpecError
from embeddings_orch.plugins import suggestion
from embeddings_orch.spec import PipelineSpec
from embeddings_orch.spec_file import is_pipeline, load_document, read_documents

_DAGSTER_YAML = """\
telemetry:
  enabled: false
nux: # the UI's welcome dialog
  enabled: false
"""


@dataclass(frozen=True)
class Declared:
    """A pipeline and where it is declared.

    Attributes:
        file: the YAML.
        root: the project's folder, or the YAML's where there is no project.
    """

    spec: PipelineSpec
    file: Path
    root: Path


def find_root(start: Path) -> Path | None:
    """The nearest folder at or above ``start`` whose pyproject.toml declares a dg project."""
    for folder in (start, *start.parents):
        if _dg_project(folder) is not None:
            return folder
    return None


def _dg_project(folder: Path) -> dict[str, str] | None:
    try:
        settings = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError):
        return None
    project = settings.get("tool", {}).get("dg", {}).get("project")
    return project if isinstance(project, dict) else None


def declared(*, file: Path | None = None, start: Path | None = None) -> list[Declared]:
    """All pipelines of one file, or of the project around a folder (default the current one).

    Raises:
        SpecError: there are none, one of them is wrong, or two have one name.
    """
    if file is not None:
        found = [Declared(load_document(d), file, find_root(file.resolve().parent) or file.resolve().parent)
                 for d in read_documents(file) if is_pipeline(d)]  # fmt: skip
        if not found:
            raise SpecError(f"{file}: declares no pipeline (type: embeddings_orch.EmbeddingPipeline)")
        return _distinct(found)
    start = (start or Path.cwd()).resolve()
    root = find_root(start)
    if root is None:
        raise SpecError(
            f"{start} is in no dg project (pyproject.toml with [tool.dg.project]); name a pipeline's YAML with --file"
        )
    project = _dg_project(root) or {}
    folder = root / project.get("root_module", "definitions").replace(".", "/") / "defs"
    found = []
    for path in sorted(folder.rglob("defs.yaml")):
        found += [Declared(load_document(d), path, root) for d in read_documents(path) if is_pipeline(d)]
    if not found:
        raise SpecError(
            f"{folder} declares no pipeline; make one with: dg scaffold defs embeddings_orch.EmbeddingPipeline NAME"
        )
    return _distinct(found)


def _distinct(found: list[Declared]) -> list[Declared]:
    seen: dict[str, Path] = {}
    for one in found:
        if one.spec.name in seen:
            raise SpecError(
                f"{one.file}: the pipeline {one.spec.name!r} is declared in {seen[one.spec.name]} too; rename one"
            )
        seen[one.spec.name] = one.file
    return found


def select(pipelines: list[Declared], name: str | None) -> Declared:
    """The pipeline of a name, or the only one.

    Raises:
        SpecError: there is no such one, or several and no name.
    """
    names = [one.spec.name for one in pipelines]
    if name is None:
        if len(pipelines) > 1:
            raise SpecError(f"there are several pipelines; choose one with --pipeline: {', '.join(names)}")
        return pipelines[0]
    for one in pipelines:
        if one.spec.name == name:
            return one
    raise SpecError(f"there is no pipeline {name!r}{suggestion(name, names)}")


def dagster_home(root: Path) -> Path:
    """``DAGSTER_HOME``, else ``.dagster`` in the project: shared by the command line, the demo and the UI."""
    return Path(os.environ.get("DAGSTER_HOME") or root / ".dagster").absolute()


def prepare_home(root: Path) -> Path:
    """Make the Dagster home, so that this process, the demo and the UI share one.

    Raises:
        EmbeddingsOrchError: the folder cannot be made.
    """
    home = dagster_home(root)
    try:
        home.mkdir(parents=True, exist_ok=True)
        if home == root / ".dagster" and not (home / "dagster.yaml").exists():
            (home / "dagster.yaml").write_text(_DAGSTER_YAML, encoding="utf-8")
    except OSError as error:
        raise EmbeddingsOrchError(
            f"the Dagster home {home} cannot be used: {error.strerror}; set DAGSTER_HOME"
        ) from error
    os.environ["DAGSTER_HOME"] = str(home)
    return home
