"""Queries that nobody has seen: what every text benchmark measures, for ours and for what a practitioner would do.

`measured` takes the parts asked for: "lexical" (BM25 and TF-IDF), "static", "frozen" and "joint" (our towers, the last
two on a sentence encoder, see --encoder), "minilm" and "mpnet" (sentence encoders as they come), "tuned" (MiniLM
fine-tuned by sentence-transformers) and "linear" (PECOS XR-Linear). Each finds the nearest training text and expands
it by its known documents, or scores every document, or both. One row a case: recall in % at |S(q)|, overall and by
distance, with 95 % intervals; mean F1 of the answer sets that it would show; how often the exact match is shown first.
Where documents are scored, three quarters of the test queries say where a set ends, by `rw.calibrate` and as the best
fixed k, and F1 is that of the fourth quarter.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import lexical
import linear
import numpy as np
import sentences
import torch
from machine import save
from scipy.sparse import csr_array
from torch import Tensor

import rootward as rw
from rootward.encoders import Queries
from rootward.encoders.pretrained import cache_folder
from rootward.evaluation import Ranks
from rootward.evaluation.metrics import answer_sets
from rootward.evaluation.ranks import fingerprint_of
from rootward.pairs import Pairs
from rootward.texts import what_is_read

NEAREST = 30  # training texts looked at for a query: their sets hold more documents than any query's
FAR = 8  # distances from here on are one slice

Row = dict[str, Any]
Rows = Iterator[tuple[str, Row]]  # each with the kind of queries that it is of


def flags(description: str | None) -> argparse.ArgumentParser:
    """What every benchmark of this kind can be told."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", default=DEFAULT, help=f"of {','.join(PARTS)}; default: %(default)s")
    parser.add_argument("--epochs", type=float, help="of our tower; else what its defaults derive")
    parser.add_argument("--dim", type=int, default=128, help="of our tower; default: %(default)s")
    parser.add_argument("--word-pairs", action="store_true", help="our static and joint towers have pairs of words too")
    parser.add_argument(
        "--encoder", choices=sentences.NAMES, default="minilm", help="of our frozen and joint towers; %(default)s"
    )
    parser.set_defaults(glosses=False, thesauri=False)  # flags where there are any, and they are no queries anyway
    parser.add_argument("--neighbours", type=int, default=1, help="training texts that our towers lean on; %(default)s")
    parser.add_argument("--bfloat16", action="store_true", help="MiniLM reads in bfloat16, is tuned in float32")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--steps", type=int, default=600, help="of fine-tuning MiniLM, 64 texts each; default: %(default)s"
    )
    parser.add_argument("--pecos", metavar="PYTHON", help="an interpreter that has libpecos, for the part 'linear'")
    parser.add_argument("--queries", type=int, help="so many test queries only, to try it out; no file is written")
    return parser


def texts_of(pairs: Pairs) -> tuple[np.ndarray, list[str]]:
    """Rows and texts of the queries that have pairs."""
    rows = np.flatnonzero(pairs.sizes)
    assert pairs.query_texts is not None
    return rows, [pairs.query_texts.names[row] for row in rows.tolist()]


def measured(name: str, train: Pairs, tests: dict[str, Pairs], given: argparse.Namespace, note: str) -> None:
    """Measure the parts asked for on every kind of test queries; print each row, and write all to results/NAME.json.

    Other parts than the default ones, word pairs, glosses, thesauri, another encoder and several neighbours make a file
    of their own, NAME_PARTS.json. Where test queries are nearly a training text, the others are measured apart as well.

    Raises:
        SystemExit: a part that is none, or one that lacks what it needs.
    """
    parts = given.parts.split(",")
    unknown = sorted(set(parts) - set(PARTS))
    if unknown:
        raise SystemExit(f"--parts holds {', '.join(unknown)}; there are {', '.join(PARTS)}.")
    tests = {kind: some(test, given.queries, given.seed) for kind, test in tests.items()}
    tests |= {f"{kind}, no near duplicates": far for kind, test in tests.items() if (far := apart(train, test))}
    rows = []
    for part in parts:
        for kind, row in PARTS[part](train, tests, given):
            rows.append({"queries": kind, **row})
            print(rows[-1], flush=True)
    if given.queries is None:
        told = [flag for flag in ("word_pairs", "glosses", "thesauri", "bfloat16") if getattr(given, flag)]
        if given.encoder != "minilm":
            told.append(f"encoder {given.encoder}")
        if given.neighbours != 1:
            told.append(f"neighbours {given.neighbours}")
        file = "_".join([name, *(parts if given.parts != DEFAULT else ()), *told]).replace(" ", "_")
        known = f"{np.count_nonzero(train.sizes):,} training texts, {train.n_documents:,} documents; recall in %"
        asked = ", ".join(f"{np.count_nonzero(test.sizes):,} unseen {kind}" for kind, test in tests.items())
        switches = "".join(f" --{flag.replace('_', '-')}" for flag in told)
        switches += "" if given.epochs is None else f" --epochs {given.epochs:g}"
        command = f"python benchmarks/{name}.py --parts {given.parts} --seed {given.seed}{switches}"
        save(file, command, rows, f"{asked}; {known}. {note}".strip())


def apart(train: Pairs, test: Pairs) -> Pairs | None:
    """The test queries that are not nearly a training text or a document's name, see `Pairs.shared_texts`.

    None where that leaves none or all.
    """
    near = test.query_ids.rows(label for _, label in train.shared_texts(test, near=True, documents=True))
    far = without(test, near)
    return far if len(near) and len(far) else None


def without(test: Pairs, rows: np.ndarray) -> Pairs:
    """The pairs of all queries but these."""
    return test.of_queries(np.setdiff1d(np.arange(test.n_queries), rows))


def some(test: Pairs, n: int | None, seed: int) -> Pairs:
    """The pairs of n of the queries, of all when n is None."""
    if n is None:
        return test
    rows = np.flatnonzero(test.sizes)
    return test.of_queries(np.random.default_rng(seed).permutation(rows)[:n])


# -- the parts -----------------------------------------------------------------------------------------------------


def _lexical(train: Pairs, tests: dict[str, Pairs], given: argparse.Namespace) -> Rows:
    _, known = texts_of(train)
    for case, nearest in (("BM25", lexical.bm25), ("TF-IDF", lexical.tf_idf)):
        for kind, test in tests.items():
            began = time.perf_counter()
            found = expanded(nearest(known, texts_of(test)[1], NEAREST), train, test)
            yield kind, figures(f"{case}, nearest text expanded", *found, seconds=time.perf_counter() - began)


def _static(train: Pairs, tests: dict[str, Pairs], given: argparse.Namespace) -> Rows:
    return _ours("static", train, tests, given, word_pairs=given.word_pairs)


def _frozen(train: Pairs, tests: dict[str, Pairs], given: argparse.Namespace) -> Rows:
    return _ours("frozen", train, tests, given, encoder=_encoder(given))


def _joint(train: Pairs, tests: dict[str, Pairs], given: argparse.Namespace) -> Rows:
    return _ours("joint", train, tests, given, encoder=_encoder(given), word_pairs=given.word_pairs)


def _encoder(given: argparse.Namespace) -> Any:
    return sentences.load(given.encoder, given.bfloat16)


def _ours(tower: Any, train: Pairs, tests: dict[str, Pairs], given: argparse.Namespace, **made_of: Any) -> Rows:
    """Four rows of one of our towers; wall_s holds what the encoder reads, unless it is kept from an earlier run."""
    began = time.perf_counter()
    model = rw.DualEncoder.text(train, tower, dim=given.dim, seed=given.seed, progress=True, **made_of)
    recipe = rw.recipes.decoupled(**({} if given.epochs is None else {"epochs": given.epochs}))
    run = rw.train(model, train, recipe, seed=given.seed)
    took = {"train_s": run.seconds, "wall_s": time.perf_counter() - began}
    known, documents = model.query_vectors(np.flatnonzero(train.sizes)), model.document_vectors()
    for kind, test in tests.items():
        rows, asked = texts_of(test)
        leanings: list[dict[str, Any]] = [{"lean": 0.0}, {"neighbours": given.neighbours}]
        for case, options in zip((f"{tower} tower, leaning on nothing", f"{tower} tower"), leanings, strict=True):
            queries = model.encode_queries(asked, **options)
            vectors = spread(queries.vectors, rows, test.n_queries)
            thresholds = torch.nan_to_num(spread(queries.thresholds[:, None], rows, test.n_queries)[:, 0], nan=2.0)
            ranks, more = dense(vectors, documents, test, model.heights)
            more["set_f1_of_neighbours_threshold"] = answer_sets(vectors, documents, test, thresholds).f1
            yield kind, figures(case, ranks, more, **took)
        near = nearest_by(known, model.encode_queries(asked, lean=0.0).vectors)
        yield kind, figures(f"{tower} tower, nearest text expanded", *expanded(near, train, test), **took)
        first = first_shown(model, model.encode_queries(asked, neighbours=given.neighbours), train)
        yield kind, figures(f"{tower} tower, own first answer expanded", *expanded(first, train, test), **took)


def _minilm(train: Pairs, tests: dict[str, Pairs], given: argparse.Namespace) -> Rows:
    return _by_sentences("MiniLM untrained", sentences.load(bfloat16=given.bfloat16), cache_folder(), train, tests)


def _mpnet(train: Pairs, tests: dict[str, Pairs], given: argparse.Namespace) -> Rows:
    return _by_sentences("mpnet untrained", sentences.load("mpnet"), cache_folder(), train, tests)


def _tuned(train: Pairs, tests: dict[str, Pairs], given: argparse.Namespace) -> Rows:
    began = time.perf_counter()
    encoder = sentences.tuned(train, steps=given.steps, seed=given.seed)
    took = {"train_s": time.perf_counter() - began, "steps": given.steps}
    if given.bfloat16:
        encoder = encoder.to(torch.bfloat16)
    return _by_sentences("MiniLM fine-tuned (MNRL)", encoder, None, train, tests, **took)


def _by_sentences(
    case: str, encoder: Any, cache: Path | None, train: Pairs, tests: dict[str, Pairs], **more: float
) -> Rows:
    """Two rows of a sentence encoder: the nearest text expanded, and every document scored by its name.

    What is kept in the cache our frozen and joint towers find there, for they read the same texts in the same order.
    """
    every = sentences.vectors(encoder, what_is_read(train.query_ids, train.query_texts), cache)
    known = every[torch.from_numpy(np.flatnonzero(train.sizes))]
    documents = sentences.vectors(encoder, sentences.document_names(train), cache)
    for kind, test in tests.items():
        rows, asked = texts_of(test)
        own = sentences.vectors(encoder, asked)
        yield kind, figures(f"{case}, nearest text expanded", *expanded(nearest_by(known, own), train, test), **more)
        found = dense(spread(own, rows, test.n_queries), documents, test)
        yield kind, figures(f"{case}, every document", *found, **more)


def _linear(train: Pairs, tests: dict[str, Pairs], given: argparse.Namespace) -> Rows:
    began = time.perf_counter()
    asked = [text for test in tests.values() for text in texts_of(test)[1]]
    scores = linear.xr_linear(train, texts_of(train)[1], asked, given.pecos)
    took = time.perf_counter() - began
    for kind, test in tests.items():
        rows = np.flatnonzero(test.sizes)
        ranks, more = listed(scores[: len(rows)], rows, test)
        scores = scores[len(rows) :]
        yield kind, figures("PECOS XR-Linear on TF-IDF", ranks, more, seconds=took)


DEFAULT = "lexical,static"
PARTS = {
    "lexical": _lexical,
    "static": _static,
    "frozen": _frozen,
    "joint": _joint,
    "minilm": _minilm,
    "mpnet": _mpnet,
    "tuned": _tuned,
    "linear": _linear,
}


# -- from scores to figures ------------------------------------------------------------------------------------------


def spread(vectors: Tensor, rows: np.ndarray, n: int) -> Tensor:
    """The vectors as rows of a table of n, zeros elsewhere."""
    table = vectors.new_zeros(n, vectors.shape[1])
    table[torch.from_numpy(rows)] = vectors
    return table


def nearest_by(known: Tensor, asked: Tensor) -> csr_array:
    """Inner products, the `NEAREST` best of each (asked x known)."""
    best = [(part @ known.T).topk(min(NEAREST, len(known))) for part in asked.split(512)]
    values, indices = (torch.cat([getattr(each, name) for each in best]) for name in ("values", "indices"))
    offsets = np.arange(0, values.numel() + 1, values.shape[1])
    return csr_array((values.numpy().ravel(), indices.numpy().ravel(), offsets), shape=(len(asked), len(known)))


def first_shown(model: rw.DualEncoder, queries: Queries, train: Pairs) -> csr_array:
    """The training text that is the first of ten shown answers (queries x training texts, one a row).

    A query without an answer, or whose first answer is no training text, has none.
    """
    place = {train.query_ids[row]: i for i, row in enumerate(np.flatnonzero(train.sizes).tolist())}
    hits = rw.Index.build(model).search(queries, k=10)
    found = [(i, place[ids[0]]) for i, ids in enumerate(hits.ids) if ids and ids[0] in place]
    rows, columns = np.array(found, np.int64).reshape(-1, 2).T
    return csr_array((np.ones(len(found)), (rows, columns)), shape=(len(queries), len(place)))


def expanded(nearest: csr_array, train: Pairs, test: Pairs) -> tuple[Ranks, dict[str, float]]:
    """Where every relevant document stands in: the nearest text's documents, nearest first, then the next one's, ..."""
    known, asked = np.flatnonzero(train.sizes), np.flatnonzero(test.sizes)
    ranks = np.full(len(test), test.n_documents, np.int32)
    first, f1 = np.zeros(test.n_queries, np.bool_), []
    for place, query in enumerate(asked.tolist()):
        row = slice(nearest.indptr[place], nearest.indptr[place + 1])
        best = nearest.indices[row][np.argsort(-nearest.data[row], kind="stable")]
        _, index = train.of(known[best])
        listed = list(dict.fromkeys(train.documents[index].tolist()))
        position = {document: i for i, document in enumerate(listed)}
        own = slice(test.offsets[query], test.offsets[query + 1])
        wanted = test.documents[own].tolist()
        ranks[own] = [position.get(document, test.n_documents) for document in wanted]
        first[query] = bool(listed) and listed[0] == wanted[0]
        answer = set(train.documents[train.of(known[best[:1]])[1]].tolist())
        f1.append(2 * len(answer & set(wanted)) / (len(answer) + len(wanted)))
    return bare_ranks(ranks, first, test), {"set_f1": float(np.mean(f1)), "exact_first": float(first[asked].mean())}


def listed(scores: csr_array, rows: np.ndarray, test: Pairs) -> tuple[Ranks, dict[str, float]]:
    """Where every relevant document stands by scores of some documents (asked x documents), the others last."""
    ranks = np.full(len(test), test.n_documents, np.int32)
    first = np.zeros(test.n_queries, np.bool_)
    for place, query in enumerate(rows.tolist()):
        row = slice(scores.indptr[place], scores.indptr[place + 1])
        best = scores.indices[row][np.argsort(-scores.data[row], kind="stable")]
        position = {document: i for i, document in enumerate(best.tolist())}
        own = slice(test.offsets[query], test.offsets[query + 1])
        ranks[own] = [position.get(document, test.n_documents) for document in test.documents[own].tolist()]
        first[query] = ranks[own][0] == 0
    return bare_ranks(ranks, first, test), {"exact_first": float(first[rows].mean())}


def bare_ranks(ranks: np.ndarray, first: np.ndarray, test: Pairs) -> Ranks:
    """`Ranks` of a list without scores."""
    empty, none = np.zeros(test.n_queries), np.zeros(test.n_queries, np.int64)
    return Ranks(
        test.offsets, test.distances, ranks, -ranks.astype(np.float32), empty, empty, first, first, none, none,
        test.n_documents, fingerprint_of(test),
    )  # fmt: skip


def dense(
    queries: Tensor, documents: Tensor, test: Pairs, heights: np.ndarray | None = None
) -> tuple[Ranks, dict[str, float]]:
    """Every document scored; the set's end is calibrated, on three quarters of the queries and measured on the fourth.

    The exact match is first where it is the lowest, by `heights`, of the |S(q)| best; without heights the best of all.
    """
    model = rw.DualEncoder.from_vectors(test, queries, documents)
    if heights is not None:
        model.heights = heights
    ranks = rw.evaluate(model, test, bootstrap=0).ranks
    assert ranks is not None
    order = rw.Report.from_ranks(ranks, dim=0, bootstrap_draws=0).order
    first = order.exact_first_by_score if heights is None else order.exact_first_shown
    sets = rw.calibrate(model, test).report
    fixed = next(rival for rival in sets.rivals if rival.name.startswith("best fixed k"))
    return ranks, {
        "exact_first": float(first or 0.0),
        "set_f1": sets.figures.f1,
        "set_f1_best_fixed_k": fixed.figures.f1,
    }


def figures(case: str, ranks: Ranks, more: dict[str, float], **about: float) -> Row:
    """One row: recall in %, by distance with all from 8 on together, and 95 % intervals."""
    report = rw.Report.from_ranks(replace(ranks, distances=np.minimum(ranks.distances, FAR)), dim=0)
    return {
        "case": case,
        "overall": _percent(report.overall.value),
        "interval": _interval(report.overall),
        **{name: _percent(value) for name, value in more.items()},
        **{name: round(value, 1) for name, value in about.items()},
        "by_distance_0_to_8_and_more": [_percent(each.recall.value) for each in report.slices],
        "intervals": [_interval(each.recall) for each in report.slices],
    }


def _interval(figure: Any) -> list[float]:
    return [_percent(figure.low), _percent(figure.high)]


def _percent(share: float | None) -> float:
    return round(100 * (share or 0.0), 2)
