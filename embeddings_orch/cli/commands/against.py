"""Compares the pipelines as they are declared here with those of a git revision."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from embeddings_orch.cli.commands.revision import Revision, revision
from embeddings_orch.errors import EmbeddingsOrchError, SpecError
from embeddings_orch.pipeline.plan.against import Difference, compare
from embeddings_orch.plugins import suggestion
from embeddings_orch.spec.pipeline import PipelineSpec
from embeddings_orch.spec.project import Declared, Found, find, find_root
from embeddings_orch.spec.yaml_file import COMPONENT_TYPE


@dataclass
class Comparison:
    """All pipelines of a project, or one of them, against a revision.

    Attributes:
        broken: whether a pipeline cannot be read as it is declared here (and not only at the revision).
    """

    against: str
    commit: str
    pipelines: list[Difference] = field(default_factory=list)
    broken: bool = False

    @property
    def changes(self) -> bool:
        """Whether any pipeline differs."""
        return any(difference.changes for difference in self.pipelines)

    @property
    def errors(self) -> bool:
        """Whether any pipeline cannot be compared."""
        return any(difference.error for difference in self.pipelines)

    def to_json(self) -> dict[str, Any]:
        """The object that ``plan --against --json`` prints."""
        return {
            "against": self.against,
            "commit": self.commit,
            "changes": self.changes,
            "pipelines": [difference.to_json() for difference in self.pipelines],
        }


def compare_with(ref: str, *, file: Path | None, pipeline: str | None) -> Comparison:
    """Compare with a revision; read neither the store nor the media.

    Args:
        ref: a branch, a tag or a commit.
        file: the one YAML to compare, else all of the project around the current folder.
        pipeline: the one pipeline to compare, else all.

    Raises:
        EmbeddingsOrchError: there is no project, no git repository or no such revision.
        click.UsageError: there is no such pipeline, here or there.
    """
    start = file.resolve().parent if file else find_root(Path.cwd().resolve())
    if start is None:
        raise SpecError(f"{Path.cwd()} is in no dg project; name a pipeline's YAML with --file")
    with revision(ref, start) as then:
        was = then.find_pipelines(start, file.resolve() if file else None)
        now = _now(file, start, was)
        names = list(dict.fromkeys(declaration.name for declaration in [*now, *was] if declaration.name is not None))
        unreadable = [declaration for declaration in [*now, *was] if declaration.name is None]
        if pipeline in names:
            names, unreadable = [pipeline], []
        elif pipeline is not None:
            if not unreadable:
                raise click.UsageError(
                    f"there is no pipeline {pipeline!r}, here or at {ref}{suggestion(pipeline, names)}"
                )
            names = []  # one that cannot be read may be the one that was meant
        comparison = Comparison(ref, then.commit)
        for name in names:
            _add(comparison, name, then, now=_of(now, name), was=_of(was, name))
        for declaration in unreadable:
            here = any(declaration is other for other in now)
            comparison.broken |= here
            reason = _translate_paths(str(declaration.error or f"{declaration.file}: the pipeline has no name"), then)
            comparison.pipelines.append(
                Difference(_translate_paths(str(declaration.file), then), [], _explain(reason, "" if here else ref))
            )
        return comparison


def _now(file: Path | None, start: Path, was: list[Found]) -> list[Found]:
    try:
        return find(file=file, start=start)
    except SpecError:
        # All pipelines that there were may be gone.
        if not was or not _declares_nothing(file, start):
            raise
        return []


def _declares_nothing(file: Path | None, start: Path) -> bool:
    """Whether nothing is declared, as opposed to declared wrongly."""
    files = [file] if file else list(start.rglob("defs.yaml"))
    return not any(COMPONENT_TYPE.encode() in path.read_bytes() for path in files)


def _of(declarations: list[Found], name: str) -> Found | None:
    return next((declaration for declaration in declarations if declaration.name == name), None)


def _add(comparison: Comparison, name: str, then: Revision, *, now: Found | None, was: Found | None) -> None:
    after, error = _spec(now, Found.load)
    comparison.broken |= bool(error)
    if not error:
        before, error = _spec(was, then.load)
        if error:
            error = _explain(_translate_paths(error, then), comparison.against)
    if not error:
        try:
            comparison.pipelines.append(compare(name, before, after, then.moved))
            return
        except EmbeddingsOrchError as reason:
            comparison.broken |= then.moved[0] not in str(reason)
            error = _translate_paths(str(reason), then)
    comparison.pipelines.append(Difference(name, [], error))


def _spec(declaration: Found | None, load: Callable[[Found], Declared]) -> tuple[PipelineSpec | None, str]:
    try:
        return (load(declaration).spec if declaration else None), ""
    except EmbeddingsOrchError as error:
        return None, str(error)


def _explain(reason: str, ref: str) -> str:
    return f"at {ref}: {reason}" if ref else reason


def _translate_paths(text: str, then: Revision) -> str:
    return text.replace(*then.moved)
