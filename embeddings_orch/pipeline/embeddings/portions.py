"""Contents dealt out among the runs that embed the same model's contents at the same time."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from embeddings_orch.models.keys import key_array, no_keys
from embeddings_orch.store import Store
from embeddings_orch.store.claims import Claims

_SECONDS = 5.0
"""A portion that took less time is followed by one of twice the size: claiming stays a small part of the time."""

_LARGEST = 8
"""No portion is more than this part of the work, so that runs end at about the same time."""


class Portions:
    """Claims contents a portion at a time, and leaves out what other runs hold or have embedded meanwhile.

    A claim is on all contents whose key begins with a certain byte; so runs that see somewhat different media
    claim the same things.

    Args:
        store: where vectors and failures are.
        claims: of this run.
        fingerprint: of the model.
        least: contents of the first portion; more than one batch, so that most are full.
        known: keys of failures that do not count as done by another run.
        rows: rows of the vectors table before its keys were read for the contents to embed.
        start: a random number below its argument: runs that start somewhere else meet less often.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        store: Store,
        claims: Claims,
        fingerprint: str,
        *,
        least: int,
        known: Iterable[bytes],
        rows: int,
        start: Callable[[int], int] = random.randrange,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.store = store
        self.claims = claims
        self.fingerprint = fingerprint
        self.least = least
        self._vectors = store.vectors(fingerprint)
        self._known = frozenset(known)
        self._rows = rows
        self._start = start
        self._clock = clock
        self._elsewhere = no_keys()

    def wrote(self, rows: int) -> None:
        """Count rows that this run wrote: others in the table are other runs'."""
        self._rows += rows

    def rounds(self, todo: pa.Table, done: Callable[[], Iterable[bytes]]) -> Iterator[Iterator[pa.Table]]:
        """The contents to embed in rounds, each to be committed before the next is asked for.

        The first has what this run can claim; a later one has what other runs held and did not embed.

        Args:
            todo: the contents.
            done: keys that this run has embedded or failed to.
        """
        while todo.num_rows:
            yield self.mine(todo)
            self.claims.release()
            done_keys = key_array(done())
            todo = self.filter_left(todo.filter(pc.invert(pc.is_in(todo["key"], done_keys))))
            if todo.num_rows:
                self.wait(todo)
                todo = self.filter_left(todo)

    def mine(self, todo: pa.Table) -> Iterator[pa.Table]:
        """The contents that this run can claim, a portion at a time, each in the order of ``todo``."""
        leading = _first_byte(todo).dictionary_encode()
        names, sizes = leading.dictionary.to_pylist(), np.bincount(leading.indices.to_numpy())
        size, largest = self.least, max(self.least, todo.num_rows // _LARGEST)
        order = sorted(range(len(names)), key=names.__getitem__)
        first = self._start(len(order))
        buckets: list[int] = []
        for number, bucket in enumerate(order := order[first:] + order[:first], 1):
            buckets.append(bucket)
            if sizes[buckets].sum() < size and number < len(order):
                continue
            held = self.claims.take([self._claim(names[candidate]) for candidate in buckets])
            won = [candidate for candidate in buckets if self._claim(names[candidate]) in held]
            buckets = []
            # After the claim: whoever had it before committed first and gave it up then.
            rows = self.filter_left(todo.filter(pc.is_in(leading.indices, pa.array(won, leading.indices.type))))
            if rows.num_rows:
                began = self._clock()
                yield rows
                if self._clock() - began < _SECONDS:
                    size = min(2 * size, largest)

    def filter_left(self, todo: pa.Table) -> pa.Table:
        """The contents that no other run has embedded, or found impossible to, in the meantime."""
        rows = self._vectors.total()
        if rows != self._rows:
            # Only then are all keys read again.
            self._rows = rows
            failures = self.store.failures.of(self.fingerprint).values()
            failed = [failure.key for failure in failures if failure.kind == "item" and failure.key not in self._known]
            self._elsewhere = pa.concat_arrays([self._vectors.keys(), key_array(failed)])
        return todo.filter(pc.invert(pc.is_in(todo["key"], self._elsewhere)))

    def wait(self, todo: pa.Table) -> None:
        """Sleep until the runs that hold some of these contents are done with them, or are gone."""
        leading = pc.unique(_first_byte(todo))
        self.claims.wait([self._claim(name) for name in leading.to_pylist()])

    def _claim(self, first: bytes) -> str:
        return f"vectors/{self.fingerprint}/{first.hex()}"


def _first_byte(contents: pa.Table) -> pa.Array:
    return pc.binary_slice(contents["key"].combine_chunks(), 0, 1)
