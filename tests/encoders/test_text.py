"""Text towers: what they read, what they make of it, and words that training never saw."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from encoders.checks import agree_with_differences, in_double
from rootward.encoders import DualEncoder, features
from rootward.encoders.features import Grams, Vocabulary, _hashed
from rootward.encoders.towers import TableGradient, sum_by_table
from rootward.errors import InputError
from rootward.hierarchy import Hierarchy
from rootward.ids import Ids
from rootward.pairs import Pairs
from rootward.rng import stream
from rootward.texts import Texts
from shoes import shoes as shop

NOISE = stream(0, "noise")


def by_name() -> Pairs:
    """The shoe shop, its ids as texts."""
    return shop().pairs()


def test_two_words_that_follow_each_other_are_a_feature():
    words = ["word red", "word suede", "word shoe"]
    told = [_hashed(feature) for feature in (*words, "pair red suede", "pair suede shoe")]
    assert sorted(Grams(30, 30, pairs=True).of("Red, suede SHOE").tolist()) == sorted(told)
    assert sorted(Grams(30, 30).of("red suede shoe").tolist()) == sorted(map(_hashed, words))


def test_a_model_with_word_pairs_is_saved_with_them(tmp_path):
    named = by_name()
    made = DualEncoder.text(named, dim=8, word_pairs=True)
    assert len(made.query_tower.vocabulary) > len(DualEncoder.text(named, dim=8).query_tower.vocabulary)
    made.save(tmp_path / "model")
    again = DualEncoder.load(tmp_path / "model")
    assert_close(
        again.encode_queries(["rain hiking boots"]).vectors, made.encode_queries(["rain hiking boots"]).vectors
    )


def test_texts_read_some_at_a_time_are_the_same_bags(monkeypatch):
    texts = ["red shoe", "", "shoe shoe red", "nothing known", "green", "blue shoes", "red"]
    vocabulary = Vocabulary.of(["red shoe", "blue shoe", "green shoe"], Grams())
    whole = vocabulary.bags(texts)
    monkeypatch.setattr(features, "_AT_A_TIME", 3)
    parts = vocabulary.bags(iter(texts))
    for name in ("offsets", "features", "weights"):
        assert np.array_equal(getattr(parts, name), getattr(whole, name))
        assert getattr(parts, name).dtype == getattr(whole, name).dtype
    assert len(vocabulary.bags([])) == 0


@pytest.fixture(params=["tied", "text", "lookup"])
def model(request) -> DualEncoder:
    made = DualEncoder.text(by_name(), dim=16, documents=request.param, drop=0.0)
    for table in made.tables().values():  # nowhere near the start, offsets of zero say
        if table.unit:
            continue
        table.rows.add_(0.3 * torch.randn(table.rows.shape, generator=torch.Generator().manual_seed(1)))
    return made


# -- features ------------------------------------------------------------------------------------------------------


def test_features_are_the_word_and_its_grams_between_marks():
    expected = ["word nose", *(f"gram {gram}" for gram in ("<no", "nos", "ose", "se>", "<nos", "nose", "ose>"))]
    expected += ["gram <nose", "gram nose>"]
    assert sorted(Grams().of("Nose").tolist()) == sorted(_hashed(feature) for feature in expected)


def test_hashes_are_the_same_on_every_machine():
    assert _hashed("word nose") == 1140794923501646785


def test_rare_features_weigh_more_and_the_squares_of_a_text_add_up_to_one():
    vocabulary = Vocabulary.of(["red shoe", "blue shoe", "green shoe"], Grams(30, 30))
    bags = vocabulary.bags(["red shoe", "shoe shoe red", "nothing known", ""])
    assert len(vocabulary) == 4
    idf = {"red": np.log(4 / 1.5) ** 0.5, "shoe": np.log(4 / 3.5) ** 0.5}
    once, twice = (np.array([idf["red"], times * idf["shoe"]]) for times in (1, 2))
    for row, expected in ((0, once), (1, twice)):
        weights = bags.weights[bags.offsets[row] : bags.offsets[row + 1]]
        assert_close(np.sort(weights), np.sort(expected / np.linalg.norm(expected)).astype(np.float32))
    assert bags.known.tolist() == [True, True, False, False]


@pytest.mark.parametrize(("shortest", "longest"), [(0, 3), (4, 3)])
def test_impossible_grams_are_refused(shortest, longest):
    with pytest.raises(InputError, match="n-grams run from at least 1"):
        Grams(shortest, longest)


# -- towers --------------------------------------------------------------------------------------------------------


def test_vectors_are_unit_and_equal_texts_have_equal_ones(model):
    vectors = model.encode_queries(["hiking boots", "Hiking  BOOTS!", "sandals"], lean=0.0).vectors
    assert_close(vectors.norm(dim=1), torch.ones(3), rtol=0, atol=1e-6)
    assert torch.equal(vectors[0], vectors[1])
    assert_close(vectors[2], model.query_vectors([model.query_ids.row("sandals")])[0], rtol=0, atol=1e-6)
    assert_close(model.document_vectors().norm(dim=1), torch.ones(12), rtol=0, atol=1e-6)


def test_some_rows_are_those_of_all(model):
    rows = [7, 0, 3]
    for encode in (model.query_vectors, model.document_vectors):
        assert_close(encode(rows), encode()[rows], rtol=0, atol=1e-6)


@pytest.mark.parametrize("side", ["query_tower", "document_tower"])
def test_the_way_back_is_the_gradient_that_differences_give(model, side):
    tower = getattr(model.mapped(lambda tensor: tensor.double()), side)
    reader = getattr(tower, "text", tower)
    if hasattr(reader, "bags"):
        in_double(reader)
    assert len(agree_with_differences(tower)) == len(tower.tables())


def test_dropped_features_come_from_the_step_alone_and_never_all_of_a_text():
    tower = DualEncoder.text(by_name(), dim=16, drop=0.95).query_tower
    rows = torch.arange(12)
    first, again, other = (tower.forward(rows, stream(seed, "noise"))[0] for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert_close(first.norm(dim=1), torch.ones(12), rtol=0, atol=1e-6)


def test_a_table_that_two_towers_share_gets_one_gradient():
    table, other = torch.zeros(4, 2), torch.zeros(4, 2)
    one, two = torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([[10.0, 20.0]])
    rows = torch.tensor([0, 2])
    shared, alone = sum_by_table(
        [TableGradient(table, rows, one), TableGradient(other, rows, one), TableGradient(table, torch.tensor([2]), two)]
    )
    assert shared.rows.tolist() == [0, 2]
    assert shared.gradient.tolist() == [[1.0, 2.0], [13.0, 24.0]]
    assert (alone.table is other, alone.gradient.tolist()) == (True, one.tolist())


def test_a_tied_document_starts_as_its_name():
    model = DualEncoder.text(by_name(), dim=16)
    assert_close(model.query_vectors(), model.document_vectors(), rtol=0, atol=1e-6)
    assert model.document_tower.text.tokens is model.query_tower.tokens


def test_a_document_without_a_readable_name_starts_somewhere_of_its_own():
    pairs = Pairs.from_arrays(Ids(["red shoe", "boot"]), Ids(["shoe", "!!!"]), [0, 1], [0, 1], [0, 0])
    model = DualEncoder.text(pairs, dim=8)
    assert_close(model.document_vectors().norm(dim=1), torch.ones(2), rtol=0, atol=1e-6)


# -- texts of every kind -------------------------------------------------------------------------------------------


def test_what_nothing_is_known_of_is_zero_and_has_no_threshold(model):
    model.thresholds = torch.linspace(0.1, 0.9, 12)
    found = model.encode_queries(["", " \t\n", "\x00\x07", "?!", "漢字", "sandals", "sandals"])
    assert found.vectors[:5].count_nonzero() == 0
    assert torch.isnan(found.thresholds[:5]).all()
    assert found.thresholds[5:].tolist() == [model.thresholds[model.query_ids.row("sandals")].item()] * 2
    assert torch.equal(found.vectors[5], found.vectors[6])
    assert found.ids == ["", " \t\n", "\x00\x07", "?!", "漢字", "sandals", "sandals"]
    assert model.encode_queries([]).vectors.shape == (0, 16)


def test_a_text_leans_on_the_nearest_query_that_training_knew(model):
    asked = ["boots for the rain", "a sandal"]
    own, nearest = (model.encode_queries(asked, lean=lean).vectors for lean in (0.0, 1.0))
    known = model.query_vectors()
    assert_close(nearest, known[(own @ known.T).argmax(1)], rtol=0, atol=1e-6)
    half = model.encode_queries(asked, lean=0.5).vectors
    assert_close(half, torch.nn.functional.normalize(own + nearest), rtol=0, atol=1e-6)
    with pytest.raises(InputError, match="lean is from 0"):
        model.encode_queries(asked, lean=1.5)


def test_no_text_leans_on_a_query_that_training_did_not_know():
    pairs = by_name()
    model = DualEncoder.text(pairs.keep(pairs.query_of != pairs.query_ids.row("rain boots")), dim=32)
    found = model.encode_queries(["rain boots"]).vectors[0]
    assert (model.query_vectors() @ found).argmax().item() != pairs.query_ids.row("rain boots")


def test_a_query_that_training_did_not_know_leans_by_its_id_as_by_its_text():
    pairs = by_name()
    model = DualEncoder.text(pairs.keep(pairs.query_of != pairs.query_ids.row("rain boots")), dim=32)
    model.thresholds = torch.arange(len(pairs.query_ids), dtype=torch.float32)
    row = pairs.query_ids.row("rain boots")
    assert np.flatnonzero(model.unseen()).tolist() == [row]
    assert not DualEncoder.lookup(pairs, dim=2).unseen().any()
    by_id, by_text = model.queries(), model.encode_queries(["Rain Boots"])
    assert_close(by_id.vectors[row], by_text.vectors[0], rtol=0, atol=1e-6)
    assert by_id.thresholds[row] == by_text.thresholds[0] != row
    others = np.delete(np.arange(len(pairs.query_ids)), row)
    assert_close(by_id.vectors[others], model.query_vectors(others))


def test_a_text_leans_on_several_the_nearer_the_more(model):
    own = model.encode_queries(["a sandal"], lean=0.0).vectors[0]
    known = model.query_vectors(model.query_tower.anchors)
    (first, second), rows = (known @ own).topk(2)
    share = 1 / (1 + torch.exp(40 * (second - first)))
    wanted = torch.nn.functional.normalize(share * known[rows[0]] + (1 - share) * known[rows[1]], dim=0)
    assert_close(model.encode_queries(["a sandal"], lean=1.0, neighbours=2).vectors[0], wanted)
    every = model.encode_queries(["a sandal"], neighbours=1_000)
    assert torch.isfinite(every.vectors).all()  # more than there are is all of them
    assert_close(every.thresholds, model.encode_queries(["a sandal"]).thresholds, equal_nan=True)
    with pytest.raises(InputError, match="at least 1; got 0"):
        model.encode_queries(["a sandal"], neighbours=0)


def test_nothing_leans_where_every_query_has_documents_of_its_own(model):
    asked = ["a sandal"]
    assert_close(model.encode_queries(asked).vectors, model.encode_queries(asked, lean=0.5).vectors)
    shop = Pairs.from_table([("leather shoes", "p1", 0), ("beach sandals", "p2", 0), ("rain boots", "p3", 0)])
    apart = DualEncoder.text(shop, dim=8)
    assert_close(apart.encode_queries(asked).vectors, apart.encode_queries(asked, lean=0.0).vectors)
    shared = Pairs.from_table([("leather shoes", "p1", 0), ("beach sandals", "p1", 0), ("rain boots", "p3", 0)])
    model = DualEncoder.text(shared, dim=8)
    assert_close(model.encode_queries(asked).vectors, model.encode_queries(asked, lean=0.5).vectors)


def test_leaning_follows_the_tokens_when_they_change(model):
    before = model.encode_queries(["a sandal"], lean=1.0).vectors
    model.query_tower.tokens.neg_().add_(1.0)
    after = model.encode_queries(["a sandal"], lean=1.0).vectors
    assert not torch.allclose(before, after)
    assert_close(after, model.query_vectors([model.query_tower.nearest_anchors(after)[0].item()]), rtol=0, atol=1e-6)


def test_control_characters_part_words_and_a_long_text_is_read_to_its_limit(model):
    texts = ["rain boots", "rain\x00boots", "boots " * 400, "boots " * 100_000 + "sandals"]
    one, other, long, longer = model.encode_queries(texts, lean=0.0).vectors
    assert torch.equal(one, other)
    assert torch.isfinite(longer).all()
    assert_close(long, longer, rtol=0, atol=1e-3)


def test_texts_in_other_scripts_are_learnt_and_found():
    names = ["обувь", "ботинки", "靴", "サンダル", "जूता", "ﺣﺬﺍء"]
    pairs = Pairs.from_arrays(Ids(names), Ids(names), range(6), range(6), [0] * 6)
    model = DualEncoder.text(pairs, dim=64)
    scores = model.encode_queries([name.upper() for name in names]).vectors @ model.document_vectors().T
    assert scores.argmax(1).tolist() == list(range(6))


def test_training_texts_without_letters_are_counted_and_named_by_id():
    pairs = Pairs.from_arrays(Ids(["shoe", "?!", "--"]), Ids(["a"]), [0, 1, 2], [0, 0, 0], [0, 0, 0])
    with pytest.raises(InputError, match=r"in 2 queries without a letter or digit in their text: '\?!' and '--'\. "):
        DualEncoder.text(pairs)
    assert DualEncoder.text(pairs.keep([True, False, False])).query_vectors([1]).count_nonzero() == 0


def test_one_text_in_two_spellings_with_other_answers_is_noted():
    labels = ["red shoe", "Red  Shoe", "boot", "BOOT", "boot!", "clog", "Clog"]
    documents = [0, 1, 0, 1, 2, 2, 2]  # both clogs have the same answers: nothing is unclear
    pairs = Pairs.from_arrays(Ids(labels), Ids(["b", "c", "d"]), range(7), documents, [0] * 7)
    (note,) = DualEncoder.text(pairs, dim=4).notes
    assert note == (
        "2 texts, in whatever spelling, are the text of several queries with different answers, though one text has "
        "one vector: 'red shoe' and 'Red  Shoe'; 'boot', 'BOOT' and 1 more. Merge these queries, or tell their texts "
        "apart."
    )
    assert DualEncoder.text(pairs.of_queries([0, 3, 5, 6]), dim=4).notes == ()


def test_names_of_several_nodes_are_noted_and_what_to_do_about_synonyms():
    ids = Ids(["a", "b"])
    texts = Texts(("shoe", "sneaker"), (("trainer",), ("Trainer",)), ("", ""))
    pairs = Pairs.from_arrays(ids, ids, [0, 1], [0, 1], [0, 0], query_texts=texts, document_texts=texts)
    (note,) = DualEncoder.text(pairs.by_name(unambiguous=False), dim=4).notes
    assert "vector: 'a: trainer' and 'b: Trainer'. Merge" in note
    assert "Pairs.by_name(unambiguous=True) leaves out" in note
    assert DualEncoder.text(pairs.by_name(), dim=4).notes == ()


@pytest.mark.parametrize(("documents", "cut"), [("tied", "2 texts are"), ("lookup", "1 text is")])
def test_texts_that_are_too_long_to_be_read_whole_are_noted(documents, cut):
    pairs = Pairs.from_arrays(Ids(["boots " * 400, "shoe"]), Ids(["boots " * 500, "x" * 2_000]), [0, 1], [0, 1], [0, 0])
    (note,) = DualEncoder.text(pairs, dim=4, documents=documents).notes
    assert note == f"{cut} longer than 2,000 characters; what stands behind these is not read."


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dim": 0}, "dim must be at least 1"),
        ({"tower": "frozn"}, "tower must be one of 'static', 'frozen', 'joint', 'full'"),
        ({"tower": "frozen"}, "needs an encoder"),
        ({"encoder": "some/name"}, "belong to the frozen, the joint and the full tower"),
        ({"documents": "mixed"}, "one of 'tied', 'text', 'lookup'"),
        ({"drop": 1.0}, "at least 0 and below 1"),
    ],
)
def test_options_that_mean_nothing_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        DualEncoder.text(by_name(), **options)


def test_a_lookup_model_says_that_it_reads_no_texts():
    model = DualEncoder.lookup(by_name(), 4)
    assert not model.reads_texts
    with pytest.raises(InputError, match="looks its queries up"):
        model.encode_queries(["sandals"])


def test_documents_that_are_read_can_be_others_too():
    model = DualEncoder.text(by_name(), dim=16, documents="text")
    assert_close(model.encode_documents(["sandals"]), model.document_vectors([model.document_ids.row("sandals")]))
    assert model.encode_documents(["sandal for kids"]).any()
    with pytest.raises(InputError, match="documents='text'"):
        DualEncoder.text(by_name(), dim=16).encode_documents(["sandals"])


def test_what_is_no_text_is_named_by_its_row(model):
    with pytest.raises(InputError, match="Query 1 is 3, a int; needed a text"):
        model.encode_queries(["sandals", 3])


def test_words_of_queries_held_out_are_not_in_the_vocabulary():
    nodes = Hierarchy.from_edges([("sandals", ""), ("wellingtons", "")]).pairs()
    model = DualEncoder.text(nodes.keep(nodes.query_of == 0), dim=8)
    assert model.query_vectors([1]).count_nonzero() == 0


# -- on disk -------------------------------------------------------------------------------------------------------


def test_a_reload_gives_the_same_vectors(model, tmp_path):
    model.query_texts = None
    again = DualEncoder.load(model.save(tmp_path / "model"))
    texts = ["hiking sandals for kids", "flip"]
    assert torch.equal(again.encode_queries(texts).vectors, model.encode_queries(texts).vectors)
    assert torch.equal(again.query_vectors(), model.query_vectors())
    assert torch.equal(again.document_vectors(), model.document_vectors())
    assert again.fingerprint() == model.fingerprint()
    assert again.settings() == model.settings()


def test_texts_come_back_with_a_model_that_reads_names(tmp_path):
    texts = Texts(("Red shoe", ""), ((), ()), ("", ""))
    ids = Ids(["a", "boot"])
    pairs = Pairs.from_arrays(ids, ids, [0, 1], [0, 1], [0, 0], query_texts=texts, document_texts=texts)
    again = DualEncoder.load(DualEncoder.text(pairs, dim=4).save(tmp_path))
    known = again.encode_queries(["red shoe", "boot"]).vectors
    assert_close(known, again.query_vectors(), rtol=0, atol=1e-6)
