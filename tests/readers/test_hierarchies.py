"""The same shoe shop written in every format reads as the same hierarchy."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rootward.hierarchy import Hierarchy
from shoes import DEFINITIONS, EDGES, SECOND_PARENT, SYNONYMS, shoe_tree, shoes

NODES = list(shoes().ids)
TREE = [edge for edge in EDGES if edge != SECOND_PARENT]


def csv_text(edges=EDGES, delimiter=","):
    return "".join(f"{delimiter.join(row)}\n" for row in [("child", "parent"), *edges])


def nested(node, key="name"):
    """The shop as {"name", "id", "children"}; kids' sneakers stand in two places."""
    children = [nested(child) for child in shoes().children_of(node)]
    return {
        "name": node,
        "id": node,
        "synonyms": list(SYNONYMS.get(node, ())),
        "definition": DEFINITIONS.get(node, ""),
        "children": children,
    }


def mapping(hierarchy, node):
    return {child: mapping(hierarchy, child) for child in hierarchy.children_of(node)}


def paths(separator=" > "):
    """Every node's path in the tree, kids' sneakers under sneakers."""
    tree = shoe_tree()
    above = {node: next(iter(tree.parents_of(node)), None) for node in NODES}

    def path(node):
        return node if above[node] is None else f"{path(above[node])}{separator}{node}"

    return [path(node) for node in NODES]


def obo():
    lines = ["format-version: 1.2", "default-namespace: shop", ""]
    for number, node in enumerate(NODES):
        lines += ["[Term]", f"id: S:{number:02d}", f"name: {node}"]
        lines += [f'def: "{DEFINITIONS[node]}" [shop:1]'] if node in DEFINITIONS else []
        lines += [f'synonym: "{word}" EXACT []' for word in SYNONYMS.get(node, ())]
        lines += [f"is_a: S:{NODES.index(up):02d} ! {up}" for up in shoes().parents_of(node)] + [""]
    return "\n".join(lines)


def turtle(kind):
    """The shop as SKOS or OWL in Turtle."""
    words = {
        "skos": ("skos:Concept", "skos:prefLabel", "skos:altLabel", "skos:definition", "skos:broader"),
        "owl": ("owl:Class", "rdfs:label", "oio:hasExactSynonym", "obo:IAO_0000115", "rdfs:subClassOf"),
    }[kind]
    lines = [
        "@prefix skos: <http://www.w3.org/2004/02/skos/core#> .",
        "@prefix owl: <http://www.w3.org/2002/07/owl#> .",
        "@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .",
        "@prefix oio: <http://www.geneontology.org/formats/oboInOwl#> .",
        "@prefix obo: <http://purl.obolibrary.org/obo/> .",
        "@prefix : <http://example.org/shop/> .",
    ]
    for number, node in enumerate(NODES):
        told = [f"a {words[0]}", f'{words[1]} "{node}"@en', f'{words[1]} "auf Deutsch {number}"@de']
        told += [f'{words[2]} "{word}"@en' for word in SYNONYMS.get(node, ())]
        told += [f'{words[3]} "{DEFINITIONS[node]}"@en'] if node in DEFINITIONS else []
        told += [f"{words[4]} :s{NODES.index(up):02d}" for up in shoes().parents_of(node)]
        lines.append(f":s{number:02d} " + " ; ".join(told) + " .")
    return "\n".join(lines)


def read_csv(folder):
    (folder / "edges.csv").write_text(csv_text())
    return Hierarchy.from_edges(folder / "edges.csv")


def read_tsv(folder):
    (folder / "edges.txt").write_text(csv_text(delimiter="\t"))
    return Hierarchy.from_edges(folder / "edges.txt", format="tsv")


def read_parquet(folder):
    pq.write_table(edge_table(), folder / "edges.parquet")
    return Hierarchy.from_edges(str(folder / "edges.parquet"), child="low", parent="high")


def edge_table():
    low, high = zip(*EDGES, strict=True)
    return pa.table({"number": range(len(low)), "low": low, "high": pa.array([up or None for up in high])})


def read_obo(folder):
    (folder / "shop.obo").write_text(obo())
    return Hierarchy.from_obo(folder / "shop.obo")


def read_skos(folder):
    pytest.importorskip("rdflib")
    (folder / "shop.ttl").write_text(turtle("skos"))
    return Hierarchy.from_skos(folder / "shop.ttl")


def read_owl(folder):
    pytest.importorskip("rdflib")
    (folder / "shop.rdfs").write_text(turtle("owl"))
    return Hierarchy.from_owl(folder / "shop.rdfs", format="turtle")


def read_nested(folder):
    (folder / "shop.json").write_text(json.dumps(nested("footwear")))
    return Hierarchy.from_nested(folder / "shop.json", ids="id")


def read_networkx(folder):
    networkx = pytest.importorskip("networkx")
    graph = networkx.DiGraph([(up, low) for low, up in EDGES if up])
    return Hierarchy.from_networkx(graph, direction="parent_to_child")


DAG_READERS = {
    "pairs": lambda folder: shoes(),
    "csv": read_csv,
    "tsv": read_tsv,
    "parquet": read_parquet,
    "arrow": lambda folder: Hierarchy.from_edges(edge_table(), child="low", parent="high"),
    "obo": read_obo,
    "skos": read_skos,
    "owl": read_owl,
    "nested children": read_nested,
    "nested mapping": lambda folder: Hierarchy.from_nested(
        {"footwear": mapping(shoes(), "footwear")}, layout="mapping", ids="name"
    ),
    "networkx": read_networkx,
    "networkx and back": lambda folder: Hierarchy.from_networkx(shoes().to_networkx()),
}


def named_edges(hierarchy):
    """The edges by name where the format has names, by id where it has none."""
    names = hierarchy.ids if hierarchy.texts is None else hierarchy.texts.names
    name = dict(zip(hierarchy.ids, names, strict=True))
    return {(name[low], name[up]) for low, up in hierarchy.edges()}


@pytest.mark.parametrize("reader", DAG_READERS)
def test_every_format_gives_the_same_shop(reader, tmp_path):
    if reader.startswith("networkx"):
        pytest.importorskip("networkx")
    shop = DAG_READERS[reader](tmp_path)
    assert named_edges(shop) == set(shoes().edges())
    assert (len(shop), len(shop.roots), len(shop.pairs())) == (12, 1, len(shoes().pairs()))


@pytest.mark.parametrize("reader", ["obo", "skos", "owl", "nested children"])
def test_formats_with_texts_give_names_synonyms_and_definitions(reader, tmp_path):
    shop = DAG_READERS[reader](tmp_path)
    row = {name: row for row, name in enumerate(shop.texts.names)}
    assert set(row) == set(NODES)
    assert set(shop.texts.synonyms[row["flip-flops"]]) == {"thongs", "jandals"}
    assert shop.texts.definitions[row["sandals"]] == DEFINITIONS["sandals"]
    assert shop.texts.definitions[row["boots"]] == ""


def shopify_json():
    return {
        "version": "2024-07",
        "verticals": [
            {
                "name": "Footwear",
                "prefix": "fw",
                "categories": [
                    {
                        "id": f"fw-{NODES.index(low)}",
                        "name": low,
                        "parent_id": f"fw-{NODES.index(up)}" if up else None,
                    }
                    for low, up in TREE
                ],
            }
        ],
    }


def read_shopify_json(folder):
    (folder / "en.json").write_text(json.dumps(shopify_json()))
    return Hierarchy.from_paths(folder / "en.json", layout="shopify-json")


def read_google(folder):
    text = "\n".join(["# Google_Product_Taxonomy_Version: 2021-09-21", *paths()])
    (folder / "taxonomy.txt").write_text(text, encoding="utf-8-sig")
    return Hierarchy.from_paths(folder / "taxonomy.txt", layout="google")


def shopify_lines():
    return ["# Shopify Product Taxonomy", "# Format: {GID} : {Ancestor} > ... > {Category}", ""] + [
        f"gid://shopify/TaxonomyCategory/fw-{number:<9} : {path}" for number, path in enumerate(paths())
    ]


TREE_READERS = {
    "plain paths": lambda folder: Hierarchy.from_paths(paths()),
    "leaf paths only": lambda folder: Hierarchy.from_paths(paths("/")[5:] + paths("/")[:1], separator="/"),
    "google": read_google,
    "google with ids": lambda folder: Hierarchy.from_paths(
        ["# version", *(f"{number} - {path}" for number, path in enumerate(paths()))], layout="google-with-ids"
    ),
    "shopify": lambda folder: Hierarchy.from_paths(shopify_lines(), layout="shopify"),
    "shopify json": read_shopify_json,
    "nested paths": lambda folder: Hierarchy.from_nested(
        {"footwear": mapping(shoe_tree(), "footwear")}, layout="mapping"
    ),
}


@pytest.mark.parametrize("reader", TREE_READERS)
def test_every_format_of_trees_gives_the_same_tree(reader, tmp_path):
    tree = TREE_READERS[reader](tmp_path)
    assert named_edges(tree) == set(shoe_tree().edges())
    assert (len(tree), len(tree.pairs())) == (12, len(shoe_tree().pairs()))


def test_ids_of_paths_are_what_the_layout_says(tmp_path):
    google, shopify, numbered = (TREE_READERS[name](tmp_path) for name in ("google", "shopify", "google with ids"))
    assert "footwear > shoes > sandals" in google.ids
    assert "gid://shopify/TaxonomyCategory/fw-0" in shopify.ids
    assert numbered.roots == ["0"]
    assert read_shopify_json(tmp_path).roots == ["fw-0"]


def test_two_categories_of_one_name_stay_two():
    tree = Hierarchy.from_paths(["shoes > kids", "coats > kids"])
    assert len(tree) == 4
    assert tree.texts.names.count("kids") == 2


def test_a_path_told_twice_is_noted():
    assert Hierarchy.from_paths(["a > b", "a > b"]).notes == ("Left out 1 duplicate path.",)
