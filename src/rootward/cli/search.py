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

from rootward.cli.asked import Asked, asked_of
from rootward.cli.filters import FilterFlags, placed
from rootward.cli.flags import INPUT, EncoderAgain, RunFolder, flag, given, say, show
from rootward.errors import InputError

if TYPE_CHECKING:
    from rootward.calibration.calibrate import Calibration
    from rootward.encoders import DualEncoder, Queries
    from rootward.pairs import Pairs
    from rootward.retrieval import Hits
    from rootward.retrieval.hits import Listing

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
    encoder: EncoderAgain = None,
    json: Annotated[
        bool, flag("--json", panel=_OUTPUT, help="One JSON object a query and line, on standard output.")
    ] = False,
    quiet: Annotated[bool, flag("--quiet", "-q", panel=_OUTPUT, help="The answers alone, no remarks below.")] = False,
) -> None:
    """Search a run: the exact match and everything above it.

    Documents that reach the query's threshold come first, the nearest of them first; a line, and a dim style, set the
    others apart. ✓ marks the right answers, with their distance in hops. A name with several meanings shows the first
    and tells the others. A run with a text tower answers words that it has never seen, too.

    Of several queries each that nothing is called by has its message in the place of an answer, with --json an object
    {"text": ..., "error": ...}; the others are answered, and standard error tells how many were not. The exit status is
    0 when at least one was answered, and 2 when none was.

    \b
      rootward search runs/wordnet "recliner" -k 9
      rootward search runs/wordnet cat.n.01 dog --threshold auto
      rootward search runs/wordnet car --below conveyance.n.03 --levels 5..8
      rootward search runs/wordnet - --json < queries.txt > answers.jsonl
    """
    stop, where = _threshold(threshold), filters.filter()
    asked = asked_of(texts)
    from rootward.encoders import DualEncoder  # noqa: PLC0415
    from rootward.retrieval import Index  # noqa: PLC0415

    model = DualEncoder.load(run, encoder=encoder, progress=not quiet)
    asked = [each.understood(model) for each in asked]
    understood = [each for each in asked if each.error is None]
    if len(asked) == 1 and texts != ["-"] and asked[0].error is not None:
        raise asked[0].error
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

    known = answered(model.queries([each.meanings[0] for each in understood if each.meanings]))
    if pairs is not None and pairs.document_ids == searched.document_ids:  # an index may have grown
        known = known.marked(pairs)
    unseen_texts = [each.text for each in understood if not each.meanings]
    unseen = answered(model.encode_queries(unseen_texts)) if unseen_texts else known
    _print(asked, known, unseen, json, partial(_listing, model, quiet))
    if len(understood) < len(asked):
        print(f"{len(asked) - len(understood):,} of {len(asked):,} queries have no answer.", file=sys.stderr)
        raise typer.Exit(0 if understood else INPUT)


def _print(asked: list[Asked], known: Hits, unseen: Hits, json: bool, listing: Callable[..., Listing]) -> None:
    """The answers, or why there is none, in the order of the texts: known queries and unseen words were found apart."""
    places = {True: count(), False: count()}
    for i, each in enumerate(asked):
        hits = known if each.meanings else unseen
        place = next(places[bool(each.meanings)]) if each.error is None else -1
        if json:
            print(json_format.dumps(_told(each, hits, place), ensure_ascii=False))
            continue
        if i:
            print()
        if each.error is not None:
            print(each.message)
        else:
            show(listing(hits, place, each.text, list(each.meanings[1:])))


def _told(each: Asked, hits: Hits, place: int) -> dict[str, Any]:
    """One query as JSON values."""
    if each.error is not None:
        return {"text": each.text, "query": each.text, "error": each.message}
    return {"text": each.text, "others": each.meanings[1:], "exact": hits.exact, **hits.query_dict(place)}


def _threshold(text: str | None) -> float | str | None:
    """The threshold as `Index.answers` takes it; None when it was not given."""
    if text is None or text == "auto":
        return text
    try:
        return float(text)
    except ValueError:
        raise InputError(f"--threshold is auto or a score, such as 0.5; got {text!r}.") from None


def pairs_of(run: Path, model: DualEncoder) -> Pairs | None:
    """The pairs of a run; None of a model that was saved without."""
    from rootward.pairs.storage import PAIRS  # noqa: PLC0415
    from rootward.training.run import WHERE, pairs_in  # noqa: PLC0415

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
    from rootward.calibration.calibrate import NAME, Calibration  # noqa: PLC0415

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
