"""Category paths, one a line: 'Apparel > Shoes > Sandals'.

    plain             Apparel > Shoes > Sandals
    google            the same below '# Google_Product_Taxonomy_Version: ...'
    google-with-ids   187 - Apparel & Accessories > Shoes
    shopify           gid://shopify/TaxonomyCategory/aa-8 : Apparel & Accessories > Shoes
    shopify-json      the en.json of the npm package: {"verticals": [{"categories": [{"id", "name", "parent_id"}]}]}

A path without an id of its own is its own id, and the paths above it are nodes even where they have no line.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from os import PathLike
from pathlib import Path
from typing import Any, Literal, cast

from rootward.errors import HierarchyError, InputError, TableError, UnknownIdError, did_you_mean
from rootward.readers.edges import EdgeList, left_out
from rootward.readers.limits import LEVELS, check_path
from rootward.readers.text_files import FilePath, read_json, text_lines

PathLayout = Literal["plain", "google", "google-with-ids", "shopify", "shopify-json"]

_ID_ENDS = {"google-with-ids": " - ", "shopify": " : "}
SEPARATORS = (" > ", ">", " / ", "/", " | ", "|", "\t", "::", ";", "\\")
_EXAMPLE = {
    "google-with-ids": "'187 - Apparel & Accessories > Shoes'",
    "shopify": "'gid://shopify/TaxonomyCategory/aa-8 : Apparel & Accessories > Shoes'",
}


_SEPARATORS = (*SEPARATORS, " » ", "»", " › ", "›", " → ", "→", " &gt; ", "&gt;", " -> ", "->", ",")
_LOOKS = {"google-with-ids": re.compile(r"\s*\d+ - \S"), "shopify": re.compile(r"gid://\S+ : \S")}
_TABLE_ROW = re.compile(r"\s*\"?[\w:./-]*\d[\w:./-]*\"?([,;|]|\t)\s*\S")  # an id, and a path in the next field
_HEADER = re.compile(r"(full |category |product )*(path|category|categories|taxonomy|paths|name)s?", re.IGNORECASE)
_EDGE_HEADER = re.compile(r"\W*(child|id|source)\W+(parent|target)\w*\W*", re.IGNORECASE)


def read_paths(source: FilePath | Iterable[str], *, separator: str | None, layout: PathLayout | None) -> EdgeList:
    """The edge list of category paths; see `Hierarchy.from_paths`."""
    notes: tuple[str, ...] = ()
    if layout is not None and layout not in ("plain", "google", "google-with-ids", "shopify", "shopify-json"):
        raise InputError(
            f"layout={layout!r} is not known; it is one of 'plain', 'google', 'google-with-ids', 'shopify' and "
            "'shopify-json'."
        )
    if layout == "shopify-json":
        if not isinstance(source, str | PathLike):
            raise InputError("layout='shopify-json' needs the path of a file.")
        return _shopify_json(source)
    if separator == "":
        raise InputError("separator is empty; needed what stands between two categories, such as ' > '.")
    where = f" of {Path(source).name}" if isinstance(source, str | PathLike) else ""
    if not isinstance(source, Iterable | PathLike):
        raise InputError(f"A file or an iterable of lines is needed, got {source!r:.80}.")
    rows = text_lines(source) if isinstance(source, str | PathLike) else enumerate(source, 1)
    lines = [(row, line) for row, line in rows if line.strip() and (layout in (None, "plain") or line[0] != "#")]
    if layout is None:
        lines, layout, notes = _by_look(lines, where)
    given, separator = separator, separator or DEFAULT
    if not lines:
        raise TableError(f"There are no paths{where}; needed one a line, such as {separator.join('ABC')!r}.")
    id_ends = _ID_ENDS.get(layout)
    paths = [line if id_ends is None else line.partition(id_ends)[2] for _, line in lines]
    n_held = sum(separator in path for path in paths)
    if not n_held or (given is None and 4 * n_held < len(lines)):
        counts = {other: sum(other in path for path in paths) for other in _SEPARATORS}
        likely = max(counts, key=lambda other: (counts[other], len(other)))
        if 2 * counts[likely] >= len(lines) and not (given is None and likely.strip() == ">"):
            held = "No path" if not n_held else f"Only {n_held:,} of {len(lines):,} paths"
            there = f"hold{'s' if n_held < 2 else ''} the separator {separator!r}"
            raise TableError(
                f"{held}{where} {there}, and {counts[likely]:,} of {len(lines):,} hold {likely!r}. "
                f"Say so with separator={likely!r}."
            )
    if given is None and (tight := sum(">" in path.replace(DEFAULT, "") for path in paths)):
        lines = [(row, _TIGHT.sub(DEFAULT, line)) for row, line in lines]
        notes += (
            f"{tight:,} {'path has' if tight == 1 else 'paths have'} a '>' without a blank on either side, read as "
            f"{DEFAULT!r}. If it is part of a name, say separator={DEFAULT!r}.",
        )
    if layout in _ID_ENDS:
        return _with_ids(lines, separator, layout, where, notes)
    return _without_ids(lines, separator, where, notes)


DEFAULT = " > "
_TIGHT = re.compile(r"(?:(?<!\s)\s+)?(?<!-)>\s*")  # an arrow, '->', is another separator


def _by_look(lines: list[tuple[int, str]], where: str) -> tuple[list[tuple[int, str]], PathLayout, tuple[str, ...]]:
    """(lines without comments, header and quotes; layout; notes on these) by what most lines look like.

    Raises:
        TableError: the lines are rows of a table.
    """
    notes: tuple[str, ...] = ()
    body = [(row, line) for row, line in lines if not line.startswith("#")]
    if n := len(lines) - len(body):
        what = "line that starts" if n == 1 else "lines that start"
        notes += (f"Left out {n:,} {what} with '#'. If it is a category, say layout='plain'.",)
    for name, look in _LOOKS.items():
        if body and 10 * sum(bool(look.match(line)) for _, line in body) >= 9 * len(body):
            note = (
                f"Most lines{where} look like {_EXAMPLE[name]}, read with layout={name!r}; if not, say layout='plain'."
            )
            return body, cast(PathLayout, name), (*notes, note)
    if len(body) > 1:
        first, rest = body[0][1].strip(), body[1:]
        if _EDGE_HEADER.fullmatch(first):
            raise TableError(f"The lines{where} begin with {first!r}: an edge list. Read it with Hierarchy.from_edges.")
        rows = sum(bool(_TABLE_ROW.match(line[:500])) for _, line in rest)
        if 10 * rows >= 9 * len(rest) and sum(">" in line for _, line in rest):
            raise TableError(
                f"The lines{where} look like rows of a table, such as {rest[0][1][:60]!r}. Read the column of paths "
                "and give its texts: Hierarchy.from_paths([row['path'] for row in csv.DictReader(open(...))])."
            )
        if _HEADER.fullmatch(first.strip('"')) and all(first not in line for _, line in rest):
            body = rest
            notes += (f"Left out the first line, {first!r}, a header. If it is a category, say layout='plain'.",)
    quoted = [line.strip()[0] == line.strip()[-1] == '"' and len(line.strip()) > 2 for _, line in body]
    if 2 * sum(quoted) > len(body):
        pairs = zip(body, quoted, strict=True)
        body = [(row, line.strip()[1:-1].replace('""', '"') if q else line) for (row, line), q in pairs]
        notes += (f"{sum(quoted):,} lines stand in double quotes, which are left out.",)
    return body, "plain", notes


def _categories(path: str, separator: str, row: int, where: str) -> tuple[str, ...]:
    """The categories of one path, the highest first."""
    if len(path) > LEVELS:
        check_path(path, separator, row, where)
    categories = tuple(name.strip() for name in path.split(separator))
    if "" in categories:
        raise HierarchyError(f"Row {row}{where}: {path!r} has an empty category between two {separator!r}.")
    return categories


def _without_ids(lines: list[tuple[int, str]], separator: str, where: str, notes: tuple[str, ...]) -> EdgeList:
    """Paths that are their own ids."""
    names: dict[str, str] = {}
    complete: set[str] = set()
    edges, rows, twice = [], [], 0
    for row, line in lines:
        categories = _categories(line, separator, row, where)
        path = separator.join(categories)
        twice += path in complete
        complete.add(path)
        above = ""
        for end, name in enumerate(categories, 1):
            node = separator.join(categories[:end])
            if node not in names:
                names[node] = name
                if above:
                    edges.append((node, above))
                    rows.append(row)
            above = node
    notes += left_out(twice, "duplicate path", "duplicate paths")
    several = [name for name, n in Counter(names.values()).items() if n > 1]
    if several:
        what, they = ("name stands", "is") if len(several) == 1 else ("names stand", "are")
        notes += (
            f"{len(several):,} {what} in several places, {several[0]!r} for one, and {they} "
            "a node in each. If a name is one node wherever it stands, give (category, category above) to from_edges.",
        )
    return EdgeList.of(names, edges, notes=notes, name_edge=lambda edge: f"Row {rows[edge]}{where}")


def _with_ids(lines: list[tuple[int, str]], separator: str, layout: PathLayout, where: str, notes: Any) -> EdgeList:
    """Paths with an id each; every path above one must have its own."""
    id_of: dict[tuple[str, ...], str] = {}
    row_of: dict[str, int] = {}
    for row, line in lines:
        node, end, path = line.partition(_ID_ENDS[layout])
        node = node.strip()
        if not end or not node or not path.strip():
            raise TableError(f"Row {row}{where}: {line[:80]!r}; layout={layout!r} needs {_EXAMPLE[layout]}.")
        categories = _categories(path, separator, row, where)
        if node in row_of:
            raise HierarchyError(f"Row {row}{where}: the id {node!r} already stands in row {row_of[node]}. Keep one.")
        if categories in id_of:
            first = id_of[categories]
            raise HierarchyError(
                f"Row {row}{where}: the path {path.strip()!r} already stands in row {row_of[first]} under the "
                f"id {first!r}. Keep one."
            )
        id_of[categories], row_of[node] = node, row
    edges = []
    for categories, node in id_of.items():
        above = categories[:-1]
        if above and above not in id_of:
            path, known = separator.join(above), (separator.join(path) for path in id_of)
            raise UnknownIdError(
                f"Row {row_of[node]}{where}: the category above, {path!r}, has no row of its own."
                f"{did_you_mean(path, known)} Add it, or use layout='plain' on the paths alone."
            )
        if above:
            edges.append((node, id_of[above]))
    names = {node: categories[-1] for categories, node in id_of.items()}
    return EdgeList.of(names, edges, notes=notes, name_edge=lambda edge: f"Row {row_of[edges[edge][0]]}{where}")


def _shopify_json(source: FilePath) -> EdgeList:
    """The en.json of Shopify's taxonomy."""
    file_name = Path(source).name
    content: Any = read_json(source)
    try:
        categories = [
            (str(category["id"]), str(category["name"]), category["parent_id"])
            for vertical in content["verticals"]
            for category in vertical["categories"]
        ]
    except (KeyError, TypeError) as error:
        raise TableError(
            f"{file_name} lacks {error}; layout='shopify-json' needs "
            '{"verticals": [{"categories": [{"id": ..., "name": ..., "parent_id": ...}]}]}.'
        ) from None
    odd = next((parent for _, _, parent in categories if not isinstance(parent, str | int | None)), None)
    if odd is not None:
        raise TableError(f"{file_name} has the parent_id {odd!r:.80}; needed the id of a category, or null.")
    names: dict[str, str] = {}
    for node, name, _ in categories:
        if node in names:
            raise HierarchyError(f"{file_name}: the id {node!r} stands there twice. Keep one.")
        names[node] = name
    edges = [(node, str(parent)) for node, _, parent in categories if parent is not None]
    for node, parent in edges:
        if parent not in names:
            raise UnknownIdError(
                f"{file_name}: the parent {parent!r} of {node!r} is not a category.{did_you_mean(parent, names)}"
            )
    return EdgeList.of(names, edges, name_edge=lambda edge: f"{file_name}, category {edges[edge][0]!r}")
