"""Every error this package raises on purpose, under one base class.

A message says what happened, to which item, and what to do about it.
"""

from __future__ import annotations


class EmbeddingsOrchError(Exception):
    """Base class of all errors raised by embeddings_orch and its plugins."""


class SpecError(EmbeddingsOrchError):
    """A pipeline declaration is wrong; the message names the file, the line and the allowed values."""


class PluginError(EmbeddingsOrchError):
    """A plugin is missing, broken, or registered twice."""


class SourceError(EmbeddingsOrchError):
    """A media source cannot be read at all (single bad items are reported, not raised)."""


class MassDeleteError(SourceError):
    """More than half of the items would be deleted; nothing was changed, and a run can be told to do so."""


class StoreError(EmbeddingsOrchError):
    """The store cannot be opened, is of another format, or lacks what was asked for."""


class DiskFullError(StoreError):
    """The disk that the store is on is full: what is done until there is room is in vain, and may cost money."""


class FilterError(StoreError):
    """A search's filter is wrong; without it the search goes well."""


class PublishRefusedError(EmbeddingsOrchError):
    """A generation was not published: its checks did not pass."""


class PublishConflictError(PublishRefusedError):
    """A generation was not published: another publish came first."""


class ProviderError(EmbeddingsOrchError):
    """Base of the errors that an embedder raises; the subclass decides what happens next."""


class TransientError(ProviderError):
    """Worth another try: connection, timeout, 408, 409, 429, 5xx, throttling.

    Attributes:
        retry_after: seconds the provider asked to wait, or None.
    """

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class RateLimitedError(TransientError):
    """The provider refuses for now because of how much was asked (429, throttling): fewer requests at a time."""


class ResponseError(TransientError):
    """The answer cannot be used: cut off, no JSON, an HTML page of a proxy, too few or too many vectors."""


class SuspectError(TransientError):
    """The server failed, and an input may be why: the batch is bisected first, and what fails alone is tried again.

    Once where the server answers other requests meanwhile, else as patiently as any transient error.

    Attributes:
        max_retries: retries of one item alone, None for as many as the policy allows.
    """

    def __init__(self, message: str, *, retry_after: float | None = None, max_retries: int | None = None) -> None:
        super().__init__(message, retry_after=retry_after)
        self.max_retries = max_retries


class TerminalError(ProviderError):
    """No retry and no other batch can succeed: wrong key, unknown model, exhausted quota, missing weights."""


class UnavailableError(TerminalError):
    """Nothing was answered within all retries: this run stops, and one that starts later may succeed."""


class BudgetError(TerminalError):
    """The next request could pass ``max_cost_usd``; what was bought before is kept."""


class CancelledError(TerminalError):
    """No request is made any more, because the run was stopped."""


class ItemError(ProviderError):
    """At least one input of the batch is the problem; the batch is bisected until it stands alone.

    Attributes:
        certain: False where the request may be the problem as well (a bare 400): when the first items alone are all
            refused, and nothing succeeded before, the run is stopped with the provider's words; until something
            succeeds, such an item is tried again in the next run.
    """

    def __init__(self, message: str, *, certain: bool = True) -> None:
        super().__init__(message)
        self.certain = certain


class BatchTooLargeError(ProviderError):
    """The batch did not fit into memory; it is halved, and later batches stay at the smaller size."""


def another_run_may_succeed(error: EmbeddingsOrchError) -> bool:
    """Whether the same run could go well later, without anybody changing anything."""
    if isinstance(error, UnavailableError | PublishConflictError):
        return True
    asks_somebody = (
        TerminalError | ItemError | PublishRefusedError | PluginError | SpecError | MassDeleteError | DiskFullError
    )
    return not isinstance(error, asks_somebody)
