"""Generated hierarchies: perfect trees, and random DAGs as irregular as real ones."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from rootward.csr import offsets_of
from rootward.errors import InputError
from rootward.ids import Ids
from rootward.readers.edges import EdgeList
from rootward.rng import stream

Rows = npt.NDArray[np.int64]


def perfect_tree(height: int, width: int, *, root: bool) -> EdgeList:
    """The edge list of a perfect tree; see `Hierarchy.perfect_tree`."""
    if height < 1 or width < 1 or (height == 1 and not root):
        raise InputError(
            f"A perfect tree needs height >= {1 if root else 2}{'' if root else ' without its root'} and width >= 1, "
            f"got height={height}, width={width}."
        )
    labels = [["root"], [str(branch) for branch in range(width)]][:height]
    while len(labels) < height:
        labels.append([f"{label}.{branch}" for label in labels[-1] for branch in range(width)])
    children = np.arange(1, sum(map(len, labels)))
    parents = (children - 1) // width  # numbered level by level, as in a heap
    if not root:
        children, parents = children[width:] - 1, parents[width:] - 1
    return EdgeList(Ids(label for level in labels[0 if root else 1 :] for label in level), children, parents)


def random_dag(
    n_nodes: int,
    *,
    seed: int,
    n_roots: int,
    branching: float,
    irregularity: float,
    max_depth: int,
    multi_parent_share: float,
    max_parents: int,
) -> EdgeList:
    """The edge list of a random DAG; see `Hierarchy.random_dag`."""
    if not 1 <= n_roots <= n_nodes:
        raise InputError(f"n_roots must lie in 1..n_nodes={n_nodes}, got {n_roots}.")
    if branching <= 0 or irregularity < 0 or max_depth < 0 or (max_depth == 0 and n_nodes > n_roots):
        raise InputError(
            "Needed branching > 0, irregularity >= 0 and max_depth >= 1, "
            f"got branching={branching}, irregularity={irregularity}, max_depth={max_depth}."
        )
    if not 0 <= multi_parent_share <= 1 or max_parents < 1 or (multi_parent_share > 0 and max_parents < 2):
        raise InputError(
            f"Needed 0 <= multi_parent_share <= 1 and max_parents >= 2 where it is above 0, "
            f"got multi_parent_share={multi_parent_share}, max_parents={max_parents}."
        )
    starts = offsets_of(_level_sizes(n_nodes, n_roots, branching, max_depth))
    first = _first_parents(starts, irregularity, stream(seed, "random_dag", "first parents"))
    children, parents = _more_parents(
        starts, first, multi_parent_share, max_parents, stream(seed, "random_dag", "more")
    )
    below = np.arange(n_roots, n_nodes)
    return EdgeList(
        Ids(f"n{row}" for row in range(n_nodes)),
        np.concatenate([below, children]),
        np.concatenate([first, parents]),
    )


def _level_sizes(n_nodes: int, n_roots: int, branching: float, max_depth: int) -> Rows:
    """How many nodes each level has: growing by `branching`, all max_depth + 1 levels in use where there are enough."""
    n_below = n_nodes - n_roots
    n_levels = min(max_depth, n_below)
    if n_levels == 0:
        return np.array([n_roots])
    growth = branching ** (np.arange(n_levels) - n_levels + 1.0)
    sizes = 1 + np.floor((n_below - n_levels) * growth / growth.sum()).astype(np.int64)
    sizes[-1] += n_below - sizes.sum()
    return np.concatenate([[n_roots], sizes])


def _first_parents(starts: Rows, irregularity: float, rng: np.random.Generator) -> Rows:
    """One parent in the level above for every node below the roots; some parents draw far more children than others."""
    chosen = []
    for top, start, stop in zip(starts[:-2], starts[1:-1], starts[2:], strict=True):
        pull = rng.lognormal(0.0, irregularity, start - top)
        place = np.searchsorted(np.cumsum(pull) / pull.sum(), rng.random(stop - start), side="right")
        chosen.append(top + np.minimum(place, start - top - 1))
    return np.concatenate([np.empty(0, np.int64), *chosen])


def _more_parents(
    starts: Rows, first: Rows, share: float, max_parents: int, rng: np.random.Generator
) -> tuple[Rows, Rows]:
    """(children, parents) of the further edges, to nodes of any higher level; no edge twice."""
    n_roots, n_nodes = int(starts[1]), int(starts[-1])
    below = np.arange(n_roots, n_nodes)
    n_above = np.repeat(starts[1:-1], np.diff(starts)[1:])  # nodes in higher levels, the choice each node has
    able = below[n_above >= 2]
    chosen = np.sort(rng.permutation(able)[: round(share * len(able))])
    n_more = rng.integers(1, max_parents, len(chosen)) if max_parents > 1 else np.zeros(len(chosen), np.int64)
    children = np.repeat(chosen, n_more)
    choice = n_above[children - n_roots]
    # 1 .. choice - 1 steps from the first parent, modulo choice, never lead back to it.
    parents = (first[children - n_roots] + 1 + (rng.random(len(children)) * (choice - 1)).astype(np.int64)) % choice
    once = np.unique(children * max(n_nodes, 1) + parents)
    return once // max(n_nodes, 1), once % max(n_nodes, 1)
