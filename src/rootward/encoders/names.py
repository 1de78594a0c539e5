"""From what a person types to the query ids it can mean."""

from __future__ import annotations

from rootward.errors import UnknownIdError, did_you_mean
from rootward.pairs import Ids, Texts


def find(text: str, ids: Ids, texts: Texts | None) -> list[str]:
    """The ids that `text` can mean: the id itself, else every node named so, whatever the case.

    Nodes that have it as their preferred name come before those that have it as a synonym, ids in alphabetical
    order within each: "cat" gives cat.n.01 first, then the gossip and the tractor.

    Raises:
        UnknownIdError: nothing is called so; the message names what is close.
    """
    if text in ids:
        return [text]
    wanted = text.strip().casefold()
    if texts is None or not wanted:
        raise UnknownIdError(f"No query {text!r} among {len(ids):,}.{did_you_mean(text, ids)}")
    preferred = [ids[row] for row, name in enumerate(texts.names) if name.casefold() == wanted]
    others = [
        ids[row]
        for row, names in enumerate(texts.synonyms)
        if any(name.casefold() == wanted for name in names) and texts.names[row].casefold() != wanted
    ]
    if not preferred and not others:
        known = {name for row in range(len(ids)) for name in texts.all_names(row)}
        raise UnknownIdError(f"Nothing is called {text!r} among {len(ids):,} queries.{did_you_mean(text, known)}")
    return sorted(preferred) + sorted(others)
