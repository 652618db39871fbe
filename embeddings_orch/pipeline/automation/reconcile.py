"""Reconciling: whether to start a run now, from what is missing, what is under way and what was tried.

A sensor does not watch for edges: each tick compares what is wanted with what is there. The cursor only keeps a failed
run from being repeated without end. A changed digest begins an *epoch* with a random name; the key of a run is
``name:epoch:attempt``, so that going back to an earlier declaration is an epoch of its own, and a lost cursor costs at
most one run that finds nothing to do.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from embeddings_orch.spec.keys import AssetKey

MAX_ATTEMPTS = 3
"""Runs that are started in one epoch."""

PAUSES = (2, 10)
"""Ticks between the end of a failed run and the next attempt."""

_PATIENCE = 10
"""A change that goes on for so many settle times is not waited for any longer."""


@dataclass(frozen=True)
class Cursor:
    """What a sensor remembers.

    Attributes:
        digest: of what was wanted at the last tick.
        epoch: random name of the time since the digest changed.
        began: when that was, seconds since 1970.
        moving: since when the digest has been changing without a run.
        attempt: runs started in this epoch.
        reloaded: digest for which the code location was reloaded last.
    """

    digest: str = ""
    epoch: str = ""
    began: float = 0.0
    moving: float = 0.0
    attempt: int = 0
    reloaded: str = ""

    def to_json(self) -> str:
        """The text that Dagster keeps."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str | None) -> Cursor:
        """The cursor of a text; an empty one where it is lost or not understood."""
        try:
            data: dict[str, Any] = json.loads(text or "")
            return cls(
                digest=str(data["digest"]),
                epoch=str(data["epoch"]),
                began=float(data["began"]),
                moving=float(data["moving"]),
                attempt=int(data["attempt"]),
                reloaded=str(data["reloaded"]),
            )
        except (ValueError, KeyError, TypeError):
            return cls()

    def run_key(self, name: str) -> str:
        """The key of the run started last; Dagster starts one run a key."""
        return f"{name}:{self.epoch}:{self.attempt}"


@dataclass(frozen=True)
class Need:
    """What a run has to materialize.

    Attributes:
        assets: keys, in the order of the graph.
        reason: why, for a person.
        tags: further tags of the run.
    """

    assets: tuple[AssetKey, ...]
    reason: str
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class LastRun:
    """The latest run that planned any of the needed assets in this epoch, whoever started it.

    Attributes:
        again: whether a failed one is worth another try.
        ended: seconds since 1970, 0 where it goes on.
    """

    run_id: str
    status: Literal["running", "succeeded", "failed", "cancelled"]
    error: str = ""
    again: bool = True
    ended: float = 0.0


@dataclass(frozen=True)
class Situation:
    """All that a decision depends on.

    Attributes:
        name: of the sensor; the first part of the run keys.
        digest: changes when a person changed something.
        need: what is missing, or None.
        satisfied: what to say where nothing is.
        loaded: keys that the loaded definitions have.
        in_flight: for keys that unfinished runs will materialize, the run.
        tried: the latest run for the need in this epoch.
        now: seconds since 1970.
        interval: seconds between two ticks.
        settle: seconds that the digest must have stayed.
        refused: why a run would go beyond what is allowed, empty where it would not; only asked before a request.
    """

    name: str
    digest: str
    need: Need | None
    satisfied: str
    loaded: frozenset[str]
    in_flight: Mapping[str, str]
    tried: LastRun | None
    now: float
    interval: float = 30.0
    settle: float = 0.0
    refused: Callable[[Need], str] = lambda _: ""


@dataclass(frozen=True)
class Decision:
    """What to do: start the run ``run_key`` for ``need``, or, where that is None, nothing, for the reason ``skip``."""

    cursor: Cursor
    skip: str = ""
    need: Need | None = None
    run_key: str = ""


def new_epoch() -> str:
    """A random name, 64 bits."""
    return secrets.token_hex(8)


def enter_epoch(cursor: Cursor, digest: str, now: float, epoch: Callable[[], str] = new_epoch) -> Cursor:
    """The cursor in the epoch of a digest."""
    if cursor.digest == digest:
        return cursor
    # A burst moves the digest at every tick; how long it has done so is counted from its first one.
    moving = cursor.moving if cursor.digest and cursor.moving and not cursor.attempt else now
    return replace(cursor, digest=digest, epoch=epoch(), began=now, moving=moving, attempt=0)


def reconcile(cursor: Cursor, seen: Situation, *, epoch: Callable[[], str] = new_epoch) -> Decision:
    """Decide what to do at one tick.

    Args:
        cursor: as kept from the last tick.
        seen: the situation now.
        epoch: names epochs.
    """
    cursor = enter_epoch(cursor, seen.digest, seen.now, epoch)
    need = seen.need
    if need is None:
        # All is well: what fails from now on is another matter than what failed before.
        cursor = replace(cursor, moving=0.0)
        if cursor.attempt:
            cursor = replace(cursor, epoch=epoch(), began=seen.now, attempt=0)
        return Decision(cursor, seen.satisfied)
    return _decide_need(cursor, seen, need)


def _decide_need(cursor: Cursor, seen: Situation, need: Need) -> Decision:
    unknown = [asset for asset in need.assets if asset not in seen.loaded]
    if unknown:
        return Decision(
            cursor,
            f"{', '.join(unknown)}: declared in the YAML, but not in the definitions that are loaded; "
            "reload the code location",
        )
    busy = {seen.in_flight[asset]: asset for asset in need.assets if asset in seen.in_flight}
    if busy:
        runs = ", ".join(f"{run[:8]} ({asset})" for run, asset in busy.items())
        return Decision(cursor, f"{need.reason}; waiting for the run {runs}")
    waiting = _after(cursor, seen, need)
    if waiting:
        return Decision(cursor, waiting)
    settled = min(cursor.began + seen.settle, cursor.moving + _PATIENCE * seen.settle)
    if not cursor.attempt and seen.now < settled:
        return Decision(cursor, f"{need.reason}; starting in {settled - seen.now:.0f} s, if nothing more changes")
    refused = seen.refused(need)
    if refused:
        return Decision(cursor, f"{need.reason}; not started: {refused}")
    # A key whose run was never launched (the daemon died in between) is asked for again, and launched once.
    lost = cursor.attempt > 0 and seen.tried is None
    cursor = replace(cursor, attempt=cursor.attempt + (0 if lost else 1), moving=0.0)
    return Decision(cursor, need=need, run_key=cursor.run_key(seen.name))


def _after(cursor: Cursor, seen: Situation, need: Need) -> str:
    """Why not now, given how the last run went; empty where nothing speaks against it."""
    tried = seen.tried
    if tried is None:
        return ""
    run, restart = f"run {tried.run_id[:8]}", "Any edit of the YAML starts it again, or a run by hand"
    if tried.status == "running":
        return f"{need.reason}; {run} is under way"
    if tried.status == "cancelled":
        return f"{need.reason}; {run} was cancelled, so it is not started again. {restart}"
    error = tried.error if tried.status == "failed" else f"it succeeded, and still {need.reason}"
    if tried.status == "failed" and not tried.again:
        times = f", attempt {cursor.attempt}" if cursor.attempt > 1 else ""
        return f"{need.reason}; {run} failed{times}, and another try would fail as well: {error}. {restart}"
    if not cursor.attempt:
        return ""
    if cursor.attempt >= MAX_ATTEMPTS:
        return f"{need.reason}; failed {cursor.attempt} times, the last time in {run}: {error}. {restart}"
    due = tried.ended + PAUSES[cursor.attempt - 1] * seen.interval
    if seen.now < due:
        return (
            f"{need.reason}; {run} failed, attempt {cursor.attempt} of {MAX_ATTEMPTS}: {error}. "
            f"The next one starts in {due - seen.now:.0f} s"
        )
    return ""
