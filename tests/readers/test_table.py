import gzip

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rootward.errors import InputError, PairsError, TableError
from rootward.pairs import Pairs

CLICKS = """query,document,label
red shoes,Red sneaker,exact
red shoes,Crimson boot,substitute
boots,Crimson boot,exact
"""
LEVELS = {"exact": 0, "substitute": 1}


@pytest.fixture
def clicks(tmp_path):
    def write(content=CLICKS, name="clicks.csv"):
        path = tmp_path / name
        path.write_text(content, encoding="utf-8")
        return path

    return write


def sets(pairs: Pairs) -> dict:
    """S(q) of every query by id: what the pairs mean, whatever their rows."""
    return {query: set(pairs.relevant(query)) for query in pairs.query_ids}


def test_the_example_of_the_readme(clicks):
    pairs = Pairs.from_table(clicks(), distance="label", levels=LEVELS)
    assert pairs.relevant("red shoes") == [("Red sneaker", 0), ("Crimson boot", 1)]
    assert pairs.relevant("boots") == [("Crimson boot", 0)]
    assert pairs.notes == ()


def test_ids_are_numbered_by_first_appearance_and_each_side_by_itself():
    pairs = Pairs.from_table([("b", "b", 0), ("a", "b", 1), ("b", "a", 1)])
    assert list(pairs.query_ids) == ["b", "a"]
    assert list(pairs.document_ids) == ["b", "a"]
    assert pairs.query_ids is not pairs.document_ids


def test_the_same_pairs_from_every_kind_of_source(clicks, shoe_rows, shoes, tmp_path):
    header = "query\tdocument\tdistance\n"
    tsv = clicks(header + "".join(f"{q}\t{d}\t{hops}\n" for q, d, hops in shoe_rows), "shoes.tsv")
    table = pa.table(dict(zip(("query", "document", "distance"), zip(*shoe_rows, strict=True), strict=True)))
    pq.write_table(table, tmp_path / "shoes.parquet")
    for source in (tsv, str(tsv), table, tmp_path / "shoes.parquet", shoe_rows, iter(shoe_rows)):
        assert sets(Pairs.from_table(source)) == sets(shoes)


def test_integers_that_pandas_wrote_as_floats_are_integers():
    table = pa.table({"query": ["a"], "document": ["b"], "distance": pa.array([2.0])})
    assert Pairs.from_table(table).distances.tolist() == [2]


def test_ids_that_a_gap_has_made_floats_are_whole_and_scores_may_be_labels():
    table = pa.table({"query": ["a", "b"], "document": pa.array([7.0, 8.0]), "distance": [0.5, 1.0]})
    assert list(Pairs.from_table(table, levels={0.5: 1, 1: 0}).document_ids) == ["7", "8"]
    with pytest.raises(TableError, match=r"Row 1 of the given table: the distance .* is '0.5'; a whole number"):
        Pairs.from_table(table)


def test_labels_may_be_numbers():
    assert Pairs.from_table([("a", "b", 3), ("a", "c", 4)], levels={4: 0, 3: 1}).relevant("a") == [("c", 0), ("b", 1)]


def test_a_repeated_row_counts_once_and_is_noted(clicks):
    path = clicks(CLICKS + "boots,Crimson boot,exact\n")
    pairs = Pairs.from_table(path, distance="label", levels=LEVELS)
    assert sets(pairs) == sets(Pairs.from_table(clicks(), distance="label", levels=LEVELS))
    pairs = Pairs.from_table([("a", "b", 0)] * 3)
    assert pairs.notes == ("2 rows repeat a pair of the given rows with the same distance; each pair counts once.",)


def test_a_pair_with_two_distances_names_both_rows(clicks):
    path = clicks(CLICKS + "boots,Crimson boot,substitute\n")
    with pytest.raises(
        PairsError, match=r"Rows 4 and 5 of clicks.csv give the pair \('boots', 'Crimson boot'\) the distances 0 and 1"
    ):
        Pairs.from_table(path, distance="label", levels=LEVELS)


def test_an_unknown_label_names_itself_its_row_and_the_known_ones(clicks):
    path = clicks(CLICKS + "boots,Wellington,Exact\n")
    with pytest.raises(
        TableError,
        match=r"Row 5 of clicks.csv: the label 'Exact' .* 'exact', 'substitute'. Did you mean 'exact'\? .*drop_others=",
    ):
        Pairs.from_table(path, distance="label", levels=LEVELS)


def test_rows_with_other_labels_are_left_out_where_asked_and_counted(clicks, tmp_path):
    others = "red shoes,Brown sandal,irrelevant\n,Wellington,irrelevant\nboots,Red sneaker,Exact\n"
    path = clicks("query,document,label\n" + others + CLICKS.split("\n", 1)[1] + "boots,Loafer,substitute\n")
    for on_disk in (None, tmp_path / "pairs"):
        pairs = Pairs.from_table(path, distance="label", levels=LEVELS, drop_others=True, on_disk=on_disk)
        assert sets(pairs) == {
            "red shoes": {("Red sneaker", 0), ("Crimson boot", 1)},
            "boots": {("Crimson boot", 0), ("Loafer", 1)},
        }
        assert list(pairs.document_ids) == ["Red sneaker", "Crimson boot", "Loafer"]
        assert pairs.notes == (
            "Left out 3 rows of clicks.csv with other labels than those of levels: 'irrelevant' (2), 'Exact' (1).",
        )


def test_a_fault_below_rows_left_out_names_its_own_row(clicks, tmp_path):
    path = clicks(CLICKS + "boots,Wellington,irrelevant\nboots,Crimson boot,substitute\n")
    for on_disk in (None, tmp_path / "pairs"):
        with pytest.raises(PairsError, match=r"Rows 4 and 6 of clicks.csv give the pair"):
            Pairs.from_table(path, distance="label", levels=LEVELS, drop_others=True, on_disk=on_disk)


def test_rows_with_other_labels_alone_are_no_pairs(clicks, tmp_path):
    for on_disk in (None, tmp_path / "pairs"):
        with pytest.raises(TableError, match=r"No row of clicks.csv has a label of levels; .* 'exact' \(2\), 'subst"):
            Pairs.from_table(clicks(), distance="label", levels={"E": 0}, drop_others=True, on_disk=on_disk)
    with pytest.raises(InputError, match="drop_others=True leaves out other labels than those of levels="):
        Pairs.from_table(clicks(), distance="label", drop_others=True)


def test_semicolons_and_a_packed_table(clicks, tmp_path):
    (tmp_path / "packed.csv.gz").write_bytes(gzip.compress(CLICKS.encode()))
    options = {"distance": "label", "levels": LEVELS}
    wanted = sets(Pairs.from_table(clicks(), **options))
    assert sets(Pairs.from_table(tmp_path / "packed.csv.gz", **options)) == wanted
    excel = clicks("\ufeff" + CLICKS.replace(",", ";").replace("\n", "\r\n"), "excel.csv")
    for on_disk in (None, tmp_path / "pairs"):
        assert sets(Pairs.from_table(excel, delimiter=";", on_disk=on_disk, **options)) == wanted


@pytest.mark.parametrize("bad", ["-1", "0.5", "", "far", "1e3", "nan", "99999999999", "3000000000", "٣"])
def test_a_distance_that_counts_no_hops(clicks, bad):
    path = clicks(f"query,document,distance\na,b,0\n\na,c,{bad}\n")
    with pytest.raises(TableError, match=rf"Row 4 of clicks.csv: the distance .* is '{bad}'; a whole number of hops"):
        Pairs.from_table(path)


def test_labels_without_levels_say_what_to_give(clicks):
    with pytest.raises(TableError, match=r"Row 2 of .* is 'exact'; .* If the column holds labels, give levels="):
        Pairs.from_table(clicks(), distance="label")


@pytest.mark.parametrize(("row", "side"), [((" ", "b", 0), "query"), (("a", None, 0), "document")])
def test_an_empty_id_names_its_row_and_side(row, side):
    with pytest.raises(TableError, match=rf"Row 2 of the given rows: the {side} id \(column '{side}'\) is empty"):
        Pairs.from_table([("a", "b", 0), row])


def test_a_missing_column_lists_those_there(clicks):
    with pytest.raises(
        TableError,
        match=r"no column 'distance'; its columns are 'query', .*Name the columns with query=, document= and distance=",
    ):
        Pairs.from_table(clicks())


@pytest.mark.parametrize("levels", [{}, {"exact": -1}, {"exact": 0.5}, {"exact": "0"}, {"exact": True}])
def test_levels_that_are_no_distances(levels, clicks):
    with pytest.raises(InputError, match="levels"):
        Pairs.from_table(clicks(), distance="label", levels=levels)


labels = st.text("abcé ,\"'", min_size=1, max_size=3).filter(str.strip)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.tuples(labels, labels), st.integers(0, 9), min_size=1, max_size=12), st.randoms())
def test_the_order_of_rows_changes_no_meaning(table, random):
    rows = [(q, d, hops) for (q, d), hops in table.items()]
    shuffled = random.sample(rows, len(rows))
    pairs = Pairs.from_table(shuffled)
    assert sets(pairs) == sets(Pairs.from_table(rows))
    assert list(pairs.query_ids) == list(dict.fromkeys(q for q, _, _ in shuffled))
    assert {(q, d): hops for q in pairs.query_ids for d, hops in pairs.relevant(q)} == table
