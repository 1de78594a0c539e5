"""Texts: their normal form, names as queries, and parts that share none."""

from __future__ import annotations

import gzip

import numpy as np
import pyarrow.csv
import pyarrow.parquet
import pytest

from rootward.errors import InputError
from rootward.ids import Ids
from rootward.pairs import Pairs
from rootward.pairs.query_texts import TextCheck, refuse_empty
from rootward.texts import LONGEST, Texts, gloss_of, normal_form


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("Broad (nasal)\tBridge", "broad nasal bridge"),
        ("broad_nasal-bridge!", "broad nasal bridge"),
        ("Straße", "strasse"),
        ("ﬁbula Ⅳ x²", "fibula iv x2"),
        ("ＡＢＣ　１２", "abc 12"),
        ("e\u0301tude", "\u00e9tude"),
        ("shoe\u00adlace\u200d", "shoelace"),
        ("a\x00b\x1bc", "a b c"),
        ("जूता", "जूता"),
        ("漢字 ひらがな", "漢字 ひらがな"),
        ("", ""),
        ("?! --", ""),
        ("x" * (LONGEST + 50), "x" * LONGEST),
    ],
)
def test_normal_forms(text, form):
    assert normal_form(text) == form
    assert normal_form(normal_form(text)) == form


def shop(names=("Shoe", "Sneaker", ""), synonyms=(("footwear",), ("trainer", "SNEAKER", "foot-wear", "gym shoe"), ())):
    ids = Ids(["a", "b", "c"])
    texts = Texts(names, synonyms, ("Worn on feet.", "", ""))
    return Pairs.from_arrays(
        ids, ids, [0, 1, 1, 2], [0, 1, 0, 2], [0, 0, 1, 0], query_texts=texts, document_texts=texts
    )


def test_every_name_and_synonym_asks_for_what_its_node_asks_for():
    named = shop().by_name()
    assert list(named.query_ids) == ["a", "b", "c", "a: footwear", "b: trainer", "b: foot-wear", "b: gym shoe"]
    assert named.query_texts.names == ("Shoe", "Sneaker", "", "footwear", "trainer", "foot-wear", "gym shoe")
    assert named.query_texts.definitions[0] == "Worn on feet."
    assert named.relevant("b: gym shoe") == named.relevant("b") == [("b", 0), ("a", 1)]
    assert named.relevant("a: footwear") == [("a", 0)]
    assert named.document_ids == shop().document_ids


def test_synonyms_that_mean_several_nodes_are_left_out_unless_asked_for():
    pairs = shop(synonyms=(("footwear",), ("Footwear", "shoe", "trainer"), ("trainer",)))
    assert pairs.by_name(unambiguous=False).n_queries == 8
    named = pairs.by_name()
    assert list(named.query_ids) == ["a", "b", "c"]
    assert named.notes == ("Left out 5 synonyms that are names of several nodes.",)


@pytest.mark.parametrize(
    ("gloss", "parts"),
    [
        ("shoes with straps", ("shoes with straps", ())),
        ('shoes; "she wore sandals"; "a sandal\'s strap"', ("shoes; ", ("she wore sandals", "a sandal's strap"))),
        ('a foot; shod; "he was shod"- Shakespeare; "shod', ("a foot; shod", ("he was shod", "shod"))),
        ('so-called "spoon nails"', ('so-called "spoon nails"', ())),
        ('; "?!"', ("", ())),
        ("", ("", ())),
    ],
)
def test_glosses_are_a_definition_and_its_examples(gloss, parts):
    assert gloss_of(gloss) == (parts[0].strip("; "), parts[1])


def test_glosses_ask_for_what_their_node_asks_for():
    ids = Ids(["a", "b"])
    texts = Texts(("shoe", "sneaker"), (("footwear",), ()), ("Worn on feet.", 'worn, on feet; "she ran in sneakers"'))
    pairs = Pairs.from_arrays(ids, ids, [0, 1, 1], [0, 1, 0], [0, 0, 1], query_texts=texts, document_texts=texts)
    named = pairs.by_name(glosses=True, unambiguous=False)
    assert list(named.query_ids)[2:] == ["a: footwear", "a (definition)", "b (definition)", "b (example 1)"]
    assert named.query_texts.names[-1] == "she ran in sneakers"
    assert named.relevant("b (example 1)") == named.relevant("b (definition)") == [("b", 0), ("a", 1)]
    alone = pairs.by_name(glosses=True)  # both definitions have one normal form
    assert list(alone.query_ids)[2:] == ["a: footwear", "b (example 1)"]
    assert alone.notes == ("Left out 2 synonyms and glosses that are names of several nodes.",)


def test_a_gloss_that_only_repeats_its_node_is_no_other_query():
    ids = Ids(["a", "b"])
    glosses = ('Foot wear; "a foot-wear"; "A shoe"; "a shoe!"', "foot wear")
    texts = Texts(("shoe", "foot"), (("foot-wear",), ()), glosses)
    pairs = Pairs.from_arrays(ids, ids, [0, 1], [0, 1], [0, 0], query_texts=texts)
    named = pairs.by_name(glosses=True, unambiguous=False)
    assert list(named.query_ids)[2:] == ["a: foot-wear", "a (example 1)", "a (example 2)", "b (definition)"]
    alone = pairs.by_name(glosses=True)  # a's synonym is what b is defined as
    assert list(alone.query_ids)[2:] == ["a (example 1)", "a (example 2)"]


def test_queries_without_names_go_by_their_ids():
    ids = Ids(["a"])
    pairs = Pairs.from_arrays(ids, ids, [0], [0], [0])
    assert pairs.by_name() is pairs


def many(n: int = 60) -> Pairs:
    """Every text in two spellings."""
    ids = Ids([f"shoe {i}" for i in range(n)] + [f"Shoe-{i}" for i in range(n)])
    return Pairs.from_arrays(ids, Ids(range(n)), range(2 * n), [*range(n)] * 2, [0] * (2 * n))


@pytest.mark.parametrize("seed", range(3))
def test_no_part_has_seen_a_text_of_another_in_some_other_spelling(seed):
    split = many().split("texts", validation=0.1, test=0.2, seed=seed)
    parts = (split.train, split.validation, split.test)
    assert [len(part) for part in parts] == [84, 12, 24]
    for one in parts:
        for other in parts:
            assert (one is other) == bool(one.shared_texts(other))
    assert (
        many()
        .split("queries", test=0.3, seed=seed)
        .train.shared_texts(many().split("queries", test=0.3, seed=seed).test)
    ), "queries alone leak, or this tests nothing"


def test_shared_texts_names_both_queries():
    pairs = many(3)
    one, other = pairs.keep(pairs.query_of == 1), pairs.keep(pairs.query_of == 4)
    assert one.shared_texts(other) == [("shoe 1", "Shoe-1")]
    assert one.shared_texts(pairs.keep(pairs.query_of == 2)) == []


def asking(*texts: str) -> Pairs:
    """A query for each text, by itself, of documents called "0", "1", ..."""
    n = range(len(texts))
    return Pairs.from_arrays(Ids(texts), Ids(n), n, n, [0] * len(texts))


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("hiking boot", "hiking boots"),
        ("Absent uterus", "uterus, absent"),
        ("Low-set ears", "lowset ears"),
        ("abnormality of the body", "body abnormalities"),
        ("shoe boxes", "box for shoes"),
        ("of the", "the of"),
    ],
)
def test_near_duplicates_are_found_where_they_are_looked_for(ours, theirs):
    assert asking(ours).shared_texts(asking(theirs)) == []
    assert asking(ours).shared_texts(asking(theirs), near=True) == [(ours, theirs)]


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [("uterus", "uteru"), ("with shoes", "without shoes"), ("big big toe", "big toe"), ("bus", "bu"), ("漢字", "字漢")],
)
def test_texts_that_say_something_else_are_not_near(ours, theirs):
    assert asking(ours).shared_texts(asking(theirs), near=True) == []


def test_of_near_texts_the_very_same_is_told():
    assert asking("boots", "boot").shared_texts(asking("Boot"), near=True) == [("boot", "Boot")]


def test_a_held_out_name_is_still_the_name_of_a_document():
    named = shop().by_name()
    split = named.split("texts", test=0.99, among=[label in ("a", "b: gym shoe") for label in named.query_ids])
    assert split.train.shared_texts(split.test) == []
    assert split.train.shared_texts(split.test, documents=True) == [("a", "a")]
    synonyms = named.split("texts", test=0.5, among=np.arange(named.n_queries) >= named.n_documents)
    assert np.count_nonzero(synonyms.test.sizes) == 2
    assert synonyms.train.shared_texts(synonyms.test, documents=True) == []


def test_only_texts_among_those_allowed_are_held_out():
    pairs = many()
    allowed = np.arange(pairs.n_queries) % 60 < 20
    split = pairs.split("texts", test=0.5, among=allowed)
    held = np.flatnonzero(split.test.sizes)
    assert len(held) == 20
    assert allowed[held].all()
    allowed[60:] = False  # one spelling may be held out, the other not: neither is
    assert not len(pairs.split("texts", test=0.5, among=allowed).test)


def test_the_order_of_rows_decides_nothing():
    pairs = many()
    order = np.random.default_rng(0).permutation(pairs.n_queries)
    turned = Pairs.from_arrays(
        pairs.query_ids.take(order), pairs.document_ids, range(120), pairs.documents[order], [0] * 120
    )
    held = {pairs.query_ids[row] for row in np.flatnonzero(pairs.split("texts", test=0.2).test.sizes)}
    assert held == {turned.query_ids[row] for row in np.flatnonzero(turned.split("texts", test=0.2).test.sizes)}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"by": "queries", "among": [True] * 120}, "Use by='texts'"),
        ({"by": "texts", "among": [True]}, "one True or False for each of 120 queries"),
        ({"by": "texts", "low": 2}, "holds out far pairs"),
        ({"by": "names"}, "'pairs', 'queries' or 'texts'"),
    ],
)
def test_splits_that_mean_nothing_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        many().split(**options)


# -- texts that say nothing --------------------------------------------------------------------------------------------

ODD = "query,document,distance\nred shoe,a,0\n?!,b,0\n\nboot,b,0\n😀,c,0\nboot,c,1\n?!,c,1\n"


@pytest.fixture
def odd(tmp_path):
    path = tmp_path / "clicks.csv"
    path.write_text(ODD, encoding="utf-8")
    return path


def refusal(pairs: Pairs) -> str:
    with pytest.raises(InputError) as refused:
        refuse_empty(pairs, TextCheck.of(pairs))
    return str(refused.value)


def test_a_query_without_letters_is_named_by_the_line_of_its_file(odd):
    told = refusal(Pairs.from_table(odd))
    assert "2 queries without a letter or digit in their text: '?!' (row 3 of clicks.csv) and '😀' (row 6 of" in told
    assert "pairs.readable(), on the command line --skip-unreadable" in told


def test_so_it_is_in_parquet_in_packed_files_and_on_disk(odd, tmp_path):
    table = pyarrow.csv.read_csv(odd)
    pyarrow.parquet.write_table(table, tmp_path / "clicks.parquet")
    assert "'?!' (row 2 of clicks.parquet)" in refusal(Pairs.from_table(tmp_path / "clicks.parquet"))
    (tmp_path / "clicks.csv.gz").write_bytes(gzip.compress(ODD.encode()))
    assert "'?!' (row 3 of clicks.csv.gz)" in refusal(Pairs.from_table(tmp_path / "clicks.csv.gz"))
    assert "'?!' (row 3 of clicks.csv)" in refusal(Pairs.from_table(odd, on_disk=tmp_path / "folder"))


def test_slices_and_splits_know_the_file_too_and_a_file_that_is_gone_is_no_fault(odd):
    pairs = Pairs.from_table(odd).near(0)
    assert "(row 3 of clicks.csv)" in refusal(pairs)
    odd.unlink()
    assert "text: '?!' and '😀'." in refusal(pairs)


def test_many_are_counted_and_the_first_are_named():
    ids = Ids(["shoe", *("?" * n for n in range(1, 1_501))])
    told = refusal(Pairs.from_arrays(ids, Ids(["a"]), range(1_501), [0] * 1_501, [0] * 1_501))
    assert "1,500 queries" in told
    assert "'?', '??', '???' and 1,497 more." in told


def test_a_name_without_letters_is_told_beside_its_id():
    assert "in 1 query without a letter or digit in its text: 'b' (text '?!')." in refusal(
        shop(names=("Shoe", "?!", ""))
    )


def test_what_cannot_be_read_can_be_left_out_with_a_note(odd):
    pairs = Pairs.from_table(odd)
    kept = pairs.readable()
    assert kept.query_ids == pairs.query_ids
    assert kept.sizes.tolist() == [1, 0, 2, 0]
    (note,) = kept.notes
    assert note.startswith("Left out 2 queries without a letter or digit in their text: '?!' (row 3 of clicks.csv)")
    refuse_empty(kept, TextCheck.of(kept))
    assert kept.readable() is kept
