"""Splits of the pairs into training, validation and test, and texts that two splits share."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Generic, Literal, TypeVar

import numpy as np
import numpy.typing as npt

from rootward.errors import InputError
from rootward.ids import Ids, Rows
from rootward.pairs.arrays import PairArrays
from rootward.pairs.samplers import Regular
from rootward.rng import stream
from rootward.texts import normal_form, what_is_read

P = TypeVar("P", bound=PairArrays)
T = TypeVar("T")


@dataclass(frozen=True)
class Split(Generic[T]):
    """Training, validation and test: `Split[Pairs]` by holding out, `Split[PairSample]` by sampling."""

    train: T
    validation: T
    test: T


@dataclass(frozen=True, eq=False)
class PairSample:
    """Pairs drawn at random with replacement; a pair may be there more than once.

    Attributes:
        pairs: what they were drawn from.
        index: int64, indices of pairs in the order drawn.
    """

    pairs: PairArrays
    index: Rows

    def __len__(self) -> int:
        return len(self.index)

    def __repr__(self) -> str:
        return f"PairSample({len(self):,} of {self.pairs!r})"

    @cached_property
    def queries(self) -> Rows:
        """The query row of each draw (int64)."""
        return self.pairs.queries_at(self.index)

    @cached_property
    def documents(self) -> npt.NDArray[np.int32]:
        """The document row of each draw (int32)."""
        return self.pairs.documents[self.index]

    @cached_property
    def distances(self) -> npt.NDArray[np.int32]:
        """The distance of each draw (int32)."""
        return self.pairs.distances[self.index]


def held_out(
    pairs: P,
    by: Literal["pairs", "queries", "texts"],
    *,
    validation: float,
    test: float,
    low: int,
    among: npt.ArrayLike | None,
    seed: int,
) -> Split[P]:
    """Disjoint splits that together are all pairs; `Pairs.split` says how they are made."""
    if not (validation >= 0 and test >= 0 and validation + test < 1):
        raise InputError(
            f"validation and test are shares from 0 that leave something for training, "
            f"got validation={validation} and test={test}."
        )
    if by != "texts" and among is not None:
        raise InputError(f"among says which texts may be held out; by={by!r} has no use for it. Use by='texts'.")
    if by != "pairs" and low:
        raise InputError(f"low={low} holds out far pairs; holding out queries takes all their pairs. Use by='pairs'.")
    if by == "texts":
        texts = what_is_read(pairs.query_ids, pairs.query_texts)
        forms, group = np.unique(np.array([normal_form(text) for text in texts], np.object_), return_inverse=True)
        allowed = np.ones(pairs.n_queries, np.bool_) if among is None else np.asarray(among, np.bool_)
        if allowed.shape != (pairs.n_queries,):
            raise InputError(
                f"among needs one True or False for each of {pairs.n_queries} queries, got {allowed.shape}."
            )
        answered = pairs.sizes > 0
        free = np.bincount(group[answered], minlength=len(forms)) > 0  # which groups may be held out
        free[group[answered & ~allowed]] = False
        tags = _tags(len(free), np.flatnonzero(free), validation, test, stream(seed, "split", "texts"))
        tags = tags[group][pairs.query_of]
    elif by == "queries":  # sorted by id, so that the order of a file's rows decides nothing
        rows = np.argsort(_ranks(pairs.query_ids))
        tags = _tags(pairs.n_queries, rows[pairs.sizes[rows] > 0], validation, test, stream(seed, "split", "queries"))
        tags = tags[pairs.query_of]
    elif by == "pairs":
        order = np.lexsort((_ranks(pairs.document_ids)[pairs.documents], _ranks(pairs.query_ids)[pairs.query_of]))
        far = order[pairs.distances[order] >= low]
        tags = _tags(len(pairs), far, validation, test, stream(seed, "split", "pairs"))
    else:
        raise InputError(f"by={by!r} is not known; it must be 'pairs', 'queries' or 'texts'.")
    return Split(*(pairs.keep(tags == tag) for tag in (_TRAIN, _VALIDATION, _TEST)))


def sampled(pairs: PairArrays, *, train: int, validation: int, test: int, seed: int) -> Split[PairSample]:
    """Three independent draws by regular sampling; `Pairs.sample` says more. Each has a stream of its own."""
    sampler = Regular(pairs)
    wanted = {"train": train, "validation": validation, "test": test}
    for name, size in wanted.items():
        if size < 0:
            raise InputError(f"{name}={size}: a number of pairs to draw cannot be negative.")
    return Split(
        **{name: PairSample(pairs, sampler.draw(stream(seed, "sample", name), size)) for name, size in wanted.items()}
    )


_TRAIN, _VALIDATION, _TEST = 0, 1, 2


def _tags(n: int, order: Rows, validation: float, test: float, rng: np.random.Generator) -> npt.NDArray[np.int8]:
    """A tag for each of n things: a share of those in `order`, shuffled, goes to test and one to validation.

    Test comes first, so that another validation share leaves the test split as it is.
    """
    shuffled = rng.permutation(order)
    n_test, n_validation = round(test * len(shuffled)), round(validation * len(shuffled))
    tags = np.full(n, _TRAIN, np.int8)
    tags[shuffled[:n_test]] = _TEST
    tags[shuffled[n_test : n_test + n_validation]] = _VALIDATION
    return tags


def _ranks(ids: Ids) -> Rows:
    """The place of each id among all of them in alphabetical order."""
    ranks = np.empty(len(ids), np.int64)
    ranks[sorted(range(len(ids)), key=ids.__getitem__)] = np.arange(len(ids))
    return ranks


STOP_WORDS = frozenset(
    ["a", "an", "and", "as", "at", "by", "for", "from", "in", "into", "of", "on", "or", "the", "to", "with"]
)
"""Words that two near texts need not share; not "no", "not" and "without", which change the meaning."""

_ES_PLURALS = ("sses", "xes", "ches", "shes")  # "boxes" has lost "es", not "s"
_SINGULAR = ("ss", "us", "is")  # "uterus" and "pelvis" are no plurals

Key = tuple[str, str]


def shared_texts(pairs: PairArrays, other: PairArrays, *, near: bool, documents: bool) -> list[tuple[str, str]]:
    """Ids (of `pairs`, of a query of `other`) with equal texts; a query of `other` once at most, with the closest.

    Args:
        pairs: the training pairs; queries without pairs do not count.
        other: the pairs to check.
        near: not only equal normal forms count, but also texts that have the same letters without spaces and hyphens
            ("low-set ears", "lowset ears"), and texts that have the same words, each as often, in whatever order
            ("absent uterus", "uterus, absent"): leaving out `STOP_WORDS`, unless nothing else is there, and the ending
            of an English plural ("boots" is "boot", "boxes" "box", "bodies" "body"; words of up to three letters and
            those in -ss, -us and -is stay).
        documents: names of documents count too, also of those without pairs, by the documents' ids. Towers of tied and
            text documents read them, so a name is a training text to these even where it was held out as a query.
            A lookup tower of documents reads no texts, so names held out are unseen there.
    """

    def forms(of: PairArrays, documents: bool) -> Iterator[tuple[str, str]]:
        """Id and normal form of each query with pairs, then of all documents if wanted, where there is any."""
        texts = what_is_read(of.query_ids, of.query_texts)
        read = [(of.query_ids[row], texts[row]) for row in np.flatnonzero(of.sizes).tolist()]
        if documents:
            read += zip(of.document_ids, what_is_read(of.document_ids, of.document_texts), strict=True)
        return ((label, form) for label, text in read if (form := normal_form(text)))

    def keys(form: str) -> list[Key]:
        return _near_keys(form) if near else [("text", form)]

    owner: dict[Key, str] = {}
    for label, form in forms(pairs, documents):
        for key in keys(form):
            owner.setdefault(key, label)
    found = (
        (next((owner[key] for key in keys(form) if key in owner), None), label) for label, form in forms(other, False)
    )
    return [(ours, theirs) for ours, theirs in found if ours is not None]


def _near_keys(form: str) -> list[Key]:
    """What a text has in common with near ones, the closest first; `form` is its normal form, so hyphens are spaces."""
    words = form.split()
    kept = [word for word in words if word not in STOP_WORDS] or words
    return [("text", form), ("words", " ".join(sorted(map(_stem, kept)))), ("letters", "".join(words))]


@lru_cache(maxsize=1 << 16)
def _stem(word: str) -> str:
    """A word without the ending of an English plural: "boots" is "boot", "bodies" is "body", "boxes" is "box"."""
    if len(word) < 4 or not word.endswith("s") or word.endswith(_SINGULAR):
        return word
    if word.endswith("ies") and len(word) > 4:
        return f"{word[:-3]}y"
    return word[:-2] if word.endswith(_ES_PLURALS) else word[:-1]
