"""What plugins may import, so that the package can change behind it."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FACES = ("embeddings_orch.models", "embeddings_orch.media", "embeddings_orch.embedding.runners")
ROLES = {
    "EmbedderConfig": "config",
    "RemoteConfig": "config",
    "LocalModelConfig": "config",
    "EmbedderResource": "resources",
}


def imports_of(source: str) -> Iterator[tuple[str, str]]:
    """Module and name of everything that is imported from the package."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "embeddings_orch":
            yield from ((node.module, alias.name) for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names if alias.name.split(".")[0] == "embeddings_orch")


def plugin_modules() -> list[Path]:
    """The modules of our plugins and of the template, without what imports Dagster."""
    folders = [*ROOT.glob("plugins/*/src/embeddings_orch_plugins"), *ROOT.glob("templates/*/src")]
    return sorted(file for folder in folders for file in folder.rglob("*.py") if file.name != "resources.py")


def code_blocks(page: Path) -> list[str]:
    """The Python of a page."""
    return re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize("face", FACES)
def test_every_name_of_a_face_is_there_and_is_explained(face: str) -> None:
    module = importlib.import_module(face)
    assert len(module.__all__) == len(set(module.__all__))
    for name in module.__all__:
        member = getattr(module, name)
        if inspect.isclass(member) or inspect.isfunction(member):
            assert member.__doc__, f"{face}.{name} has no docstring"


@pytest.mark.parametrize("file", plugin_modules(), ids=lambda file: str(file.relative_to(ROOT)))
def test_a_plugin_imports_the_faces_and_nothing_else(file: Path) -> None:
    for module, name in imports_of(file.read_text(encoding="utf-8")):
        assert module in FACES, f"{name} comes from {module}"
        assert name in importlib.import_module(module).__all__


def test_a_resource_imports_no_more_than_dagsters_part_beside_them() -> None:
    files = [*ROOT.glob("plugins/*/src/**/resources.py"), *ROOT.glob("templates/*/src/**/resources.py")]
    assert len(files) >= 7
    for file in files:
        modules = {module for module, _ in imports_of(file.read_text(encoding="utf-8"))}
        assert modules <= {*FACES, "embeddings_orch.dagster.resources"}, file


def test_the_page_for_authors_shows_only_what_they_may_import() -> None:
    blocks = code_blocks(ROOT / "docs" / "plugins.md")
    shown = {(module, name) for block in blocks for module, name in imports_of(block)}
    assert {module for module, _ in shown} <= {*FACES, "embeddings_orch.dagster.resources"}
    for module, name in shown:
        assert hasattr(importlib.import_module(module), name), f"{module}.{name}"


def test_files_of_one_role_have_one_name_in_all_plugins() -> None:
    for file in sorted(ROOT.glob("plugins/*/src/embeddings_orch_plugins/**/*.py")):
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            bases = {ast.unparse(base) for base in node.bases} if isinstance(node, ast.ClassDef) else set()
            for role in {ROLES[base] for base in bases if base in ROLES}:
                assert file.stem == role, f"{file.relative_to(ROOT)}: {node.name} belongs into {role}.py"
