"""Category paths, one a line: 'Apparel > Shoes > Sandals'.

    plain             Apparel > Shoes > Sandals
    google            the same below '# Google_Product_Taxonomy_Version: ...'
    google-with-ids   187 - Apparel & Accessories > Shoes
    shopify           gid://shopify/TaxonomyCategory/aa-8 : Apparel & Accessories > Shoes
    shopify-json      the en.json of the npm package: {"verticals": [{"categories": [{"id", "name", "parent_id"}]}]}

A path without an id of its own is its own id, and the paths above it are nodes even where they have no line.
"""

from __future__ import annotations

from collections.abc import Iterable
from os import PathLike
from pathlib import Path
from typing import Any, Literal

from rootward.errors import HierarchyError, InputError, TableError, UnknownIdError, did_you_mean
from rootward.readers.edges import EdgeList, left_out
from rootward.readers.text_files import FilePath, read_json, text_lines

PathLayout = Literal["plain", "google", "google-with-ids", "shopify", "shopify-json"]

_ID_ENDS = {"google-with-ids": " - ", "shopify": " : "}
SEPARATORS = (" > ", ">", " / ", "/", " | ", "|", "\t", "::", ";", "\\")
_EXAMPLE = {
    "google-with-ids": "'187 - Apparel & Accessories > Shoes'",
    "shopify": "'gid://shopify/TaxonomyCategory/aa-8 : Apparel & Accessories > Shoes'",
}


def read_paths(source: FilePath | Iterable[str], *, separator: str, layout: PathLayout) -> EdgeList:
    """The edge list of category paths; see `Hierarchy.from_paths`."""
    if layout not in ("plain", "google", "google-with-ids", "shopify", "shopify-json"):
        raise InputError(
            f"layout={layout!r} is not known; it is one of 'plain', 'google', 'google-with-ids', 'shopify' and "
            "'shopify-json'."
        )
    if layout == "shopify-json":
        if not isinstance(source, str | PathLike):
            raise InputError("layout='shopify-json' needs the path of a file.")
        return _shopify_json(source)
    if not separator:
        raise InputError("separator is empty; needed what stands between two categories, such as ' > '.")
    where = f" of {Path(source).name}" if isinstance(source, str | PathLike) else ""
    if not isinstance(source, Iterable | PathLike):
        raise InputError(f"A file or an iterable of lines is needed, got {source!r:.80}.")
    rows = text_lines(source) if isinstance(source, str | PathLike) else enumerate(source, 1)
    lines = [(row, line) for row, line in rows if line.strip() and (layout == "plain" or line[0] != "#")]
    if not lines:
        raise TableError(f"There are no paths{where}; needed one a line, such as {separator.join('ABC')!r}.")
    id_ends = _ID_ENDS.get(layout)
    paths = [line if id_ends is None else line.partition(id_ends)[2] for _, line in lines]
    if not any(separator in path for path in paths):
        counts = {other: sum(other in path for path in paths) for other in SEPARATORS}
        likely = max(counts, key=counts.__getitem__)
        if 2 * counts[likely] >= len(lines):
            raise TableError(
                f"No path{where} holds the separator {separator!r}, and {counts[likely]:,} of {len(lines):,} hold "
                f"{likely!r}. Say so with separator={likely!r}."
            )
    if layout in _ID_ENDS:
        return _with_ids(lines, separator, layout, where)
    return _without_ids(lines, separator, where)


def _categories(path: str, separator: str, row: int, where: str) -> tuple[str, ...]:
    """The categories of one path, the highest first."""
    categories = tuple(name.strip() for name in path.split(separator))
    if "" in categories:
        raise HierarchyError(f"Row {row}{where}: {path!r} has an empty category between two {separator!r}.")
    return categories


def _without_ids(lines: list[tuple[int, str]], separator: str, where: str) -> EdgeList:
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
    notes = left_out(twice, "duplicate path", "duplicate paths")
    return EdgeList.of(names, edges, notes=notes, name_edge=lambda edge: f"Row {rows[edge]}{where}")


def _with_ids(lines: list[tuple[int, str]], separator: str, layout: PathLayout, where: str) -> EdgeList:
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
    return EdgeList.of(names, edges, name_edge=lambda edge: f"Row {row_of[edges[edge][0]]}{where}")


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
    names: dict[str, str] = {}
    for node, name, _ in categories:
        if node in names:
            raise HierarchyError(f"{file_name}: the id {node!r} stands there twice. Keep one.")
        names[node] = name
    edges = [(node, parent) for node, _, parent in categories if parent is not None]
    for node, parent in edges:
        if parent not in names:
            raise UnknownIdError(
                f"{file_name}: the parent {parent!r} of {node!r} is not a category.{did_you_mean(parent, names)}"
            )
    return EdgeList.of(names, edges, name_edge=lambda edge: f"{file_name}, category {edges[edge][0]!r}")
