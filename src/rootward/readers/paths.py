"""Category paths, one a line: 'Apparel > Shoes > Sandals'.

    plain             Apparel > Shoes > Sandals
    google            the same below '# Google_Product_Taxonomy_Version: ...'
    google-with-ids   187 - Apparel & Accessories > Shoes
    shopify           gid://shopify/TaxonomyCategory/aa-8 : Apparel & Accessories > Shoes
    shopify-json      the en.json of the npm package: {"verticals": [{"categories": [{"id", "name", "parent_id"}]}]}

A path without an id of its own is its own id, and the paths above it are nodes even where no line tells them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from os import PathLike
from typing import Any, Literal

from rootward.errors import HierarchyError, InputError, TableError, UnknownIdError, did_you_mean
from rootward.readers.drafts import Draft, draft_of, left_out
from rootward.readers.node_tables import FilePath, existing_file, text_lines

PathLayout = Literal["plain", "google", "google-with-ids", "shopify", "shopify-json"]

_ID_ENDS = {"google-with-ids": " - ", "shopify": " : "}
_SEPARATORS = (" > ", ">", " / ", "/", " | ", "|", "\t", "::", ";", "\\")
_EXAMPLE = {
    "google-with-ids": "'187 - Apparel & Accessories > Shoes'",
    "shopify": "'gid://shopify/TaxonomyCategory/aa-8 : Apparel & Accessories > Shoes'",
}


def read_paths(source: FilePath | Iterable[str], *, separator: str, layout: PathLayout) -> Draft:
    """The draft of category paths; see `Hierarchy.from_paths`."""
    if layout not in ("plain", "google", "google-with-ids", "shopify", "shopify-json"):
        raise InputError(
            f"layout={layout!r} is not known; it is one of 'plain', 'google', 'google-with-ids', 'shopify' and "
            "'shopify-json'."
        )
    if layout == "shopify-json":
        if not isinstance(source, str | PathLike):
            raise InputError("layout='shopify-json' needs the path of a file.")
        return _read_shopify_json(source)
    if not separator:
        raise InputError("separator is empty; needed what stands between two categories, such as ' > '.")
    lines = [line for line in _lines(source) if line[1].strip() and (layout == "plain" or line[1][0] != "#")]
    where = f" of {existing_file(source).name}" if isinstance(source, str | PathLike) else ""
    if not lines:
        raise TableError(f"There are no paths{where}; needed one a line, such as {separator.join('ABC')!r}.")
    _refuse_other_separator(lines, separator, _ID_ENDS.get(layout), where)
    if layout in _ID_ENDS:
        return _read_named(lines, separator, layout, where)
    return _read_bare(lines, separator, where)


def _lines(source: FilePath | Iterable[str]) -> Iterator[tuple[int, str]]:
    if isinstance(source, str | PathLike):
        return text_lines(source)
    if not isinstance(source, Iterable):
        raise InputError(f"A file or an iterable of lines is needed, got {source!r:.80}.")
    return enumerate(source, 1)


def _refuse_other_separator(lines: list[tuple[int, str]], separator: str, id_ends: str | None, where: str) -> None:
    """Where no line holds the separator, and half of them or more hold another: that one was meant."""
    bare = [line if id_ends is None else line.partition(id_ends)[2] for _, line in lines]
    if any(separator in line for line in bare):
        return
    counts = {other: sum(other in line for line in bare) for other in _SEPARATORS}
    likely = max(counts, key=counts.__getitem__)
    if 2 * counts[likely] >= len(lines):
        raise TableError(
            f"No path{where} holds the separator {separator!r}, and {counts[likely]:,} of {len(lines):,} hold "
            f"{likely!r}. Say so with separator={likely!r}."
        )


def _parts(path: str, separator: str, row: int, where: str) -> tuple[str, ...]:
    """The categories of one path, the highest first."""
    parts = tuple(part.strip() for part in path.split(separator))
    if "" in parts:
        raise HierarchyError(f"Row {row}{where}: {path!r} has an empty category between two {separator!r}.")
    return parts


def _read_bare(lines: list[tuple[int, str]], separator: str, where: str) -> Draft:
    """Paths that are their own ids."""
    names: dict[str, str] = {}
    told: set[str] = set()
    edges, rows, twice = [], [], 0
    for row, line in lines:
        parts = _parts(line, separator, row, where)
        path = separator.join(parts)
        twice += path in told
        told.add(path)
        above = ""
        for end in range(1, len(parts) + 1):
            node = separator.join(parts[:end])
            if node not in names:
                names[node] = parts[end - 1]
                if above:
                    edges.append((node, above))
                    rows.append(row)
            above = node
    notes = left_out(twice, "duplicate path", "duplicate paths")
    return draft_of(names, edges, notes=notes, name_edge=lambda edge: f"Row {rows[edge]}{where}")


def _read_named(lines: list[tuple[int, str]], separator: str, layout: PathLayout, where: str) -> Draft:
    """Paths with an id each; every path above one must have its own."""
    id_of: dict[tuple[str, ...], str] = {}
    row_of: dict[str, int] = {}
    for row, line in lines:
        node, end, path = line.partition(_ID_ENDS[layout])
        node = node.strip()
        if not end or not node or not path.strip():
            raise TableError(f"Row {row}{where}: {line[:80]!r}; layout={layout!r} needs {_EXAMPLE[layout]}.")
        parts = _parts(path, separator, row, where)
        if node in row_of:
            raise HierarchyError(f"Row {row}{where}: the id {node!r} already stands in row {row_of[node]}. Keep one.")
        if parts in id_of:
            raise HierarchyError(
                f"Row {row}{where}: the path {path.strip()!r} already stands in row {row_of[id_of[parts]]} under the "
                f"id {id_of[parts]!r}. Keep one."
            )
        id_of[parts], row_of[node] = node, row
    edges = []
    for parts, node in id_of.items():
        above = parts[:-1]
        if above and above not in id_of:
            known = (separator.join(path) for path in id_of)
            raise UnknownIdError(
                f"Row {row_of[node]}{where}: the category above, {separator.join(above)!r}, has no row of its own."
                f"{did_you_mean(separator.join(above), known)} Add it, or use layout='plain' on the paths alone."
            )
        if above:
            edges.append((node, id_of[above]))
    names = {node: parts[-1] for parts, node in id_of.items()}
    return draft_of(names, edges, name_edge=lambda edge: f"Row {row_of[edges[edge][0]]}{where}")


def _read_shopify_json(source: FilePath) -> Draft:
    path = existing_file(source)
    try:
        content: Any = json.loads("\n".join(line for _, line in text_lines(path)))
        told = [
            (str(category["id"]), str(category["name"]), category["parent_id"])
            for vertical in content["verticals"]
            for category in vertical["categories"]
        ]
    except json.JSONDecodeError as error:
        raise TableError(f"Row {error.lineno} of {path.name} is not JSON: {error.msg}.") from None
    except (KeyError, TypeError) as error:
        raise TableError(
            f"{path.name} lacks {error}; layout='shopify-json' needs "
            '{"verticals": [{"categories": [{"id": ..., "name": ..., "parent_id": ...}]}]}.'
        ) from None
    names = {node: name for node, name, _ in told}
    if len(names) != len(told):
        seen: set[str] = set()
        twice = next(node for node, _, _ in told if node in seen or seen.add(node))  # type: ignore[func-returns-value]
        raise HierarchyError(f"{path.name}: the id {twice!r} stands there twice. Keep one.")
    for node, _, parent in told:
        if parent is not None and parent not in names:
            raise UnknownIdError(
                f"{path.name}: the parent {parent!r} of {node!r} is not a category.{did_you_mean(parent, names)}"
            )
    edges = [(node, parent) for node, _, parent in told if parent is not None]
    return draft_of(names, edges, name_edge=lambda edge: f"{path.name}, category {edges[edge][0]!r}")
