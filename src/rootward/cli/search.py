"""`rootward search`: queries in, answers out, the nearest first."""

from __future__ import annotations

import json as json_format
import sys
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rootward.cli.flags import flag, given
from rootward.cli.output import show
from rootward.errors import InputError, UnknownIdError

if TYPE_CHECKING:
    from rootward.encoders import DualEncoder, Queries
    from rootward.pairs import Pairs
    from rootward.retrieval import Hits
    from rootward.retrieval.listing import Listing

_MEANINGS_SHOWN = 5
_ANSWERS, _OUTPUT = "Answers", "Output"


def search(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A folder that train wrote, or DualEncoder.save.")],
    texts: Annotated[
        list[str],
        typer.Argument(
            metavar="TEXT",
            help="Ids, names or synonyms of queries, any words for a text tower; - reads them from stdin, one a line.",
        ),
    ],
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
            help="Only the answer set: documents that score at least this; auto is what training found for each query.",
        ),
    ] = None,
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
      rootward search runs/wordnet - --json < queries.txt > answers.jsonl
    """
    stop = _threshold(threshold)
    asked = _asked(texts)
    from rootward.encoders import DualEncoder  # noqa: PLC0415
    from rootward.retrieval import Index  # noqa: PLC0415

    model = DualEncoder.load(run)
    meanings = [_meanings(model, text) for text in asked]
    index = Index.build(model)

    def searched(queries: Queries) -> Hits:
        if stop is None:
            return index.search(queries, **given(k=k), nearest_first=not by_score)
        hits = index.answers(queries, threshold=stop, nearest_first=not by_score)
        return hits if k is None else hits.first(k)

    known = searched(model.queries([found[0] for found in meanings if found]))
    pairs = _pairs_of(run, model)
    known = known if pairs is None else known.marked(pairs)
    unseen_texts = [text for text, found in zip(asked, meanings, strict=True) if not found]
    unseen = searched(model.encode_queries(unseen_texts)) if unseen_texts else known
    places = {True: count(), False: count()}
    for i, (text, found) in enumerate(zip(asked, meanings, strict=True)):
        hits, place = known if found else unseen, next(places[bool(found)])
        if json:
            line = {"text": text, "others": found[1:], "exact": hits.exact, **hits.query_dict(place)}
            print(json_format.dumps(line, ensure_ascii=False))
        else:
            if i:
                print()
            show(_listing(hits, place, text, found[1:], model, quiet))


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


def _pairs_of(run: Path, model: DualEncoder) -> Pairs | None:
    """The pairs of a run; None of a model that was saved without."""
    from rootward.training.run import PAIRS, pairs_in  # noqa: PLC0415

    return pairs_in(run, model) if (run / PAIRS).is_file() else None


def _listing(hits: Hits, i: int, text: str, others: list[str], model: DualEncoder, quiet: bool) -> Listing:
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
