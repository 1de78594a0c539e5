"""Nested JSON, and flat lists of records with the ids of their parents.

children    {"name": "shoes", "children": [{"name": "sandals"}, ...]}, or a list of such; a child may be its name alone
            also read: "id", "synonyms" (a list), "definition", or usual other keys (label, altLabels, subcategories)
mapping     {"shoes": {"sandals": {}, "boots": ["ankle boots"]}}
records     [{"id": 1, "name": "shoes", "parent": null}, {"id": 2, "name": "sandals", "parent": 1}]
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from os import PathLike
from pathlib import Path
from typing import Any, Literal, NamedTuple

from rootward.errors import HierarchyError, InputError
from rootward.ids import id_text
from rootward.readers.edges import EdgeList, read_edges
from rootward.readers.limits import check_levels
from rootward.readers.nodes import columns_of, split_synonyms
from rootward.readers.tables import table_of_records
from rootward.readers.text_files import FilePath, counted, existing_file, read_json, refuse_others

NestedLayout = Literal["children", "mapping", "records"]
NestedIds = Literal["path", "name", "id"]

_Node = tuple[tuple[str, ...], dict[str, Any], Any]  # (names from the top, fields, children)
_PARENTS = [
    "parent",
    "parent_id",
    "parentId",
    "parentID",
    "parent_ID",
    "parent_uri",
    "broader",
    "broader_id",
    "broaderUri",
]


class _Keys(NamedTuple):
    """What nodes call their fields; "" for what they do not have."""

    name: str = "name"
    children: str = "children"
    id: str = "id"
    synonyms: str = "synonyms"
    definition: str = "definition"


def read_nested(source: FilePath | Any, *, layout: NestedLayout, ids: NestedIds, separator: str) -> EdgeList:
    """The edge list of nested JSON; see `Hierarchy.from_nested`."""
    if layout not in ("children", "mapping", "records"):
        raise InputError(f"layout={layout!r} is not known; it is 'children', 'mapping' or 'records'.")
    if ids not in ("path", "name", "id") or (ids == "id" and layout == "mapping"):
        raise InputError(f"ids={ids!r} does not go with layout={layout!r}; it is 'path', 'name' or, of children, 'id'.")
    is_file = isinstance(source, str | PathLike)
    where = f"{Path(source).name}: " if is_file else ""
    if is_file:
        refuse_others(existing_file(source), "nested")
        source = read_json(source)
    source, notes = _inner(source, layout)
    if layout == "records" or (layout == "children" and _is_flat(source)):
        if layout == "children":
            notes += ("The nodes have parents and no children, read with layout='records'.",)
        return _records(source, where, notes)
    keys, more = (_Keys(), ()) if layout == "mapping" else _keys(source)
    notes += more
    names: dict[str, str] = {}
    synonyms: dict[str, list[str]] = {}
    definitions: dict[str, str] = {}
    edges: list[tuple[str, str]] = []
    renamed = []
    try:
        for above, path, fields in _nodes_of(source, layout, keys, ids, separator):
            node = _id(path, fields, keys, ids, separator)
            if node in names and ids == "path":
                raise HierarchyError(f"{node!r} stands there twice. Keep one, or use ids='name' if both are one node.")
            if names.setdefault(node, path[-1]) != path[-1]:
                renamed.append(f"{path[-1]!r} of {node}")
            synonyms.setdefault(node, []).extend(_words(fields.get(keys.synonyms), path))
            definitions[node] = definitions.get(node) or _definition(fields.get(keys.definition))
            if above:
                edges.append((node, above))
        if not names:
            raise HierarchyError("There is no node; needed " + _needed(layout))
    except HierarchyError as error:
        error.args = (f"{where}{error}",)
        raise
    notes += counted("Left out", "second name of an id", "second names of ids", renamed)
    return EdgeList.of(names, edges, synonyms=synonyms, definitions=definitions, notes=notes)


def _inner(content: Any, layout: NestedLayout) -> tuple[Any, tuple[str, ...]]:
    """The list of nodes in an object around them, such as {"categories": [...]}, or a root without a name; a note."""
    if layout == "mapping" or not isinstance(content, dict) or "name" in columns_of([*content]):
        return content, ()
    lists = [key for key, value in content.items() if _of_objects(value)]
    inner = "children" if "children" in lists else lists[0] if len(lists) == 1 else None
    if inner is None:
        return content, ()
    rest = [repr(key) for key in content if key != inner]
    return content[inner], counted("Left out", "field of the whole", "fields of the whole", rest)


def _of_objects(value: Any) -> bool:
    return isinstance(value, list) and any(isinstance(each, dict) for each in value)


def _is_flat(content: Any) -> bool:
    """Whether this is a list of objects that name their parents and have no children."""
    if not isinstance(content, list) or not content or not all(isinstance(each, dict) for each in content):
        return False
    there = {key for each in content for key in each}
    has_children = any(_of_objects(value) for each in content for value in each.values())
    return any(key in there for key in _PARENTS) and not has_children


def _records(content: Any, where: str, notes: tuple[str, ...]) -> EdgeList:
    """The edge list of records with an id, or a name, and the id or name of a parent."""
    if not isinstance(content, list) or not all(isinstance(each, dict) for each in content):
        raise HierarchyError(f"{where}{content!r:.80}; needed {_needed('records')}")
    there = [*dict.fromkeys(str(key) for each in content for key in each)]
    parent = next((key for key in _PARENTS if key in there), None)
    roles = columns_of(there)
    child = roles.get("id") or roles.get("name")
    if parent is None or child is None:
        shown = ", ".join(map(repr, there[:20]))
        raise HierarchyError(f"{where}the keys are {shown}; needed {_needed('records')}")
    table = table_of_records(content)
    nodes = table if "id" in roles else table.append_column("id", table[child])
    others = {"nodes": nodes, "add_missing": False, "format": None, "delimiter": None}
    found = read_edges(table.select([child, parent]), child=child, parent=parent, **others)
    unread = Counter(key for each in content for key in each if key not in (child, parent, *roles.values()))
    object.__setattr__(found, "notes", (*notes, *found.notes, *_unread(unread)))
    return found


def _unread(keys: Counter[str]) -> tuple[str, ...]:
    return counted("Left out", "kind of field", "kinds of fields", [f"{key} ({n:,})" for key, n in keys.most_common()])


def _keys(content: Any) -> tuple[_Keys, tuple[str, ...]]:
    """What the nodes call their fields, and notes on other names than ours and on fields that are not read."""
    there: Counter[str] = Counter()
    of_lists: Counter[str] = Counter()
    stack = [content]
    while stack:
        for each in stack.pop() if isinstance(stack[-1], list) else [stack.pop()]:
            if isinstance(each, dict):
                there.update(key for key in each if each[key] is not None)
                lists = {
                    key: v for key, v in each.items() if isinstance(v, list) and any(isinstance(w, dict) for w in v)
                }
                of_lists.update(lists.keys())
                stack += [each["children"]] if isinstance(each.get("children"), list) else lists.values()
    roles = columns_of([*there])
    children = "children" if "children" in there or len(of_lists) != 1 else next(iter(of_lists))
    roles = {role: key for role, key in roles.items() if key != children}
    keys = _Keys(**{"name": roles.get("name", "name")}, children=children, id=roles.get("id", "id"))
    keys = keys._replace(**{role: roles[role] for role in ("synonyms", "definition") if role in roles})
    told = [f"{key!r} as {role}" for role, key in keys._asdict().items() if key != role and key in there]
    notes = (f"Read the keys {', '.join(told)}.",) if told else ()
    unread = Counter({key: n for key, n in there.items() if key not in keys})
    return keys, notes + _unread(unread)


def _definition(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value or "")


def _nodes_of(
    content: Any, layout: NestedLayout, keys: _Keys, ids: NestedIds, separator: str
) -> Iterator[tuple[str, tuple[str, ...], dict[str, Any]]]:
    """(id above, names from the top, fields) of every node, parents first, in the order of the source."""
    stack = [("", node) for node in reversed(_level(content, layout, keys, ()))]
    while stack:
        above, (path, fields, children) = stack.pop()
        check_levels(len(path), "The nested JSON")
        yield above, path, fields
        node = _id(path, fields, keys, ids, separator)
        stack.extend((node, child) for child in reversed(_level(children, layout, keys, path)))


def _level(content: Any, layout: NestedLayout, keys: _Keys, above: tuple[str, ...]) -> list[_Node]:
    """The nodes directly below `above`."""
    if layout == "mapping":
        if isinstance(content, list) and all(isinstance(name, str) for name in content):
            content = dict.fromkeys(content)
        if content not in (None, "") and not isinstance(content, dict):
            raise HierarchyError(f"{_at(above)}: {content!r:.80}; needed {_needed(layout)}")
        return [((*above, _name(name, above)), {}, inner) for name, inner in (content or {}).items()]
    level = [content] if isinstance(content, dict) and not above else content or []
    if not isinstance(level, list):
        raise HierarchyError(f"{_at(above)}: the children are {level!r:.80}; needed a list.")
    level = [{keys.name: each} if isinstance(each, str) else each for each in level]
    for fields in level:
        if not isinstance(fields, dict) or keys.name not in fields:
            raise HierarchyError(f"{_at(above)}: {fields!r:.80}; needed {_needed(layout)}")
    return [((*above, _name(fields[keys.name], above)), fields, fields.get(keys.children)) for fields in level]


def _id(path: tuple[str, ...], fields: dict[str, Any], keys: _Keys, ids: NestedIds, separator: str) -> str:
    if ids == "id":
        node = id_text(fields.get(keys.id))
        if not node:
            raise HierarchyError(f"{_at(path)}: there is no \"id\"; needed one in every node, or ids='path'.")
        return node
    return separator.join(path) if ids == "path" else path[-1]


def _words(synonyms: Any, path: tuple[str, ...]) -> list[str]:
    """The synonyms of a node: a list of texts, or one text; "|" and line breaks stand between several in one."""
    words = [synonyms] if isinstance(synonyms, str) else synonyms or []
    if not isinstance(words, list | tuple) or any(isinstance(word, list | tuple | dict) for word in words):
        raise HierarchyError(f"{_at(path)}: the synonyms are {synonyms!r:.80}; needed a list of texts.")
    if isinstance(synonyms, str) and ("|" in synonyms or "\n" in synonyms):
        return list(split_synonyms([synonyms])[0][0])
    return [str(word) for word in words if word is not None]


def _name(name: Any, above: tuple[str, ...]) -> str:
    if id_text(name).strip() == "":
        raise HierarchyError(f"{_at(above)}: a node has an empty name.")
    return id_text(name)


def _at(path: tuple[str, ...]) -> str:
    return f"At {' > '.join(path)!r}" if path else "At the top"


def _needed(layout: NestedLayout) -> str:
    return {
        "children": '{"name": ..., "children": [...]}.',
        "mapping": '{"name": {"name below": {}}}.',
        "records": '[{"id": ..., "name": ..., "parent": ...}, ...], the parent by its id, null for none.',
    }[layout]
