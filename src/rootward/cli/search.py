"""`rootward search`: queries in, answers out, the nearest first."""

from __future__ import annotations

import json as json_format
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rootward.cli.filters import FilterFlags, placed
from rootward.cli.flags import RunFolder, flag, given
from rootward.cli.output import say, show
from rootward.errors import InputError, UnknownIdError

if TYPE_CHECKING:
    from rootward.encoders import DualEncoder, Queries
    from rootward.evaluation import Calibration
    from rootward.pairs import Pairs
    from rootward.retrieval import Hits
    from rootward.retrieval.listing import Listing

_MEANINGS_SHOWN = 5
_ANSWERS, _OUTPUT = "Answers", "Output"


def search(
    run: RunFolder,
    texts: Annotated[
        list[str],
        typer.Argument(
            metavar="TEXT",
            help="Ids, names or synonyms of queries, any words for a text tower; - reads them from stdin, one a line.",
        ),
    ],
    filters: FilterFlags,
    index: Annotated[
        Path | None,
        flag("--index", metavar="FOLDER", panel=_ANSWERS, help="Search this index of the run; see rootward index."),
    ] = None,
    k: Annotated[
        int | None,
        flag("--k", "-k", metavar="N", min=1, panel=_ANSWERS, help="How many documents to show. Default: 10."),
    ] = None,
    threshold: Annotated[
        str | None,
        flag(
            "--threshold",
            metavar="auto|SCORE",
            panel=_ANSWERS,
            help="Only the answer set: documents that score at least this; auto is what training found for each query, "
            "or rootward calibrate for those it does not know.",
        ),
    ] = None,
    upward: Annotated[
        bool,
        flag("--upward", panel=_ANSWERS, help="Add what stands above the documents of the answer set, and say so."),
    ] = False,
    by_score: Annotated[bool, flag("--by-score", panel=_ANSWERS, help="Order by score alone.")] = False,
    json: Annotated[
        bool, flag("--json", panel=_OUTPUT, help="One JSON object a query and line, on standard output.")
    ] = False,
    quiet: Annotated[bool, flag("--quiet", "-q", panel=_OUTPUT, help="The answers alone, no remarks below.")] = False,
) -> None:
    """Search a run: the exact match and everything above it.

    Documents that reach the query's threshold come first, the nearest of them first; a line, and a dim style, set the
    others apart. ✓ marks the right answers, with their distance in hops. A name with several meanings shows the first
    and tells the others. A run with a text tower answers words that it has never seen, too.

    \b
      rootward search runs/wordnet "recliner" -k 9
      rootward search runs/wordnet cat.n.01 dog --threshold auto
      rootward search runs/wordnet car --below conveyance.n.03 --levels 5..8
      rootward search runs/wordnet - --json < queries.txt > answers.jsonl
    """
    stop, where = _threshold(threshold), filters.filter()
    asked = _asked(texts)
    from rootward.encoders import DualEncoder  # noqa: PLC0415
    from rootward.retrieval import Index  # noqa: PLC0415

    model = DualEncoder.load(run)
    meanings = [_meanings(model, text) for text in asked]
    searched = Index.build(model) if index is None else Index.load(index)
    calibration = calibration_of(run, model, quiet)
    searched = searched if calibration is None else searched.calibrated(calibration)
    pairs = pairs_of(run, model)
    if where is not None:
        placed(searched, pairs)

    def answered(queries: Queries) -> Hits:
        if stop is None:
            hits = searched.search(queries, where=where, **given(k=k), nearest_first=not by_score)
        else:
            hits = searched.answers(queries, threshold=stop, where=where, nearest_first=not by_score)
            hits = hits if k is None else hits.first(k)
        return hits.repaired(_graph(pairs, run)) if upward else hits

    known = answered(model.queries([found[0] for found in meanings if found]))
    if pairs is not None and pairs.document_ids == searched.document_ids:  # an index may have grown
        known = known.marked(pairs)
    unseen_texts = [text for text, found in zip(asked, meanings, strict=True) if not found]
    unseen = answered(model.encode_queries(unseen_texts)) if unseen_texts else known
    _print(asked, meanings, known, unseen, json, partial(_listing, model, quiet))


def _print(
    asked: list[str], meanings: list[list[str]], known: Hits, unseen: Hits, json: bool, listing: Callable[..., Listing]
) -> None:
    """The answers in the order of the texts: those of known queries and of unseen words were found apart."""
    places = {True: count(), False: count()}
    for i, (text, found) in enumerate(zip(asked, meanings, strict=True)):
        hits, place = known if found else unseen, next(places[bool(found)])
        if json:
            line = {"text": text, "others": found[1:], "exact": hits.exact, **hits.query_dict(place)}
            print(json_format.dumps(line, ensure_ascii=False))
        else:
            if i:
                print()
            show(listing(hits, place, text, found[1:]))


def _meanings(model: DualEncoder, text: str) -> list[str]:
    """The query ids that a text can mean, none for words that only a text tower understands.

    Raises:
        UnknownIdError: nothing is called so, and the model looks its queries up.
        InputError: a text tower that knows no part of it.
    """
    try:
        return model.find(text)
    except UnknownIdError:
        if not model.reads_texts:
            raise
    if not bool(model.encode_queries([text]).vectors.any()):
        raise InputError(
            f"No part of {text!r} was among the texts that this model has learnt from; try other words for it."
        )
    return []


def _threshold(text: str | None) -> float | str | None:
    """The threshold as `Index.answers` takes it; None when it was not given."""
    if text is None or text == "auto":
        return text
    try:
        return float(text)
    except ValueError:
        raise InputError(f"--threshold is auto or a score, such as 0.5; got {text!r}.") from None


def _asked(texts: list[str]) -> list[str]:
    """The texts, with the lines of standard input in place of "-".

    Raises:
        InputError: there is none.
    """
    asked: list[str] = []
    for text in texts:
        asked += [line.strip() for line in sys.stdin if line.strip()] if text == "-" else [text]
    if not asked:
        raise InputError("There is no query on standard input; needed one a line.")
    return asked


def pairs_of(run: Path, model: DualEncoder) -> Pairs | None:
    """The pairs of a run; None of a model that was saved without."""
    from rootward.training.run import PAIRS, WHERE, pairs_in  # noqa: PLC0415

    return pairs_in(run, model) if any((run / name).is_file() for name in (PAIRS, WHERE)) else None


def _graph(pairs: Pairs | None, run: Path) -> Pairs:
    """What stands above what.

    Raises:
        InputError: the run has no pairs, or none between nodes of one hierarchy.
    """
    if pairs is None or pairs.query_ids != pairs.document_ids:
        raise InputError(
            f"--upward needs a run of a hierarchy, in which documents are queries too; {run} has no such pairs."
        )
    return pairs


def calibration_of(run: Path, model: DualEncoder, quiet: bool) -> Calibration | None:
    """The calibration of a run; None where there is none, or it is of other vectors than the model has now."""
    from rootward.evaluation.calibration import NAME, Calibration  # noqa: PLC0415

    if not (run / NAME).is_file():
        return None
    found = Calibration.load(run)
    if found.fingerprint != model.fingerprint():
        say(f"{run / NAME} is of another model and left out; calibrate again: rootward calibrate {run}", quiet)
        return None
    return found


def _listing(model: DualEncoder, quiet: bool, hits: Hits, i: int, text: str, others: list[str]) -> Listing:
    listing = hits.listing(i, _title(hits.queries[i], model))
    if quiet:
        return replace(listing, remarks=())
    if not others:
        return listing
    named = ", ".join(others[:_MEANINGS_SHOWN])
    more = f" and {len(others) - _MEANINGS_SHOWN} more" if len(others) > _MEANINGS_SHOWN else ""
    return replace(listing, remarks=(*listing.remarks, f"{text!r} also means {named}{more}; search for the id"))


def _title(query: str, model: DualEncoder) -> str:
    """'recliner.n.01: recliner, reclining chair, lounger' where there are names."""
    texts: Any = model.query_texts
    names = () if texts is None or query not in model.query_ids else texts.all_names(model.query_ids.row(query))
    return f"{query}: {', '.join(names)}" if names and names != (query,) else query
