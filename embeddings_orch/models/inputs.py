"""What a model is given of an item: one input, several with weights, or a vector that is ready-made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

_DIGITS = 9
"""Of a weight: more than a vector's numbers have."""

_LEAST = 1e-9
"""A lighter input is not seen in a sum; and alone it must still weigh something."""


@dataclass(frozen=True)
class Inputs:
    """The inputs of an embedding, equal where the vectors are.

    As text (`str`) they are for people, and a part of the hashes that name an index's table and a held declaration: the
    text of the same inputs never changes.

    Attributes:
        weights: of each input (``media`` or a column), with the sum 1, the heaviest first; empty where ``vectors`` is
            given.
        vectors: the column of ready-made vectors, else empty.

    Example:
        >>> str(Inputs.from_weights({"caption": 3, "media": 7}))
        '0.7 media + 0.3 caption'
        >>> Inputs.from_weights({"caption": 3, "media": 7}) == Inputs.from_weights({"media": 0.7, "caption": 0.3})
        True
        >>> str(Inputs.from_weights({"media": 1})), str(Inputs.ready("clip_vector"))
        ('media', 'ready-made clip_vector')
    """

    weights: tuple[tuple[str, float], ...] = ()
    vectors: str = ""

    @classmethod
    def from_weights(cls, weights: Mapping[str, float]) -> Self:
        """Inputs of which an item's vector is the weighted mean; weights are finite and greater than 0."""
        # By the largest first: the sum of two very large weights would be infinite.
        largest = max(weights.values())
        total = sum(weight / largest for weight in weights.values())
        shares = {name: max(weight / largest / total, _LEAST) for name, weight in weights.items()}
        rounded = [(name, float(f"{share:.{_DIGITS}g}")) for name, share in shares.items()]
        return cls(tuple(sorted(rounded, key=lambda part: (-part[1], part[0]))))

    @classmethod
    def ready(cls, column: str) -> Self:
        """Vectors that a column of the media holds."""
        return cls(vectors=column)

    @property
    def names(self) -> tuple[str, ...]:
        """The inputs that are embedded."""
        return tuple(name for name, _ in self.weights)

    @property
    def columns(self) -> tuple[str, ...]:
        """The inputs that are embedded, or the column of vectors."""
        return self.names or (self.vectors,)

    def __str__(self) -> str:
        if self.vectors:
            return f"ready-made {_say(self.vectors)}"
        if len(self.weights) == 1:
            return _say(self.weights[0][0])
        return " + ".join(f"{weight:.{_DIGITS}g} {_say(name)}" for name, weight in self.weights)


def _say(name: str) -> str:
    """A column's name, quoted where it could be read as another text: no column has a backtick in its name."""
    return name if name.isascii() and name.isidentifier() else f"`{name}`"
