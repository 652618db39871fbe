"""How much a JSON body holds, told by its bytes before anything is made of them."""

from __future__ import annotations

import re

from embeddings_orch.server.gate.limits import JSON_DEPTH, JSON_KEYS, JSON_NUMBER, JSON_VALUES
from embeddings_orch.server.gate.problems import HttpProblem

_STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?'
_TOKENS = re.compile(rb"%b|([][{}:,])|([^\s\"\]\[{}:,]++)" % _STRING, re.DOTALL)


def check_json(body: bytes) -> None:
    """Refuse a body of more keys, elements or depth than any request of ours has.

    What is no JSON passes here: whoever parses it says so.

    Raises:
        HttpProblem: 400, with what there is too much of.
    """
    depth = keys = values = scalars = 0
    for token in _TOKENS.finditer(body):
        mark = token[1]
        if mark is None:
            scalars += 1
            if token[2] is not None and len(token[2]) > JSON_NUMBER:
                raise HttpProblem(400, f"the body has a number of more than {JSON_NUMBER:,} bytes")
        elif mark in b"[{":
            depth += 1
            values += 1  # before the first comma
        elif mark in b"]}":
            depth -= 1
        elif mark == b",":
            values += 1
        else:
            keys += 1
        if depth > JSON_DEPTH:
            raise HttpProblem(400, f"the body has more than {JSON_DEPTH} lists and objects within each other")
        if keys > JSON_KEYS:
            raise HttpProblem(400, f"the body has more than {JSON_KEYS:,} keys")
        if depth < 0:
            return
        if values > JSON_VALUES or scalars > JSON_KEYS + JSON_VALUES:
            raise HttpProblem(400, f"the body has more than {JSON_VALUES:,} elements")
