"""What can be wrong with stored vectors, counted batch by batch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from embeddings_orch.embedder import Vectors
from embeddings_orch.media.ready import NORM_TOLERANCE


@dataclass
class Faults:
    """Vectors seen, those that hold NaN or infinity, and the finite ones that are not of unit length."""

    seen: int = 0
    infinite: int = 0
    off_norm: int = 0

    def add(self, rows: Vectors) -> None:
        """Count some more vectors, shape (n, dimensions)."""
        finite = np.isfinite(rows).all(axis=1)
        norms = np.linalg.norm(rows[finite], axis=1)
        self.seen += len(rows)
        self.infinite += int((~finite).sum())
        self.off_norm += int((np.abs(norms - 1) > NORM_TOLERANCE).sum())
