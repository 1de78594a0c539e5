"""From what a person types to what it can mean."""

import pytest

from rootward.encoders import DualEncoder
from rootward.errors import UnknownIdError
from rootward.ids import Ids
from rootward.pairs import Pairs
from rootward.texts import Texts

IDS = ["cat.n.01", "cat.n.03", "caterpillar.n.02", "kat.n.01", "sandal.n.01", "nameless.n.01", "dog"]
TEXTS = Texts(
    names=("cat", "kat", "Caterpillar", "kat", "Sandal", "", "hound"),
    synonyms=(("true cat",), ("cat", "gossip"), ("Cat",), ("khat",), ("Straße", "open shoe"), (), ("cat.n.01",)),
    definitions=("",) * 7,
)


@pytest.fixture
def named() -> DualEncoder:
    ids = Ids(IDS)
    pairs = Pairs.from_arrays(ids, ids, range(7), range(7), [0] * 7, query_texts=TEXTS, document_texts=TEXTS)
    return DualEncoder.lookup(pairs, 4)


@pytest.fixture
def plain() -> DualEncoder:
    ids = Ids(["Sandals", "boots"])
    return DualEncoder.lookup(Pairs.from_arrays(ids, ids, [0, 1], [0, 1], [0, 0]), 4)


def test_an_id_means_itself_whatever_else_is_called_so(named):
    assert named.find("cat.n.01") == ["cat.n.01"]  # also a synonym of the dog
    assert named.find("dog") == ["dog"]


def test_preferred_names_come_before_synonyms_each_in_order_of_ids(named):
    assert named.find("cat") == ["cat.n.01", "cat.n.03", "caterpillar.n.02"]
    assert named.find("kat") == ["cat.n.03", "kat.n.01"]


def test_case_and_space_around_do_not_matter(named):
    assert named.find("  CAT ") == named.find("cat")
    assert named.find("sandal") == ["sandal.n.01"]
    assert named.find("STRASSE") == ["sandal.n.01"]


def test_a_synonym_finds_its_query(named):
    assert named.find("gossip") == ["cat.n.03"]
    assert named.find("Open Shoe") == ["sandal.n.01"]


def test_a_name_that_is_its_own_synonym_is_found_once():
    ids, texts = Ids(["a"]), Texts(("Cat",), (("cat", "CAT"),), ("",))
    pairs = Pairs.from_arrays(ids, ids, [0], [0], [0], query_texts=texts)
    assert DualEncoder.lookup(pairs, 2).find("cat") == ["a"]


def test_a_name_that_nothing_has_names_those_that_are_close(named):
    with pytest.raises(UnknownIdError, match=r"Nothing is called 'sandle' among 7 queries\. Did you mean .*'Sandal'"):
        named.find("sandle")
    with pytest.raises(UnknownIdError, match=r"'xyzzy' among 7 queries\.$"):
        named.find("xyzzy")


@pytest.mark.parametrize("nothing", ["", "   "])
def test_nothing_finds_nothing_though_some_have_no_name(named, nothing):
    with pytest.raises(UnknownIdError):
        named.find(nothing)


def test_without_names_there_are_ids(plain):
    assert plain.find("Sandals") == ["Sandals"]
    with pytest.raises(UnknownIdError, match=r"No query 'Sandles' among 2\. Did you mean 'Sandals'\?"):
        plain.find("Sandles")


def test_what_is_close_may_be_an_id_and_in_another_case(named, plain):
    with pytest.raises(UnknownIdError, match=r"Did you mean .*'cat\.n\.01'"):
        named.find("cat.n.02")
    with pytest.raises(UnknownIdError, match=r"Did you mean 'Sandal'"):
        named.find("SANDALL")
    with pytest.raises(UnknownIdError, match=r"Did you mean 'Sandals'\?"):
        plain.find("SANDALS")


class Counted(tuple):
    """A tuple that knows how often it was gone through."""

    times = 0

    def __iter__(self):
        type(self).times += 1
        return super().__iter__()


def test_names_are_gone_through_once_however_many_are_looked_up(named):
    named.query_texts = Texts(Counted(TEXTS.names), TEXTS.synonyms, TEXTS.definitions)
    for _ in range(3):
        assert named.find("gossip") == ["cat.n.03"]
        assert named.find("KAT") == ["cat.n.03", "kat.n.01"]
    assert Counted.times == 1


def test_other_names_given_to_a_model_are_the_ones_found(named):
    assert named.find("hound") == ["dog"]
    named.query_texts = Texts((*TEXTS.names[:-1], "puppy"), TEXTS.synonyms, TEXTS.definitions)
    assert named.find("Puppy") == ["dog"]
    with pytest.raises(UnknownIdError):
        named.find("hound")


def test_every_found_id_can_be_asked_for(named):
    assert list(named.queries(named.find("cat")).ids) == ["cat.n.01", "cat.n.03", "caterpillar.n.02"]
