"""OBO files as users brought them: what is read, and what a note says of the rest."""

import numpy as np
import pytest

import rootward as rw
from rootward.errors import InputError
from rootward.hierarchy import Hierarchy


@pytest.fixture
def read(tmp_path):
    def read(text, **options):
        (tmp_path / "file.obo").write_text(f"format-version: 1.2\nontology: demo\n\n{text}")
        return Hierarchy.from_obo(tmp_path / "file.obo", **options)

    return read


QUALIFIERS = """[Term]
id: PO:1
name: plant part

[Term]
id: PO:2
name: embryo
def: "A young plant." [URL:http\\://example.org/view.php?id=1, Some Person {date=2011-09-14}]
synonym: "germ" EXACT [TAO:Bird and Mabee 2003]
is_a: PO:1 {source="PO:xx", is_inferred="true"} ! plant part

[Term]
id: PO:3
name: suspensor {comment="named by hand ! once"} ! a remark
is_a: PO:2{is_inferred="true"} ! embryo

[Term]
id: PO:4 {source="x"}
name: haustorium ! trailing remark
is_a: PO:2\t! embryo, after a tab
relationship: part_of\tPO:3{all_only="true"}! suspensor
"""


def test_modifiers_and_comments_stayed_in_names_and_lost_edges(read):
    tree = read(QUALIFIERS, relations=["is_a", "part_of"])
    assert tree.texts.names == ("plant part", "embryo", "suspensor", "haustorium")
    assert set(tree.edges()) == {("PO:2", "PO:1"), ("PO:3", "PO:2"), ("PO:4", "PO:2"), ("PO:4", "PO:3")}
    assert tree.notes == ()


@pytest.mark.parametrize("name", ["2-{[5-methyl]amino}ethanol", "poly{A}", "Yahoo! mail", "a{x=1", "wow!"])
def test_braces_and_marks_that_belong_to_a_name_stay(read, name):
    assert read(f"[Term]\nid: a\nname: {name}\n").texts.names == (name,)


def test_synonym_tags_of_obo_1_0_were_not_read(read):
    text = """[Term]\nid: X:1\nname: behaviour
exact_synonym: "behavior" []\nrelated_synonym: "conduct" []\nnarrow_synonym: "habit" []
[Term]\nid: X:2\nname: feeding\nexact_synonym: "eating" [GOC:x]\nis_a: X:1\n"""
    tree = read(text)
    assert tree.texts.synonyms == (("behavior",), ("eating",))
    assert tree.notes == ("Left out 2 synonyms of other scopes: RELATED (1), NARROW (1); scopes= chooses them.",)
    tree = read(text, scopes=["EXACT", "RELATED", "NARROW"])
    assert tree.texts.synonyms == (("behavior", "conduct", "habit"), ("eating",))
    assert tree.notes == ()


OLD_IDS = """[Term]
id: GO:0000003
name: reproduction
alt_id: GO:0019952
alt_id: GO:0050876

[Term]
id: GO:0000747
name: conjugation
is_a: GO:0019952 ! reproduction (merged id)

[Term]
id: GO:0000748
name: dead term
is_obsolete: true
replaced_by: GO:0000747

[Term]
id: GO:0000749
name: response
is_a: GO:0000748 ! dead term
"""


def test_a_parent_with_a_merged_id_is_the_new_term(read):
    tree = read(OLD_IDS)
    assert tree.edges() == [("GO:0000747", "GO:0000003")]
    assert "Read 1 edge to a merged id: GO:0000747 under GO:0019952 (row 13, now GO:0000003)." in tree.notes


def test_an_obsolete_parent_is_told_by_its_ids_and_row(read):
    tree = read(OLD_IDS)
    away = "GO:0000749 under GO:0000748 (row 24, replaced by GO:0000747)"
    assert f"Left out 1 edge to a term that is obsolete or not among those read: {away}." in tree.notes
    assert "Left out 1 obsolete term: GO:0000748." in tree.notes


GENUS = """[Term]
id: U:1
name: suture
[Term]
id: U:2
name: facial suture
is_a: U:1
[Term]
id: U:3
name: internasal suture
intersection_of: U:2 ! facial suture
intersection_of: connects U:4 {cardinality="2"} ! nasal bone
[Term]
id: U:4
name: nasal bone
[Term]
id: U:5
name: sutura internasalis
equivalent_to: U:3
[Term]
id: U:6
name: any
union_of: U:1
union_of: U:4
"""


def test_a_term_that_is_only_defined_had_no_parent(read):
    tree = read(GENUS)
    assert tree.edges() == [("U:1", "U:6"), ("U:2", "U:1"), ("U:3", "U:2"), ("U:4", "U:6")]
    assert "1 pair of terms is equivalent and kept as two nodes: U:3 and U:5." in tree.notes
    assert any("Read 3 edges from definitions: U:3 under U:2 (row 1" in note for note in tree.notes)


def test_a_definition_adds_no_short_cut_past_a_nearer_parent(read):
    tree = read(
        "[Term]\nid: a\n[Term]\nid: b\nis_a: a\n[Term]\nid: c\nis_a: b\nintersection_of: a\nintersection_of: p b\n"
    )
    assert tree.edges() == [("b", "a"), ("c", "b")]


def test_relations_and_imports_that_were_not_read_are_counted(read):
    tree = read("import: other.obo\n[Term]\nid: a\nname: A\n[Term]\nid: b\nname: B\nis_a: a\nrelationship: part_of a\n")
    assert tree.notes == (
        "Left out 1 file that this one imports: other.obo.",
        "Left out 1 relation that makes no parent: part_of (1); relations= chooses them.",
    )


def test_has_part_never_makes_a_parent(read):
    whole = "[Term]\nid: GO:3\nname: nucleus\nrelationship: has_part GO:5 ! pore\n[Term]\nid: GO:5\nname: pore\n"
    tree = read(whole)
    assert tree.edges() == []
    assert tree.notes[0] == "Left out 1 relation that makes no parent: has_part (1)."
    with pytest.raises(InputError, match="'has_part', which leads from a whole to its part; name 'part_of'"):
        read(whole, relations=["has_part"])


def test_old_ids_lead_to_the_term_that_replaced_them(read, tmp_path):
    tree = read(OLD_IDS)
    note = "3 old ids lead to nodes that replaced them: GO:0019952 is now GO:0000003, GO:0050876 is now GO:0000003"
    assert any(each.startswith(note) for each in tree.notes)
    assert "GO:0019952" not in tree.ids
    assert tree.children_of("GO:0050876") == ["GO:0000747"]
    assert tree.below("GO:0000003").ids.row("GO:0000748") == 1
    pairs = tree.pairs(labels=rw.Labels(["breeding", "mating"], ["GO:0019952", "GO:0000748"]))
    assert pairs.relevant("breeding") == [("GO:0000003", 0)]
    assert pairs.relevant("mating") == [("GO:0000747", 0), ("GO:0000003", 1)]
    pairs.save(tmp_path / "pairs.parquet")
    assert rw.Pairs.load(tmp_path / "pairs.parquet").query_ids.row("GO:0019952") == 0


def test_old_ids_are_known_in_search_from_a_saved_model(read, tmp_path):
    pairs = read(OLD_IDS).pairs()
    rw.DualEncoder.from_vectors(pairs, np.eye(3), np.eye(3)).save(tmp_path / "model")
    model = rw.DualEncoder.load(tmp_path / "model")
    assert model.find("GO:0000748") == ["GO:0000747"]
    assert rw.Searcher(model).search("GO:0019952", k=1).ids == [["GO:0000003"]]
