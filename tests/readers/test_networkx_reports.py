"""networkx graphs as users brought them, those of obonet among them."""

import pytest

from rootward.errors import InputError
from rootward.hierarchy import Hierarchy

networkx = pytest.importorskip("networkx")


@pytest.fixture
def cell():
    """As obonet reads an OBO file: keys are relations, clauses are kept as written."""
    graph = networkx.MultiDiGraph(name="demo")
    graph.add_node("GO:1", name="organelle")
    graph.add_node("GO:3", name="nucleus", **{"def": '"A \\"core\\"." [GOC:x]'})
    graph.add_node("GO:5", name="pore", synonym=['"opening" EXACT []', '"hole" BROAD []', '"gap" []'])
    graph.add_edge("GO:3", "GO:1", key="is_a")
    graph.add_edge("GO:3", "GO:5", key="has_part")
    graph.add_edge("GO:5", "GO:3", key="part_of")
    return graph


def test_has_part_of_obonet_made_parents_and_its_synonyms_were_lost(cell):
    tree = Hierarchy.from_networkx(cell)
    assert tree.edges() == [("GO:3", "GO:1")]
    assert tree.texts.synonyms == ((), (), ("opening",))
    assert tree.texts.definitions == ("", 'A "core".', "")
    note = "Left out 2 edges of other relations: has_part (1), part_of (1); relations= chooses them."
    others = "Left out 2 synonyms of other scopes: BROAD (1), RELATED (1); scopes= chooses them."
    assert tree.notes == (note, others)


def test_relations_and_scopes_of_obonet_can_be_chosen(cell):
    tree = Hierarchy.from_networkx(cell, relations=["is_a", "part_of"], scopes=["EXACT", "RELATED"])
    assert tree.edges() == [("GO:3", "GO:1"), ("GO:5", "GO:3")]
    assert tree.texts.synonyms[2] == ("opening", "gap")
    with pytest.raises(InputError, match=r"'part_off', which no term of the graph has; .* Did you mean 'part_of'"):
        Hierarchy.from_networkx(cell, relations=["part_off"])
    with pytest.raises(InputError, match="'has_part', which leads from a whole to its part"):
        Hierarchy.from_networkx(cell, relations=["has_part"])


def test_keys_that_are_numbers_are_no_relations():
    graph = networkx.MultiDiGraph([("a", "b"), ("b", "c")])
    assert Hierarchy.from_networkx(graph).edges() == [("a", "b"), ("b", "c")]


def test_a_synonym_that_is_one_text_is_no_list_of_letters():
    graph = networkx.DiGraph([("a", "b")])
    graph.nodes["a"].update(name="boots", synonyms="footwear")
    tree = Hierarchy.from_networkx(graph)
    assert tree.texts.synonyms == (("footwear",), ())
    assert tree.notes == ("1 node has no name: b.",)
