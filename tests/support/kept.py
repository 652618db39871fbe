"""Galleries in a state that takes runs to make: made once, and given to each test anew from a copy."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from galleries import Gallery, laid_out


def _copy(source: Path, target: Path) -> None:
    """Copy all but a gallery's media."""
    shutil.copytree(source, target, ignore=lambda folder, _: {"media"} if Path(folder) == source else set())


def _link(source: Path, target: Path) -> None:
    """Make links to the files of the media; symbolic ones, as a hard one changes the ctime, which a scan looks at."""
    shutil.copytree(source, target, copy_function=os.symlink)


def _stats(folder: Path) -> dict[str, tuple[int, int, int]]:
    stats = {str(path.relative_to(folder)): path.stat() for path in sorted(folder.rglob("*"))}
    return {name: (stat.st_size, stat.st_ctime_ns, stat.st_ino) for name, stat in stats.items()}


@dataclass(frozen=True)
class KeptGallery:
    """A gallery and a copy of its folder as it was, with the files of the media themselves.

    What is prepared may name paths of the gallery, so it is restored where it was: two of it cannot be had at a time.
    A test may change anything, but it may not write into a picture that it has not made: that file is a link.
    """

    gallery: Gallery
    copy: Path
    media: dict[str, tuple[int, int, int]]

    @classmethod
    def of(cls, gallery: Gallery) -> KeptGallery:
        """Keep a gallery as it is now."""
        copy = gallery.root.with_name(f"{gallery.root.name}.kept")
        _copy(gallery.root, copy)
        (gallery.root / "media").rename(copy / "media")
        _link(copy / "media", gallery.root / "media")
        return cls(
            replace(gallery, attributes=deepcopy(gallery.attributes), captions=deepcopy(gallery.captions)),
            copy,
            _stats(copy / "media"),
        )

    def restore(self) -> Gallery:
        """The gallery as it was, whatever a test made of it."""
        assert _stats(self.copy / "media") == self.media, "a test wrote into a picture of all tests: use `Gallery.add`"
        shutil.rmtree(self.gallery.root, ignore_errors=True)
        _copy(self.copy, self.gallery.root)
        _link(self.copy / "media", self.gallery.root / "media")
        return replace(
            self.gallery, attributes=deepcopy(self.gallery.attributes), captions=deepcopy(self.gallery.captions)
        )


def after(prepare: Callable[[Gallery], object]) -> pytest.MarkDecorator:
    """A mark of tests whose `gallery` begins as ``prepare(gallery)`` leaves it: ``@after(Gallery.run)``."""
    return pytest.mark.after.with_args(prepare)


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Gallery]:
    """``once(prepare, pictures=12, **attributes)``: a gallery as ``prepare(gallery)`` leaves it, which is called once.

    Each call restores the gallery that a function of the same name and module, or a `partial` of it with the same
    arguments, has prepared.
    """
    kept: dict[str, KeptGallery] = {}

    def restored(prepare: Callable[[Gallery], object], pictures: int = 12, **attributes: Any) -> Gallery:
        given, function = (), prepare
        if isinstance(prepare, partial):
            given, function = (prepare.args, prepare.keywords), prepare.func
        key = repr((function.__module__, function.__qualname__, given, pictures, attributes))
        if key not in kept:
            gallery = laid_out(tmp_path_factory.mktemp("once") / "gallery", pictures, **attributes)
            prepare(gallery)
            kept[key] = KeptGallery.of(gallery)
        return kept[key].restore()

    return restored
