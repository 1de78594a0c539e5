"""`rootward search`: queries in, answers out, the nearest first."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import typer

import rootward as rw
from rootward.cli.flags import INPUT, EncoderAgain, RunFolder, output, panel, say, show
from rootward.errors import InputError, as_json, visible

_answers, _filters = panel("Answers"), panel("Filters")


def search(
    run: RunFolder,
    texts: Annotated[
        list[str],
        typer.Argument(
            metavar="TEXT",
            help="Ids, names or synonyms; any words for a text tower; - reads them from standard input, one a line.",
        ),
    ],
    index: Annotated[
        Path | None, _answers("--index FOLDER", "Search this index of the run; see rootward index.")
    ] = None,
    k: Annotated[int | None, _answers("--k -k N", "How many documents to show. Default: 10.", min=1)] = None,
    threshold: Annotated[
        str | None,
        _answers(
            "--threshold auto|SCORE",
            "Show the answer set: all documents that score at least this. auto: the threshold of each query, from "
            "training or from rootward calibrate.",
        ),
    ] = None,
    upward: Annotated[bool, _answers("--upward", "Add what stands above documents of the answer set.")] = False,
    by_score: Annotated[bool, _answers("--by-score", "Order by score alone.")] = False,
    below: Annotated[str | None, _filters("--below ID", "Only this document and its descendants.")] = None,
    above: Annotated[str | None, _filters("--above ID", "Only this document and its ancestors.")] = None,
    within: Annotated[
        int | None, _filters("--within HOPS", "With --below or --above: at most so far away.", min=0)
    ] = None,
    levels: Annotated[
        str | None, _filters("--levels A..B", "Only documents A to B hops below their root; 2.. and ..3 are open.")
    ] = None,
    encoder: EncoderAgain = None,
    json: Annotated[bool, output("--json", "Print one JSON object a query and line.")] = False,
    quiet: Annotated[bool, output("--quiet -q", "Print answers alone, without remarks.")] = False,
) -> None:
    """Search a run: the exact match and everything above it.

    Documents that reach the query's threshold come first, the nearest of them first; a line, and a dim style, set the
    others apart. ✓ marks right answers, with their distance in hops, where they are known. A name with several meanings
    is searched as the first of them, and the others are listed. A run with a text tower answers any words.

    Of several queries, one without an answer gets an error message in its place, with --json an object
    {"text": ..., "error": ...}; standard error says how many there are. The exit status is 0 when at least one query
    was answered, else 2.

    \b
      rootward search runs/wordnet "recliner" -k 9
      rootward search runs/wordnet cat.n.01 dog --threshold auto
      rootward search runs/wordnet car --below conveyance.n.03 --levels 5..8
      rootward search runs/wordnet - --json < queries.txt > answers.jsonl
    """
    where = _filter(below, above, within, levels)
    score: float | Literal["auto"] | None = None
    try:
        if threshold is not None:
            score = "auto" if threshold == "auto" else float(threshold)
    except ValueError:
        raise InputError(f"--threshold is auto or a score, such as 0.5; got {threshold!r}.") from None
    queries = list(_queries(texts))
    if not queries:
        raise InputError("There is no query on standard input; needed one a line.")
    searcher = rw.Searcher.open(run, index=index, encoder=encoder, progress=not quiet)
    for note in searcher.notes:
        say(note, quiet)
    found = searcher.search(
        [text for text, _, error in queries if error is None],
        k,
        threshold=score,
        where=where,
        nearest_first=not by_score,
        upward=upward,
        errors="raise" if len(texts) == 1 and texts != ["-"] else "keep",
    )
    results = iter(found)
    n_failed = 0
    for i, (text, place, error) in enumerate(queries):
        result = next(results) if error is None else None
        error = error if result is None else result.error
        n_failed += error is not None
        if i and not json:
            print()
        if result is None or error is not None:
            message = f"{place}: {error}"
            print(_as_json({"text": text, "query": text, "error": message}) if json else visible(message, lines=True))
        elif json:
            print(_as_json(result.to_dict(brief=True)))
        else:
            show(replace(result.listing(), remarks=()) if quiet else result)
    if n_failed:
        print(f"{n_failed:,} of {len(queries):,} queries have no answer.", file=sys.stderr)
        raise typer.Exit(0 if n_failed < len(queries) else INPUT)


def _as_json(values: dict[str, object]) -> str:
    return as_json(values, encoding=sys.stdout.encoding or "utf-8")


def _queries(texts: list[str]) -> Iterator[tuple[str, str, InputError | None]]:
    """(query, where it stood, why it cannot be read); the lines of standard input in place of "-", empty ones left out.

    Each line is decoded by itself, so that one that is no text spoils no other.
    """
    for i, text in enumerate(texts, start=1):
        if text != "-":
            yield text, f"Query {i}", None
            continue
        encoding = sys.stdin.encoding or "utf-8"
        for number, line in enumerate(sys.stdin.buffer, start=1):
            query, error = line.decode(encoding, errors="replace").removeprefix("\ufeff").strip(), None
            try:
                line.decode(encoding)
            except UnicodeDecodeError as fault:
                byte = f"byte {fault.start + 1}, 0x{line[fault.start]:02x}, is no {encoding}"
                error = InputError(f"{byte}; needed one query a line, as text.")
            if query:
                yield query, f"Line {number}", error


def _filter(below: str | None, above: str | None, within: int | None, levels: str | None) -> rw.Filter | None:
    """All filters together; None for none."""
    if within is not None and below is None and above is None:
        raise InputError("--within says how far from a document; give --below ID or --above ID with it.")
    wanted = None
    if levels is not None:  # 2..4, 2.., ..3, 2
        found = re.fullmatch(r"\s*(\d*)\s*(\.\.)?\s*(\d*)\s*", levels)
        if found is None or not (found[1] or found[3]):
            raise InputError(f"--levels is A..B, such as 2..4, 2.. or ..3 (0 is a root); got {levels!r}.")
        first = int(found[1] or 0)
        wanted = first, first if found[2] is None else int(found[3]) if found[3] else None
    return rw.Filter.joined(below=below, above=above, levels=wanted, within=within)
