"""Two versions of a shop, what changed, and the change applied."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rootward.errors import HierarchyError, InputError, PairsError
from rootward.growth import Diff, diff, lineage
from rootward.hierarchy import Hierarchy
from rootward.pairs import Pairs
from rootward.texts import Texts
from shoes import EDGES, shoes

TUESDAY = [
    ("footwear", ""),
    ("shoes", "footwear"),
    ("boots", "footwear"),
    ("sneakers", "shoes"),
    ("sandals", "footwear"),  # moved
    ("kids' shoes", "shoes"),
    ("running shoes", "sneakers"),
    ("kids' sneakers", "sneakers"),
    ("kids' sneakers", "kids' shoes"),
    ("flip-flops", "sandals"),
    ("hiking sandals", "sandals"),
    ("clogs", "shoes"),  # added
    ("rain boots", "boots"),  # hiking boots are gone
]


def same(one: Hierarchy, other: Hierarchy) -> bool:
    return set(one.ids) == set(other.ids) and set(one.edges()) == set(other.edges())


def test_what_changed_until_tuesday():
    change = diff(shoes(), Hierarchy.from_edges(TUESDAY))
    assert change.added == ("clogs",)
    assert change.removed == ("hiking boots",)
    assert change.moved == ("sandals",)
    assert set(change.added_edges) == {("sandals", "footwear"), ("clogs", "shoes")}
    assert set(change.removed_edges) == {("sandals", "shoes"), ("hiking boots", "boots")}
    assert str(change).splitlines()[:3] == [
        "added               1  clogs",
        "removed             1  hiking boots",
        "moved               1  sandals",
    ]


def test_the_change_applied_is_tuesday_and_the_other_way_round():
    old, new = shoes(), Hierarchy.from_edges(TUESDAY)
    assert same(diff(old, new).apply(old), new)
    assert same(diff(new, old).apply(new), old)
    assert not diff(old, old)
    assert str(diff(old, old)) == "no change"


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=20), st.data())
@settings(max_examples=40, deadline=None)
def test_any_two_hierarchies(edges, data):
    """Numbers with edges to smaller ones: never a circle."""

    def tree(pairs):
        joined = {(str(max(pair)), str(min(pair))) for pair in pairs if pair[0] != pair[1]}
        return Hierarchy.from_edges([*((str(node), "") for pair in pairs for node in pair), *sorted(joined)])

    others = data.draw(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=20))
    old, new = tree([*edges, (0, 1)]), tree([*others, (0, 1)])
    assert same(diff(old, new).apply(old), new)


def test_names_go_with_the_nodes():
    old = Hierarchy.from_edges(EDGES)
    names = Texts(tuple(node.upper() for node in old.ids), ((),) * 12, ("",) * 12)
    named = Hierarchy(old.ids, old.parent_offsets, old.parents, names)
    change = diff(old, named)
    assert set(change.renamed) == set(old.ids)
    assert change.apply(old).texts == names
    assert diff(named, old).renamed == ()  # a version without names takes none away


def test_a_change_is_saved_and_read(tmp_path):
    change = diff(shoes(), Hierarchy.from_edges(TUESDAY))
    assert Diff.load(change.save(tmp_path / "change.json")) == change
    (tmp_path / "torn.json").write_text((tmp_path / "change.json").read_text()[:40])
    with pytest.raises(InputError, match="not a change"):
        Diff.load(tmp_path / "torn.json")
    with pytest.raises(InputError, match="no file"):
        Diff.load(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (Diff(added=("boots",)), "there already"),
        (Diff(removed=("clogs",)), "not there"),
        (Diff(removed_edges=(("boots", "shoes"),)), "not there"),
        (Diff(added_edges=(("boots", "footwear"),)), "there already"),
        (Diff(removed=("sandals",)), "keeps the edge"),
    ],
)
def test_a_change_that_does_not_fit_is_refused(change, says):
    with pytest.raises(HierarchyError, match=says):
        change.apply(shoes())


def test_a_change_of_pairs_is_that_of_their_hierarchies():
    old, new = shoes(), Hierarchy.from_edges(TUESDAY)
    assert diff(old.pairs(), new.pairs()) == diff(old, new)


@pytest.mark.parametrize("max_distance", [None, 1, 2, 3, 9])
@pytest.mark.parametrize("leave_out", [(), ("footwear",)])
def test_pairs_tell_their_hierarchy_and_its_settings(max_distance, leave_out):
    tree = shoes()
    found = lineage(tree.pairs(max_distance=max_distance, leave_out=leave_out))
    assert found.leave_out == leave_out
    assert set(found.hierarchy.edges()) == {edge for edge in tree.edges() if edge[1] not in leave_out}
    deepest = 3 - len(leave_out)
    assert found.max_distance == (max_distance if max_distance is not None and max_distance < deepest else None)


def test_labelled_pairs_have_no_hierarchy():
    with pytest.raises(PairsError, match="not the same nodes"):
        lineage(Pairs.from_table([("red pump", "pump", 0)]))
