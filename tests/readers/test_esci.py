"""ESCI's two files, in their official layout and with real rows."""

from __future__ import annotations

import numpy as np
import pytest

from readers.esci_files import slice_rows, write_files
from rootward.errors import InputError, TableError
from rootward.pairs import Pairs
from rootward.pairs.query_texts import TextCheck, refuse_empty
from rootward.readers.esci import EXAMPLES, PRODUCTS


@pytest.fixture(scope="module")
def rows():
    return slice_rows()


@pytest.fixture(scope="module")
def folder(rows, tmp_path_factory):
    return write_files(tmp_path_factory.mktemp("esci"), rows)


def test_exact_and_substitute_are_pairs_and_every_product_is_a_document(rows, folder):
    train, test = (Pairs.from_esci(folder, part=part) for part in ("train", "test"))
    counted = [row for row in rows if row["esci_label"] in ("Exact", "Substitute")]
    assert len(train) + len(test) == len(counted) == 187
    assert train.n_documents == 200
    assert train.query_ids == test.query_ids
    assert not (train.sizes * test.sizes).any()
    for row in counted:
        part = train if rows.index(row) % 5 != 4 else test
        assert part.relevant(row["query_id"]) == [(row["product_id"], int(row["esci_label"] == "Substitute"))]


def test_texts_are_queries_and_titles(rows, folder):
    pairs = Pairs.from_esci(folder)
    last = rows[-1]
    assert pairs.query_texts.names[pairs.query_ids.row(last["query_id"])] == last["query"]
    assert pairs.document_texts.names[pairs.document_ids.row(last["product_id"])] == last["product_title"]


def test_the_small_version_leaves_easy_queries_out_and_keeps_every_product(rows, folder):
    pairs = [Pairs.from_esci(folder, part=part, version="small") for part in ("train", "test")]
    assert sum(map(len, pairs)) == 64
    assert pairs[0].n_queries == sum(row["small_version"] == "1" for row in rows) == 75
    assert pairs[0].n_documents == 200


def test_labels_may_be_chosen_and_are_known_by_letter_and_word(folder):
    parts = [
        Pairs.from_esci(folder, part=part, levels={"Exact": 0, "C": 2, "irrelevant": 3}) for part in ("train", "test")
    ]
    counts = sum(np.bincount(part.distances, minlength=4) for part in parts)
    assert counts.tolist() == [138, 0, 1, 12]


def test_test_queries_are_unseen_in_whatever_spelling(rows, tmp_path):
    other = {**rows[4], "query": rows[0]["query"].upper() + "!"}  # a test query, spelled as a training query
    assert (rows[0]["esci_label"], rows[4]["esci_label"]) == ("Exact", "Exact")
    folder = write_files(tmp_path / "esci", [*rows[:4], other])
    test = Pairs.from_esci(folder, part="test")
    assert len(test) == 0
    assert test.notes == ("Left out 1 test queries whose text is that of a training query.",)
    assert not Pairs.from_esci(folder).shared_texts(test)


def test_another_locale_has_products_of_its_own(rows, tmp_path):
    spanish = [{**row, "product_locale": "es"} for row in rows[:3]]
    folder = write_files(tmp_path / "esci", [*spanish, *rows[3:9]], split={row["query_id"]: "train" for row in rows})
    assert Pairs.from_esci(folder, locale="es").n_documents == 3
    assert Pairs.from_esci(folder).n_documents == 6
    with pytest.raises(TableError, match="no examples of locale 'jp'"):
        Pairs.from_esci(folder, locale="jp")


def test_missing_files_say_how_to_get_them(tmp_path):
    with pytest.raises(
        TableError, match=rf"There is no file .*{EXAMPLES}.*git clone https://github.com/amazon-science"
    ):
        Pairs.from_esci(tmp_path)


def test_a_pointer_of_git_lfs_says_what_it_is(folder, tmp_path):
    (tmp_path / EXAMPLES).write_bytes((folder / EXAMPLES).read_bytes())
    (tmp_path / PRODUCTS).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n")
    with pytest.raises(TableError, match="git lfs pull"):
        Pairs.from_esci(tmp_path)
    (tmp_path / PRODUCTS).write_text("no file of this kind")
    with pytest.raises(TableError, match="is no Parquet file"):
        Pairs.from_esci(tmp_path)


def test_what_cannot_be_read_is_refused(rows, folder, tmp_path):
    for wanted, options in (
        ("locale='fr' is not known", {"locale": "fr"}),
        ("version='tiny'", {"version": "tiny"}),
        ("part='dev'", {"part": "dev"}),
        ("no label 'Good'", {"levels": {"Good": 0}}),
        ("whole number from 0", {"levels": {"E": -1}}),
        ("levels is empty", {"levels": {}}),
    ):
        with pytest.raises(InputError, match=wanted):
            Pairs.from_esci(folder, **options)
    with pytest.raises(TableError, match="esci_label holds 'X'"):
        Pairs.from_esci(write_files(tmp_path / "label", rows[:2], esci_label=["E", "X"]))
    same = [{**row, "query_id": "1"} for row in rows[:2]]
    with pytest.raises(TableError, match="'1' has the texts"):
        Pairs.from_esci(write_files(tmp_path / "twice", same))
    with pytest.raises(TableError, match="names the product 'none'"):
        Pairs.from_esci(write_files(tmp_path / "product", rows[:2], product_id=[rows[0]["product_id"], "none"]))


def test_a_query_without_letters_is_named_by_its_row_of_the_examples(tmp_path):
    rows = [{**row, "query": "!!!"} if i == 7 else row for i, row in enumerate(slice_rows())]
    pairs = Pairs.from_esci(write_files(tmp_path / "esci", rows), levels={"E": 0, "S": 1, "C": 2, "I": 3})
    label = rows[7]["query_id"]
    with pytest.raises(InputError, match=rf"'{label}' \(text '!!!', row 8 of {EXAMPLES}\)"):
        refuse_empty(pairs, TextCheck.of(pairs))
    assert pairs.readable().sizes.sum() < pairs.sizes.sum()
