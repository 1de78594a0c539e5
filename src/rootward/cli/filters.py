"""Which documents may be found, as flags."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import reduce
from operator import and_
from typing import TYPE_CHECKING, Annotated, Any

from rootward.cli.flags import flag
from rootward.errors import InputError

if TYPE_CHECKING:
    from rootward.pairs import Pairs
    from rootward.retrieval import Filter, Index

_FILTERS = "Filters"


def _filter(name: str, metavar: str, help: str, **more: Any) -> Any:
    return flag(f"--{name}", metavar=metavar, help=help, panel=_FILTERS, **more)


@dataclass(frozen=True)
class FilterFlags:
    """What was given to filter by; None for what was not."""

    below: Annotated[str | None, _filter("below", "ID", "Only this document and what stands below it.")] = None
    above: Annotated[str | None, _filter("above", "ID", "Only this document and what stands above it.")] = None
    within: Annotated[
        int | None, _filter("within", "HOPS", "With --below or --above: at most so many hops away.", min=0)
    ] = None
    levels: Annotated[
        str | None, _filter("levels", "A..B", "Only documents A to B hops from their root; 2.. and ..3 are open.")
    ] = None

    def filter(self) -> Filter | None:
        """All of them together; None when nothing was given.

        Raises:
            InputError: --within alone, or levels that cannot be read.
        """
        from rootward.retrieval import Filter  # noqa: PLC0415

        if self.within is not None and self.below is None and self.above is None:
            raise InputError("--within says how far from a document; give --below ID or --above ID with it.")
        parts = []
        if self.below is not None:
            parts.append(Filter.below(self.below, within=self.within))
        if self.above is not None:
            parts.append(Filter.above(self.above, within=self.within))
        if self.levels is not None:
            parts.append(Filter.levels(*_levels(self.levels)))
        return reduce(and_, parts) if parts else None


def _levels(text: str) -> tuple[int, int | None]:
    """'2..4' as (2, 4), '2..' as (2, None), '..3' as (0, 3), '2' as (2, 2)."""
    found = re.fullmatch(r"\s*(\d*)\s*(\.\.)?\s*(\d*)\s*", text)
    if found is None or not (found[1] or found[3]):
        raise InputError(f"--levels is A..B, such as 2..4, 2.. or ..3 (0 is a root); got {text!r}.")
    first = int(found[1] or 0)
    return first, first if found[2] is None else int(found[3]) if found[3] else None


def placed(index: Index, pairs: Pairs | None) -> None:
    """Let an index know where its documents stand, from the run's pairs, where it does not.

    Raises:
        InputError: there are no pairs, or they do not say.
    """
    from rootward.retrieval import Ancestors  # noqa: PLC0415

    if index.catalogue.ancestors is not None:
        return
    if pairs is None:
        raise InputError("This model was saved without pairs, which say where documents stand; search the run itself.")
    index.catalogue = replace(index.catalogue, ancestors=Ancestors.of(pairs, index.document_ids))
