"""From what a person types to the query ids it can mean."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property

from rootward.errors import UnknownIdError, did_you_mean
from rootward.pairs import Ids, Texts


@dataclass(frozen=True, eq=False)
class Names:
    """What the nodes are called, to be asked often: the table is built at the first question that needs it.

    Attributes:
        ids: of the nodes.
        texts: their names and synonyms, None where the source had none.
    """

    ids: Ids
    texts: Texts | None

    def of(self, ids: Ids, texts: Texts | None) -> bool:
        """Whether these are the very tables that the names are of."""
        return self.ids is ids and self.texts is texts

    def find(self, text: str) -> list[str]:
        """The ids that `text` can mean: the id itself, else every node named so, whatever the case.

        Nodes that have it as their preferred name come before those that have it as a synonym, ids in alphabetical
        order within each: "cat" gives cat.n.01 first, then the gossip and the tractor.

        Raises:
            UnknownIdError: nothing is called so; the message names what is close, ids and names.
        """
        if text in self.ids:
            return [text]
        found = self._meanings.get(text.strip().casefold())
        if found is None:
            known = self.ids.like(text.strip()) if self.texts is None else [*self._all_names(), *self.ids]
            nothing = f"Nothing is called {text!r} among" if self.texts is not None else f"No query {text!r} among"
            what = " queries" if self.texts is not None else ""
            raise UnknownIdError(f"{nothing} {len(self.ids):,}{what}.{did_you_mean(text.strip(), known)}")
        return [self.ids[row] for row in found]

    @cached_property
    def _meanings(self) -> dict[str, list[int]]:
        """Casefolded name to rows, best first."""
        if self.texts is None:
            return {}
        preferred: defaultdict[str, dict[int, bool]] = defaultdict(dict)  # name -> row -> it is the preferred name
        for row, (name, synonyms) in enumerate(zip(self.texts.names, self.texts.synonyms, strict=True)):
            for synonym in synonyms:
                preferred[synonym.casefold()][row] = False
            preferred[name.casefold()][row] = True
        preferred.pop("", None)
        return {name: sorted(rows, key=lambda row: (not rows[row], self.ids[row])) for name, rows in preferred.items()}

    def _all_names(self) -> list[str]:
        assert self.texts is not None
        return [name for row in range(len(self.ids)) for name in self.texts.all_names(row)]
