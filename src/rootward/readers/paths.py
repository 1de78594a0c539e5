"""Category paths, one a line: 'Apparel > Shoes > Sandals'; or one a row of a table, with a column for each level.

    plain             Apparel > Shoes > Sandals
    google            the same below '# Google_Product_Taxonomy_Version: ...'
    google-with-ids   187 - Apparel & Accessories > Shoes
    shopify           gid://shopify/TaxonomyCategory/aa-8 : Apparel & Accessories > Shoes
    shopify-json      the en.json of the npm package: {"verticals": [{"categories": [{"id", "name", "parent_id"}]}]}
    indented          an outline: a category a line, further in than the one above it

A path without an id of its own is its own id, and the paths above it are nodes even where they have no line.
"""

from __future__ import annotations

import ast
import html
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise
from os import PathLike
from pathlib import Path
from typing import Any, Literal, get_args

import pyarrow as pa

from rootward.errors import HierarchyError, InputError, TableError, UnknownIdError, did_you_mean
from rootward.ids import id_text
from rootward.readers.edges import EdgeList, left_out
from rootward.readers.limits import LEVELS, check_path
from rootward.readers.tables import MISSING, Delimited, as_arrow, column_names, delimited, read_columns, shown
from rootward.readers.text_files import (
    PACKED,
    FilePath,
    counted,
    existing_file,
    read_json,
    refuse_others,
    text_lines,
)

PathLayout = Literal["plain", "google", "google-with-ids", "shopify", "shopify-json", "indented"]
PathIds = Literal["path", "name"]

SEPARATORS = (" > ", ">", " / ", "/", " | ", "|", "\t", "::", ";", "\\")
DEFAULT = " > "
_SEPARATORS = (
    *SEPARATORS, " » ", "»", " › ", "›", " → ", "→", " ► ", "►", " ▸ ", "▸", "＞", " &gt; ", "&gt;", " -> ", "->",
    " --> ", "-->", " >> ", ">>", " => ", "=>", " >>> ", ">>>", " - ", " – ", ": ", ",", "❯", " ❯ ", "⟩", " ⟩ ", "‣",
    "•", " • ", " · ", "~", "^", "||", " || ", "__", "--", " -- ", " ~ ", " ^ ",
)  # fmt: skip
_TIGHT = re.compile(r"(?:(?<!\s)\s+)?(?<!-)>\s*")  # an arrow, '->', is another separator
_ID_ENDS = {"google-with-ids": " - ", "shopify": " : "}
_EXAMPLE = {
    "google-with-ids": "'187 - Apparel & Accessories > Shoes'",
    "shopify": "'gid://shopify/TaxonomyCategory/aa-8 : Apparel & Accessories > Shoes'",
}
_LOOKS = {"google-with-ids": re.compile(r"\s*\d+ - \S"), "shopify": re.compile(r"gid://\S+\s+:\s+\S")}
_OTHER_ID = re.compile(r"\s*([A-Za-z]{0,4}\d[\w./-]*?)( *[:|] *| +- +|-(?=\D)|\.? +)(?=\S)(.+)")
_TABLE_ROW = re.compile(r"\s*\"?[\w:./-]*\d[\w:./-]*\"?([,;|]|\t)\s*\S")  # an id, and a path in the next field
_ID_LAST = re.compile(r".*\S([,;|]|\t)\"?[\w:./-]*\d[\w:./-]*\"?\s*")
_HEADER = re.compile(
    r"((full|category|product|taxonomy|node|item|google|breadcrumb)[ _-]*)*"
    r"(path|category|categorie|taxonomy|name|label|title|hierarchy|"
    r"breadcrumb|kategorie|pfad|catégorie|categoría|categoria|branch)(s|n)?",
    re.IGNORECASE,
)
_SUBHEADER = re.compile(
    r"((sub|parent|main|top|root)[ _-]*)+(category|class|group|type)|(level|tier)[ _-]*\d+", re.IGNORECASE
)
_COMMENT = re.compile(r"//|--(?!>)|;|%|/\*|<!--")
_LEVEL = re.compile(r"(.*?)[\s_.#-]*(\d+)\s*")
_OUTLINE = re.compile(r"[\s│├└─┬|`+*•·-]*")
_ENTITY = re.compile(r"&(?:[a-zA-Z]{2,8}|#\d{1,6}|#[xX][0-9a-fA-F]{1,5});")

Notes = tuple[str, ...]
Line = tuple[int, str]
Path_ = tuple[int, tuple[str, ...]]  # row, categories from the top


def read_paths(
    source: FilePath | Any,
    *,
    separator: str | None,
    layout: PathLayout | None,
    columns: Sequence[str] | None,
    ids: PathIds,
) -> EdgeList:
    """The edge list of category paths; see `Hierarchy.from_paths`."""
    _check(separator, layout, columns, ids)
    is_file = isinstance(source, str | PathLike)
    where = f" of {Path(source).name}" if is_file else ""
    if layout == "shopify-json":
        if not is_file:
            raise InputError("layout='shopify-json' needs the path of a file.")
        return _shopify_json(source)
    if is_file:
        source = existing_file(source)
        if columns is None and source.suffix.lower() != ".parquet":
            refuse_others(source, "paths")
    else:
        source = as_arrow(source) if hasattr(source, "columns") else source  # a column of pandas is an iterable
        if not isinstance(source, Iterable | pa.Table):
            raise InputError(f"A file or an iterable of lines is needed, got {source!r:.80}.")
    notes: Notes = ()
    delimiter = _other_delimiter(Path(source)) if isinstance(source, str | PathLike) else None
    if columns is None and (columns := _level_columns(source, delimiter)):
        first, last = columns[0], columns[-1]
        what = f"columns {first!r} to {last!r} as the levels of paths" if len(columns) > 1 else f"column {first!r}"
        notes = (f"Read the {what}; columns= names others.",)
    lines: list[Line] = []
    paths: list[Path_] = []
    if columns is not None:
        options: Any = {"delimiter": delimiter} if delimiter else {}
        options |= {"prefix": "paths", "allow_empty": True, "lists": columns if len(columns) == 1 else ()}
        table = read_columns(source, columns, hint=" Name the columns with columns=.", **options)
        if delimiter:
            notes += (f"Read the columns with {delimiter!r} between them.",)
        places = table.places(range(len(table)))
        rows = zip(places, *(table[name].to_pylist() for name in columns), strict=True)
        if len(columns) == 1 and not pa.types.is_large_string(table[columns[0]].type):
            paths, more = _from_levels([(row, list(map(id_text, cell or ()))) for row, cell in rows], where)
            notes += more
        elif len(columns) == 1:
            lines = [(row, cell) for row, cell in rows if cell.strip()]
        else:
            paths, more = _from_levels([(row, cells) for row, *cells in rows], where)
            notes += more
    else:
        given: Any = source.to_pylist() if isinstance(source, pa.Array | pa.ChunkedArray) else source
        items = [*text_lines(given)] if is_file else [(row, _item(row, item)) for row, item in enumerate(given, 1)]
        if any(isinstance(item, list) for _, item in items):
            cells = [(row, item if isinstance(item, list) else [item]) for row, item in items]
            paths, notes = _from_levels(cells, where)
        else:
            lines = [(row, item) for row, item in items if isinstance(item, str) and item.strip()]
            if empty := 0 if is_file else len(items) - len(lines):
                notes = left_out(empty, "empty path", "empty paths")
    if not paths:
        found = _from_lines(lines, separator, layout, where, notes)
        if isinstance(found, EdgeList):
            return found
        paths, notes = found
    return _edge_list(paths, separator or DEFAULT, ids, where, notes)


def _check(separator: str | None, layout: str | None, columns: Any, ids: str) -> None:
    known = get_args(PathLayout)
    if layout is not None and layout not in known:
        names = ", ".join(map(repr, known[:-1]))
        raise InputError(f"layout={layout!r} is not known; it is one of {names} and {known[-1]!r}.")
    if separator == "":
        raise InputError("separator is empty; needed what stands between two categories, such as ' > '.")
    if ids not in get_args(PathIds) or (ids == "name" and layout in (*_ID_ENDS, "shopify-json")):
        raise InputError(
            f"ids={ids!r} is not known here; it is 'path', or 'name' where paths have no ids of their own."
        )
    if isinstance(columns, str):
        raise InputError(f"columns={columns!r} is one text; write a list of them: [{columns!r}].")


def _item(row: int, item: Any) -> Any:
    """One element of an iterable: a line, or a list of the categories of a path."""
    if isinstance(item, str | bytes):
        return id_text(item)
    if isinstance(item, list | tuple):
        return list(map(id_text, item))
    if id_text(item) == "":
        return ""
    raise InputError(f"Path {row} is {shown(item)}; needed a text, or a list of categories.")


# -- columns of levels -------------------------------------------------------------------------------------------------


def _other_delimiter(source: Path) -> str | None:
    """The delimiter of a .csv whose header has one column by its usual one and several by another; else None."""
    name = source.name.lower().removesuffix(PACKED)
    if not name.endswith((".csv", ".tsv")):
        return None
    header = column_names(source, None, None)
    there = [mark for mark in ";\t|" if len(header) == 1 and mark in header[0] and ">" not in header[0]]
    return there[0] if there else None


def _level_columns(source: Any, delimiter: str | None = None) -> list[str] | None:
    """The columns of a table that are the levels of paths: 'Tier 1', 'Tier 2' and so on; the only column of one.

    Raises:
        TableError: a table in which no columns seem to be levels, and lines that are no paths.
    """
    if isinstance(source, pa.Table):
        headers = [source.column_names]
    elif isinstance(source, Path):
        name = source.name.lower().removesuffix(PACKED)
        if not name.endswith((".csv", ".tsv", ".parquet")):
            return None
        file: Delimited | None = delimited(source, None, delimiter)
        records = [] if file is None else [fields for _, (_, fields) in zip(range(50), file.records(), strict=False)]
        headers = records[:6] or [column_names(source, None, None)]
    else:
        return None
    for header in headers:
        numbered: dict[str, dict[int, str]] = {}
        for name in header:
            if (match := _LEVEL.fullmatch(name)) and match[1].strip():
                numbered.setdefault(match[1].casefold(), {})[int(match[2])] = name
        for levels in sorted(numbered.values(), key=len, reverse=True):
            order = sorted(levels)
            if len(order) > 1 and order[0] in (0, 1) and order[-1] - order[0] == len(order) - 1:
                return [levels[number] for number in order]
    is_table = isinstance(source, pa.Table) or source.suffix.lower() == ".parquet"
    if is_table and len(headers[0]) == 1:
        return list(headers[0])
    widths = {len(fields) for fields in headers if fields} if is_table else {len(fields) for fields in records}
    if is_table or (len(records) > 1 and len(widths) == 1 and min(widths) > 1 and not _of_paths(records)):
        there, rows = headers[0], [] if is_table else records[1:]
        of_paths = [column for column, *cells in zip(there, *rows, strict=False) if any(">" in cell for cell in cells)]
        columns = ", ".join(map(repr, of_paths[:1] or there[:3]))
        name, given = ("The table", "table") if isinstance(source, pa.Table) else (source.name, repr(source.name))
        raise TableError(
            f"{name} is a table with the columns {', '.join(map(repr, there[:20]))}. Say which hold the paths, or the "
            f"levels from the top: Hierarchy.from_paths({given}, columns=[{columns}]). The first row must be a header."
        )
    return None


def _of_paths(records: list[list[str]]) -> bool:
    """Whether the fields of a CSV are parts of paths, rather than columns of a table: 'Pets, small > Food'."""
    return sum(">" in field for fields in records for field in fields) * 2 > len(records)


def _from_levels(rows: list[tuple[int, list[str]]], where: str) -> tuple[list[Path_], Notes]:
    """The path of each row that has a cell for each level, and notes on cells that are empty.

    Cells behind the last category are empty. Cells in front of the first are those of the row before, as in outlines;
    other gaps are left out, so that a category stands below the nearest one before it.
    """
    paths: list[Path_] = []
    above: tuple[str, ...] = ()
    gaps, filled, blank, words = [], 0, 0, 0
    for row, raw in rows:
        cells = ["" if cell.strip() in MISSING else cell.strip() for cell in raw]
        words += sum(bool(old.strip()) and not new for old, new in zip(raw, cells, strict=True))
        while cells and not cells[-1]:
            cells.pop()
        if not cells:
            blank += 1
            continue
        lead = next(place for place, cell in enumerate(cells) if cell)
        if lead > len(above):
            raise TableError(f"Row {row}{where}: the first {lead} levels are empty, and no row before it fills them.")
        filled += lead > 0
        rest = [cell for cell in cells[lead:] if cell]
        if len(rest) < len(cells) - lead:
            gaps.append(row)
        above = (*above[:lead], *rest)
        paths.append((row, above))
    notes = left_out(blank, "row without a category", "rows without a category")
    if filled:
        notes += (f"{filled:,} rows begin with empty levels, read as those of the row before.",)
    if gaps:
        n, what = len(gaps), "row skips a level" if len(gaps) == 1 else "rows skip a level"
        notes += (f"{n:,} {what}, row {gaps[0]} for one; what follows stands below the nearest level before it.",)
    if words:
        notes += (f"{words:,} {'cell holds' if words == 1 else 'cells hold'} a word such as NULL, read as empty.",)
    return paths, notes


# -- lines -------------------------------------------------------------------------------------------------------------


def _from_lines(
    lines: list[Line], separator: str | None, layout: PathLayout | None, where: str, notes: Notes
) -> tuple[list[Path_], Notes] | EdgeList:
    """The paths of lines, or the whole edge list where these have ids."""
    if layout not in (None, "plain"):
        lines = [(row, line) for row, line in lines if line[0] != "#"]
    looked = layout is None
    if looked:
        lines, layout, more = _by_look(lines, separator, where)
        notes += more
    given, separator = separator, separator or DEFAULT
    if not lines:
        left = f" {' '.join(notes)}" if notes else ""
        raise TableError(f"There are no paths{where}; needed one a line, such as {separator.join('ABC')!r}.{left}")
    if layout == "indented":
        return _outline(lines), notes
    if looked and given is None:
        lines, more = _with_entities(lines)
        notes += more
    id_end = _ID_ENDS.get(str(layout))
    paths = [line if id_end is None else line.partition(id_end)[2] for _, line in lines]
    if looked or given is not None:
        _refuse_another_separator(paths, given, separator, where)
    if given is None and (tight := sum(">" in path.replace(DEFAULT, "") for path in paths)):
        lines = [(row, _TIGHT.sub(DEFAULT, line)) for row, line in lines]
        notes += (
            f"{tight:,} {'path has' if tight == 1 else 'paths have'} a '>' without a blank on either side, read as "
            f"{DEFAULT!r}. If it is part of a name, say separator={DEFAULT!r}.",
        )
    if id_end is not None:
        with_ids = []
        for row, line in lines:
            node, end, path = line.partition(id_end)
            if not end or not node.strip() or not path.strip():
                raise TableError(f"Row {row}{where}: {line[:80]!r}; layout={layout!r} needs {_EXAMPLE[str(layout)]}.")
            with_ids.append((row, node.strip(), path.strip()))
        return _with_ids(with_ids, separator, looked, where, notes)
    lines, more = _without_ends(lines, separator)
    notes += more
    if looked and any(line[0] == '"' for _, line in lines):
        lines, more = _without_quoted_names(lines, separator)
        notes += more
    if looked and (found := _with_other_ids(lines, separator, where, notes)):
        return found
    split = [(row, _categories(line, separator, row, where)) for row, line in lines]
    return _unescaped(split, looked, notes)


def _refuse_another_separator(paths: list[str], given: str | None, separator: str, where: str) -> None:
    """Raise TableError where few paths hold the separator, and most hold another."""
    n_held = sum(separator in path for path in paths)
    if n_held and (given is not None or 4 * n_held >= len(paths)):
        return
    counts = {other: sum(other in path for path in paths) for other in _SEPARATORS}
    if all(re.fullmatch(r"[\w-]+(\.[\w-]+)*", path.strip()) for path in paths):
        counts["."] = sum("." in path for path in paths)
    likely = max(counts, key=lambda other: (counts[other], len(other)))
    if 2 * counts[likely] < len(paths) or (given is None and likely.strip() == ">"):
        return
    held = "No path" if not n_held else f"Only {n_held:,} of {len(paths):,} paths"
    names = "If it is part of names, say layout='plain'. " if given is None else ""
    raise TableError(
        f"{held}{where} hold{'s' if n_held < 2 else ''} the separator {separator!r}, and {counts[likely]:,} of "
        f"{len(paths):,} hold {likely!r}. {names}Say so with separator={likely!r}."
    )


def _without_ends(lines: list[Line], separator: str) -> tuple[list[Line], Notes]:
    """The lines without a separator that all of them begin with, or end with, as '/a/b/', and a note on it."""
    mark = separator.strip() or separator
    notes: Notes = ()
    if all(line.strip().startswith(mark) for _, line in lines):
        lines = [(row, line.strip().removeprefix(mark)) for row, line in lines]
        notes += (f"Every line begins with {mark!r}, which is left out.",)
    if all(line.strip().endswith(mark) for _, line in lines):
        lines = [(row, line.strip().removesuffix(mark)) for row, line in lines]
        notes += (f"Every line ends with {mark!r}, which is left out.",)
    return [(row, line) for row, line in lines if line.strip()], notes


def _with_entities(lines: list[Line]) -> tuple[list[Line], Notes]:
    """The lines with " > " where some of them have " &gt; ", and a note on these."""
    n = sum(" &gt; " in line for _, line in lines)
    if not n or not any(DEFAULT in line for _, line in lines):
        return lines, ()
    has = "line has" if n == 1 else "lines have"
    return [(row, line.replace(" &gt; ", DEFAULT)) for row, line in lines], (f"{n:,} {has} '&gt;', read as '>'.",)


def _without_quoted_names(lines: list[Line], separator: str) -> tuple[list[Line], Notes]:
    """The lines without double quotes around each of their categories, as in '"Pets" > "Food"', and a note on these."""
    bare, n = [], 0
    for row, line in lines:
        names = [name.strip() for name in line.split(separator)]
        if all(len(name) > 2 and name[0] == name[-1] == '"' and '"' not in name[1:-1] for name in names):
            line, n = separator.join(name[1:-1] for name in names), n + 1
        bare.append((row, line))
    return bare, (f"{n:,} lines have each category in double quotes, which are left out.",) if n else ()


def _unescaped(paths: list[Path_], looked: bool, notes: Notes) -> tuple[list[Path_], Notes]:
    """The paths with the characters that HTML entities stand for, and a note on these; unless the layout was given."""
    found = [name for _, path in paths for name in path if "&" in name and _ENTITY.search(name)]
    found = [name for name in found if html.unescape(name) != name]
    if not found or not looked:
        return paths, notes
    note = f"Read HTML entities, as in {found[0]!r}, as their characters; layout='plain' keeps them."
    return [(row, tuple(map(html.unescape, path))) for row, path in paths], (*notes, note)


def _by_look(lines: list[Line], separator: str | None, where: str) -> tuple[list[Line], PathLayout, Notes]:
    """(lines without comments, header and quotes; layout; notes on these) by what most lines look like.

    Raises:
        TableError: the lines are rows of a table.
    """
    notes: Notes = ()
    body = [(row, line) for row, line in lines if not line.startswith("#")]
    if n := len(lines) - len(body):
        what = "line that starts" if n == 1 else "lines that start"
        notes += (f"Left out {n:,} {what} with '#'. If it is a category, say layout='plain'.",)
    above = next((place for place, (_, line) in enumerate(body) if not _COMMENT.match(line)), 0)
    if above:
        what = "line, which looks like a comment" if above == 1 else f"{above} lines, which look like comments"
        notes += (f"Left out the first {what}: {body[0][1][:60]!r}. If it is a category, say layout='plain'.",)
        body = body[above:]
    layouts: tuple[PathLayout, ...] = ("google-with-ids", "shopify")
    for name in layouts:
        if body and 10 * sum(bool(_LOOKS[name].match(line)) for _, line in body) >= 9 * len(body):
            note = (
                f"Most lines{where} look like {_EXAMPLE[name]}, read with layout={name!r}; if not, say layout='plain'."
            )
            return body, name, (*notes, note)
    if len(body) > 1 and all(line.rstrip()[-1] in ",;" for _, line in body):
        body = [(row, line.rstrip().rstrip(",;")) for row, line in body]
        body = [(row, line) for row, line in body if line.strip()]
        notes += ("Every line ends with ',' or ';', as rows with empty columns do; these are left out.",)
    if len(body) > 1:
        first, rest = body[0][1].strip(), body[1:]
        for look in (_TABLE_ROW, _ID_LAST):
            found = [match[1] for _, line in rest if (match := look.match(line[:500]))]
            if 10 * len(found) >= 9 * len(rest) and sum(">" in line for _, line in rest):
                header, *cells = (line.split(found[0]) for _, line in body)
                there = [name for name, *column in zip(header, *cells, strict=False) if any(">" in c for c in column)]
                column = there[0].strip() if there and ">" not in first else "path"
                raise TableError(
                    f"The lines{where} look like rows of a table, such as {rest[0][1][:60]!r}. Of a CSV with a header "
                    f"name the column: Hierarchy.from_paths('table.csv', columns=[{column!r}]). Else leave the ids out."
                )
        words = [word.strip() for word in first.strip('"').split(">")]
        is_header = all(_HEADER.fullmatch(word) or _SUBHEADER.fullmatch(word) for word in words)
        if is_header and not any(line.strip().startswith(words[0]) for _, line in rest):
            body = rest
            notes += (f"Left out the first line, {first!r}, a header. If it is a category, say layout='plain'.",)
    lists = [line.strip()[:1] + line.strip()[-1:] == "[]" for _, line in body]
    if body and all(lists):
        try:
            literals = [(row, ast.literal_eval(line.strip())) for row, line in body]
            body = [(row, (separator or DEFAULT).join(map(str, path))) for row, path in literals]
            notes += (f"Read the lines{where} as lists of categories.",)
        except (ValueError, SyntaxError, TypeError):
            pass
    for quote in ('"', "'"):
        quoted = [line.strip()[0] == line.strip()[-1] == quote and len(line.strip()) > 2 for _, line in body]
        if quote == '"':  # a CSV puts those lines in quotes that need them
            inner = [line.strip()[1:-1].replace('""', "") for _, line in body]
            quoted = [q and '"' not in line for q, line in zip(quoted, inner, strict=True)]
        if sum(quoted) > (0 if quote == '"' else len(body) / 2):
            pairs = zip(body, quoted, strict=True)
            body = [(row, line.strip()[1:-1].replace(quote * 2, quote) if q else line) for (row, line), q in pairs]
            what = "double quotes" if quote == '"' else "quotes"
            stand = "line stands" if sum(quoted) == 1 else "lines stand"
            notes += (f"{sum(quoted):,} {stand} in {what}, which are left out.",)
    indented = sum(len(_OUTLINE.match(line)[0]) > len(_OUTLINE.match(body[0][1])[0]) for _, line in body)  # type: ignore[index]
    if separator is None and indented > 1 and 5 * indented >= len(body) and not any(">" in line for _, line in body):
        note = (
            f"The lines{where} are indented, read with layout='indented'; if they are not meant so, say layout='plain'."
        )
        return body, "indented", (*notes, note)
    return body, "plain", notes


def _outline(lines: list[Line]) -> list[Path_]:
    """The path of every line of an outline: it is below the nearest line before it that does not stand as far in."""
    paths, stack = [], list[tuple[int, str]]()
    depths = [len(_OUTLINE.match(line)[0].expandtabs(8)) for _, line in lines]  # type: ignore[index]
    above = [line.rstrip() for (_, line), here, below in zip(lines, depths, depths[1:], strict=False) if below > here]
    if above and all(line.endswith(":") for line in above):  # as in YAML
        lines = [(row, line.rstrip().removesuffix(":")) for row, line in lines]
    for row, line in lines:
        mark = _OUTLINE.match(line)
        assert mark is not None  # it matches nothing, too
        depth = len(mark[0].expandtabs(8))
        while stack and stack[-1][0] >= depth:
            stack.pop()
        if name := line[mark.end() :].strip():
            stack.append((depth, name))
            paths.append((row, tuple(each for _, each in stack)))
    return paths


def _categories(path: str, separator: str, row: int, where: str) -> tuple[str, ...]:
    """The categories of one path, the highest first."""
    if len(path) > LEVELS:
        check_path(path, separator, row, where)
    categories = tuple(name.strip() for name in path.split(separator))
    if "" in categories:
        raise HierarchyError(f"Row {row}{where}: {path!r} has an empty category between two {separator!r}.")
    return categories


def _edge_list(paths: list[Path_], separator: str, ids: PathIds, where: str, notes: Notes) -> EdgeList:
    """The nodes of paths; each is its own id, or its last category is."""
    names: dict[str, str] = {}
    path_of: dict[str, tuple[str, ...]] = {}
    complete: set[tuple[str, ...]] = set()
    edges: dict[tuple[str, str], int] = {}
    twice = 0
    for row, categories in paths:
        twice += categories in complete
        complete.add(categories)
        above = ""
        for end, name in enumerate(categories, 1):
            node = name if ids == "name" else separator.join(categories[:end])
            names.setdefault(node, name)
            if ids == "path" and path_of.setdefault(node, categories[:end]) != categories[:end]:
                raise HierarchyError(
                    f"Row {row}{where}: {path_of[node]!r} and {categories[:end]!r} have one id, {node!r}, since a "
                    f"category holds {separator!r}. Say another separator= than {separator!r}, which joins ids."
                )
            if above:
                edges.setdefault((node, above), row)
            above = node
    notes += left_out(twice, "duplicate path", "duplicate paths")
    again = [(row, name) for row, path in paths for name, below in pairwise(path) if name == below]
    if again:
        row, name = again[0]
        has = "path names a category" if len(again) == 1 else "paths name a category"
        notes += (
            f"{len(again):,} {has} twice in a row, {name!r} below {name!r} in row {row} for one. If that only "
            "fills a row up, leave it out.",
        )
    words = [name for name in names.values() if name in MISSING]
    if words and ids == "path":
        one, many = "category may say that there is none", "categories may say that there is none"
        notes += counted("", f"{one}, and is kept", f"{many}, and are kept", map(repr, words))
    several = [name for name, n in Counter(names.values()).items() if n > 1]
    if several:
        what, they = ("name stands", "is") if len(several) == 1 else ("names stand", "are")
        notes += (
            f"{len(several):,} {what} in several places, {several[0]!r} for one, and {they} a node in each. If a name "
            "is one node wherever it stands, say ids='name', or give (category, category above) to from_edges.",
        )
    rows = list(edges.values())
    return EdgeList.of(names, edges, notes=notes, name_edge=lambda edge: f"Row {rows[edge]}{where}")


# -- paths with ids ----------------------------------------------------------------------------------------------------


def _with_other_ids(lines: list[Line], separator: str, where: str, notes: Notes) -> EdgeList | None:
    """The edge list of lines such as '3: Pets > Food', where each begins with an id of its own; else None.

    Raises:
        TableError: ids, but a path above one has none.
    """
    found = [(row, _OTHER_ID.fullmatch(line)) for row, line in lines]
    parts = [(row, match[1], match[3]) for row, match in found if match]
    ids = {node for _, node, _ in parts}
    if len(parts) < 2 or len(parts) < len(lines) or len(ids) < len(parts):
        return None
    if not any(separator in path for _, _, path in parts):
        return None
    example = f"{lines[0][1][:60]!r}"
    note = f"Each line{where} begins with an id, as in {example}; if it is part of the name, say layout='plain'."
    try:
        return _with_ids(parts, separator, True, where, (*notes, note))
    except HierarchyError as error:
        raise TableError(
            f"The lines{where} seem to begin with ids, as in {example}, but {error} If they are no ids, say "
            "layout='plain'."
        ) from None


def _with_ids(lines: list[tuple[int, str, str]], separator: str, looked: bool, where: str, notes: Notes) -> EdgeList:
    """Paths with an id each, (row, id, path); every path above one must have its own."""
    id_of: dict[tuple[str, ...], str] = {}
    row_of: dict[str, int] = {}
    split = [(row, _categories(path, separator, row, where)) for row, _, path in lines]
    split, notes = _unescaped(split, looked, notes)
    for (row, categories), (_, node, path) in zip(split, lines, strict=True):
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
