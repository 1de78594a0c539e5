"""The evaluator as one would say it: loops and Python numbers, nothing shared with the one under test."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np

from rootward.ids import Ids
from rootward.pairs import Pairs


@dataclass
class Naive:
    ranks: list[int]
    recall: dict[int, float]
    overall: float
    whole: list[bool]
    exact_first_by_score: list[bool]
    exact_first_shown: list[bool]
    in_order_by_score: list[int]
    in_order_shown: list[int]
    comparable: list[int]


def measure(queries: np.ndarray, documents: np.ndarray, pairs: Pairs, heights: list[int], known=None) -> Naive:
    out = Naive([], {}, 0.0, [], [], [], [], [], [])
    weight, found = {}, {}
    answered = [q for q in range(pairs.n_queries) if pairs.sizes[q]]
    for q in answered:
        row = {pairs.document_ids[d]: d for d in range(pairs.n_documents)}
        relevant = {row[name]: hops for name, hops in pairs.relevant(pairs.query_ids[q])}
        gone = set() if known is None else {row[name] for name, _ in known.relevant(known.query_ids[q])} - set(relevant)
        score = {d: float(queries[q] @ documents[d]) for d in range(pairs.n_documents) if d not in gone}
        rank = {d: sum(score[o] >= score[d] for o in score if o != d) for d in relevant}
        out.ranks += rank.values()
        size = len(relevant)
        hits = {d for d in relevant if rank[d] < size}
        for d, hops in relevant.items():
            weight[hops] = weight.get(hops, 0) + 1 / size
            found[hops] = found.get(hops, 0) + (d in hits) / size
        others = sorted((score[d] for d in score if d not in relevant), reverse=True)
        out.whole.append(not others or min(score[d] for d in relevant) > others[0])
        exact = [d for d, hops in relevant.items() if hops == 0]
        out.exact_first_by_score.append(
            bool(exact) and all(max(score[e] for e in exact) > score[o] for o in score if relevant.get(o, 1) != 0)
        )
        # the set: hits, and the best irrelevant ones until it is full; whatever ties with the last one may be in it
        room = size - len(hits)
        fill = (
            {d for d in score if d not in relevant and room and score[d] >= others[:room][-1:][0]} if others else set()
        )
        key = {d: (heights[d], -score[d]) for d in hits | fill}
        out.exact_first_shown.append(
            any(e in hits and all(key[e] < key[o] for o in hits | fill if relevant.get(o, 1) != 0) for e in exact)
        )
        two = [(a, b) for a, b in product(relevant, relevant) if relevant[a] < relevant[b]]
        both = [(a, b) for a, b in two if a in hits and b in hits]
        out.comparable.append(len(two))
        out.in_order_by_score.append(sum(score[a] > score[b] for a, b in both))
        out.in_order_shown.append(sum(key[a] < key[b] for a, b in both))
    out.recall = {hops: found[hops] / weight[hops] for hops in sorted(weight)}
    out.overall = sum(found.values()) / len(answered) if answered else float("nan")
    return out


def case(seed: int, *, n_queries: int, n_documents: int, dim: int, spread: int, fill: float, deepest: int):
    """Integer vectors in -spread..spread (many ties), random pairs; some queries may have none."""
    rng = np.random.default_rng(seed)
    wanted = rng.random((n_queries, n_documents)) < fill
    q, d = wanted.nonzero()
    pairs = Pairs.from_arrays(
        Ids(f"q{i}" for i in range(n_queries)),
        Ids(f"d{i}" for i in range(n_documents)),
        q,
        d,
        rng.integers(0, deepest + 1, len(q)),
    )
    vectors = (rng.integers(-spread, spread + 1, (n, dim)).astype(np.float32) for n in (n_queries, n_documents))
    return (*vectors, pairs)
