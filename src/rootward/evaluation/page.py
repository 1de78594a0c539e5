"""A report as one HTML page: figures, the worst mistakes with their paths, calibration, confusion between branches."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from html import escape
from pathlib import Path
from string import Template

import numpy as np
import numpy.typing as npt

from rootward.errors import visible
from rootward.evaluation.naming import NodeReport, closure_in, texts_in_words
from rootward.evaluation.report import Report
from rootward.evaluation.results import Figure, percent
from rootward.hierarchy.closure import Closure
from rootward.pairs import Pairs
from rootward.scoring import Ints
from rootward.texts import Texts, what_is_read

MISTAKES, BRANCHES, BINS = 30, 10, 10
"""How many mistakes are listed, how many branches have rows of their own, how many bins the calibration curve has."""

_LONGEST = 300  # characters of a text that are shown
_PAGE = Path(__file__).parent / "page.html"


@dataclass(frozen=True, eq=False)
class Measured:
    """What a report was measured on.

    Attributes:
        pairs: what is right; documents have the rows of the predictions.
        closure: the ancestors of every document.
        texts: names of the documents; None where they have none.
    """

    pairs: Pairs
    closure: Closure
    texts: Texts | None = None

    @classmethod
    def of(cls, pairs: Pairs, closure: Closure | None = None, texts: Texts | None = None) -> Measured:
        """Without a closure it is what the pairs tell, see `closure_in`."""
        return cls(pairs, closure_in(pairs) if closure is None else closure, texts or pairs.document_texts)

    @cached_property
    def parents(self) -> Ints:
        """int64, one a document: its parent nearest to a root, the lowest row of several; -1 for a root."""
        known = self.closure
        n, sizes = len(known.rows), np.diff(known.offsets)
        node = np.repeat(known.rows, sizes)
        is_root = np.ones(n, np.bool_)
        is_root[node[known.distances == 1]] = False
        depth = np.full(n, np.iinfo(np.int32).max)
        to_root = is_root[known.ancestors]
        np.minimum.at(depth, node[to_root], known.distances[to_root])
        direct = known.distances == 1
        child, parent = node[direct], known.ancestors[direct].astype(np.int64)
        order = np.lexsort((parent, depth[parent], child))
        children, first = np.unique(child[order], return_index=True)
        found = np.full(n, -1, np.int64)
        found[children] = parent[order][first]
        return found

    @cached_property
    def level(self) -> int:
        """Where branches begin: 0, the roots, or 1, the nodes below the root of a taxonomy that has one."""
        roots = np.unique(self.parents[self.parents >= 0])
        return 1 if np.count_nonzero(self.parents[roots] < 0) == 1 else 0

    def path(self, row: int) -> list[int]:
        """Rows from a root down to this document, on a shortest path."""
        path = [row]
        while (parent := int(self.parents[path[-1]])) >= 0:
            path.append(parent)
        return path[::-1]

    def branch(self, row: int) -> int:
        """The row of the branch that a document stands in; -1 for no document."""
        if row < 0:
            return -1
        path = self.path(row)
        return path[min(self.level, len(path) - 1)]

    def name(self, row: int) -> str:
        """The name of a document, its id where it has none."""
        return (self.texts.names[row] if self.texts is not None else "") or self.pairs.document_ids[row]

    @cached_property
    def queries(self) -> Sequence[str]:
        """What is read of each query."""
        return what_is_read(self.pairs.query_ids, self.pairs.query_texts)


@dataclass(frozen=True)
class Mistake:
    """A text that was given another node than the right one.

    Attributes:
        text: as it was read.
        right, named: document rows; -1 where nothing was named.
        hops: between both through their nearest common ancestor.
        sure: the probability that was told for the named node; None where none was.
    """

    text: str
    right: int
    named: int
    hops: int
    sure: float | None


def mistakes(nodes: NodeReport, measured: Measured) -> list[Mistake]:
    """All texts whose node is wrong, the surest first; without probabilities those that are most hops off."""
    said, sums = nodes.predictions, nodes.sums
    if said is None or sums is None:
        return []
    true = _true_nodes(nodes)
    found = []
    for place in np.flatnonzero(sums.column("right") == 0).tolist():
        sure = None if nodes.sure is None else float(nodes.sure[place])
        hops, text = int(sums.column("hops")[place]), measured.queries[int(said.queries[place])]
        found.append(Mistake(text, int(true[place]), int(said.named[place]), hops, sure))
    return sorted(found, key=lambda each: (-(each.sure or 0.0), -each.hops, each.text))


def confusion(nodes: NodeReport, measured: Measured) -> Counter[tuple[int, int]]:
    """How many texts of each (branch of the right node, branch of the named one), as rows; -1 for nothing named."""
    if nodes.predictions is None:
        return Counter()
    true, named = _true_nodes(nodes).tolist(), nodes.predictions.named.tolist()
    of = {row: measured.branch(row) for row in {*true, *named}}
    return Counter((of[one], of[other]) for one, other in zip(true, named, strict=True))


def calibration(nodes: NodeReport) -> list[tuple[float, float, int]]:
    """(mean probability told, share that is right, how many texts) of ten equally wide bins that hold texts."""
    if nodes.sure is None or nodes.sums is None or nodes.predictions is None:
        return []
    some = nodes.predictions.named >= 0
    sure, right = nodes.sure[some], nodes.sums.column("right")[some]
    bins = np.minimum((sure * BINS).astype(np.int64), BINS - 1)
    return [
        (float(sure[bins == each].mean()), float(right[bins == each].mean()), int((bins == each).sum()))
        for each in np.unique(bins).tolist()
    ]


def missed(report: Report, measured: Measured) -> list[tuple[int, int, int, int]]:
    """(query row, document row, distance, place by score) of right answers that are not among the |S(q)| best.

    The one that stands farthest down of each query; of all queries the farthest down first.
    """
    ranks = report.ranks
    if ranks is None:
        return []
    lost = np.flatnonzero(~ranks.hits)
    lost = lost[np.lexsort((-ranks.ranks[lost], ranks.query_of[lost]))]
    _, first = np.unique(ranks.query_of[lost], return_index=True)
    lost = lost[first]
    lost = lost[np.argsort(-ranks.ranks[lost], kind="stable")]
    columns = (ranks.query_of[lost], measured.pairs.documents[lost], ranks.distances[lost], ranks.ranks[lost] + 1)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def _true_nodes(nodes: NodeReport) -> Ints:
    """The right node of each text (int64): the named one where it is right, else the first."""
    assert nodes.predictions is not None
    assert nodes.sums is not None
    named, sums = nodes.predictions.named, nodes.sums
    places, first = np.unique(sums.place, return_index=True)
    found = np.full(len(named), -1, np.int64)
    found[places] = sums.nodes[first]
    right: npt.NDArray[np.bool_] = sums.column("right") > 0
    return np.where(right, named, found)


# -- HTML --------------------------------------------------------------------------------------------------------------


def report_page(report: Report, measured: Measured, remarks: Iterable[str] = ()) -> str:
    """One page that needs no other file and no network.

    Args:
        report: just made, for a loaded one does not know its texts one by one: the page then has its figures alone.
        measured: what it was measured on.
        remarks: sentences that stand below the heading.
    """
    nodes = report.nodes
    tiles = [("recall at |S(q)|", report.overall, _whose(report))]
    if nodes is not None:
        kind = texts_in_words(nodes.texts) if nodes.texts else "texts"
        tiles.append(("named node right", nodes.accuracy, f"{nodes.n_queries:,} {kind}"))
        tiles.append(("hierarchical F1", nodes.f1, f"{nodes.n_queries:,} {kind}"))
    parts = [f'<div class="tiles">{"".join(_tile(*each) for each in tiles)}</div>']
    parts += [f"<p>{_text(each)}</p>" for each in remarks]
    parts.append(
        _section("Recall by distance", _recall(report), _table(*report.cells()), *map(_note, report.remarks()))
    )
    if nodes is not None:
        parts.append(_section("Named nodes", _table(*nodes.cells()), *map(_note, nodes.remarks())))
        parts += _details(nodes, measured)
    if lost := missed(report, measured):
        told = f"Of {len(lost):,} queries a right answer is not among the |S(q)| best: the farthest down of each."
        items = (
            (measured.queries[query], {"missed": document}, f"distance {distance}, place {place:,} by score")
            for query, document, distance, place in lost[:MISTAKES]
        )
        parts.append(_section("Right answers that were missed", _note(told), _listed(items, measured)))
    title = _text(report.label or report.source or "report")
    return Template(_PAGE.read_text("utf-8")).substitute(title=title, about=_text(report.title), body="\n".join(parts))


def _details(nodes: NodeReport, measured: Measured) -> list[str]:
    """Mistakes, calibration and confusion, as far as they are known."""
    if nodes.predictions is None:
        told = (
            "The figures of named nodes were loaded, so it is not known which texts they are of: measure other texts."
        )
        return [_section("Mistakes", _note(told))]
    parts, wrong = [], mistakes(nodes, measured)
    order = "the surest first" if nodes.sure is not None else "those first that are most hops off"
    head = f"{len(wrong):,} of {nodes.n_queries:,} texts were given another node; {order}."
    sureness = ("" if each.sure is None else f", told {percent(each.sure)} %" for each in wrong)
    items = (
        (each.text, {"right": each.right, "named": each.named}, f"hops: {each.hops}{sure}")
        for each, sure in zip(wrong[:MISTAKES], sureness, strict=False)
    )
    parts.append(_section("Worst mistakes", _note(head), _listed(items, measured)))
    if bins := calibration(nodes):
        n = sum(count for *_, count in bins)
        error = sum(count * abs(told - right) for told, right, count in bins) / n
        rows = [[percent(told), percent(right), f"{count:,}"] for told, right, count in bins]
        note = f"Told and true differ by {percent(error)} points on average (expected calibration error)."
        table = _table(["told %", "right %", "texts"], rows)
        parts.append(_section("Are probabilities right?", _note(note), _curve(bins), table))
    counts = confusion(nodes, measured)
    if len({branch for pair in counts for branch in pair if branch >= 0}) > 1:
        inside = sum(n for (one, other), n in counts.items() if one == other) / nodes.n_queries
        note = f"{percent(inside)} % of texts were given a node of the right branch. A row is the right one."
        parts.append(_section("Branches taken for each other", _note(note), _matrix(counts, measured)))
    return parts


def _whose(report: Report) -> str:
    if report.texts is not None:
        return f"{report.n_queries:,} {texts_in_words(report.texts)}"
    return f"{report.n_queries:,} queries, looked up: training knew them"


def _text(text: str) -> str:
    """A text as it stands: no markup, nothing invisible, not too long."""
    return escape(visible(text if len(text) <= _LONGEST else text[:_LONGEST] + "..."))


def _note(text: str) -> str:
    return f'<p class="note">{_text(text)}</p>'


def _section(title: str, *parts: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{''.join(parts)}</section>"


def _tile(name: str, figure: Figure, whose: str) -> str:
    interval = "" if figure.low is None else f" ({percent(figure.low)} to {percent(figure.high)})"
    return (
        f'<div class="tile"><span>{escape(name)}</span><strong>{percent(figure.value)} %</strong>'
        f"<small>{escape(whose + interval)}</small></div>"
    )


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f'<th scope="col">{_text(cell)}</th>' for cell in header)
    lines = (
        f'<tr><th scope="row">{_text(row[0])}</th>{"".join(f"<td>{_text(cell)}</td>" for cell in row[1:])}</tr>'
        for row in rows
    )
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{"".join(lines)}</tbody></table></div>'


def _path(row: int, measured: Measured) -> str:
    if row < 0:
        return "nothing"
    return " <i>›</i> ".join(f"<bdi>{_text(measured.name(each))}</bdi>" for each in measured.path(row))


def _listed(items: Iterable[tuple[str, dict[str, int], str]], measured: Measured) -> str:
    """A list of texts, each with documents by what they are, as paths, and a remark."""
    lines = []
    for text, documents, remark in items:
        paths = "".join(
            f'<dt>{what}</dt><dd class="{what}">{_path(row, measured)}</dd>' for what, row in documents.items()
        )
        lines.append(f"<li><p><bdi>{_text(text)}</bdi></p><dl>{paths}</dl><small>{remark}</small></li>")
    return f'<ol class="mistakes">{"".join(lines)}</ol>' if lines else ""


def _matrix(counts: Counter[tuple[int, int]], measured: Measured) -> str:
    """Right branches by named ones; the shade is the share of the row, pale enough to read numbers on it."""
    sizes = Counter[int]()
    for (true, _), n in counts.items():
        sizes[true] += n
    kept = [branch for branch, _ in sizes.most_common(BRANCHES)]
    cells = Counter[tuple[int, int]]()
    for (true, named), n in counts.items():
        cells[true if true in kept else -2, named if named in kept or named < 0 else -2] += n
    columns = [*kept, *(each for each in (-2, -1) if any(named == each for _, named in cells))]
    rows = [*kept, *([-2] if any(true == -2 for true, _ in cells) else [])]
    names = {-1: "nothing", -2: "others", **{row: measured.name(row) for row in kept}}
    head = "".join(f'<th scope="col"><bdi>{_text(names[each])}</bdi></th>' for each in columns)
    lines = []
    for true in rows:
        total = sum(cells[true, each] for each in columns)
        line = "".join(
            f'<td class="{"good" if true == each else "bad"}" style="--share:{55 * cells[true, each] / total:.0f}%">'
            f"{cells[true, each] or ''}</td>"
            for each in columns
        )
        lines.append(f'<tr><th scope="row"><bdi>{_text(names[true])}</bdi></th>{line}</tr>')
    table = f"<table class='matrix'><thead><tr><th></th>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table>"
    return f'<div class="wide">{table}</div>'


_WIDE, _HIGH, _LEFT, _BELOW = 640, 260, 48, 52


def _at(share: float) -> float:
    """The height in a drawing at which a share from 0 to 1 stands."""
    return 14 + (1 - share) * (_HIGH - _BELOW - 14)


def _drawing(label: str, marks: str, below: str) -> str:
    grid = "".join(
        f'<line class="grid" x1="{_LEFT}" x2="{_WIDE - 8}" y1="{_at(each):.1f}" y2="{_at(each):.1f}"/>'
        f'<text x="{_LEFT - 6}" y="{_at(each) + 4:.1f}" text-anchor="end">{100 * each:.0f}</text>'
        for each in (0, 0.25, 0.5, 0.75, 1)
    )
    legend = f'<text x="{(_LEFT + _WIDE) / 2}" y="{_HIGH - 4}" text-anchor="middle">{escape(below)}</text>'
    return f'<svg viewBox="0 0 {_WIDE} {_HIGH}" role="img" aria-label="{escape(label)}">{grid}{marks}{legend}</svg>'


def _recall(report: Report) -> str:
    """A bar a distance, with its interval."""
    step, marks = (_WIDE - _LEFT - 8) / len(report.slices), []
    for i, each in enumerate(report.slices):
        left, width, top = _LEFT + (i + 0.15) * step, 0.7 * step, _at(each.recall.value)
        told = f"distance {each.distance}: {percent(each.recall.value)} % of {each.n_pairs:,} pairs"
        marks.append(
            f'<rect x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" height="{_at(0) - top:.1f}"><title>{told}</title>'
            f"</rect>"
        )
        if each.recall.low is not None and each.recall.high is not None:
            middle, low, high = left + width / 2, _at(each.recall.low), _at(each.recall.high)
            marks.append(f'<line class="interval" x1="{middle:.1f}" x2="{middle:.1f}" y1="{low:.1f}" y2="{high:.1f}"/>')
        if i % -(-len(report.slices) // 20) == 0:
            marks.append(
                f'<text x="{left + width / 2:.1f}" y="{_HIGH - 30}" text-anchor="middle">{each.distance}</text>'
            )
    return _drawing("Recall by distance in percent", "".join(marks), "distance (hops); recall in %")


def _curve(bins: Sequence[tuple[float, float, int]]) -> str:
    """Told against true; the dashed line is where they are equal."""

    def across(share: float) -> float:
        return _LEFT + 10 + share * (_WIDE - _LEFT - 28)

    points = " ".join(f"{across(told):.1f},{_at(right):.1f}" for told, right, _ in bins)
    most = max(count for *_, count in bins)
    marks = f'<line class="equal" x1="{across(0)}" x2="{across(1)}" y1="{_at(0)}" y2="{_at(1)}"/>'
    marks += f'<polyline points="{points}"/>'
    for told, right, count in bins:
        size = 3 + 6 * (count / most) ** 0.5
        title = f"told {percent(told)} %, right {percent(right)} %, {count:,} texts"
        marks += f'<circle cx="{across(told):.1f}" cy="{_at(right):.1f}" r="{size:.1f}"><title>{title}</title></circle>'
    for each in (0, 0.25, 0.5, 0.75, 1):
        marks += f'<text x="{across(each):.1f}" y="{_HIGH - 30}" text-anchor="middle">{100 * each:.0f}</text>'
    return _drawing("Probabilities told and how many are right", marks, "told %; right in %")
