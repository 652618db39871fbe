"""What happens in a run, as it happens: its steps tell it, whoever carries them.

Dagster's metadata and log, the command line's bars, its tables, JSON and reports are all written from these events,
which is why no event has a secret in it.

    StepStart   (Progress | StepWarning)*   (Materialization | CheckEvaluation*)   (StepSuccess | StepFailure)
    StepSkip    a step that was planned and not begun
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from embeddings_orch.pipeline.values import Value, hide_secrets
from embeddings_orch.policy.secrets import redact
from embeddings_orch.spec.keys import AssetKey

StepKind = Literal["materialize", "checks"]
STEP_KINDS: tuple[StepKind, ...] = ("materialize", "checks")
Severity = Literal["ERROR", "WARN"]


@dataclass(frozen=True)
class StepKey:
    """A step: an asset, and whether it is materialized or checked."""

    asset: AssetKey
    kind: StepKind = "materialize"

    def __str__(self) -> str:
        return f"{self.asset}, checks" if self.kind == "checks" else self.asset


@dataclass(frozen=True)
class StepStart:
    """A step begins."""

    step: StepKey


@dataclass(frozen=True)
class Progress:
    """How far a step is.

    Attributes:
        step: the asset's key, ``pipeline/embeddings/clip``.
        unit: what is counted.
        rate: units a second since the step began.
        remaining: seconds left at that rate, or None where unknown.
    """

    step: str
    unit: str
    done: int
    total: int | None
    rate: float
    remaining: float | None
    finished: bool = False

    def __str__(self) -> str:
        of = f"/{self.total:,}" if self.total is not None else ""
        text = f"{self.step}: {self.done:,}{of} {self.unit}"
        if self.done:
            text += f", {self.rate:,.0f}/s" if self.rate >= 10 else f", {self.rate:.1f}/s"
        return text if self.remaining is None else f"{text}, {_minutes(self.remaining)} left"


@dataclass(frozen=True)
class StepWarning:
    """What a step could not do and goes on without: an item that failed, a map that was not made."""

    step: StepKey
    message: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "message", redact(self.message))


@dataclass(frozen=True)
class Materialization:
    """What a step made.

    Attributes:
        data_version: equal where what was made is equal.
    """

    asset: AssetKey
    metadata: Mapping[str, Value]
    data_version: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "metadata", hide_secrets(self.metadata))


@dataclass(frozen=True)
class CheckEvaluation:
    """What a check found; with severity ``ERROR`` a failed one stops what follows."""

    asset: AssetKey
    check: str
    passed: bool
    severity: Severity
    description: str = ""
    metadata: Mapping[str, Value] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "description", redact(self.description))
        object.__setattr__(self, "metadata", hide_secrets(self.metadata))

    @property
    def blocks(self) -> bool:
        """Whether it stops what follows."""
        return not self.passed and self.severity == "ERROR"


@dataclass(frozen=True)
class StepSuccess:
    """A step has ended well."""

    step: StepKey
    seconds: float


@dataclass(frozen=True)
class StepFailure:
    """A step has failed; what it committed before is kept.

    Attributes:
        reason: in one line.
        interrupted: by Ctrl-C or a signal.
    """

    step: StepKey
    seconds: float
    reason: str
    interrupted: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "reason", redact(self.reason))


@dataclass(frozen=True)
class StepSkip:
    """A step was planned and not begun."""

    step: StepKey


RunEvent: TypeAlias = (
    StepStart | Progress | StepWarning | Materialization | CheckEvaluation | StepSuccess | StepFailure | StepSkip
)
EventListener: TypeAlias = Callable[[RunEvent], None]

_listeners: list[EventListener] = []


@contextmanager
def listen(listener: EventListener) -> Iterator[None]:
    """Tell a listener of all that happens in this process meanwhile."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


@contextmanager
def listen_in_thread(listener: EventListener) -> Iterator[None]:
    """Tell a listener of the steps that this thread carries out meanwhile: another may be at a run of its own."""
    thread = threading.get_ident()

    def listen_to_own(event: RunEvent) -> None:
        if threading.get_ident() == thread:
            listener(event)

    with listen(listen_to_own):
        yield


def tell(event: RunEvent, listener: EventListener | None = None) -> None:
    """Tell an event to all who listen, and to a listener of the step's own."""
    for listening in (*_listeners, *((listener,) if listener else ())):
        listening(event)


def _minutes(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole} s" if whole < 90 else f"{whole // 60} min {whole % 60:02d} s"
