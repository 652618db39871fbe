"""The pipelines of another git revision, read from a temporary folder; the repository stays as it is."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel

from embeddings_orch.errors import EmbeddingsOrchError
from embeddings_orch.spec.project import Declared, Found, find, find_root
from embeddings_orch.spec.yaml_file import COMPONENT_TYPE


@dataclass(frozen=True)
class Revision:
    """A revision's files, as far as pipelines need them.

    Attributes:
        commit: its 40 hex digits.
        outside: the temporary folder, below which every file has its own absolute path.
        repository: the work tree's folder.
        paths: all files of the revision, relative to the repository.
    """

    commit: str
    outside: Path
    repository: Path
    paths: frozenset[str]

    def at(self, path: Path) -> Path:
        """Where a file of the repository lies, as it was at the revision."""
        return self.outside / path.relative_to(path.anchor)

    @property
    def moved(self) -> tuple[str, str]:
        """The beginning of the revision's paths, and the one that a person knows."""
        return f"{self.outside}{os.sep}", self.repository.anchor

    def find_pipelines(self, start: Path, file: Path | None = None) -> list[Found]:
        """What may be a pipeline at the revision: in one file, or in the project of a folder.

        Raises:
            EmbeddingsOrchError: git fails, or two pipelines have one name.
        """
        if file is not None:
            self._fetch([self._relative(file)])
            documents = [self.at(file)] if self.at(file).is_file() else []
        else:
            root = self._relative(start)
            prefix = f"{root}/" if root != "." else ""
            yamls = [path for path in self.paths if path.startswith(prefix) and path.rsplit("/", 1)[-1] == "defs.yaml"]
            self._fetch([*yamls, *(path for path in self.paths if path.rsplit("/", 1)[-1] == "pyproject.toml")])
            documents = [self.outside / self.repository.relative_to(self.repository.anchor) / path for path in yamls]
        if not any(COMPONENT_TYPE.encode() in document.read_bytes() for document in documents):
            return []
        if file is not None:
            return find(file=self.at(file))
        return find(start=self.at(start)) if find_root(self.at(start)) else []

    def load(self, pipeline: Found) -> Declared:
        """Validate a pipeline of the revision, and have the local files that its models name at hand.

        A file that git does not have is the one that lies there now.

        Raises:
            EmbeddingsOrchError: what is wrong with it.
        """
        declared = pipeline.load()
        for embedding in declared.spec.embeddings.values():
            for path in self._local_paths(embedding.config):
                self._provide(path)
        return declared

    def _local_paths(self, config: BaseModel) -> Iterator[Path]:
        for value in config.model_dump().values():
            if isinstance(value, str) and str(self.outside) in value:
                yield Path(value[value.index(str(self.outside)) :])

    def _provide(self, path: Path) -> None:
        path = Path(os.path.normpath(path))
        original = Path(path.anchor, path.relative_to(self.outside))
        if original.is_relative_to(self.repository):
            relative = self._relative(original)
            matching = [
                known_path
                for known_path in self.paths
                if known_path == relative or known_path.startswith(f"{relative}/")
            ]
            if matching:
                self._fetch(matching)
                return
        if original.exists() and not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.symlink_to(original)

    def _relative(self, path: Path) -> str:
        return path.relative_to(self.repository).as_posix()

    def _fetch(self, paths: Sequence[str]) -> None:
        """Write some of the revision's files; an index of its own keeps the repository's untouched."""
        tracked = [path for path in paths if path in self.paths]
        if tracked:
            prefix = self.at(self.repository)
            _git(
                self.repository,
                *("checkout-index", "--force", "--quiet", f"--prefix={prefix}/", "-z", "--stdin"),
                stdin=b"".join(os.fsencode(path) + b"\0" for path in tracked),
                index=self.outside / "index",
            )


@contextmanager
def revision(ref: str, folder: Path) -> Iterator[Revision]:
    """A revision of the repository around a folder, until the end of the block.

    Raises:
        EmbeddingsOrchError: there is no git, no repository, or no such revision.
    """
    top = _git(folder, "rev-parse", "--show-toplevel", failing=f"{folder} is in no git repository")
    repository = Path(top.decode().removesuffix("\n")).resolve()
    commit = _git(
        repository,
        *("rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}"),
        failing=f"the git repository {repository} has no revision {ref!r}; name a branch, a tag or a commit, and fetch "
        "it where the clone is shallow (actions/checkout: fetch-depth: 0)",
    )
    with tempfile.TemporaryDirectory(prefix="embeddings_orch-") as temporary:
        outside = Path(temporary).resolve()
        name = commit.decode().strip()
        listed = _git(repository, "ls-tree", "-r", "-z", "--name-only", "--full-tree", name)
        _git(repository, "read-tree", name, index=outside / "index")
        paths = frozenset(os.fsdecode(path) for path in listed.split(b"\0") if path)
        yield Revision(name, outside, repository, paths)


def _git(
    folder: Path, *arguments: str, stdin: bytes | None = None, index: Path | None = None, failing: str = ""
) -> bytes:
    environment = {**os.environ, "LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0"}
    if index is not None:
        environment["GIT_INDEX_FILE"] = str(index)
    command = ["git", "-C", str(folder), *arguments]
    try:
        done = subprocess.run(command, input=stdin, env=environment, capture_output=True, check=False)
    except OSError as error:
        raise EmbeddingsOrchError(f"git cannot be started ({error.strerror}); --against needs it") from error
    if done.returncode:
        message = done.stderr.decode(errors="replace").strip().removeprefix("fatal: ")
        raise EmbeddingsOrchError(
            f"{failing or f'git {arguments[0]} fails in {folder}'}{f': {message}' if message else ''}"
        )
    return done.stdout
