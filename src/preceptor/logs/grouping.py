"""What is alike, in groups: communities of a graph of nearest neighbours, as many as the texts themselves bear out.

Each is joined to the likest others, the more strongly the more of these they share (Levine et al., *Data-Driven
Phenotypic Dissection of AML*, Cell 2015). Communities are found by Leiden's algorithm (Traag, Waltman, van Eck,
arXiv 1810.08473) at several resolutions. Of those that come out much the same when a fifth is left out, the finest is
taken that keeps groups about as far apart as any does (Rousseeuw's silhouette, 1987).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from preceptor.retrieval.sparse import Index, Matrix

# The graph's libraries are loaded by whoever groups, and not by what only serves.
if TYPE_CHECKING:
    from scipy.sparse import csr_array

NEIGHBOURS = 15
"""Of each, that it is joined to; what UMAP and scanpy take by default. Fewer where there are fewer than 225 in all."""
RESOLUTIONS = tuple(2 ** (step / 2) for step in range(-6, 10))
"""Of modularity, coarse to fine, each half as fine again as the one before; 1 is modularity itself."""
PARTS = 5
"""How often a part is left out."""
PART = 0.2
"""Share that is left out."""
STABLE = 0.1
"""What agreement (adjusted Rand index) may lack of the best resolution's. Between parts it varies by 0.02 to 0.05."""
NEARLY = 0.9
"""Share of the best silhouette that counts as about as far apart. Finer rather than coarser: two topics of one kind are
put together by whoever reads them, while what was put together by mistake is never seen."""
LEAST = 0.06
"""Agreement times silhouette from which on there are groups at all. Conversations of shuffled words reach 0.05 at most;
messages of one bank's customers, hard to tell apart, 0.08 to 0.27."""
ALIKE = 0.1
"""Differences of likeness up to which two say the same: beside a silhouette's distances, wordings with other digits in
them would be worlds apart."""
FEWEST = 3
"""Members of a group; what is smaller is left over."""


@dataclass(frozen=True)
class Bounds:
    """How many groups there may be."""

    fewest: int = 1
    """As far as the finest resolution has so many."""
    most: int | None = None
    """Kept to by putting together the groups that were found."""


FREE = Bounds()


@dataclass(frozen=True)
class Level:
    """What one resolution comes to."""

    resolution: float
    groups: Index
    """(n,): a number from 0 for each."""
    stable: float
    """Agreement with what comes out when a part is left out: the mean adjusted Rand index; 1 is the same."""
    apart: float
    """Mean silhouette, −1 to 1."""

    @property
    def count(self) -> int:
        return int(self.groups.max(initial=-1)) + 1


@dataclass(frozen=True)
class Grouping:
    """Groups, the largest first."""

    groups: Index
    """(n,): a number from 0 for each; −1 for what is left over."""
    count: int
    chosen: Level
    levels: tuple[Level, ...]
    """All that were looked at, coarse to fine."""


def group(alike: Matrix, bounds: Bounds = FREE, seed: int = 0) -> Grouping:
    """Groups of n things. `alike`: n × n, how alike two are; 1 is the same. Deterministic by `seed`."""
    levels = tuple(_levels(alike, bounds, seed)) if len(alike) >= 2 * FEWEST else (_one(len(alike)),)
    chosen = _choose(levels, bounds)
    groups = _numbered(chosen.groups)
    if bounds.most is not None:
        groups = _numbered(_merged(alike, groups, bounds.most))
    return Grouping(groups, int(groups.max(initial=-1)) + 1, chosen, levels)


def _levels(alike: Matrix, bounds: Bounds, seed: int) -> Iterator[Level]:
    count = len(alike)
    graph = _graph(alike)
    chance = np.random.default_rng(seed)
    kept = [np.sort(chance.permutation(count)[: count - int(count * PART)]) for _ in range(PARTS)]
    parts = [_graph(alike[np.ix_(part, part)]) for part in kept]
    for resolution in RESOLUTIONS:
        groups = _communities(graph, resolution, seed)
        agreed = [
            agreement(groups[part], _communities(some, resolution, seed))
            for part, some in zip(kept, parts, strict=True)
        ]
        level = Level(resolution, groups, float(np.mean(agreed)), silhouette(alike, groups))
        yield level
        # Beyond this most have no other of their group to be held against.
        if level.count > count / 4 and level.count >= bounds.fewest:
            return


def _one(count: int) -> Level:
    """All together: so few cannot be told apart."""
    return Level(1.0, np.zeros(count, np.intp), 1.0, 0.0)


def _choose(levels: Sequence[Level], bounds: Bounds) -> Level:
    several = [level for level in levels if level.count > 1]
    within = [level for level in several if level.count >= bounds.fewest] or several[-1:]
    steady = max((level.stable for level in within), default=0.0) - STABLE
    stable = [level for level in within if level.stable >= steady]
    if not stable or (bounds.fewest <= 1 and max(level.apart * level.stable for level in stable) < LEAST):
        return _one(len(levels[0].groups))
    best = max(level.apart for level in stable)
    return [level for level in stable if level.apart >= best - abs(best) * (1 - NEARLY)][-1]


def _graph(alike: Matrix) -> "csr_array":
    """Joined where one is among the other's nearest; as strongly as they share neighbours (Jaccard), themselves
    included."""
    from scipy.sparse import csr_array

    count = len(alike)
    near = min(NEIGHBOURS, max(1, round(count**0.5)), count - 1)
    # Itself is the likest, whatever the figures say.
    others = alike.copy()
    np.fill_diagonal(others, np.inf)
    nearest = np.argpartition(-others, near, axis=1)[:, : near + 1]
    rows = np.repeat(np.arange(count), near + 1)
    joined = csr_array((np.ones(len(rows)), (rows, nearest.ravel())), shape=(count, count))
    shared = csr_array((joined @ joined.T).multiply((joined + joined.T) > 0))
    shared.setdiag(0)
    shared.eliminate_zeros()
    shared.sort_indices()
    shared.data = shared.data / (2 * (near + 1) - shared.data)
    return shared


def _communities(graph: "csr_array", resolution: float, seed: int) -> Index:
    from graspologic_native import leiden_csr

    count = graph.shape[0]
    if not graph.nnz:
        return np.arange(count)
    _, found = leiden_csr(
        graph.indptr.astype(np.int64),
        graph.indices.astype(np.int32),
        graph.data.astype(np.float64),
        count,
        resolution=resolution,
        iterations=3,
        seed=seed,
    )
    # Who has no neighbour is a group of its own.
    alone = iter(range(len(found), len(found) + count))
    said = [found[node] if node in found else len(found) + next(alone) for node in range(count)]
    return np.unique(np.array(said, np.intp), return_inverse=True)[1].astype(np.intp)


def _numbered(groups: Index) -> Index:
    """Numbers by size, the largest 0; groups that are too small −1."""
    known = groups >= 0
    sizes = np.bincount(groups[known], minlength=int(groups.max(initial=-1)) + 1)
    order = np.argsort(-sizes, kind="stable")
    numbers = np.full(len(sizes) + 1, -1, np.intp)
    numbers[order] = np.arange(len(sizes))
    numbers[np.flatnonzero(sizes < min(FEWEST, sizes.max(initial=0)))] = -1
    return numbers[groups]


def _merged(alike: Matrix, groups: Index, most: int) -> Index:
    """Two groups made one until there are no more than `most`: those whose members this moves least (Ward, 1963)."""
    count = int(groups.max(initial=-1)) + 1
    held = _indicators(groups, count)
    sums = (held.T @ alike @ held).astype(np.float64)
    sizes = held.sum(axis=0).astype(np.float64)
    name = np.arange(count + 1)
    name[-1] = -1
    left = np.arange(count)
    while len(left) > most:
        means = sums[np.ix_(left, left)] / np.outer(sizes[left], sizes[left])
        # Of a dot product likeness is the distance of two centroids, squared.
        distances = np.diag(means)[:, None] + np.diag(means) - 2 * means
        costs = distances * sizes[left][:, None] * sizes[left] / (sizes[left][:, None] + sizes[left])
        np.fill_diagonal(costs, np.inf)
        one, other = left[sorted(divmod(int(costs.argmin()), len(left)))]
        sums[one] += sums[other]
        sums[:, one] += sums[:, other]
        sizes[one] += sizes[other]
        name[name == other] = one
        left = left[left != other]
    return name[groups]


def silhouette(alike: Matrix, groups: Index) -> float:
    """Mean over all of how much nearer one is to its own group than to the next; 0 where there is one group only, and
    for whoever is alone in its group."""
    count = int(groups.max(initial=-1)) + 1
    if count < 2:
        return 0.0
    each = np.arange(len(groups))
    held = _indicators(groups, count)
    sizes = held.sum(axis=0)
    far = sizes - alike @ held
    itself = 1 - alike[each, each]
    own = (far[each, groups] - itself) / np.maximum(sizes[groups] - 1, 1)
    means = far / sizes
    means[each, groups] = np.inf
    other = means.min(axis=1)
    widest = np.maximum(np.maximum(own, other), ALIKE)
    return float(np.where(sizes[groups] > 1, (other - own) / widest, 0.0).mean())


def agreement(one: Index, other: Index) -> float:
    """The adjusted Rand index of two groupings of the same things (Hubert and Arabie, 1985): 1 the same, 0 chance."""
    table = np.zeros((one.max() + 1, other.max() + 1))
    np.add.at(table, (one, other), 1)
    both, first, second = _pairs(table), _pairs(table.sum(axis=1)), _pairs(table.sum(axis=0))
    expected = first * second / max(1.0, _pairs(np.array([len(one)])))
    mean = (first + second) / 2
    return float((both - expected) / (mean - expected)) if mean != expected else 1.0


def _pairs(counts: NDArray[np.generic]) -> float:
    return float((counts * (counts - 1) / 2).sum())  # type: ignore[operator]


def _indicators(groups: Index, count: int) -> Matrix:
    """n × groups: 1 where one is a member."""
    held = np.zeros((len(groups), count), np.float32)
    known = np.flatnonzero(groups >= 0)
    held[known, groups[known]] = 1
    return held
