"""The house as visitors find it: a name means one thing, a folder can be looked over, pages name what is there."""

from __future__ import annotations

import ast
import re
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = [ROOT / "embeddings_orch", *sorted(ROOT.glob("plugins/*/src"))]
MOST_MODULES = 16
MOST_LINES = 300


def modules() -> list[Path]:
    return sorted(file for folder in SOURCES for file in folder.rglob("*.py"))


def names_of(file: Path) -> Iterator[str]:
    """The classes, aliases and type variables of a module."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    yield from (node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef))
    for node in tree.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            if ast.unparse(node.annotation).endswith("TypeAlias"):
                yield node.target.id
        elif isinstance(node, ast.Assign):
            # What a TypeVar is called says what it stands for, and must be no type's name either.
            names = [target.id for target in node.targets if isinstance(target, ast.Name)]
            yield from (name for name in names if re.fullmatch(r"[A-Z][a-z]\w*", name))


def test_a_name_of_a_type_stands_for_one_thing() -> None:
    homes: dict[str, list[str]] = defaultdict(list)
    for file in modules():
        for name in names_of(file):
            homes[name].append(str(file.relative_to(ROOT)))
    assert {name: files for name, files in homes.items() if len(files) > 1} == {}


def test_a_folder_can_be_looked_over_and_a_module_read_at_once() -> None:
    for folder in {file.parent for file in modules()}:
        names = [file for file in folder.glob("*.py") if file.name != "__init__.py"]
        assert len(names) <= MOST_MODULES, folder
    for file in modules():
        assert len(file.read_text(encoding="utf-8").splitlines()) <= MOST_LINES, file


def test_every_room_of_the_contract_is_in_the_picture() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    picture = (ROOT / "docs" / "images" / "rooms.svg").read_text(encoding="utf-8")
    rooms = {room for layer in contracts[0]["layers"] for room in re.findall(r"embeddings_orch\.(\w+)", layer)}
    here = {
        path.stem
        for path in (ROOT / "embeddings_orch").iterdir()
        if path.name[0] not in "_." and path.name != "py.typed"
    }
    assert rooms == here, "a room that no import contract knows"
    for room in rooms:
        assert re.search(rf">{room}(/|\.py)<", picture), f"{room} is not in docs/images/rooms.svg"


PAGES = sorted(
    page
    for pages in (
        "README.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "docs/*.md",
        "plugins/*/README.md",
        "templates/*/README.md",
    )
    for page in ROOT.glob(pages)
)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_files_that_a_page_names_are_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    places = (page.parent, ROOT, ROOT / "embeddings_orch")
    for name in re.findall(r"`((?:[\w-]+/)+[\w-]+\.(?:py|js))`", text):
        assert any((place / name).is_file() for place in places), name
    for name in re.findall(r"\]\(((?!https?:|#|mailto:)[^)#\s]+)", text):
        assert (page.parent / name).exists(), name
