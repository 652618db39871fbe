"""What can be wrong with a list of vectors, as faults of a loopback server."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from embeddings_orch_testing.servers import Fault


def malformed(*keys: str) -> Mapping[str, Fault]:
    """By name, faults that spoil the vectors under those of the keys that hold any."""

    def spoiled(change: Callable[[list[Any]], Any]) -> Fault:
        def changed(answer: Any) -> Any:
            return {**answer, **{key: change(answer[key]) for key in keys if answer.get(key)}}

        return Fault.change_answer(changed)

    return {
        "one vector too few": spoiled(lambda rows: rows[:-1]),
        "one vector too many": spoiled(lambda rows: [*rows, rows[0]]),
        "one vector shorter": spoiled(lambda rows: [rows[0][:-1], *rows[1:]] if len(rows) > 1 else [[]]),
        "all vectors empty": spoiled(lambda rows: [[] for _ in rows]),
        "NaN": spoiled(lambda rows: [[float("nan"), *rows[0][1:]], *rows[1:]]),
        "a number too large": spoiled(lambda rows: [[1e300, *rows[0][1:]], *rows[1:]]),
        "text instead of numbers": spoiled(lambda rows: [[str(number) for number in row] for row in rows]),
        "base64 instead of numbers": spoiled(lambda rows: ["AAAA" for _ in rows]),
        "null instead of a vector": spoiled(lambda rows: [None, *rows[1:]]),
        "null instead of the vectors": spoiled(lambda rows: None),
        "another object": Fault.change_answer(lambda _: {"message": "hello"}),
        "a list": Fault.change_answer(lambda _: []),
    }
