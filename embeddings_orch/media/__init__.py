"""What there is to embed, and all that the author of a source needs, in one import.

A source's modules import from here and nowhere else in the package; an embedder's do for what decodes pictures:
`decode_image`, `portable_image`, `resize_cut_out`.

Example:
    >>> from embeddings_orch.media import CATALOG_SCHEMA, Listing, Scan, Source, SourceConfig
"""

from embeddings_orch.errors import EmbeddingsOrchError, ItemError, SourceError, TransientError
from embeddings_orch.media.base import CATALOG_SCHEMA, Listing, Problem, Scan, Source, SourceConfig
from embeddings_orch.media.catalog.choice import ColumnChoice, ColumnsConfig
from embeddings_orch.media.catalog.own import OwnColumns, keep_columns
from embeddings_orch.media.decoding.fitting import is_oversized, resize_cut_out
from embeddings_orch.media.decoding.kinds import MediaKind, kind_of
from embeddings_orch.media.decoding.limits import MAX_PIXELS, has_too_many_scans
from embeddings_orch.media.decoding.pictures import decode_image, image_orientation, image_size
from embeddings_orch.media.decoding.portable import portable_image
from embeddings_orch.media.max_bytes import MaxBytes
from embeddings_orch.models.content import Modality, content_hash
from embeddings_orch.models.paths import local_path
from embeddings_orch.models.rows.notes import STAT_COLUMN

__all__ = [
    "CATALOG_SCHEMA",
    "ColumnChoice",
    "ColumnsConfig",
    "content_hash",
    "decode_image",
    "EmbeddingsOrchError",
    "has_too_many_scans",
    "image_orientation",
    "image_size",
    "is_oversized",
    "ItemError",
    "MediaKind",
    "keep_columns",
    "kind_of",
    "Listing",
    "local_path",
    "MAX_PIXELS",
    "MaxBytes",
    "Modality",
    "OwnColumns",
    "portable_image",
    "Problem",
    "resize_cut_out",
    "Scan",
    "Source",
    "SourceConfig",
    "SourceError",
    "STAT_COLUMN",
    "TransientError",
]
