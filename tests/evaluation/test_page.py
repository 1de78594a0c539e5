"""The page of a report: mistakes, branches and probabilities of five texts about shoes, said by hand."""

from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
import torch

from rootward.evaluation.naming import Predictions, closure_in, measure_nodes
from rootward.evaluation.page import Measured, calibration, confusion, missed, mistakes, report_page
from rootward.evaluation.ranks import rank_pairs
from rootward.evaluation.report import Report
from rootward.pairs import Labels
from rootward.texts import Texts
from shoes import shoes

HOSTILE = "</title><script>alert(1)</script><img src=x onerror=alert(1)>\u202e"
SAID = [  # text, right, named, probability told
    ("my jandals", "flip-flops", "rain boots", 0.95),
    ("trainers for kids", "kids' sneakers", "sneakers", 0.45),
    (HOSTILE, "boots", None, 0.0),
    ("wellies", "rain boots", "rain boots", 0.97),
    ("thongs", "flip-flops", "flip-flops", 0.93),
]


@pytest.fixture
def told():
    """(report of named nodes, what it was measured on) of the five texts."""
    texts, right, named, sure = zip(*SAID, strict=True)
    tree = shoes()
    pairs = tree.pairs(labels=Labels(texts, right))
    pairs = pairs.keep(~np.isin(pairs.query_of, np.arange(len(tree.ids))))
    rows = np.array([pairs.query_ids.row(text) for text in texts])
    order = np.argsort(rows)
    nodes = np.array([-1 if node is None else tree.ids.row(node) for node in named])[order]
    closure = closure_in(shoes().pairs())
    said = Predictions(rows[order], nodes, np.zeros(6, np.int64), np.empty(0, np.int64), nodes[:, None]).closed(closure)
    about = {"closure": closure, "sure": np.array(sure)[order], "bootstrap": 0, "texts": "held-out"}
    return measure_nodes(said, pairs, **about), Measured.of(pairs, closure)


def report_of(nodes, measured):
    """A report of vectors in which boots score highest for every text."""
    pairs = measured.pairs
    documents = torch.eye(12)
    queries = torch.zeros(pairs.n_queries, 12)
    queries[:, pairs.document_ids.row("boots")] = 1
    queries[:, pairs.document_ids.row("footwear")] = 0.5
    report = Report.from_ranks(rank_pairs(queries, documents, pairs), dim=12, label=HOSTILE, bootstrap_draws=50)
    return report.model_copy(update={"nodes": nodes, "texts": "held-out"})


def names(measured, rows):
    return [None if row < 0 else measured.pairs.document_ids[row] for row in rows]


def test_mistakes_are_listed_the_surest_first(told):
    nodes, measured = told
    found = mistakes(nodes, measured)
    assert [each.text for each in found] == ["my jandals", "trainers for kids", HOSTILE]
    assert names(measured, [each.right for each in found]) == ["flip-flops", "kids' sneakers", "boots"]
    assert names(measured, [each.named for each in found]) == ["rain boots", "sneakers", None]
    assert [each.hops for each in found] == [5, 1, 2]  # up to footwear and down; up; depth of boots + 1
    assert [each.sure for each in found] == [0.95, 0.45, 0.0]
    unsure = nodes.model_copy(update={"sure": None})
    assert [each.hops for each in mistakes(unsure, measured)] == [5, 2, 1]


def test_paths_are_shortest_and_branches_begin_below_the_one_root(told):
    _, measured = told
    ids = measured.pairs.document_ids
    assert names(measured, measured.path(ids.row("flip-flops"))) == ["footwear", "shoes", "sandals", "flip-flops"]
    assert len(measured.path(ids.row("kids' sneakers"))) == 4
    branches = [measured.branch(ids.row(node)) for node in ("flip-flops", "rain boots", "boots", "footwear")]
    assert names(measured, branches) == ["shoes", "boots", "boots", "footwear"]
    assert measured.branch(-1) == -1


def test_branches_taken_for_each_other_are_counted(told):
    nodes, measured = told
    found = {tuple(names(measured, pair)): n for pair, n in confusion(nodes, measured).items()}
    assert found == {("shoes", "boots"): 1, ("shoes", "shoes"): 2, ("boots", "boots"): 1, ("boots", None): 1}


def test_probabilities_told_stand_beside_the_share_that_is_right(told):
    nodes, _ = told
    found = calibration(nodes)
    assert [(round(told, 4), round(right, 4), n) for told, right, n in found] == [
        (0.45, 0.0, 1),
        (0.95, round(2 / 3, 4), 3),
    ]


def test_right_answers_that_were_missed_are_named_with_their_place(told):
    nodes, measured = told
    found = missed(report_of(nodes, measured), measured)
    assert {measured.queries[query]: names(measured, [document]) for query, document, *_ in found}["wellies"] == [
        "rain boots"
    ]
    assert HOSTILE not in {measured.queries[query] for query, *_ in found}  # boots and footwear are the two best


class Page(HTMLParser):
    """Tags that are opened, and all text."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.text = set(), ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        assert not [name for name, value in attrs if name.startswith("on") or "alert" in (value or "")]

    def handle_data(self, data):
        self.text += data


def test_the_page_is_one_file_with_every_part_and_hostile_names_as_text(told):
    nodes, measured = told
    html = report_page(report_of(nodes, measured), measured, ["A remark <b>here</b>."])
    page = Page(html)
    assert not page.tags & {"script", "img", "link", "b", "a"}
    assert "</title><script>alert(1)</script>" in page.text
    assert "\u202e" not in html
    for part in ("Recall by distance", "Worst mistakes", "Are probabilities right?", "Branches taken for each other"):
        assert part in page.text
    assert "3 of 5 texts were given another node" in page.text
    assert "5 held-out texts" in page.text
    assert "footwear › shoes › sandals › flip-flops" in page.text
    assert "60.00 % of texts were given a node of the right branch" in page.text
    assert "http" not in html.replace("http-equiv", "")


def test_a_loaded_report_has_its_figures_and_says_what_is_not_known(told, tmp_path):
    nodes, measured = told
    report = report_of(nodes, measured)
    loaded = Report.load(report.save(tmp_path / "report.json"))
    page = Page(report_page(loaded, measured))
    assert "it is not known which texts they are of" in page.text
    assert "Worst mistakes" not in page.text


def test_names_stand_in_place_of_ids(told):
    nodes, measured = told
    titles = tuple(label.upper() for label in measured.pairs.document_ids)
    measured = replace(measured, texts=Texts(titles, ((),) * 12, ("",) * 12))
    assert "FOOTWEAR › SHOES" in Page(report_page(report_of(nodes, measured), measured)).text
