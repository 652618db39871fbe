"""What a media source is: it lists items into a catalog table, and reads one item's bytes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Generic, TypeVar

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer

from embeddings_orch.media.max_bytes import MaxBytes
from embeddings_orch.media.passed_over import PassedOver
from embeddings_orch.policy.secrets import redact

CATALOG_SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("uri", pa.string(), nullable=False),
        pa.field("content_hash", pa.string(), nullable=False),
        pa.field("modality", pa.string(), nullable=False),
        pa.field("mime", pa.string()),
        pa.field("size", pa.int64()),
        pa.field("width", pa.int32()),
        pa.field("height", pa.int32()),
        pa.field("caption", pa.large_string()),
        pa.field("text", pa.large_string()),
    ]
)
"""The columns every catalog has; a source's own columns follow them. ``content_hash`` is the sha256 of the bytes
(or of the text) that a model would be given for ``input: media``; ``size`` is in bytes, the others in pixels.
Texts are large strings, because those of a whole catalog may have more than the 2 GiB of one array of other strings."""


UNSAID = "unsaid at its default"
"""Marks a setting, in its ``Annotated``, that is not dumped where it has its default value.

So a declaration that does not set it has the version that it had before there was such a setting.
"""


class SourceConfig(BaseModel):
    """Base of a source's settings."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: ClassVar[str]

    max_bytes: Annotated[MaxBytes, UNSAID] = Field(
        MaxBytes(), description="The most bytes of a content, by modality; a larger one is a failure of its item."
    )

    @model_serializer(mode="wrap")
    def _leave_unsaid(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        dumped: dict[str, Any] = handler(self)
        for name, setting in type(self).model_fields.items():
            if UNSAID in setting.metadata and getattr(self, name) == setting.get_default():
                dumped.pop(name, None)
        return dumped


SourceConfigT = TypeVar("SourceConfigT", bound=SourceConfig)


@dataclass(frozen=True)
class Problem:
    """A row, file or column that is not in the catalog, or not as it was, and why.

    Attributes:
        hides: the beginning of ids that the scan could not see because of it, empty for all; None where it hides none.
            What the last catalog has of them is kept.
        kept: nothing is left out: what it is about has another name, or is there as text. It counts as no failure.
    """

    where: str
    reason: str
    hides: str | None = None
    kept: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "reason", redact(self.reason))


@dataclass(frozen=True)
class Scan:
    """What a source lists.

    Attributes:
        table: `CATALOG_SCHEMA`, then the source's own columns, then `STAT_COLUMN`; sorted by id, ids unique.
        problems: rows and files left out, and what is kept otherwise, each with its reason.
        passed_over: files of kinds that are not read, and sounds that were not asked for, by kind.
    """

    table: pa.Table
    problems: list[Problem] = field(default_factory=list)
    passed_over: tuple[PassedOver, ...] = ()


@dataclass(frozen=True)
class Listing:
    """What a source holds, as far as it can be told without reading contents.

    Attributes:
        items: by id, a text that changes when the item's content may have.
        others: the same for what else a scan reads, by name: tables, metadata files.
    """

    items: Mapping[str, str]
    others: Mapping[str, str] = field(default_factory=dict)


class Source(ABC, Generic[SourceConfigT]):
    """Lists media and reads them."""

    config_class: ClassVar[type[SourceConfig]]

    def __init__(self, config: SourceConfigT) -> None:
        self.config = config

    @abstractmethod
    def scan(self, previous: pa.Table | None, progress: Callable[[int], None] = lambda _: None) -> Scan:
        """List all items.

        Args:
            previous: the last catalog, with `STAT_COLUMN` and absolute uris; hashes of files that did not change since
                are reused.
            progress: told the number of items seen so far, now and then.

        Raises:
            SourceError: the source as a whole cannot be read.
        """

    @property
    def root(self) -> str:
        """The absolute path of the folder that the media are in, or empty where there is none.

        A catalog keeps the uris of what is below it relative to it, so that the folder can move.
        """
        return ""

    def list_items(self) -> Listing | None:
        """List cheaply, to see whether a scan would find anything new; None where only a scan can tell.

        Raises:
            SourceError: the source as a whole cannot be read.
        """
        return None

    @abstractmethod
    def read(self, uri: str) -> bytes:
        """The bytes of one item.

        Raises:
            OSError: they cannot be read now.
        """
