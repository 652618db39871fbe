"""No pattern of ours takes time that grows with the square of a text: whoever sends the text could stop a process."""

from __future__ import annotations

import ast
import importlib
import re
import signal
import time
from collections.abc import Callable, Iterator
from itertools import permutations, product
from pathlib import Path
from typing import Any, NamedTuple

import pytest

codes, compiler, parser = re._constants, re._compiler, re._parser
REPEATS = frozenset({codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT})

ROOT = Path(__file__).parents[1]
SOURCES = [ROOT / "embeddings_orch", *sorted(ROOT.glob("plugins/*/src")), *sorted(ROOT.glob("templates/*/src"))]
CALLS = frozenset(
    f"re.{name}" for name in ("compile", "search", "match", "fullmatch", "finditer", "findall", "sub", "subn", "split")
)

# What a pipeline's owner declares for the paths of the owner's own files; wcmatch makes the patterns, and
# `check_pattern` bounds their alternatives.
GIVEN_BY_OWNERS = frozenset({"embeddings_orch/media/sources/patterns.py"})

LONG = 100_000
MOST_SECONDS = 2.0
MOST_SHORT = 0.0008
"""Of a short text, by which all but a few are told from what has to be tried with a long one."""
ENDS = ("", "\n\0")
"""None, and one that nothing goes on with, so that a match that has begun is given up."""


class Text(NamedTuple):
    """A text that a pattern may not like: ``begin``, then ``again`` as often as fits, then ``end``."""

    begin: str
    again: str
    end: str

    def of(self, length: int) -> str:
        return self.begin + self.again * (length // len(self.again)) + self.end


class TooSlowError(Exception):
    pass


def files_with_patterns() -> Iterator[Any]:
    """The modules of ours that use `re`, each with the folder that it is imported from."""
    for source in SOURCES:
        for file in sorted(source.rglob("*.py")):
            place = str(file.relative_to(ROOT))
            if place not in GIVEN_BY_OWNERS and any(calls_of_re(file)):
                yield pytest.param(file, ROOT if source == SOURCES[0] else source, id=place)


def patterns_of(file: Path, source: Path) -> Iterator[re.Pattern[str]]:
    """The patterns of a module; what it gives to `re` is evaluated by the module's own names."""
    parts = file.relative_to(source).with_suffix("").parts
    names = vars(importlib.import_module(".".join(part for part in parts if part != "__init__")))
    for call in calls_of_re(file):
        pattern = eval(f"re.compile({ast.unparse(call.args[0])}, {flags_of(call)})", names)
        # One of bytes takes as long as the same of texts.
        yield re.compile(pattern.pattern.decode("latin-1"), pattern.flags | re.ASCII) if is_bytes(pattern) else pattern


def is_bytes(pattern: re.Pattern[Any]) -> bool:
    return isinstance(pattern.pattern, bytes)


def calls_of_re(file: Path) -> Iterator[ast.Call]:
    """The calls that give `re` a pattern."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in CALLS:
            yield node


def flags_of(call: ast.Call) -> str:
    place = {"compile": 1, "sub": 4, "subn": 4, "split": 3}.get(ast.unparse(call.func).removeprefix("re."), 2)
    flags = [*call.args[place:], *(keyword.value for keyword in call.keywords if keyword.arg == "flags")]
    return " | ".join(map(ast.unparse, flags)) or "0"


def texts(pattern: re.Pattern[str]) -> Iterator[Text]:
    """Each character that the pattern tells from others, pairs of them, and what leads to its places; repeated."""
    flags = pattern.flags & ~re.DEBUG
    parsed = parser.parse(pattern.pattern, flags)
    characters = characters_of(parsed, flags)
    leading = beginnings(parsed, characters, flags)
    going_on = repeatable(parsed, characters, flags)
    # What fits nothing that repeats has its place in `leading`.
    pairs = [first + second for first, second in permutations(characters, 2) if going_on & {first, second}]
    for end in ENDS:
        for repeated in dict.fromkeys((*characters, *pairs, *leading)):
            yield Text("", repeated, end)
        for begin, repeated in product(leading, going_on):
            yield Text(begin, repeated, end)


def characters_of(parsed: Any, flags: int) -> list[str]:
    """A character of each kind that the pattern tells apart."""
    tests = []
    candidates = list("a0_ \n\"'")
    for code, argument in parts_of(parsed):
        if (test := matcher_of(code, argument, flags)) is not None:
            tests.append(test)
            for kind, value in argument if code is codes.IN else [(code, argument)]:
                places = {codes.LITERAL: lambda value: [value], codes.RANGE: list}.get(kind, lambda _: [])(value)
                candidates += map(chr, places)
    return list({tuple(test(character) for test in tests): character for character in reversed(candidates)}.values())


def repeatable(parsed: Any, characters: list[str], flags: int) -> set[str]:
    """The characters that a part fits which may be repeated."""
    within = [part for code, argument in parts_of(parsed) if code in REPEATS for part in parts_of(argument[2])]
    tests = [test for part in within if (test := matcher_of(*part, flags)) is not None]
    return {character for character in characters if any(test(character) for test in tests)}


def parts_of(node: Any) -> Iterator[tuple[Any, Any]]:
    """All parts of a parsed pattern, those within others too."""
    if isinstance(node, parser.SubPattern):
        for code, argument in node:
            yield code, argument
            yield from parts_of(argument)
    elif isinstance(node, tuple | list):
        for element in node:
            yield from parts_of(element)


def matcher_of(code: Any, argument: Any, flags: int) -> Callable[[str], bool] | None:
    """Whether a character fits a part that stands for one character; None for other parts."""
    if code not in (codes.LITERAL, codes.NOT_LITERAL, codes.IN, codes.ANY):
        return None
    state = parser.State()
    state.flags, state.str = flags, ""
    compiled = compiler.compile(parser.SubPattern(state, [(code, argument)]), flags)
    return lambda character: compiled.match(character) is not None


def beginnings(parsed: Any, characters: list[str], flags: int) -> list[str]:
    """A text that leads to each place of the pattern, what may be left out not left out."""
    reached: dict[str, None] = {}

    def walk(nodes: Any, before: str) -> str:
        for code, argument in nodes:
            before = pass_by(code, argument, before)
            reached[before] = None
        return before

    def pass_by(code: Any, argument: Any, before: str) -> str:
        if (test := matcher_of(code, argument, flags)) is not None:
            return before + next(filter(test, characters), "")
        if code in REPEATS:
            once = walk(argument[2], before)
            return once + once[len(before) :] * (argument[0] - 1)
        if code is codes.SUBPATTERN:
            return walk(argument[-1], before)
        if code is codes.ATOMIC_GROUP:
            return walk(argument, before)
        if code is codes.BRANCH:
            first, *_ = [walk(branch, before) for branch in argument[1]]
            return first
        return before

    walk(parsed, "")
    return [text for text in reached if text]


def slow_text(pattern: re.Pattern[str], most: float = MOST_SECONDS) -> Text | None:
    """A text that a pattern takes more than so many seconds for, or would, were it as long as `LONG`."""
    # Where the time grows with the square of the length.
    short, long = (int(LONG * (seconds / MOST_SECONDS) ** 0.5) for seconds in (MOST_SHORT, most))
    for text in texts(pattern):
        if not ends_within(MOST_SHORT, pattern, text.of(short)) and not ends_within(most, pattern, text.of(long)):
            return text
    return None


def ends_within(most: float, pattern: re.Pattern[str], text: str) -> bool:
    """Whether a pattern is done with a text after so many seconds of this thread; soon after them it is stopped."""
    started = time.thread_time()
    signal.setitimer(signal.ITIMER_VIRTUAL, most + 0.1)
    try:
        pattern.fullmatch(text)
        # What `search`, `sub`, `split` and `findall` look at, this does too.
        for _ in pattern.finditer(text):
            pass
    except TooSlowError:
        return False
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    return time.thread_time() - started < most


@pytest.fixture
def stopped_when_late() -> Iterator[None]:
    """Has `ends_within` stop a pattern, which looks for signals meanwhile."""

    def stop(*_: object) -> None:
        raise TooSlowError

    before = signal.signal(signal.SIGVTALRM, stop)
    yield
    signal.signal(signal.SIGVTALRM, before)


@pytest.mark.slow
@pytest.mark.usefixtures("stopped_when_late")
@pytest.mark.parametrize(("file", "source"), files_with_patterns())
def test_a_pattern_of_ours_is_done_with_any_text_in_no_time(file: Path, source: Path) -> None:
    slow = {pattern: text for pattern in patterns_of(file, source) if (text := slow_text(pattern)) is not None}
    assert slow == {}


@pytest.mark.slow
@pytest.mark.usefixtures("stopped_when_late")
@pytest.mark.parametrize(
    "quadratic",
    [r"\S*rustc", r"<title[^>]*>(.*?)</title>", r"(\d+)(ms|h|m|s)", r"(?i)\s+\Z", r"(?:a|a)*b"],
)
def test_one_that_does_is_found(quadratic: str) -> None:
    assert slow_text(re.compile(quadratic), most=0.1) is not None
