"""Texts on a plane: what is alike stands near each other."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from preceptor.retrieval.embedding import Embedder

Places = NDArray[np.float64]
EVEN = 0.65
"""How far places are moved towards an even spread: likeness alone crowds most texts into the middle."""
MOST = 400
"""Texts up to which those that would cover each other are pushed apart; more are too many to be read one by one."""
ROUNDS = 80


def lay_out(texts: Sequence[str], embedder: Embedder) -> Places:
    """A place for each text in the unit square, shape (n, 2). Deterministic.

    Principal components of the vectors, spread out evenly, then pushed apart where they would cover each other.

    Raises:
        ProviderError: from the embedder.
    """
    count = len(texts)
    if count < 2:
        return np.full((count, 2), 0.5)
    vectors = np.asarray(embedder.embed(texts), np.float64)
    centred = vectors - vectors.mean(axis=0)
    left, sizes, _ = np.linalg.svd(centred, full_matrices=False)
    flat = np.zeros((count, 2))
    shown = min(2, len(sizes))
    flat[:, :shown] = left[:, :shown] * sizes[:shown]
    # A component's sign is arbitrary: fixed, so that the plane does not flip from one day to the next.
    flat *= np.where(flat[np.abs(flat).argmax(axis=0), [0, 1]] < 0, -1.0, 1.0)
    places = np.column_stack([_spread(flat[:, axis]) for axis in (0, 1)])
    return _apart(places) if count <= MOST else places


def _spread(values: NDArray[np.float64]) -> NDArray[np.float64]:
    span = np.ptp(values)
    scaled = (values - values.min()) / span if span > 0 else np.full(len(values), 0.5)
    ranks = np.argsort(np.argsort(values, kind="stable"), kind="stable") / (len(values) - 1)
    return np.asarray((1 - EVEN) * scaled + EVEN * ranks)


def _apart(places: Places) -> Places:
    """Pushed apart until each has about its share of the square for itself."""
    wanted = 0.8 / np.sqrt(len(places))
    for _ in range(ROUNDS):
        apart = places[:, None, :] - places[None, :, :]
        far = np.hypot(apart[..., 0], apart[..., 1])
        np.fill_diagonal(far, wanted)
        # Two in the same place are told apart by their order.
        same = far < 1e-9
        apart[same] = [1e-3, 1e-3] * np.sign(np.subtract.outer(np.arange(len(places)), np.arange(len(places))))[same][
            :, None
        ]
        far[same] = 1e-3
        push = np.where(far < wanted, (wanted - far) / far, 0.0)[..., None] * apart
        places = np.clip(places + 0.25 * push.sum(axis=1), 0.0, 1.0)
    return places
