"""Names as queries: every name and synonym of a node asks for what its node asks for, and so may its gloss."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import NamedTuple, TypeVar

import numpy as np

from rootward.csr import offsets_of
from rootward.errors import InputError
from rootward.ids import Ids, Rows
from rootward.pairs.arrays import PairArrays
from rootward.readers.labels import places_of
from rootward.readers.tables import shown
from rootward.texts import LONGEST, Texts, gloss_of, normal_form, what_is_read

P = TypeVar("P", bound=PairArrays)


class _Asked(NamedTuple):
    """A query besides the names: whose, what it is called, and its text."""

    row: int
    label: str
    text: str


def by_name(pairs: P, unambiguous: bool, glosses: bool) -> P:
    """The pairs with a query for every name, synonym and gloss; `Pairs.by_name` says more."""
    texts = pairs.query_texts
    if texts is None:
        return pairs
    found = [*_synonyms(pairs.query_ids, texts), *(_glosses(pairs.query_ids, texts) if glosses else ())]
    asked = _alone(texts.names, found) if unambiguous else found
    nodes = np.r_[np.arange(len(texts)), np.array([each.row for each in asked], np.int64)]
    _, index = pairs.of(nodes)
    names = (*texts.names, *(each.text for each in asked))
    left_out = len(found) - len(asked)
    what = "synonyms and glosses" if glosses else "synonyms"
    notes = (f"Left out {left_out:,} {what} that are names of several nodes.",) if left_out else ()
    return replace(
        pairs,
        query_ids=Ids([*pairs.query_ids, *(each.label for each in asked)]),
        offsets=offsets_of(pairs.sizes[nodes]),
        documents=pairs.documents[index],
        distances=pairs.distances[index],
        query_texts=Texts(names, ((),) * len(names), (*texts.definitions, *([""] * len(asked)))),
        notes=(*pairs.notes, *notes),
    )


def _alone(names: tuple[str, ...], found: list[_Asked]) -> list[_Asked]:
    """Those whose normal form no name and nothing else has."""
    forms = [normal_form(each.text) for each in found]
    owners = Counter([*map(normal_form, names), *forms])
    return [each for each, form in zip(found, forms, strict=True) if owners[form] == 1]


def _synonyms(ids: Ids, texts: Texts) -> Iterator[_Asked]:
    """Every synonym that is no other spelling of a name before it in its row."""
    for row in range(len(texts)):
        seen = {normal_form(texts.names[row]), ""}
        for synonym in texts.synonyms[row]:
            form = normal_form(synonym)
            if form not in seen:
                seen.add(form)
                yield _Asked(row, f"{ids[row]}: {synonym}", synonym)


def _glosses(ids: Ids, texts: Texts) -> Iterator[_Asked]:
    """Every definition and every example behind one that is no other spelling of a text before it in its row."""
    for row in range(len(texts)):
        definition, examples = gloss_of(texts.definitions[row])
        seen = {"", *map(normal_form, texts.all_names(row))}
        for text, what in ((definition, "definition"), *((text, f"example {i}") for i, text in enumerate(examples, 1))):
            form = normal_form(text)
            if form not in seen:
                seen.add(form)
                yield _Asked(row, f"{ids[row]} ({what})", text)


EXAMPLES = 3
"""So many of a kind are named in a message."""


@dataclass(frozen=True, eq=False)
class Heard:
    """The queries with pairs whose texts say less to a reader than to a table.

    Attributes:
        silent: query rows whose text has no letter or digit (int64).
        cut: how many texts are longer than what is read of them.
        unlike: groups of query rows whose texts have one normal form and whose answers differ.
    """

    silent: Rows
    cut: int
    unlike: tuple[Rows, ...]

    @classmethod
    def of(cls, pairs: PairArrays) -> Heard:
        """What is heard in one pass over the texts; a number a query is held."""
        texts = what_is_read(pairs.query_ids, pairs.query_texts)
        answered = np.flatnonzero(pairs.sizes)
        silent: list[int] = []
        cut = 0

        def marks() -> Iterator[int]:
            nonlocal cut
            for row in answered.tolist():
                form = normal_form(texts[row])
                cut += len(texts[row]) > LONGEST
                if not form:
                    silent.append(row)
                yield hash(form)

        alike = _groups(answered, np.fromiter(marks(), np.int64, len(answered)))
        rows = np.array(silent, np.int64)
        mute = set(silent)
        unlike = tuple(group for group in alike if group[0] not in mute and _answers_differ(pairs, group))
        return cls(rows, cut, unlike)


def _groups(rows: Rows, marks: Rows) -> list[Rows]:
    """The rows that share a mark with another, in ascending order, the group of the lowest row first."""
    order = np.argsort(marks, kind="stable")
    marks = marks[order]
    ends = [0, *(np.flatnonzero(marks[1:] != marks[:-1]) + 1).tolist(), len(rows)]
    groups = [rows[order[begin:end]] for begin, end in pairwise(ends) if end - begin > 1]
    return sorted(groups, key=lambda group: int(group[0]))


def _answers_differ(pairs: PairArrays, rows: Rows) -> bool:
    """Whether two of these queries have other documents; the distances of the same ones may differ."""
    sets = (pairs.documents[pairs.offsets[row] : pairs.offsets[row + 1]] for row in rows.tolist())
    first, *others = (np.sort(each) for each in sets)
    return any(not np.array_equal(first, other) for other in others)


def readable(pairs: P) -> P:
    """The pairs of queries whose text has something to read; `Pairs.readable` says more."""
    silent = Heard.of(pairs).silent
    if not len(silent):
        return pairs
    wanted = np.ones(len(pairs), np.bool_)
    wanted[pairs.of(silent)[1]] = False
    kept = pairs.keep(wanted)
    return replace(kept, notes=(*pairs.notes, f"Left out {_told(pairs, silent)}."))


def refuse_silent(pairs: PairArrays, heard: Heard) -> None:
    """Refuse queries whose text has nothing to learn from.

    Raises:
        InputError: there are some; the message names the first of them by file and row where they are from a table.
    """
    if len(heard.silent):
        raise InputError(
            f"A text tower has nothing to learn from in {_told(pairs, heard.silent)}. Give each a text, or leave them "
            "out: pairs.readable(), on the command line --skip-unreadable."
        )


def notes_on(pairs: PairArrays, heard: Heard, documents_read: bool) -> tuple[str, ...]:
    """Sentences on texts that are read otherwise than the pairs have them, where there are any.

    Args:
        pairs: whose texts were heard.
        heard: of them.
        documents_read: whether the documents go by their texts too.
    """
    cut = heard.cut
    if documents_read:
        texts = what_is_read(pairs.document_ids, pairs.document_texts)
        cut += sum(len(text) > LONGEST for text in texts)
    return (*_on_unlike(pairs, heard.unlike), *_on_cut(cut))


def _on_unlike(pairs: PairArrays, groups: Sequence[Rows]) -> tuple[str, ...]:
    if not groups:
        return ()
    alike = [
        _listed([shown(pairs.query_ids[row]) for row in group[:2].tolist()], len(group)) for group in groups[:EXAMPLES]
    ]
    more = [f"and {len(groups) - EXAMPLES:,} more"] if len(groups) > EXAMPLES else []
    what, are = ("1 text", "is") if len(groups) == 1 else (f"{len(groups):,} texts", "are")
    by_name = " Pairs.by_name(unambiguous=True) leaves out names of several nodes; so does train without --ambiguous."
    if pairs.query_texts is None:  # by_name has nothing to do there
        by_name = ""
    return (
        f"{what}, in whatever spelling, {are} the text of several queries with different answers, though one text "
        f"has one vector: {'; '.join([*alike, *more])}. Merge these queries, or tell their texts apart.{by_name}",
    )


def _on_cut(n: int) -> tuple[str, ...]:
    if not n:
        return ()
    what = "1 text is" if n == 1 else f"{n:,} texts are"
    return (f"{what} longer than {LONGEST:,} characters; what stands behind these is not read.",)


def _told(pairs: PairArrays, silent: Rows) -> str:
    """2 queries without a letter or digit in their text: '?!' (row 3 of clicks.csv) and '--' (row 9 of clicks.csv)."""
    labels = [pairs.query_ids[row] for row in silent[:EXAMPLES].tolist()]
    texts = what_is_read(pairs.query_ids, pairs.query_texts)
    found: list[str] = []
    for row, label, place in zip(silent.tolist(), labels, places_of(pairs.origin, labels), strict=False):
        besides = ", ".join(filter(None, (f"text {shown(texts[row])}" if texts[row] != label else "", place)))
        found.append(f"{shown(label)} ({besides})" if besides else shown(label))
    what, whose = ("1 query", "its") if len(silent) == 1 else (f"{len(silent):,} queries", "their")
    return f"{what} without a letter or digit in {whose} text: {_listed(found, len(silent))}"


def _listed(found: Sequence[str], n: int) -> str:
    """'a', 'b' and 'c'; 'a', 'b', 'c' and 9 more, of n in all."""
    parts = [*found, *([f"{n - len(found):,} more"] if n > len(found) else [])]
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
