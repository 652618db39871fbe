"""Vectors on a plane: the two principal axes of some of them, and where every vector then lies.

Principal component analysis: the axes are the eigenvectors of the covariance with the two largest eigenvalues
(Jolliffe, *Principal Component Analysis*, 2002, chapter 1).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from embeddings_orch.models.content import Vectors
from embeddings_orch.store.tables.maps import SIDE, Basis

Plane = npt.NDArray[np.float64]
"""Coordinates, shape (n, 2)."""

Places = npt.NDArray[np.uint16]
"""Coordinates on the map, shape (n, 2), in 0..65535."""

_TAIL = 0.5
"""Percent of the vectors at each end of an axis that the frame does not have to hold."""

_MARGIN = 0.05
"""Room on each side of the frame for what comes later, as a share of what is in it."""


def comparable(vectors: Vectors, metric: str) -> Plane:
    """Vectors as a metric compares them, shape (n, dimensions), double precision: of length 1 for cosine."""
    exact = vectors.astype(np.float64)
    if metric != "cosine":
        return exact
    # Half the time of np.linalg.norm.
    lengths = np.sqrt(np.einsum("ij,ij->i", exact, exact))
    exact /= np.maximum(lengths, 1e-30)[:, None]
    return exact


def principal_axes(vectors: npt.NDArray[Any]) -> tuple[Plane, Plane, tuple[float, float]]:
    """The two principal axes.

    Args:
        vectors: shape (n, dimensions), finite.

    Returns:
        The mean, shape (dimensions,); the axes, shape (2, dimensions), of length 1 or zero where there is no such
        direction, the largest of each axis' components being positive; and each axis' share of the variance.
    """
    count, dimensions = vectors.shape
    mean, axes = np.zeros(dimensions), np.zeros((2, dimensions))
    if not count:
        return mean, axes, (0.0, 0.0)
    mean = vectors.mean(axis=0, dtype=np.float64)
    centred = vectors - mean
    # The smaller of the two products has the same eigenvalues.
    wide = dimensions > count
    values, eigenvectors = np.linalg.eigh(centred @ centred.T if wide else centred.T @ centred)
    values = np.maximum(values, 0.0)
    total = float(values.sum())
    # What rounding leaves of vectors that are all the same is no direction.
    noise = count * float(mean @ mean) * 1e-12
    shares = [0.0, 0.0]
    for place in range(min(2, len(values))):
        value = float(values[-1 - place])
        if value <= max(noise, total * 1e-12):
            break
        direction = eigenvectors[:, -1 - place]
        axis = centred.T @ direction if wide else direction
        axis = axis / np.linalg.norm(axis)
        axes[place] = axis if axis[np.abs(axis).argmax()] > 0 else -axis
        shares[place] = value / total
    return mean, axes, (shares[0], shares[1])


def fit(vectors: Plane) -> Basis:
    """The basis of a map, from some of its vectors, shape (n, dimensions)."""
    mean, axes, explained = principal_axes(vectors)
    centre, span = frame((vectors - mean) @ axes.T)
    return Basis(mean.astype(np.float32), axes.astype(np.float32), centre, span, explained)


def frame(plane: Plane) -> tuple[tuple[float, float], float]:
    """The middle and the side of the square that a map shows: nearly all points, with some room around them.

    One scale for both axes, so that distances on the map can be compared; far outliers do not make the rest small.
    """
    if not len(plane):
        return (0.0, 0.0), 1.0
    low, high = np.percentile(plane, [_TAIL, 100 - _TAIL], axis=0)
    span = float((high - low).max()) * (1 + 2 * _MARGIN)
    middle = (low + high) / 2
    return (float(middle[0]), float(middle[1])), span if span > 0 else 1.0


def place(plane: Plane, centre: tuple[float, float], span: float) -> Places:
    """Coordinates on the map; what lies outside its frame comes to the edge."""
    scaled = ((plane - np.asarray(centre)) / span + 0.5) * SIDE
    return np.asarray(np.clip(np.rint(scaled), 0, SIDE), dtype=np.uint16)


def project(vectors: Plane, basis: Basis) -> Places:
    """Where vectors, shape (n, dimensions), lie on the map of a basis."""
    axes = basis.axes.astype(np.float64)
    return place((vectors - basis.mean.astype(np.float64)) @ axes.T, basis.centre, basis.span)
