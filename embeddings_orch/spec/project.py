"""Finds what a command works on: the project around a folder, its pipelines, and the Dagster home."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from embeddings_orch.errors import EmbeddingsOrchError, SpecError
from embeddings_orch.plugins import suggestion
from embeddings_orch.spec.pipeline import PipelineSpec
from embeddings_orch.spec.yaml_file import COMPONENT_TYPE, Document, is_pipeline, load_document, read_documents

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

    @property
    def name(self) -> str:
        """The pipeline's name."""
        return self.spec.name


@dataclass(frozen=True)
class Found:
    """A YAML document that may declare a pipeline, not validated yet: one that is wrong does not stop the others.

    Attributes:
        name: the pipeline's, None where it cannot be told.
        document: None where the file cannot be read.
        error: why it cannot.
    """

    name: str | None
    file: Path
    root: Path
    document: Document | None = None
    error: SpecError | None = None

    def load(self) -> Declared:
        """Validate it.

        Raises:
            SpecError: what is wrong with it, with file and line.
        """
        if self.document is None:
            raise self.error or SpecError(f"{self.file}: cannot be read")
        return Declared(load_document(self.document), self.file, self.root)


def find_root(start: Path) -> Path | None:
    """The nearest folder at or above ``start`` whose pyproject.toml declares a dg project."""
    for folder in (start, *start.parents):
        if _dg_project(folder) is not None:
            return folder
    return None


def _dg_project(folder: Path) -> dict[str, str] | None:
    try:
        settings = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))
    except (OSError, ValueError):  # not there, not UTF-8, not TOML
        return None
    project = settings.get("tool", {}).get("dg", {}).get("project")
    return project if isinstance(project, dict) else None


def find(*, file: Path | None = None, start: Path | None = None) -> list[Found]:
    """What may be a pipeline, in one file or in the project around a folder (default the current one).

    Raises:
        SpecError: there is nothing, or two have one name.
    """
    if file is not None:
        root = find_root(file.resolve().parent) or file.resolve().parent
        declarations = [Found(d.name, file, root, d) for d in read_documents(file) if is_pipeline(d)]
        if not declarations:
            raise SpecError(f"{file}: declares no pipeline (type: {COMPONENT_TYPE})")
        return _distinct(declarations)
    start = (start or Path.cwd()).resolve()
    project_root = find_root(start)
    if project_root is None:
        raise SpecError(
            f"{start} is in no dg project (pyproject.toml with [tool.dg.project]); name a pipeline's YAML with --file"
        )
    folder = _defs_folder(project_root)
    declarations = list(_in_folder(folder, project_root))
    if not declarations:
        raise SpecError(f"{folder} declares no pipeline; make one with: dg scaffold defs {COMPONENT_TYPE} NAME")
    return _distinct(declarations)


def load_declared(*, file: Path | None = None, start: Path | None = None) -> list[Declared]:
    """All pipelines of one file, or of the project around a folder (default the current one).

    Raises:
        SpecError: there are none, one of them is wrong, or two have one name.
    """
    return [declaration.load() for declaration in find(file=file, start=start)]


def _defs_folder(root: Path) -> Path:
    """The folder that ``dg`` loads: below ``src``, where that has the module, else below the project."""
    project = _dg_project(root) or {}
    module = project.get("root_module", "definitions")
    modules = [project["defs_module"]] if project.get("defs_module") else [f"{module}.defs", f"{module}.definitions"]
    folders = [base / name.replace(".", "/") for name in modules for base in (root / "src", root)]
    inside = root / "src" / module.replace(".", "/")
    return next((folder for folder in folders if folder.is_dir()), folders[0 if inside.is_dir() else 1])


def _in_folder(folder: Path, root: Path) -> Iterator[Found]:
    """What every ``defs.yaml`` declares, by path."""
    for place, below, files in os.walk(folder):
        below[:] = sorted(name for name in below if not name.startswith(".") and name != "__pycache__")
        if "defs.yaml" not in files:
            continue
        file = Path(place) / "defs.yaml"
        try:
            documents = read_documents(file)
        except SpecError as error:
            documents = []
            yield Found(None, file, root, error=error)
        yield from (Found(document.name, file, root, document) for document in documents if is_pipeline(document))
        # What lies below a component is its own, and may be a million pictures.
        if not any((document.kind or "").endswith(".DefsFolderComponent") for document in documents):
            below.clear()


def _distinct(declarations: list[Found]) -> list[Found]:
    seen: dict[str, Path] = {}
    for declaration in declarations:
        name, file = declaration.name, declaration.file
        if name in seen:
            raise SpecError(f"{file}: the pipeline {name!r} is declared in {seen[name]} too; rename one")
        if name is not None:
            seen[name] = file
    return declarations


_PipelineT = TypeVar("_PipelineT", Found, Declared)


def select(pipelines: list[_PipelineT], name: str | None) -> _PipelineT:
    """The pipeline of a name, or the only one.

    Raises:
        SpecError: there is no such one, or several and no name.
    """
    names = [pipeline.name for pipeline in pipelines if pipeline.name is not None]
    unnamed = [pipeline for pipeline in pipelines if pipeline.name is None]
    if name is None:
        if len(names) > 1:
            raise SpecError(f"there are several pipelines; choose one with --pipeline: {', '.join(names)}")
        # The one that cannot be read may be the only one, or the one that was meant.
        return (unnamed or pipelines)[0]
    for pipeline in pipelines:
        if pipeline.name == name:
            return pipeline
    if unnamed:
        return unnamed[0]
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
