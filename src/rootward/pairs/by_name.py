"""Names as queries: every name and synonym of a node asks for what its node asks for, and so may its gloss."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from rootward.pairs.glosses import gloss_of
from rootward.pairs.ids import Ids
from rootward.pairs.normal import normal_form
from rootward.pairs.ragged import offsets_of
from rootward.pairs.texts import Texts

if TYPE_CHECKING:
    from rootward.pairs.pairs import Pairs


class _Asked(NamedTuple):
    """A query besides the names: whose, what it is called, and its text."""

    row: int
    label: str
    text: str


def by_name(pairs: Pairs, unambiguous: bool, glosses: bool) -> Pairs:
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
