"""Query texts: a query for every name, synonym and gloss, and checks for empty, ambiguous and truncated texts."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, pairwise
from typing import NamedTuple, TypeVar

import numpy as np

from rootward.csr import offsets_of
from rootward.errors import InputError
from rootward.ids import Ids, Rows
from rootward.pairs.arrays import PairArrays
from rootward.readers.tables import shown
from rootward.texts import LONGEST, Texts, gloss_of, normal_form, what_is_read

P = TypeVar("P", bound=PairArrays)

EXAMPLES = 3
"""So many of a kind are named in a message."""


class _NewQuery(NamedTuple):
    """A synonym or gloss that becomes a query: the row of its node, its id and its text."""

    row: int
    label: str
    text: str


def by_name(pairs: P, unambiguous: bool, glosses: bool) -> P:
    """The pairs with a query for every name, synonym and gloss; `Pairs.by_name` says more."""
    texts = pairs.query_texts
    if texts is None:
        return pairs
    found = [*_synonyms(pairs.query_ids, texts), *(_glosses(pairs.query_ids, texts) if glosses else ())]
    new = found
    if unambiguous:
        forms = [normal_form(each.text) for each in found]
        count = Counter([*map(normal_form, texts.names), *forms])
        new = [each for each, form in zip(found, forms, strict=True) if count[form] == 1]
    nodes = np.r_[np.arange(len(texts)), np.array([each.row for each in new], np.int64)]
    _, index = pairs.of(nodes)
    names = (*texts.names, *(each.text for each in new))
    left_out = len(found) - len(new)
    if left_out:  # a labelled text may be a synonym of its own node, and is then no name of several
        rows_of: defaultdict[str, list[int]] = defaultdict(list)
        for row, form in chain(
            enumerate(map(normal_form, texts.names)), zip([each.row for each in found], forms, strict=True)
        ):
            rows_of[form].append(row)
        left_out -= sum(count[form] > 1 and not _answers_differ(pairs, np.array(rows_of[form])) for form in forms)
    what = "synonyms and glosses" if glosses else "synonyms"
    notes = (f"Left out {left_out:,} {what} that are names of several nodes.",) if left_out else ()
    return replace(
        pairs,
        query_ids=Ids([*pairs.query_ids, *(each.label for each in new)]),
        offsets=offsets_of(pairs.sizes[nodes]),
        documents=pairs.documents[index],
        distances=pairs.distances[index],
        query_texts=Texts(names, ((),) * len(names), (*texts.definitions, *([""] * len(new)))),
        query_weights=None if pairs.query_weights is None else pairs.query_weights[nodes],
        notes=(*pairs.notes, *notes),
    )


def _synonyms(ids: Ids, texts: Texts) -> Iterator[_NewQuery]:
    """Every synonym that is no other spelling of a name before it in its row."""
    for row in range(len(texts)):
        forms = {normal_form(texts.names[row]), ""}
        for synonym in texts.synonyms[row]:
            form = normal_form(synonym)
            if form not in forms:
                forms.add(form)
                yield _NewQuery(row, f"{ids[row]}: {synonym}", synonym)


def _glosses(ids: Ids, texts: Texts) -> Iterator[_NewQuery]:
    """Every definition and every example behind one that is no other spelling of a text before it in its row."""
    for row in range(len(texts)):
        definition, examples = gloss_of(texts.definitions[row])
        forms = {"", *map(normal_form, texts.all_names(row))}
        for text, what in ((definition, "definition"), *((text, f"example {i}") for i, text in enumerate(examples, 1))):
            form = normal_form(text)
            if form not in forms:
                forms.add(form)
                yield _NewQuery(row, f"{ids[row]} ({what})", text)


@dataclass(frozen=True, eq=False)
class TextCheck:
    """What a text tower cannot read, or reads as one, in the texts of the queries that have pairs.

    Attributes:
        empty: query rows whose text has no letter or digit (int64).
        truncated: how many texts are longer than what is read of them.
        ambiguous: groups of query rows whose texts have one normal form and whose documents differ.
    """

    empty: Rows
    truncated: int
    ambiguous: tuple[Rows, ...]

    @classmethod
    def of(cls, pairs: PairArrays) -> TextCheck:
        """Check in one pass over the texts; memory holds a number a query."""
        texts = what_is_read(pairs.query_ids, pairs.query_texts)
        answered = np.flatnonzero(pairs.sizes)
        hashes = np.empty(len(answered), np.int64)
        empty: list[int] = []
        truncated = 0
        for place, row in enumerate(answered.tolist()):
            form = normal_form(texts[row])
            truncated += len(texts[row]) > LONGEST
            hashes[place] = hash(form)
            if not form:
                empty.append(row)
        order = np.argsort(hashes, kind="stable")
        ends = [0, *(np.flatnonzero(np.diff(hashes[order])) + 1).tolist(), len(answered)]
        groups = [answered[order[begin:end]] for begin, end in pairwise(ends) if end - begin > 1]
        unread = set(empty)
        groups = [group for group in groups if int(group[0]) not in unread and _answers_differ(pairs, group)]
        groups.sort(key=lambda group: int(group[0]))
        return cls(np.array(empty, np.int64), truncated, tuple(groups))


def _answers_differ(pairs: PairArrays, rows: Rows) -> bool:
    """Whether two of these queries have other documents; the distances of the same ones may differ."""
    sets = (pairs.documents[pairs.offsets[row] : pairs.offsets[row + 1]] for row in rows.tolist())
    first, *others = (np.sort(each) for each in sets)
    return any(not np.array_equal(first, other) for other in others)


def readable(pairs: P) -> P:
    """The pairs of queries whose text has a letter or digit; `Pairs.readable` says more."""
    empty = TextCheck.of(pairs).empty
    if not len(empty):
        return pairs
    wanted = np.ones(len(pairs), np.bool_)
    wanted[pairs.of(empty)[1]] = False
    kept = pairs.keep(wanted)
    return replace(kept, notes=(*pairs.notes, f"Left out {_named(pairs, empty)}."))


def refuse_empty(pairs: PairArrays, check: TextCheck) -> None:
    """Refuse queries whose text has no letter or digit.

    Raises:
        InputError: there are some; the message names the first of them by file and row where they are from a table.
    """
    if len(check.empty):
        raise InputError(
            f"A text tower has nothing to learn from in {_named(pairs, check.empty)}. Give each a text, or leave them "
            "out: pairs.readable(), on the command line --skip-unreadable."
        )


def notes_on(pairs: PairArrays, check: TextCheck, documents_read: bool) -> tuple[str, ...]:
    """Notes on ambiguous and truncated texts, where there are any.

    Args:
        pairs: whose texts were checked.
        check: of them.
        documents_read: whether the document tower reads texts too.
    """
    notes = []
    if groups := check.ambiguous:
        alike = [
            _listed([shown(pairs.query_ids[row]) for row in group[:2].tolist()], len(group))
            for group in groups[:EXAMPLES]
        ]
        more = [f"and {len(groups) - EXAMPLES:,} more"] if len(groups) > EXAMPLES else []
        what, are = ("1 text", "is") if len(groups) == 1 else (f"{len(groups):,} texts", "are")
        remedy = (
            " Pairs.by_name(unambiguous=True) leaves out names of several nodes; so does train without --ambiguous."
        )
        notes.append(
            f"{what}, in whatever spelling, {are} the text of several queries with different answers, though one text "
            f"has one vector: {'; '.join([*alike, *more])}. Merge these queries, or tell their texts apart."
            + (remedy if pairs.query_texts is not None else "")
        )
    truncated = check.truncated
    if documents_read:
        truncated += sum(len(text) > LONGEST for text in what_is_read(pairs.document_ids, pairs.document_texts))
    if truncated:
        what = "1 text is" if truncated == 1 else f"{truncated:,} texts are"
        notes.append(f"{what} longer than {LONGEST:,} characters; what stands behind these is not read.")
    return tuple(notes)


def _named(pairs: PairArrays, rows: Rows) -> str:
    """2 queries without a letter or digit in their text: '?!' (row 3 of clicks.csv) and '--' (row 9 of clicks.csv)."""
    labels = [pairs.query_ids[row] for row in rows[:EXAMPLES].tolist()]
    texts = what_is_read(pairs.query_ids, pairs.query_texts)
    places = [""] * len(labels) if pairs.origin is None else pairs.origin.places(labels)
    found = []
    for row, label, place in zip(rows.tolist(), labels, places, strict=False):
        besides = ", ".join(filter(None, (f"text {shown(texts[row])}" if texts[row] != label else "", place)))
        found.append(f"{shown(label)} ({besides})" if besides else shown(label))
    what, whose = ("1 query", "its") if len(rows) == 1 else (f"{len(rows):,} queries", "their")
    return f"{what} without a letter or digit in {whose} text: {_listed(found, len(rows))}"


def _listed(found: Sequence[str], n: int) -> str:
    """'a', 'b' and 'c'; 'a', 'b', 'c' and 9 more, of n in all."""
    named = [*found, *([f"{n - len(found):,} more"] if n > len(found) else [])]
    return named[0] if len(named) == 1 else f"{', '.join(named[:-1])} and {named[-1]}"
