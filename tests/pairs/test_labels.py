"""Labelled texts become queries whose answers are the labelled nodes and everything above them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

import rootward as rw
from rootward.errors import InputError, PairsError, TableError, UnknownIdError
from shoes import ANCESTORS, DEFINITIONS, EDGES, SYNONYMS, shoes

ROWS = [
    ("Havaianas, size 9", "flip-flops"),
    ("Wellies", "rain boots"),
    ("wellies!", "Rain Boots"),
    ("Tevas", "hiking sandals"),
    ("tevas", "sandals"),
]


def csv(tmp_path, *lines, name="titles.csv", head="text,node"):
    path = tmp_path / name
    path.write_text("\n".join([head, *lines]) + "\n")
    return path


def shop(**changes):
    """The shop with ids n0, n1, ... and the words as names."""
    words = [child for child, _ in EDGES]
    words = list(dict.fromkeys(words))
    ids = {word: f"n{row}" for row, word in enumerate(words)} | changes
    nodes = pa.table(
        {
            "id": [ids[word] for word in words],
            "name": words,
            "synonyms": ["|".join(SYNONYMS.get(word, ())) for word in words],
            "definition": [DEFINITIONS.get(word, "") for word in words],
        }
    )
    return rw.Hierarchy.from_edges([(ids[low], ids.get(high)) for low, high in EDGES], nodes=nodes)


def test_a_labelled_text_is_answered_by_its_node_and_everything_above_it():
    pairs = shoes().pairs(labels=rw.Labels.read(ROWS))
    nodes = shoes().pairs()
    assert list(pairs.query_ids) == [*nodes.query_ids, "Havaianas, size 9", "Wellies", "Tevas"]
    assert pairs.document_ids == nodes.document_ids
    assert pairs.relevant("Havaianas, size 9") == ANCESTORS["flip-flops"]
    assert pairs.relevant("Wellies") == ANCESTORS["rain boots"]
    assert pairs.relevant("sandals") == ANCESTORS["sandals"]
    assert pairs.query_texts.names[-3:] == ("Havaianas, size 9", "Wellies", "Tevas")
    assert "1 row of labels repeats a text and its node; each counts once." in pairs.notes


def test_a_text_with_two_labels_has_both_nodes_at_distance_0_and_the_shortest_way_to_what_is_above():
    pairs = shoes().pairs(labels=rw.Labels.read([("tevas", "hiking sandals"), ("TEVAS", "shoes")]))
    assert pairs.relevant("tevas") == [("shoes", 0), ("hiking sandals", 0), ("footwear", 1), ("sandals", 1)]


@pytest.mark.parametrize(
    "label",
    [
        "n8",
        " n8 ",
        "flip-flops",
        "Flip Flops",
        "jandals",
        "footwear > shoes > sandals > flip-flops",
        "shoes/sandals/n8",
    ],
)
def test_a_label_names_a_node_by_id_name_synonym_or_path(label):
    pairs = shop().pairs(labels=rw.Labels.read([("havaianas", label)]))
    assert pairs.relevant("havaianas") == [("n8", 0), ("n4", 1), ("n1", 2), ("n0", 3)]


def test_a_path_tells_two_nodes_of_one_name_apart():
    tree = rw.Hierarchy.from_paths(["Men > Shoes", "Women > Shoes"])
    pairs = tree.pairs(labels=rw.Labels.read([("heels", "women>shoes")]))
    assert pairs.relevant("heels") == [("Women > Shoes", 0), ("Women", 1)]
    with pytest.raises(PairsError, match=r"'shoes' may be several nodes: 'Men > Shoes', 'Women > Shoes'"):
        tree.pairs(labels=rw.Labels.read([("heels", "shoes")]))


def test_a_path_that_is_none_names_no_node():
    with pytest.raises(UnknownIdError, match=r"Did you mean 'sandals'\?"):
        shoes().pairs(labels=rw.Labels.read([("tevas", "boots > sandals")]))


def test_an_unknown_node_is_an_error_with_its_row_and_the_nearest_names(tmp_path):
    path = csv(tmp_path, "wellies,rain boots", "tevas,sandels")
    with pytest.raises(UnknownIdError, match=r"Row 3 of titles.csv: the node 'sandels' .* Did you mean 'sandals'\?"):
        shoes().pairs(labels=rw.Labels.read(path))


def test_unknown_nodes_are_left_out_and_counted_where_that_is_wanted(tmp_path):
    path = csv(tmp_path, "wellies,rain boots", "a,clogs", "b,mules", "c,pumps", "?!,boots", "d,")
    pairs = shoes().pairs(labels=rw.Labels.read(path), unknown="skip")
    assert list(pairs.query_ids[12:]) == ["wellies"]
    assert pairs.notes == (
        "Left out 3 labelled texts whose node is unknown, such as 'clogs' (row 3 of titles.csv) and "
        "'mules' (row 4 of titles.csv).",
        "Left out 1 labelled text without a letter or digit in the text: '?!' (row 6 of titles.csv).",
        "Left out 1 labelled text with an empty node: '' (row 7 of titles.csv).",
    )
    with pytest.raises(InputError, match=r"No labelled text is left. Left out 1 labelled text whose node is unknown"):
        shoes().pairs(labels=rw.Labels.read([("a", "clogs")]), unknown="skip")
    with pytest.raises(InputError, match="unknown='ignore' is not known"):
        shoes().pairs(labels=rw.Labels.read(ROWS), unknown="ignore")


@pytest.mark.parametrize(
    ("line", "why"), [("?!,boots", "no letter or digit"), (",boots", "no letter"), ("a,", "empty")]
)
def test_a_row_without_text_or_node_is_named(tmp_path, line, why):
    labels = rw.Labels.read(csv(tmp_path, "wellies,rain boots", line))
    for pairs in (shoes().pairs, lambda labels: labels.pairs()):
        with pytest.raises(TableError, match=f"Row 3 of titles.csv: .*{why}"):
            pairs(labels=labels)


def test_a_text_that_is_the_id_of_a_node_is_a_query_of_its_own():
    pairs = shoes().pairs(labels=rw.Labels.read([("boots", "hiking boots"), ("boots (2)", "boots")]))
    assert list(pairs.query_ids[12:]) == ["boots (2)", "boots (2) (2)"]
    assert pairs.query_texts.names[12:] == ("boots", "boots (2)")
    assert pairs.relevant("boots (2)") == [("hiking boots", 0), ("boots", 1), ("footwear", 2)]


def test_line_ends_and_control_characters_of_a_text_are_no_part_of_its_id():
    pairs = shoes().pairs(labels=rw.Labels.read([("two\n lines\x01", "boots")]))
    assert pairs.query_ids[12] == "two lines"
    assert pairs.query_texts.names[12] == "two\n lines\x01"


def test_answers_that_are_left_out_for_nodes_are_left_out_for_texts():
    labels = rw.Labels.read(ROWS)
    assert shoes().pairs(labels=labels, max_distance=1).relevant("Wellies") == [("rain boots", 0), ("boots", 1)]
    for options in ({"keep_roots": False}, {"leave_out": ["footwear"]}):
        pairs = shoes().pairs(labels=labels, **options)
        assert pairs.relevant("Wellies") == [("rain boots", 0), ("boots", 1)]
        assert "footwear" in pairs.document_ids


def test_by_name_makes_queries_of_synonyms_and_leaves_labelled_texts_as_they_are():
    labels = rw.Labels.read([("havaianas", "flip-flops"), ("Jandals", "flip-flops"), ("thongs", "sandals")])
    pairs = shop().pairs(labels=labels)
    named = pairs.by_name()
    assert list(named.query_ids[12:]) == ["havaianas", "Jandals", "thongs", "n3: trainers"]
    assert named.relevant("thongs") == pairs.relevant("thongs") == pairs.relevant("n4")
    assert named.relevant("n3: trainers") == pairs.relevant("n3")
    assert named.notes == ("Left out 1 synonyms that are names of several nodes.",)  # thongs; Jandals is there
    assert shop().pairs(labels=labels).document_texts == shop().pairs().document_texts


def test_labelled_pairs_are_the_same_after_saving(tmp_path):
    pairs = shop().pairs(labels=rw.Labels.read(ROWS))
    again = rw.Pairs.load(pairs.save(tmp_path / "shop.parquet"))
    assert again.query_ids == pairs.query_ids
    assert again.query_texts == pairs.query_texts
    assert np.array_equal(again.documents, pairs.documents)
    assert np.array_equal(again.distances, pairs.distances)


def test_without_a_taxonomy_categories_are_the_documents():
    pairs = rw.Labels.read([("Wellies", "boots"), ("wellies!", "rain wear"), ("tevas", "sandals")]).pairs()
    assert list(pairs.query_ids) == ["Wellies", "tevas"]
    assert list(pairs.document_ids) == ["boots", "rain wear", "sandals"]
    assert pairs.relevant("Wellies") == [("boots", 0), ("rain wear", 0)]
    left = rw.Labels.read([("?!", "hats"), ("Wellies", "boots")]).pairs(unknown="skip")
    assert list(left.document_ids) == ["boots"]


def test_labels_are_read_from_files_tables_and_rows(tmp_path):
    table = pa.table({"title": ["wellies", "tevas"], "category": [7, 8], "count": [1.5, 2.0]})
    pyarrow.parquet.write_table(table, tmp_path / "t.parquet")
    tsv = csv(tmp_path, "wellies\t7\t1.5", "tevas\t8\t2", name="t.tsv", head="title\tcategory\tcount")
    for source in (table, tmp_path / "t.parquet", tsv, [("wellies", 7, 1.5), ("tevas", 8, 2)]):
        labels = rw.Labels.read(source, text="title", node="category", weight="count")
        assert (labels.texts, labels.nodes) == (("wellies", "tevas"), ("7", "8"))
        assert labels.weights.tolist() == [1.5, 2.0]
        assert labels.take([1]).texts == ("tevas",)
        assert labels.take([1]).weights.tolist() == [2.0]


def test_faults_of_a_table_are_named_with_file_and_row(tmp_path):
    path = csv(tmp_path, "wellies,boots,1", "tevas,sandals,-1", head="text,node,n")
    with pytest.raises(TableError, match=r"Row 3 of titles.csv: the weight \(column 'n'\) is '-1'"):
        rw.Labels.read(path, weight="n")
    with pytest.raises(TableError, match=r"Name the columns with text= and node="):
        rw.Labels.read(path, text="title")
    with pytest.raises(InputError, match="2 texts need as many nodes"):
        rw.Labels(("a", "b"), ("x",))


def test_labels_taken_from_others_keep_their_rows_for_messages(tmp_path):
    labels = rw.Labels.read(csv(tmp_path, "wellies,rain boots", "tevas,sandels")).take([1])
    with pytest.raises(UnknownIdError, match=r"Row 3 of titles.csv"):
        shoes().pairs(labels=labels)


def test_weights_of_labels_are_weights_of_queries(tmp_path):
    """Rows that repeat a text and its node add up; of several nodes the mean; nodes and synonyms count 1."""
    rows = [("Wellies", "rain boots", 3), ("wellies!", "Rain boots", 1), ("Tevas", "sandals", 2), ("tevas", "boots", 4)]
    labels = rw.Labels.read(rows, weight="weight")
    pairs = shoes().pairs(labels=labels)
    assert pairs.query_weights.tolist() == [1.0] * 12 + [4.0, 3.0]
    assert "their weights are added up" in pairs.notes[-1]
    named = shop().pairs(labels=labels).by_name()
    assert len(named.query_weights) == named.n_queries
    assert named.query_weights[12:14].tolist() == [4.0, 3.0]
    again = rw.Pairs.load(named.save(tmp_path / "pairs.parquet"))
    assert again.query_weights.tolist() == named.query_weights.tolist()
    assert labels.pairs().query_weights.tolist() == [4.0, 3.0]
    assert shoes().pairs(labels=rw.Labels.of([("Wellies", "rain boots")])).query_weights is None


@pytest.mark.parametrize("weight", [0.0, -1.0, np.inf, np.nan])
def test_weights_are_finite_and_above_0(weight):
    with pytest.raises(InputError, match="label 2 has"):
        rw.Labels(("a", "b"), ("x", "x"), np.array([1.0, weight]))
    pairs = rw.Labels.of([("a", "x")]).pairs()
    with pytest.raises(PairsError, match="query_weights"):
        rw.Pairs(pairs.query_ids, pairs.document_ids, *arrays(pairs), query_weights=np.array([weight]))


def arrays(pairs):
    return pairs.offsets, pairs.documents, pairs.distances
