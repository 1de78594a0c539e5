"""Nested JSON, and flat lists of records with the ids of their parents.

children    {"name": "shoes", "children": [{"name": "sandals"}, ...]}, or a list of such; a child may be its name alone
            also read: "id", "synonyms" (a list), "definition", or usual other keys (label, altLabels, subcategories)
mapping     {"shoes": {"sandals": {}, "boots": ["ankle boots"]}}
records     [{"id": 1, "name": "shoes", "parent": null}, {"id": 2, "name": "sandals", "parent": 1}]
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
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
_PARENTS = (
    *("parent", "parentid", "parentids", "parents", "parenturi", "parentcode", "parentkey", "parentname", "parentnode"),
    *("parentuuid", "parentcategory", "parentcategoryid", "parentconcept", "broader", "broaderid", "broaderuri"),
    *(
        "broaderconcept",
        "superclass",
        "superclasses",
        "superconcept",
        "subclassof",
        "isa",
        "hypernym",
        "hypernyms",
        "pid",
    ),
)
_CHILDREN = "child", "childid"


def _parent_key(keys: Iterable[str]) -> str | None:
    """The key of the parents among those of records: a usual one, or the only one that speaks of a parent."""
    plain = {re.sub(r"[\s_.-]", "", key).lower(): key for key in keys}
    others = [key for word, key in plain.items() if "parent" in word]
    return next((plain[word] for word in _PARENTS if word in plain), others[0] if len(others) == 1 else None)


class _Keys(NamedTuple):
    """What nodes call their fields; "" for what they do not have."""

    name: str = "name"
    children: tuple[str, ...] = ("children",)
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
    if layout == "children" and (records := _with_child_ids(source)) is not None:
        source, layout = records, "records"
        notes += ("The children are ids of other nodes, read with layout='records'.",)
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
    n_ids = 0
    try:
        for above, path, fields in _nodes_of(source, layout, keys, ids, separator):
            node = _id(path, fields, keys, ids, separator)
            if node in names and ids == "path":
                raise HierarchyError(f"{node!r} stands there twice. Keep one, or use ids='name' if both are one node.")
            n_ids += bool(id_text(fields.get(keys.id)))
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
    words, told = split_synonyms([word for listed in synonyms.values() for word in listed if isinstance(word, _Cell)])
    parts = iter(words)
    synonyms = {
        node: [w for word in listed for w in (next(parts) if isinstance(word, _Cell) else (word,))]
        for node, listed in synonyms.items()
    }
    notes += counted("Left out", "second name of an id", "second names of ids", renamed) + told
    if ids == "path" and n_ids:
        notes += (f"{n_ids:,} nodes have an {keys.id!r}, which is not read: paths are the ids. ids='id' reads them.",)
    return EdgeList.of(names, edges, synonyms=synonyms, definitions=definitions, notes=notes)


def _inner(content: Any, layout: NestedLayout) -> tuple[Any, tuple[str, ...]]:
    """The list of nodes in an object around them, such as {"categories": [...]}, or a root without a name; a note."""
    if layout == "mapping" or not isinstance(content, dict) or "name" in columns_of([*content]):
        return content, ()
    lists = [key for key, value in content.items() if _of_objects(value)]
    if "nodes" in lists and {"links", "edges"} & {*lists}:
        raise HierarchyError(
            "This is a graph with nodes and links; read it by networkx.node_link_graph, and that by "
            "Hierarchy.from_networkx."
        )
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
    return _parent_key(there) is not None and not has_children


def _with_child_ids(content: Any) -> list[dict[str, Any]] | None:
    """Records with the parents of each, where the children of nodes in a flat list are ids of others; else None."""
    if not isinstance(content, list) or not content or not all(isinstance(each, dict) for each in content):
        return None
    child = columns_of([*dict.fromkeys(str(key) for each in content for key in each)]).get("id")
    ids = {id_text(each.get(child)) for each in content} - {""}
    lists = [each["children"] for each in content if isinstance(each.get("children"), list)]
    below = {id_text(word) for words in lists for word in words if not isinstance(word, dict | list)}
    if not below or not below <= ids or any(isinstance(word, dict | list) for words in lists for word in words):
        return None
    above: dict[str, list[str]] = {}
    for each in content:
        for word in each.get("children") or ():
            above.setdefault(id_text(word), []).append(id_text(each.get(child)))
    rest = [{key: value for key, value in each.items() if key != "children"} for each in content]
    parent = _parent_key(key for each in rest for key in each) or "parent"
    return [each | {parent: above.get(id_text(each.get(child)), [])} for each in rest]


def _records(content: Any, where: str, notes: tuple[str, ...]) -> EdgeList:
    """The edge list of records with an id, or a name, and the id or name of a parent."""
    if not isinstance(content, list) or not all(isinstance(each, dict) for each in content):
        raise HierarchyError(f"{where}{content!r:.80}; needed {_needed('records')}")
    there = [*dict.fromkeys(str(key) for each in content for key in each)]
    parent = _parent_key(there)
    roles = columns_of(there)
    child = roles.get("id") or next((key for key in there if key.lower().replace("_", "") in _CHILDREN), None)
    child = child or roles.get("name")
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
    of_one = True  # no node has two lists of nodes
    stack = [content]
    while stack:
        for each in stack.pop() if isinstance(stack[-1], list) else [stack.pop()]:
            if isinstance(each, dict):
                there.update(key for key in each if each[key] is not None)
                lists = {
                    key: v for key, v in each.items() if isinstance(v, list) and any(isinstance(w, dict) for w in v)
                }
                of_lists.update(lists.keys())
                of_one = of_one and len(lists) < 2
                stack += [each["children"]] if isinstance(each.get("children"), list) else lists.values()
    roles = columns_of([*there])
    children = ("children",) if "children" in there or not of_lists or not of_one else tuple(of_lists)
    roles = {role: key for role, key in roles.items() if key not in children}
    keys = _Keys(**{"name": roles.get("name", "name")}, children=children, id=roles.get("id", "id"))
    keys = keys._replace(
        synonyms=roles.get("synonyms", keys.synonyms), definition=roles.get("definition", keys.definition)
    )
    told = [
        f"{key!r} as {role}"
        for role, key in keys._asdict().items()
        if role != "children" and key != role and key in there
    ]
    told += [f"{key!r} as children" for key in children if key != "children"]
    notes = (f"Read the keys {', '.join(told)}.",) if told else ()
    unread = Counter({key: n for key, n in there.items() if key not in (*keys, *children)})
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
            is_mapping = isinstance(fields, dict) and fields and not above
            is_mapping = is_mapping and all(
                value is None or isinstance(value, dict | list) for value in fields.values()
            )
            other = " If its keys are the names, say layout='mapping'." if is_mapping else ""
            raise HierarchyError(f"{_at(above)}: {fields!r:.80}; needed {_needed(layout)}{other}")
    return [
        (
            (*above, _name(fields[keys.name], above)),
            fields,
            next((fields[key] for key in keys.children if fields.get(key)), None),
        )
        for fields in level
    ]


def _id(path: tuple[str, ...], fields: dict[str, Any], keys: _Keys, ids: NestedIds, separator: str) -> str:
    if ids == "id":
        node = id_text(fields.get(keys.id))
        if not node:
            raise HierarchyError(f"{_at(path)}: there is no \"id\"; needed one in every node, or ids='path'.")
        return node
    return separator.join(path) if ids == "path" else path[-1]


class _Cell(str):
    """Synonyms as one text, which may hold several."""


def _words(synonyms: Any, path: tuple[str, ...]) -> list[str]:
    """The synonyms of a node: a list of texts, or one text that is taken apart as in node tables."""
    if isinstance(synonyms, str):
        return [_Cell(synonyms)]
    words = synonyms or []
    if not isinstance(words, list | tuple) or any(isinstance(word, list | tuple | dict) for word in words):
        raise HierarchyError(f"{_at(path)}: the synonyms are {synonyms!r:.80}; needed a list of texts.")
    return [text for word in words if (text := id_text(word))]


def _name(name: Any, above: tuple[str, ...]) -> str:
    if isinstance(name, dict | list):
        raise HierarchyError(
            f"{_at(above)}: a name is {name!r:.60}; needed a text. Of a DataFrame write to_json(orient='records')."
        )
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
