"""What a model was given, as rows keep it: data. Rows of earlier versions have a sentence, which is read here alone."""

from __future__ import annotations

import json
from typing import TypedDict

from embeddings_orch.models.inputs import Inputs

_READY = "ready-made "


class InputsData(TypedDict, total=False):
    """One of both: the weight of each input, the heaviest first, or the column of ready-made vectors."""

    weights: dict[str, float]
    vectors: str


def inputs_to_data(inputs: Inputs) -> InputsData:
    """Inputs as JSON can hold them; the JSON of equal inputs is the same text.

    Example:
        >>> inputs_to_data(Inputs.from_weights({"caption": 3, "media": 7}))
        {'weights': {'media': 0.7, 'caption': 0.3}}
        >>> inputs_to_data(Inputs.ready("clip_vector"))
        {'vectors': 'clip_vector'}
    """
    return {"vectors": inputs.vectors} if inputs.vectors else {"weights": dict(inputs.weights)}


def read_inputs(stored: InputsData | str) -> Inputs:
    """Inputs from what a row holds.

    Args:
        stored: what `inputs_to_data` made, its JSON text, or the sentence of an earlier version.

    Example:
        >>> read_inputs('{"weights": {"media": 0.7, "caption": 0.3}}') == read_inputs("0.7 media + 0.3 caption")
        True
    """
    if isinstance(stored, str):
        # A sentence begins with a letter or a digit.
        if not stored.startswith("{"):
            return _read_sentence(stored)
        data: InputsData = json.loads(stored)
    else:
        data = stored
    return Inputs.ready(data["vectors"]) if "vectors" in data else Inputs(tuple(data["weights"].items()))


def _read_sentence(sentence: str) -> Inputs:
    """Inputs from the only form that rows had before: ``caption``, ``0.7 media + 0.3 caption``, ``ready-made made``.

    Such a row keeps its sentence until something else in it changes: both forms are the same inputs, and what is the
    same is not written.
    """
    if sentence.startswith(_READY):
        return Inputs.ready(sentence.removeprefix(_READY))
    parts = [part.rpartition(" ") for part in sentence.split(" + ")]
    return Inputs(tuple((name, float(weight or 1)) for weight, _, name in parts))
