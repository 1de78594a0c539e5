"""Nested JSON in two shapes, told apart by the caller.

children    {"name": "shoes", "children": [{"name": "sandals"}, ...]}, or a list of such
            also read: "id", "synonyms" (a list), "definition"
mapping     {"shoes": {"sandals": {}, "boots": {}}}
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from os import PathLike
from pathlib import Path
from typing import Any, Literal

from rootward.errors import HierarchyError, InputError, TableError
from rootward.readers.drafts import Draft, draft_of
from rootward.readers.node_tables import FilePath, existing_file, text_lines

NestedLayout = Literal["children", "mapping"]
NestedIds = Literal["path", "name", "id"]

_Node = tuple[tuple[str, ...], dict[str, Any], list[Any]]  # (names from the top, fields, children)


def read_nested(source: FilePath | Any, *, layout: NestedLayout, ids: NestedIds, separator: str) -> Draft:
    """The draft of nested JSON; see `Hierarchy.from_nested`."""
    if layout not in ("children", "mapping"):
        raise InputError(f"layout={layout!r} is not known; it is 'children' or 'mapping'.")
    if ids not in ("path", "name", "id") or (ids == "id" and layout == "mapping"):
        raise InputError(f"ids={ids!r} does not go with layout={layout!r}; it is 'path', 'name' or, of children, 'id'.")
    if not isinstance(source, str | PathLike):
        return _read(source, layout, ids, separator)
    try:
        return _read(_load(source), layout, ids, separator)
    except HierarchyError as error:
        error.args = (f"{Path(source).name}: {error}",)
        raise


def _read(content: Any, layout: NestedLayout, ids: NestedIds, separator: str) -> Draft:
    """The draft of what JSON gives."""
    names: dict[str, str] = {}
    synonyms: dict[str, list[str]] = {}
    definitions: dict[str, str] = {}
    edges: list[tuple[str, str]] = []
    for above, path, told in _walk(content, layout, ids, separator):
        node = _id(path, told, ids, separator)
        if node in names and ids == "path":
            raise HierarchyError(f"{node!r} stands there twice. Keep one, or use ids='name' if both are one node.")
        names.setdefault(node, path[-1])
        synonyms.setdefault(node, []).extend(map(str, told.get("synonyms") or ()))
        definitions[node] = definitions.get(node) or str(told.get("definition") or "")
        if above:
            edges.append((node, above))
    if not names:
        raise HierarchyError("There is no node; needed " + _needed(layout))
    return draft_of(names, edges, synonyms=synonyms, definitions=definitions)


def _load(source: FilePath) -> Any:
    path = existing_file(source)
    try:
        return json.loads("\n".join(line for _, line in text_lines(path)))
    except json.JSONDecodeError as error:
        raise TableError(f"Row {error.lineno} of {path.name} is not JSON: {error.msg}.") from None
    except RecursionError:
        raise TableError(f"{path.name} is nested too deeply for JSON; write it as an edge list.") from None


def _walk(
    content: Any, layout: NestedLayout, ids: NestedIds, separator: str
) -> Iterator[tuple[str, tuple[str, ...], dict[str, Any]]]:
    """(id above, names from the top, fields) of every node, parents first, in the order of the source."""
    waiting = [("", node) for node in reversed(_inside(content, layout, ()))]
    while waiting:
        above, (path, told, children) = waiting.pop()
        yield above, path, told
        node = _id(path, told, ids, separator)
        waiting.extend((node, child) for child in reversed(_inside(children, layout, path)))


def _inside(content: Any, layout: NestedLayout, above: tuple[str, ...]) -> list[_Node]:
    """The nodes of one level, below `above`."""
    if layout == "mapping":
        if content is not None and not isinstance(content, dict):
            raise HierarchyError(f"{_at(above)}: {content!r:.80}; needed {_needed(layout)}")
        return [((*above, _text(name, above)), {}, inner) for name, inner in (content or {}).items()]
    level = [content] if isinstance(content, dict) and not above else content or []
    if not isinstance(level, list):
        raise HierarchyError(f"{_at(above)}: the children are {level!r:.80}; needed a list.")
    for told in level:
        if not isinstance(told, dict) or "name" not in told:
            raise HierarchyError(f"{_at(above)}: {told!r:.80}; needed {_needed(layout)}")
    return [((*above, _text(told["name"], above)), told, told.get("children")) for told in level]


def _id(path: tuple[str, ...], told: dict[str, Any], ids: NestedIds, separator: str) -> str:
    if ids == "id":
        if told.get("id") in (None, ""):
            raise HierarchyError(f"{_at(path)}: there is no \"id\"; needed one in every node, or ids='path'.")
        return str(told["id"])
    return separator.join(path) if ids == "path" else path[-1]


def _text(name: Any, above: tuple[str, ...]) -> str:
    if name is None or str(name) == "":
        raise HierarchyError(f"{_at(above)}: a node has an empty name.")
    return str(name)


def _at(path: tuple[str, ...]) -> str:
    return f"At {' > '.join(path)!r}" if path else "At the top"


def _needed(layout: NestedLayout) -> str:
    return '{"name": ..., "children": [...]}.' if layout == "children" else '{"name": {"name below": {}}}.'
