"""Names as queries: every name and synonym of a node asks for what its node asks for."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from rootward.pairs.ids import Ids, Rows
from rootward.pairs.normal import normal_form
from rootward.pairs.ragged import offsets_of
from rootward.pairs.texts import Texts

if TYPE_CHECKING:
    from rootward.pairs.pairs import Pairs


def by_name(pairs: Pairs, unambiguous: bool) -> Pairs:
    """The pairs with a query for every name and synonym; `Pairs.by_name` says more."""
    texts = pairs.query_texts
    if texts is None:
        return pairs
    rows, synonyms = _synonyms(texts)
    left_out = 0
    if unambiguous:
        forms = [normal_form(name) for name in (*texts.names, *synonyms)]
        owners = Counter(forms)
        alone = np.array([owners[form] == 1 for form in forms[len(texts) :]], np.bool_)
        left_out = int(np.count_nonzero(~alone))
        rows, synonyms = rows[alone], [name for name, kept in zip(synonyms, alone, strict=True) if kept]
    nodes = np.concatenate([np.arange(len(texts)), rows])
    _, index = pairs.of(nodes)
    labels = (f"{pairs.query_ids[row]}: {name}" for row, name in zip(rows.tolist(), synonyms, strict=True))
    ids = Ids([*pairs.query_ids, *labels])
    names = (*texts.names, *synonyms)
    definitions = (*texts.definitions, *([""] * len(synonyms)))
    note = f"Left out {left_out:,} synonyms that are names of several nodes." if left_out else None
    return replace(
        pairs,
        query_ids=ids,
        offsets=offsets_of(pairs.sizes[nodes]),
        documents=pairs.documents[index],
        distances=pairs.distances[index],
        query_texts=Texts(names, ((),) * len(names), definitions),
        notes=pairs.notes if note is None else (*pairs.notes, note),
    )


def _synonyms(texts: Texts) -> tuple[Rows, list[str]]:
    """The row and text of every synonym that is no other spelling of a name before it in its row."""
    rows, kept = [], []
    for row in range(len(texts)):
        seen = {normal_form(texts.names[row]), ""}
        for synonym in texts.synonyms[row]:
            form = normal_form(synonym)
            if form not in seen:
                seen.add(form)
                rows.append(row)
                kept.append(synonym)
    return np.array(rows, np.int64), kept
