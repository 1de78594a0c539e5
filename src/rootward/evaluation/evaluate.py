"""`evaluate`: a model and pairs in, a `Report` out."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rootward.encoders import DualEncoder
from rootward.errors import InputError, UnknownIdError, did_you_mean
from rootward.evaluation.naming import TextsOf, closure_in, measure_nodes, named_queries, predict_nodes
from rootward.evaluation.ranks import Ranks, fingerprint_of, rank_pairs
from rootward.evaluation.report import Report
from rootward.evaluation.results import Scalar
from rootward.ids import Ids
from rootward.pairs import Pairs
from rootward.progress import bar
from rootward.readers.tables import shown
from rootward.scoring import BLOCK_BYTES, Floats, Ints
from rootward.texts import normal_form, what_is_read

ENCODE_ROWS = 4_096
"""How many rows are encoded at a time."""


class Encoder(Protocol):
    """What is measured: a `DualEncoder`, or anything else with these members."""

    query_ids: Ids
    document_ids: Ids
    heights: npt.NDArray[np.float32]

    @property
    def dim(self) -> int:
        """Width of the vectors."""
        ...

    def query_vectors(self, rows: npt.ArrayLike | None = None) -> Tensor:
        """Query vectors of these rows (n x dim)."""
        ...

    def document_vectors(self, rows: npt.ArrayLike | None = None) -> Tensor:
        """Document vectors of these rows (n x dim)."""
        ...


def evaluate(
    model: Encoder,
    pairs: Pairs,
    *,
    source: str | None = None,
    label: str = "",
    known: Pairs | None = None,
    bootstrap: int = 1_000,
    seed: int = 0,
    exact: bool = True,
    block_bytes: int = BLOCK_BYTES,
    extras: dict[str, Scalar] | None = None,
    nodes: bool = False,
    trained: Pairs | None = None,
    thresholds: Callable[[Tensor, Tensor], Floats] | None = None,
    progress: bool = False,
) -> Report:
    """Recall at |S(q)| by distance, exact, with intervals, and the order of the answers: of what a search finds.

    Ids are matched by label: `pairs` may hold some of the model's queries and documents, in another order. Documents
    that the model knows and `pairs` does not still compete. Queries whose answers training did not know are read as a
    search reads them (`DualEncoder.encode_queries`), and the report says how many. Of a model that reads texts `pairs`
    may hold any queries: an id that it does not know goes by its text, by itself where it has none. An id that it knows
    must have the text that training knew, in some spelling, or none.

    Args:
        model: a `DualEncoder`.
        pairs: what is relevant; queries without pairs are left out of every average.
        source: the named source of the pairs, kept in the report.
        label: what to call the run in headings and comparisons.
        known: pairs that are no competitors, such as `split.train` when `pairs` is `split.test`.
        bootstrap: draws of queries for the 95 % intervals; 0 leaves them out.
        seed: of the draws.
        exact: False compares scores as BLAS rounds them; so does training, whose vectors depend on that anyway.
        block_bytes: size of the buffer of scores.
        extras: kept in the report.
        nodes: add which node each query with a document at distance 0 names (`NodeReport`); one more pass over scores.
        trained: the pairs trained on, for `nodes`: they tell the ancestors and the number of labels of each document.
            None takes the ancestors from `pairs`.
        thresholds: for `nodes`: from query and document vectors to the score at which each answer set ends, such as of
            a calibration. None takes the |S(q)| best, a number that nobody knows of a new text.
        progress: show a bar, where standard error is a terminal.

    Raises:
        UnknownIdError: pairs of a document that the model does not know, or of a query that it would have to look up.
        PairsError: there are no pairs.
        InputError: vectors that are NaN or infinite, `known` of other ids, a text of `pairs` that is not the one that
            the model knows under its id.
    """
    start = time.perf_counter()
    vectors = queries_of(model, pairs), documents_of(model)
    ranks = ranks_of(
        model, pairs, known=known, exact=exact, block_bytes=block_bytes, progress=progress, vectors=vectors
    )
    named = None
    if nodes and len(rows := named_queries(pairs)):
        wanted, told = in_rows_of(model, pairs), None if trained is None else in_rows_of(model, trained)
        closure = closure_in(wanted if told is None else told)
        named = measure_nodes(
            predict_nodes(
                *vectors,
                wanted,
                heights=model.heights,
                thresholds=None if thresholds is None else thresholds(*vectors),
                closure=closure,
                block_bytes=block_bytes,
            ),
            wanted,
            closure=closure,
            n_labels=None
            if told is None
            else np.bincount(told.documents[told.distances == 0], minlength=told.n_documents),
            label=label,
            texts=texts_known(model, pairs, rows),
            note="answer sets: the |S(q)| best documents, a number known beforehand"
            if thresholds is None
            else "answer sets: what reaches the threshold of its text",
            bootstrap=bootstrap,
            seed=seed,
        )
    report = Report.from_ranks(
        ranks,
        dim=model.dim,
        label=label,
        source=source,
        bootstrap_draws=bootstrap,
        seed=seed,
        wall_seconds=round(time.perf_counter() - start, 3),
        extras=extras,
        n_unseen=n_unseen(model, pairs),
        texts=texts_known(model, pairs),
    )
    return report.model_copy(update={"nodes": named})


def ranks_of(
    model: Encoder,
    pairs: Pairs,
    *,
    known: Pairs | None = None,
    as_searched: bool = True,
    exact: bool = True,
    block_bytes: int = BLOCK_BYTES,
    progress: bool = False,
    vectors: tuple[Tensor, Tensor] | None = None,
) -> Ranks:
    """The rank of every pair among all documents of the model; `evaluate` says more, and `Report.from_ranks` goes on.

    Args:
        model, pairs, known, exact, block_bytes, progress: as for `evaluate`.
        as_searched: False takes the model's row of every query, also where a search would let it lean on the nearest
            query that training knew. That is cheaper, for all that training knew need not be encoded.

    Raises:
        UnknownIdError: pairs of a document that the model does not know, or of a query that it would have to look up.
        InputError: vectors that are NaN or infinite, `known` of other ids, another text than the model's of an id.
    """
    wanted = in_rows_of(model, pairs)
    others = None if known is None else in_rows_of(model, known)
    if vectors is None:
        vectors = queries_of(model, pairs, as_searched=as_searched), documents_of(model)
    with bar("Ranking", int(np.count_nonzero(pairs.sizes)), progress) as advance:
        ranks = rank_pairs(
            *vectors,
            wanted,
            heights=model.heights,
            known=others,
            exact=exact,
            block_bytes=block_bytes,
            progress=advance,
        )
    return replace(ranks, fingerprint=fingerprint_of(pairs))


# -- from the ids of the pairs to the rows of the model ----------------------------------------------------------


def queries_of(model: Encoder, pairs: Pairs, *, as_searched: bool = True) -> Tensor:
    """The vector of every query that has pairs, row by row of `pairs`; zeros for the others.

    Args:
        model: a `DualEncoder` that reads texts may be asked for queries that it does not know.
        pairs: the queries.
        as_searched: as for `ranks_of`.

    Raises:
        UnknownIdError: a query that the model does not know, and would have to look up.
        InputError: a query that the model knows with another text.
    """
    used = np.flatnonzero(pairs.sizes)
    with torch.inference_mode():
        if not (as_searched and isinstance(model, DualEncoder) and model.reads_texts):
            return _encoded(model.query_vectors, _rows(pairs.query_ids, model.query_ids, used, "query"), model.dim)
        # as a search would: queries of the model by their rows, the others by their texts
        reads = model
        rows = _rows_known(pairs.query_ids, model.query_ids, used)
        _check_texts(model, pairs, rows)
        vectors = _encoded(lambda some: reads.as_searched(some)[0], rows, model.dim)
        others = used[rows[used] < 0]
        texts = what_is_read(pairs.query_ids, pairs.query_texts) if len(others) else ()
        for start in range(0, len(others), ENCODE_ROWS):
            part = others[start : start + ENCODE_ROWS]
            vectors[torch.from_numpy(part)] = model.encode_queries(texts[row] for row in part.tolist()).vectors.cpu()
        return vectors


def n_unseen(model: Encoder, pairs: Pairs, used: Ints | None = None) -> int:
    """How many of these queries (all that have pairs) are read though training did not know their answers."""
    if not (isinstance(model, DualEncoder) and model.reads_texts):
        return 0
    used = np.flatnonzero(pairs.sizes) if used is None else used
    rows = _rows_known(pairs.query_ids, model.query_ids, used)[used]
    return int(np.count_nonzero(rows < 0) + np.count_nonzero(model.unseen(rows[rows >= 0])))


def texts_known(model: Encoder, pairs: Pairs, used: Ints | None = None) -> TextsOf | None:
    """Whether training knew the answers of the texts of these queries (all that have pairs); None if it reads none."""
    if not (isinstance(model, DualEncoder) and model.reads_texts):
        return None
    used = np.flatnonzero(pairs.sizes) if used is None else used
    n = n_unseen(model, pairs, used)
    return "held-out" if n == len(used) else "partly held-out" if n else "trained on"


def documents_of(model: Encoder) -> Tensor:
    """The vectors of all documents, encoded some at a time."""
    with torch.inference_mode():
        return _encoded(model.document_vectors, np.arange(len(model.document_ids)), model.dim)


def in_rows_of(model: Encoder | Pairs, pairs: Pairs) -> Pairs:
    """The same pairs in the same order, naming documents by the rows they have in the model, or in other pairs."""
    if pairs.document_ids == model.document_ids:
        return pairs
    rows = _rows(pairs.document_ids, model.document_ids, np.unique(pairs.documents), "document")
    return replace(
        pairs,
        document_ids=model.document_ids,
        documents=rows[pairs.documents].astype(np.int32),
        document_texts=None,
    )


def _rows(ids: Ids, known: Ids, used: npt.NDArray[np.integer], side: str) -> Ints:
    """The row in `known` of each id that is used, -1 for the others; an UnknownIdError where one is not there."""
    out = _rows_known(ids, known, used)
    missing = [ids[row] for row in used[out[used] < 0].tolist()]
    if missing:
        named = ", ".join(map(repr, missing[:3])) + (", ..." if len(missing) > 3 else "")
        raise UnknownIdError(
            f"The pairs need {len(missing):,} {side} ids that the model does not know: {named}."
            f"{did_you_mean(missing[0], known)} Measure pairs of ids it was made with."
        )
    return out


def _rows_known(ids: Ids, known: Ids, used: npt.NDArray[np.integer]) -> Ints:
    """The row in `known` of each id that is used and there, -1 for the others."""
    out = np.full(len(ids), -1, np.int64)
    out[used] = used if ids == known else known.find(ids[row] for row in used.tolist())
    return out


def _check_texts(model: DualEncoder, pairs: Pairs, rows: Ints) -> None:
    """Refuse a query whose name is not what the model reads for the row with its id (-1: none), in any spelling."""
    if pairs.query_texts is None or pairs.query_texts is model.query_texts:
        return
    known, names = what_is_read(model.query_ids, model.query_texts), pairs.query_texts.names
    differ = [
        query
        for query in np.flatnonzero(rows >= 0).tolist()
        if names[query] not in ("", known[rows[query]]) and normal_form(names[query]) != normal_form(known[rows[query]])
    ]
    if differ:
        query, n = differ[0], len(differ)
        what = "1 query has an id" if n == 1 else f"{n:,} queries have ids"
        raise InputError(
            f"{what} that the model knows with another text: {pairs.query_ids[query]!r} is {shown(names[query])} here "
            f"and {shown(known[rows[query]])} in the model. Give other texts other ids, so that the model reads them."
        )


def _encoded(encode: Callable[[Ints], Tensor], rows: Ints, dim: int) -> Tensor:
    """The vectors of these rows, encoded some at a time (len(rows) x dim); zeros for rows of -1."""
    used = np.flatnonzero(rows >= 0)
    out: Tensor | None = None
    for start in range(0, len(used), ENCODE_ROWS):
        part = used[start : start + ENCODE_ROWS]
        vectors = encode(rows[part]).to("cpu")
        if out is None:
            out = torch.zeros(len(rows), vectors.shape[1], dtype=vectors.dtype)
        out[torch.from_numpy(part)] = vectors
    return torch.zeros(len(rows), dim) if out is None else out
