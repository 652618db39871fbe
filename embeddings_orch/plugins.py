"""Plugins, found through entry points; listing them imports none of them."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, PackageNotFoundError, entry_points, requires, version
from typing import Any, Literal

from embeddings_orch.errors import PluginError

Group = Literal["embedders", "sources", "runners", "rerankers"]
GROUPS: tuple[Group, ...] = ("embedders", "sources", "runners", "rerankers")


_NAME, _SEPARATOR = re.compile(r"[A-Za-z0-9._-]+"), re.compile(r"[-_.]+")


@dataclass(frozen=True)
class Ours:
    """A plugin kept in this repository, as it is told where it is not installed.

    Attributes:
        extra: of the core's distribution, which brings it.
        reads: the modalities of an embedder.
        summary: one line.
    """

    extra: str
    reads: tuple[str, ...]
    summary: str


_TEXT, _BOTH = ("text",), ("image", "text")

OURS: dict[tuple[Group, str], Ours] = {
    ("embedders", "bedrock"): Ours("aws", _BOTH, "Titan, Cohere, Nova and Marengo on Amazon Bedrock."),
    ("embedders", "gemini"): Ours("gemini", _BOTH, "Google's Gemini API."),
    ("embedders", "imagebind"): Ours("imagebind", ("audio", "image", "text"), "ImageBind, one space for all three."),
    ("embedders", "instructor"): Ours("sentence-transformers", _TEXT, "Instructor models on this machine."),
    ("embedders", "multi2vec-clip"): Ours("clip-server", _BOTH, "Weaviate's CLIP inference containers."),
    ("embedders", "open-clip"): Ours("open-clip", _BOTH, "CLIP models of open_clip on this machine."),
    ("embedders", "openai"): Ours("openai", _TEXT, "OpenAI, and servers with its protocol."),
    ("embedders", "roboflow-clip"): Ours("clip-server", _BOTH, "The CLIP routes of Roboflow Inference."),
    ("embedders", "sentence-transformers"): Ours(
        "sentence-transformers", _BOTH, "Models of sentence-transformers on this machine; pictures with CLIP-like ones."
    ),
    ("rerankers", "cross-encoder"): Ours(
        "sentence-transformers", _TEXT, "Cross-encoders of sentence-transformers: the last word on a search's order."
    ),
}


@dataclass(frozen=True)
class Plugin:
    """One plugin, known by name and not necessarily installed.

    Attributes:
        target: ``module:attribute``, empty where not installed.
        distribution: the distribution that brings it, and its version.
    """

    group: Group
    name: str
    target: str
    distribution: str
    version: str

    @property
    def installed(self) -> bool:
        """Whether an installed distribution registers it."""
        return bool(self.target)

    @property
    def install_command(self) -> str | None:
        """The command that adds it, where the plugin is one of ours."""
        ours = OURS.get((self.group, self.name))
        return f"pip install 'embeddings-orch[{ours.extra}]'" if ours else None


@cache
def _entry_points(group: Group) -> dict[str, tuple[EntryPoint, ...]]:
    found: dict[str, dict[str, EntryPoint]] = {}
    for point in entry_points(group=f"embeddings_orch.{group}"):
        # An editable install can list one distribution twice (its .egg-info beside its .dist-info).
        found.setdefault(point.name, {})[f"{_distribution(point)[0]} {point.value}"] = point
    return {name: tuple(points.values()) for name, points in found.items()}


def _distribution(point: EntryPoint) -> tuple[str, str]:
    return (point.dist.name, point.dist.version) if point.dist else ("unknown", "")


def list_plugins(group: Group) -> list[Plugin]:
    """The plugins of a group, by name: the installed ones and ours that are not."""
    names = sorted({*_entry_points(group), *(name for kind, name in OURS if kind == group)})
    listed = []
    for name in names:
        points = _entry_points(group).get(name, ())
        distribution = ", ".join(_distribution(point)[0] for point in points)
        version = _distribution(points[0])[1] if points else ""
        listed.append(Plugin(group, name, points[0].value if points else "", distribution, version))
    return listed


def load(group: Group, name: str) -> Any:
    """Import one plugin and return what it registers.

    Raises:
        PluginError: it is missing, broken, or two distributions register the name.
    """
    points = _entry_points(group).get(name, ())
    kind = group.removesuffix("s")
    if len(points) > 1:
        both = " and ".join(f"{_distribution(point)[0]} ({point.value})" for point in points)
        raise PluginError(f"two plugins register the {kind} {name!r}: {both}. Uninstall one of them.")
    if not points:
        command = Plugin(group, name, "", "", "").install_command
        if command:
            raise PluginError(f"the {kind} {name!r} is not installed. Install it: {command}")
        available = [plugin.name for plugin in list_plugins(group)]
        raise PluginError(f"there is no {kind} {name!r}{suggestion(name, available)}")
    try:
        return points[0].load()
    except Exception as error:
        owner, version = _distribution(points[0])
        raise PluginError(
            f"the {kind} {name!r} of {owner} {version} cannot be imported "
            f"({type(error).__name__}: {error}). Reinstall it: pip install --force-reinstall {owner}"
        ) from error


@cache
def installed_versions(group: Group, name: str) -> dict[str, str]:
    """The versions of what a plugin works with, by distribution: its own, what that requires, the core and Pillow.

    Only what is installed is listed, and none of it is imported. A process asks once, as its modules stay as they are.
    """
    points = _entry_points(group).get(name, ())
    owners = [point.dist.name for point in points if point.dist is not None]
    required = [_NAME.match(line) for owner in owners for line in requires(owner) or []]
    wanted = {"embeddings-orch", "pillow", *owners, *(match.group() for match in required if match)}
    versions: dict[str, str] = {}
    for distribution in sorted({_SEPARATOR.sub("-", name).lower() for name in wanted}):
        with suppress(PackageNotFoundError):
            versions[distribution] = version(distribution)
    return versions


def suggestion(wrong: str, allowed: Iterable[str]) -> str:
    """The end of an error about a wrong name: the nearest one, and all allowed ones."""
    names = sorted(allowed)
    close = difflib.get_close_matches(wrong, names, n=1, cutoff=0.5)
    nearest = f"; did you mean {close[0]!r}?" if close else ";"
    return f"{nearest} allowed: {', '.join(names) or 'none'}"
