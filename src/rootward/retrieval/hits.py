"""`Hits`: what a search found, as a value that prints and turns into JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.console import Group
from rich.table import Table
from rich.text import Text

from rootward.calibration.repair import Graph, missing_above
from rootward.csr import offsets_of
from rootward.errors import InputError, UnknownIdError, as_json, visible, whole_number
from rootward.ids import Ids
from rootward.pairs import Pairs
from rootward.retrieval.engines.engine import Flags, Found
from rootward.scoring import Floats, Ints
from rootward.texts import Texts


@dataclass(frozen=True, eq=False)
class Hits:
    """Documents found for each query, in display order: `scores[i][j]` is the score of `ids[i][j]`.

    Attributes:
        queries: the queries' ids; the row's number for bare vectors.
        found: document rows and scores as flat arrays with offsets.
        thresholds: float32, one a query, NaN where unknown: a document that scores at least this is accepted.
        document_ids, document_texts: ids and names of the rows.
        allowed: int64, ascending: the rows that a filter let through; None without one.
        hops: int32, one an entry: its distance where it is relevant, -1 where not; None until `marked`.
        n_relevant: int64, |S(q)| of every query, of allowed documents alone; None until `marked`.
        added: bool, one an entry: `repaired` added it to the answer set; None until then.
    """

    queries: tuple[str, ...]
    found: Found
    thresholds: npt.NDArray[np.float32]
    document_ids: Ids
    document_texts: Texts | None = None
    allowed: Ints | None = None
    hops: npt.NDArray[np.int32] | None = None
    n_relevant: Ints | None = None
    added: Flags | None = None

    def __len__(self) -> int:
        return len(self.queries)

    def __repr__(self) -> str:
        return f"Hits({len(self):,} queries, {len(self.found.rows):,} documents)"

    def __eq__(self, other: object) -> bool:
        """The same documents with the same scores, in the same order, for the same queries."""
        return isinstance(other, Hits) and self.to_dict() == other.to_dict()

    __hash__ = None  # type: ignore[assignment]

    @cached_property
    def ids(self) -> list[list[str]]:
        """The document ids of each query, as shown."""
        labels = [self.document_ids[row] for row in self.found.rows.tolist()]
        return [labels[start:stop] for start, stop in self._bounds]

    @cached_property
    def scores(self) -> list[Floats]:
        """The scores of the same documents."""
        return [self.found.scores[start:stop] for start, stop in self._bounds]

    @cached_property
    def accepted(self) -> list[Flags]:
        """Whether each of them reaches its query's threshold; False where that is unknown (NaN)."""
        flags = self.found.scores >= self.thresholds[self.found.place]
        return [flags[start:stop] for start, stop in self._bounds]

    @property
    def exact(self) -> bool:
        """Whether nothing can have been missed, other than what was cut off where `truncated`."""
        return self.found.exact

    @property
    def truncated(self) -> list[bool]:
        """Whether a limit cut off documents that should be there, query by query."""
        flags = self.found.truncated
        return [False] * len(self) if flags is None else [bool(flag) for flag in flags]

    @cached_property
    def _bounds(self) -> list[tuple[int, int]]:
        offsets = self.found.offsets.tolist()
        return list(pairwise(offsets))

    def name(self, row: int) -> str:
        """The preferred name of a document row, "" where it has none."""
        return "" if self.document_texts is None else self.document_texts.names[row]

    def first(self, k: int) -> Hits:
        """The first k documents of each query, as shown.

        Raises:
            InputError: k below 1.
        """
        k = whole_number(k, "k is how many documents to keep and at least 1", 1)
        kept = self.found.among_first(k)
        return replace(
            self,
            found=self.found.first(k),
            hops=None if self.hops is None else self.hops[kept],
            added=None if self.added is None else self.added[kept],
        )

    def repaired(self, above: Graph, *, max_distance: int | None = None) -> Hits:
        """The same with everything above an accepted document added to the answer set; `added` says which these are.

        If flip-flops and footwear are accepted, sandals and shoes are added: after the accepted ones, with a score of
        NaN unless they were found below the threshold. Filters hold for added documents too. Call `marked` afterwards.

        Args:
            above: a hierarchy of the documents, or the pairs of one.
            max_distance: add documents up to so many hops above an accepted one; None: all that `above` has.

        Raises:
            InputError: `above` knows none of the accepted documents.
        """
        found, n = self.found, len(self.document_ids)
        accepted = found.scores >= self.thresholds[found.place]
        place, rows = missing_above(
            above, self.document_ids, found.place[accepted], found.rows[accepted], max_distance=max_distance
        )
        if self.allowed is not None:
            kept = np.isin(rows, self.allowed)
            place, rows = place[kept], rows[kept]
        scores, stays = np.full(len(rows), np.nan, found.scores.dtype), np.ones(len(found.rows), np.bool_)
        _, new, old = np.intersect1d(
            place * n + rows, found.place * n + found.rows, assume_unique=True, return_indices=True
        )
        scores[new], stays[old] = found.scores[old], False
        places = np.r_[found.place[stays], place]
        accepted, added = np.r_[accepted[stays], np.zeros(len(place), np.bool_)], np.arange(len(places)) >= stays.sum()
        order = np.lexsort((np.arange(len(places)), ~accepted & ~added, ~accepted, places))
        repaired = replace(
            found,
            offsets=offsets_of(np.bincount(places, minlength=len(found))),
            rows=np.r_[found.rows[stays], rows][order],
            scores=np.r_[found.scores[stays], scores][order],
        )
        return replace(self, found=repaired, added=added[order], hops=None, n_relevant=None)

    def marked(self, pairs: Pairs) -> Hits:
        """The same with the right answers marked: printing and JSON say which documents are relevant, and how far.

        Args:
            pairs: with the index's documents, and the queries by id.

        Raises:
            InputError: pairs of other documents.
            UnknownIdError: a query that is not among those of the pairs.
        """
        if pairs.document_ids != self.document_ids:
            raise InputError(f"{pairs!r} has other documents than were searched; give the pairs of the same model.")
        missing = [query for query in self.queries if query not in pairs.query_ids]
        if missing:
            raise UnknownIdError(f"{missing[0]!r} is no query of {pairs!r}; bare vectors cannot be marked.")
        place, entry = pairs.of(pairs.query_ids.rows(self.queries))
        if self.allowed is not None:
            kept = np.isin(pairs.documents[entry], self.allowed)
            place, entry = place[kept], entry[kept]
        n, found = len(self.document_ids), self.found
        _, shown, relevant = np.intersect1d(
            found.place * n + found.rows, place * n + pairs.documents[entry], return_indices=True
        )
        hops = np.full(len(found.rows), -1, np.int32)
        hops[shown] = pairs.distances[entry[relevant]]
        return replace(self, hops=hops, n_relevant=np.bincount(place, minlength=len(self)))

    def to_dict(self) -> dict[str, Any]:
        """Everything as JSON values: {"exact": true, "queries": [{"query": ..., "documents": [...]}, ...]}."""
        return {"exact": self.exact, "queries": [self.query_dict(i) for i in range(len(self))]}

    def query_dict(self, i: int) -> dict[str, Any]:
        """One query as JSON values; "accepted" is null where the threshold is unknown, "score" for what was added,
        "truncated" is there only where true."""
        threshold = float(self.thresholds[i])
        start, stop = self._bounds[i]
        documents = []
        for j, row in enumerate(self.found.rows[start:stop].tolist()):
            document: dict[str, Any] = {"rank": j + 1, "id": self.document_ids[row]}
            if self.document_texts is not None:
                document["name"] = self.name(row)
            score = float(str(self.scores[i][j]))  # 0.1, not the 0.10000000149 that float32 makes of it
            document["score"] = None if math.isnan(score) else score
            document["accepted"] = None if math.isnan(threshold) else bool(self.accepted[i][j])
            if self.added is not None:
                document["added"] = bool(self.added[start + j])
            if self.hops is not None:
                hops = int(self.hops[start + j])
                document |= {"relevant": hops >= 0, "hops": None if hops < 0 else hops}
            documents.append(document)
        shown = float(str(self.thresholds[i])) if math.isfinite(threshold) else None
        values: dict[str, Any] = {"query": self.queries[i], "threshold": shown}
        if self.n_relevant is not None:
            values |= {"relevant": int(self.n_relevant[i]), "missing": self.n_missing(i)}
        if self.truncated[i]:
            values["truncated"] = True
        return {**values, "documents": documents}

    def to_json(self) -> str:
        """`to_dict` as JSON text."""
        return as_json(self.to_dict(), indent=2) + "\n"

    def n_missing(self, i: int) -> int:
        """How many right answers of query i are not among those shown; 0 until `marked`."""
        if self.hops is None or self.n_relevant is None:
            return 0
        start, stop = self._bounds[i]
        return int(self.n_relevant[i]) - int(np.count_nonzero(self.hops[start:stop] >= 0))

    # -- printing --------------------------------------------------------------------------------------------

    def listing(self, i: int, title: str | None = None) -> Listing:
        """One query as a table: rank, id, name, hops, score and a mark for the right answers."""
        start, stop = self._bounds[i]
        rows = self.found.rows[start:stop].tolist()
        columns = {"rank": [str(j + 1) for j in range(len(rows))], "id": self.ids[i]}
        called = [self.name(row) for row in rows]
        if any(called):
            columns["name"] = called
        scores = ["" if np.isnan(score) else f"{score:.3f}" for score in self.scores[i]]
        if self.hops is None or self.n_relevant is None:
            columns["score"] = scores
        else:
            hops = self.hops[start:stop].tolist()
            columns |= {
                "hops": [str(each) if each >= 0 else "" for each in hops],
                "score": scores,
                "": ["✓" if each >= 0 else "" for each in hops],
            }
        unknown = bool(np.isnan(self.thresholds[i]))
        accepted = np.ones(len(rows), np.bool_) if unknown else self.accepted[i]
        if self.added is not None and self.added[start:stop].any():
            accepted = accepted | self.added[start:stop]
        return Listing(title or self.queries[i], columns, tuple(accepted.tolist()), self.remarks(i))

    def remarks(self, i: int) -> tuple[str, ...]:
        """What should be known of one query's documents: right answers that are missing, what was cut off or added."""
        start, stop = self._bounds[i]
        remarks = []
        if self.hops is not None and self.n_relevant is not None:
            n_right, n_missing = int(self.n_relevant[i]), self.n_missing(i)
            missing = f", {n_missing} missing" if n_missing else ""
            remarks.append(f"{n_right - n_missing} of {n_right} right answers{missing}")
        if self.truncated[i]:
            remarks.append(f"cut off after {stop - start}: more documents reach the threshold")
        if not self.exact:
            remarks.append("approximate: documents may have been missed")
        if self.added is not None and self.added[start:stop].any():
            added = self.found.rows[start:stop][self.added[start:stop]].tolist()
            names = ", ".join(self.document_ids[row] for row in added)
            remarks.append(f"added, as they stand above accepted ones: {names}")
        return tuple(remarks)

    def __str__(self) -> str:
        return "\n\n".join(str(self.listing(i)) for i in range(len(self)))

    def __rich__(self) -> Group:
        return Group(*(self.listing(i).__rich__() for i in range(len(self))))


def display_order(found: Found, accepted: npt.NDArray[np.bool_], heights: npt.NDArray[np.float32]) -> Ints:
    """The order in which documents are shown: accepted ones by ascending height, then the others by descending score.

    Of equally high ones the higher score comes first, of equal scores the lower row. So for "sandals" with
    threshold 0.5, scores shoes 0.9, footwear 0.8, sandals 0.7, boots 0.1 and heights 2, 3, 1, 1, the order is
    sandals, shoes, footwear, boots.
    """
    key = np.where(accepted, heights[found.rows], 0.0)
    return np.lexsort((found.rows, -found.scores, key, ~accepted, found.place))


_TO_THE_LEFT = ("id", "name", "")


@dataclass(frozen=True)
class Listing:
    """Answers to one query.

    Attributes:
        title: the query.
        columns: heading to one cell a row.
        accepted: one truth value a row: it belongs to the answer set. A line, and a dim style, set the others apart.
        remarks: lines below.
    """

    title: str
    columns: Mapping[str, Sequence[str]]
    accepted: tuple[bool, ...]
    remarks: tuple[str, ...] = ()

    def __str__(self) -> str:
        columns = self._shown
        widths = [max(map(len, (name, *cells))) for name, cells in columns.items()]
        lines = [self._line(list(columns), widths)]
        for i, row in enumerate(zip(*columns.values(), strict=True)):
            if self._ends_before(i):
                lines.append("-" * len(lines[0]))
            lines.append(self._line(row, widths))
        if not self.accepted:
            lines.append("(nothing)")
        return "\n".join([visible(self.title), *lines, *map(visible, self.remarks)])

    @property
    def _shown(self) -> dict[str, list[str]]:
        """The columns as they are printed."""
        return {name: list(map(visible, cells)) for name, cells in self.columns.items()}

    def __rich__(self) -> Table:
        table = Table(
            title=Text(visible(self.title), "bold"),
            title_justify="left",
            caption=Text("\n".join(map(visible, self.remarks))) if self.remarks else None,
            caption_justify="left",
        )
        for name in self.columns:
            style = {"id": "cyan", "": "green"}.get(name)
            table.add_column(name, justify="left" if name in _TO_THE_LEFT else "right", style=style)
        for i, row in enumerate(zip(*self._shown.values(), strict=True)):
            if self._ends_before(i):
                table.add_section()
            table.add_row(*map(Text, row), style=None if self.accepted[i] else "dim")
        return table

    def _ends_before(self, i: int) -> bool:
        """Whether the answer set ends between row i - 1 and row i."""
        return i > 0 and self.accepted[i - 1] and not self.accepted[i]

    def _line(self, cells: Sequence[str], widths: Sequence[int]) -> str:
        padded = (
            cell.ljust(width) if name in _TO_THE_LEFT else cell.rjust(width)
            for name, cell, width in zip(self.columns, cells, widths, strict=True)
        )
        return "  ".join(padded).rstrip()
