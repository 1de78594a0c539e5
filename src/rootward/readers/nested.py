"""Nested JSON in two shapes; the caller says which.

children    {"name": "shoes", "children": [{"name": "sandals"}, ...]}, or a list of such
            also read: "id", "synonyms" (a list), "definition"
mapping     {"shoes": {"sandals": {}, "boots": {}}}
"""

from __future__ import annotations

from collections.abc import Iterator
from os import PathLike
from pathlib import Path
from typing import Any, Literal

from rootward.errors import HierarchyError, InputError
from rootward.readers.edges import EdgeList
from rootward.readers.limits import check_levels
from rootward.readers.text_files import FilePath, read_json

NestedLayout = Literal["children", "mapping"]
NestedIds = Literal["path", "name", "id"]

_Node = tuple[tuple[str, ...], dict[str, Any], Any]  # (names from the top, fields, children)


def read_nested(source: FilePath | Any, *, layout: NestedLayout, ids: NestedIds, separator: str) -> EdgeList:
    """The edge list of nested JSON; see `Hierarchy.from_nested`."""
    if layout not in ("children", "mapping"):
        raise InputError(f"layout={layout!r} is not known; it is 'children' or 'mapping'.")
    if ids not in ("path", "name", "id") or (ids == "id" and layout == "mapping"):
        raise InputError(f"ids={ids!r} does not go with layout={layout!r}; it is 'path', 'name' or, of children, 'id'.")
    is_file = isinstance(source, str | PathLike)
    where = f"{Path(source).name}: " if is_file else ""
    names: dict[str, str] = {}
    synonyms: dict[str, list[str]] = {}
    definitions: dict[str, str] = {}
    edges: list[tuple[str, str]] = []
    try:
        for above, path, fields in _nodes_of(read_json(source) if is_file else source, layout, ids, separator):
            node = _id(path, fields, ids, separator)
            if node in names and ids == "path":
                raise HierarchyError(f"{node!r} stands there twice. Keep one, or use ids='name' if both are one node.")
            names.setdefault(node, path[-1])
            synonyms.setdefault(node, []).extend(_words(fields.get("synonyms"), path))
            definitions[node] = definitions.get(node) or str(fields.get("definition") or "")
            if above:
                edges.append((node, above))
        if not names:
            raise HierarchyError("There is no node; needed " + _needed(layout))
    except HierarchyError as error:
        error.args = (f"{where}{error}",)
        raise
    return EdgeList.of(names, edges, synonyms=synonyms, definitions=definitions)


def _nodes_of(
    content: Any, layout: NestedLayout, ids: NestedIds, separator: str
) -> Iterator[tuple[str, tuple[str, ...], dict[str, Any]]]:
    """(id above, names from the top, fields) of every node, parents first, in the order of the source."""
    stack = [("", node) for node in reversed(_level(content, layout, ()))]
    while stack:
        above, (path, fields, children) = stack.pop()
        check_levels(len(path), "The nested JSON")
        yield above, path, fields
        node = _id(path, fields, ids, separator)
        stack.extend((node, child) for child in reversed(_level(children, layout, path)))


def _level(content: Any, layout: NestedLayout, above: tuple[str, ...]) -> list[_Node]:
    """The nodes directly below `above`."""
    if layout == "mapping":
        if content is not None and not isinstance(content, dict):
            raise HierarchyError(f"{_at(above)}: {content!r:.80}; needed {_needed(layout)}")
        return [((*above, _name(name, above)), {}, inner) for name, inner in (content or {}).items()]
    level = [content] if isinstance(content, dict) and not above else content or []
    if not isinstance(level, list):
        raise HierarchyError(f"{_at(above)}: the children are {level!r:.80}; needed a list.")
    for fields in level:
        if not isinstance(fields, dict) or "name" not in fields:
            raise HierarchyError(f"{_at(above)}: {fields!r:.80}; needed {_needed(layout)}")
    return [((*above, _name(fields["name"], above)), fields, fields.get("children")) for fields in level]


def _id(path: tuple[str, ...], fields: dict[str, Any], ids: NestedIds, separator: str) -> str:
    if ids == "id":
        if fields.get("id") in (None, ""):
            raise HierarchyError(f"{_at(path)}: there is no \"id\"; needed one in every node, or ids='path'.")
        return str(fields["id"])
    return separator.join(path) if ids == "path" else path[-1]


def _words(synonyms: Any, path: tuple[str, ...]) -> list[str]:
    """The synonyms of a node: a list of texts, or one text."""
    words = [synonyms] if isinstance(synonyms, str) else synonyms or []
    if not isinstance(words, list | tuple) or any(isinstance(word, list | tuple | dict) for word in words):
        raise HierarchyError(f"{_at(path)}: the synonyms are {synonyms!r:.80}; needed a list of texts.")
    return [str(word) for word in words if word is not None]


def _name(name: Any, above: tuple[str, ...]) -> str:
    if name is None or str(name) == "":
        raise HierarchyError(f"{_at(above)}: a node has an empty name.")
    return str(name)


def _at(path: tuple[str, ...]) -> str:
    return f"At {' > '.join(path)!r}" if path else "At the top"


def _needed(layout: NestedLayout) -> str:
    return '{"name": ..., "children": [...]}.' if layout == "children" else '{"name": {"name below": {}}}.'
