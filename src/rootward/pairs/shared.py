"""Texts that two parts have in common, and would leak from one to the other: in any spelling, or nearly."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from rootward.pairs.normal import normal_form
from rootward.pairs.texts import what_is_read

if TYPE_CHECKING:
    from rootward.pairs.pairs import Pairs

STOP_WORDS = frozenset(
    ["a", "an", "and", "as", "at", "by", "for", "from", "in", "into", "of", "on", "or", "the", "to", "with"]
)
"""Words that two near texts need not share; "no", "not" and "without" are none, for they say something else."""

_HISSING = ("sses", "xes", "ches", "shes")  # "boxes" has lost "es", not "s"
_SINGULAR = ("ss", "us", "is")  # "uterus" and "pelvis" are no plurals

Key = tuple[str, str]


def shared_texts(pairs: Pairs, other: Pairs, *, near: bool, documents: bool) -> list[tuple[str, str]]:
    """Ids (of `pairs`, of a query of `other`) whose texts are one; a query of `other` once at most, with the closest.

    Args:
        pairs: what was trained on; queries without pairs do not count.
        other: what is asked.
        near: not only equal normal forms count, but also texts that have the same letters without spaces and hyphens
            ("low-set ears", "lowset ears"), and texts that have the same words, each as often, in whatever order
            ("absent uterus", "uterus, absent"): leaving out `STOP_WORDS`, unless nothing else is there, and the ending
            of an English plural ("boots" is "boot", "boxes" "box", "bodies" "body"; words of up to three letters and
            those in -ss, -us and -is stay).
        documents: names of documents count too, also of those without pairs, by the documents' ids. Towers of tied and
            text documents read them, so a name is a training text to these even where it was held out as a query. That
            is asked for apart because a table of documents reads nothing, and names held out are unseen there.
    """
    keys = _near_keys if near else _keys
    owner: dict[Key, str] = {}
    for label, form in _forms(pairs, documents):
        for key in keys(form):
            owner.setdefault(key, label)
    found = ((_first(owner, keys, form), label) for label, form in _forms(other, documents=False))
    return [(ours, theirs) for ours, theirs in found if ours is not None]


def _forms(pairs: Pairs, documents: bool) -> Iterator[tuple[str, str]]:
    """Id and normal form of what is asked, then of the names of all documents if wanted; those that say nothing not."""
    texts = what_is_read(pairs.query_ids, pairs.query_texts)
    rows = np.flatnonzero(pairs.sizes).tolist()
    read = [(pairs.query_ids[row], texts[row]) for row in rows]
    if documents:
        read += zip(pairs.document_ids, what_is_read(pairs.document_ids, pairs.document_texts), strict=True)
    return ((label, form) for label, text in read if (form := normal_form(text)))


def _first(owner: dict[Key, str], keys: Callable[[str], list[Key]], form: str) -> str | None:
    """The id that has the same text, else the same words, else the same letters; None where nothing has."""
    return next((owner[key] for key in keys(form) if key in owner), None)


def _keys(form: str) -> list[Key]:
    return [("text", form)]


def _near_keys(form: str) -> list[Key]:
    """What a text has in common with near ones, the closest first; `form` is its normal form, so hyphens are spaces."""
    words = form.split()
    told = [word for word in words if word not in STOP_WORDS] or words
    return [("text", form), ("words", " ".join(sorted(map(_stem, told)))), ("letters", "".join(words))]


@lru_cache(maxsize=1 << 16)
def _stem(word: str) -> str:
    """A word without the ending of an English plural: "boots" is "boot", "bodies" is "body", "boxes" is "box"."""
    if len(word) < 4 or not word.endswith("s") or word.endswith(_SINGULAR):
        return word
    if word.endswith("ies") and len(word) > 4:
        return f"{word[:-3]}y"
    return word[:-2] if word.endswith(_HISSING) else word[:-1]
