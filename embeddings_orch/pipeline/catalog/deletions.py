"""Deletions that a scan must not make: of what it could not see, and of most of the catalog at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from embeddings_orch.errors import MassDeleteError, SourceError
from embeddings_orch.media.base import Problem
from embeddings_orch.models.rows.notes import is_data

LEAST = 20
"""Items that a catalog has to have for more than half of them to be many."""


@dataclass(frozen=True)
class Allowed:
    """What a run may do that nobody means as a rule.

    Attributes:
        mass_delete: delete more than half of the items.
        empty: take a source that lists nothing for an empty one.
    """

    mass_delete: bool = False
    empty: bool = False


NOTHING = Allowed()


def keep_hidden(listed: pa.Table, problems: Sequence[Problem], previous: pa.Table | None) -> tuple[pa.Table, int]:
    """What a scan lists, and the rows of the last catalog that it could not see: they may be there still.

    Args:
        listed: the catalog's table of what the scan lists, without digests.
        problems: of the scan.
        previous: the last catalog.

    Returns:
        The catalog's table, and how many rows were kept.

    Raises:
        SourceError: their columns do not go together with those of the scan.
    """
    hidden = tuple(problem.hides for problem in problems if problem.hides is not None)
    if previous is None or not hidden:
        return listed, 0
    unlisted = pc.invert(pc.is_in(previous["id"], listed["id"].combine_chunks()))
    kept = previous.filter(pc.and_(unlisted, _starts_with(previous["id"], hidden)))
    if not kept.num_rows:
        return listed, 0
    # What only the hidden rows have is last of the data, as a source's own columns are.
    names = list(filter(is_data, listed.column_names))
    notes = [name for name in listed.column_names if name not in names]
    further = [name for name in kept.column_names if name not in listed.column_names and is_data(name)]
    try:
        together = pa.concat_tables([listed, kept], promote_options="permissive")
    except pa.ArrowException as error:
        first = next(problem for problem in problems if problem.hides is not None)
        raise SourceError(
            f"{first.where}: {first.reason}; the {kept.num_rows:,} items of the catalog that this hides cannot be kept "
            f"beside the others, whose columns are of other types ({error}). Nothing was changed"
        ) from error
    return together.select([*names, *further, *notes]).sort_by("id"), kept.num_rows


def check_deletions(
    asset: str, previous: pa.Table | None, now: pa.Table, deleted: Sequence[str], *, allowed: Allowed, declared: bool
) -> None:
    """Refuse to delete more than half of the items, counting those whose content is gone too.

    Args:
        asset: the catalog's key, for messages.
        previous: the last catalog.
        now: the one to be written.
        deleted: the ids that it lacks.
        allowed: what the run may do.
        declared: the media are declared as they were for the last catalog; where they are not, deletions are meant.

    Raises:
        SourceError: the source lists nothing where there was something.
        MassDeleteError: more than half would be deleted.
    """
    if previous is None or not deleted:
        return
    if not now.num_rows and not allowed.empty:
        raise SourceError(
            f"{asset}: the source lists nothing, where the catalog has {previous.num_rows:,} items: is a drive not "
            "mounted, or a pattern wrong? Nothing was changed. If it is empty: embeddings-orch run --allow-empty"
        )
    if allowed.mass_delete or allowed.empty or not declared or previous.num_rows < LEAST:
        return
    rows = previous.filter(pc.is_in(previous["id"], pa.array(deleted, pa.string())))
    gone = pc.sum(pc.invert(pc.is_in(rows["content_hash"], now["content_hash"].combine_chunks()))).as_py() or 0
    if 2 * gone > previous.num_rows:
        raise MassDeleteError(
            f"{asset}: {gone:,} of {previous.num_rows:,} items are gone, with their contents: is a drive not mounted, "
            "or a file cut off? Nothing was changed. If it is meant: embeddings-orch run --allow-mass-delete"
        )


def describe_kept(problems: Sequence[Problem], kept: int) -> str:
    """Why rows were kept that a scan did not list; empty where none were."""
    if not kept:
        return ""
    hiding = [problem for problem in problems if problem.hides is not None]
    more = f", and {len(hiding) - 1:,} more" if len(hiding) > 1 else ""
    return f"{kept:,} items that may be there still are kept as they were: {hiding[0].where}: {hiding[0].reason}{more}"


def _starts_with(ids: pa.ChunkedArray, prefixes: tuple[str, ...]) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array([item.startswith(prefixes) for item in ids.to_pylist()], pa.bool_())])
