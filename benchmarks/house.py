"""Figures of a tree: modules, lines, functions and their names. ``python benchmarks/house.py [ROOT]``

A participle is a function whose name begins with one (``written``, ``loading``), properties among them: it says what
a thing is, and not what the function does.
"""

from __future__ import annotations

import ast
import re
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path

IRREGULAR = re.compile(
    "bound|bought|brought|built|caught|chosen|done|drawn|found|given|gone|grown|held|hidden|kept|known|laid|left|lost|made"
    "|meant|met|paid|said|seen|sent|shown|spent|taken|taught|thrown|told|understood|written"
)
REGULAR = re.compile("[a-z]{3,}(ed|ing)")
VERBS_AND_NOUNS = re.compile(
    "aembed|bring|embed|embedding|encoding|exceed|feed|king|mapping|need|nothing|proceed|ring|seed|setting|speed|string"
)


def is_participle(name: str) -> bool:
    """Whether a function's name begins with a participle."""
    word = name.strip("_").split("_")[0]
    regular = REGULAR.fullmatch(word) and not VERBS_AND_NOUNS.fullmatch(word)
    return bool(regular or IRREGULAR.fullmatch(word))


def sources(root: Path) -> Iterator[Path]:
    """The modules of the package and of its plugins, without tests and training scripts."""
    for folder in (root / "embeddings_orch", root / "plugins"):
        yield from (file for file in sorted(folder.rglob("*.py")) if not {"tests", "training"} & set(file.parts))


def main() -> None:
    """Print the figures."""
    root = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    files = list(sources(root))
    lines = {file: len(file.read_text(encoding="utf-8").splitlines()) for file in files}
    longest = max(lines, key=lambda file: lines[file])
    functions: list[ast.FunctionDef | ast.AsyncFunctionDef] = []
    for file in files:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("__"):
                functions.append(node)
    lengths = [(function.end_lineno or function.lineno) - function.lineno + 1 for function in functions]
    participles = [function.name for function in functions if is_participle(function.name)]
    print(f"modules      {len(files)}, {sum(lines.values()):,} lines, median {statistics.median(lines.values()):.0f}")
    print(f"longest      {lines[longest]} lines, {longest.relative_to(root)}")
    print(f"functions    {len(functions):,}, median {statistics.median(lengths):.0f} lines")
    print(f"participles  {len(participles)}, {len(participles) / len(functions):.1%}")


if __name__ == "__main__":
    main()
