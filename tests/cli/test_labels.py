"""`--labels FILE` beside a taxonomy, and `labels:FILE` alone."""

import json

import pytest

from rootward.encoders import DualEncoder
from rootward.training import Run
from shoes import ANCESTORS

QUICK = ["--tower", "static", "--dim", "16", "--steps", "80", "--threads", "1", "--quiet"]
TITLES = """title,category
Havaianas with a logo,flip-flops
havaianas: with a logo!,Flip-Flops
Wellies for puddles,rain boots
Rubber wellies,footwear > boots > rain boots
Velcro Tevas,sandals
"""
NEW = """text,node
wellies of rubber,rain boots
plain Havaianas,flip-flops
"""


@pytest.fixture
def files(tmp_path):
    (tmp_path / "titles.csv").write_text(TITLES)
    (tmp_path / "new.csv").write_text(NEW)
    return ["--labels", "titles.csv", "--text", "title", "--node", "category"]


@pytest.fixture
def labelled(rootward, shop, files):
    """A run of the shop and the titles."""
    result = rootward("train", f"edges:{shop}", *files, *QUICK, "--out", "run")
    assert result.exit_code == 0, result.stderr
    return "run"


def test_a_taxonomy_and_labelled_titles_train_a_tower_that_reads_texts(rootward, labelled):
    run = Run.load(labelled)
    assert run.model.settings()["query"]["kind"] == "static"
    assert list(run.pairs.query_ids[12:]) == [
        "Havaianas with a logo",
        "Wellies for puddles",
        "Rubber wellies",
        "Velcro Tevas",
    ]
    assert run.pairs.relevant("Havaianas with a logo") == ANCESTORS["flip-flops"]
    assert run.pairs.relevant("Rubber wellies") == ANCESTORS["rain boots"]
    found = json.loads(rootward("search", labelled, "puddle wellies", "-k", "3", "--json").stdout)
    assert [each["id"] for each in found["documents"]] == ["rain boots", "boots", "footwear"]


def test_a_labelled_run_is_measured_on_its_own_pairs_and_told_with_its_source(rootward, labelled, shop):
    assert json.loads(rootward("evaluate", labelled, "--json", "-", "--quiet").stdout)["n_queries"] == 16
    about = json.loads(rootward("info", labelled, "--json").stdout)
    assert about["source"] == f"edges:{shop} with the labels of titles.csv"
    assert about["sizes"]["queries"] == 16
    assert rootward("calibrate", labelled, "--abstain", "--quiet").exit_code == 0


def test_new_labels_are_measured_on_the_nodes_of_the_run_without_a_source(rootward, labelled):
    report = json.loads(rootward("evaluate", labelled, "--labels", "new.csv", "--json", "-").stdout)
    assert (report["n_queries"], report["n_unseen"]) == (2, 2)
    assert report["n_documents"] == 12
    assert report["overall"]["value"] > 0.5
    assert "2 held-out texts" in rootward("diagnose", labelled, "--labels", "new.csv", "--quick").stdout
    calibrated = rootward(
        "calibrate", labelled, "--labels", "titles.csv", "--text", "title", "--node", "category", "--quiet"
    )
    assert calibrated.exit_code in (0, 2)
    assert "column" not in calibrated.stderr


def test_labels_with_a_source_are_measured_beside_its_nodes(rootward, labelled, shop):
    report = json.loads(rootward("evaluate", labelled, f"edges:{shop}", "--labels", "new.csv", "--json", "-").stdout)
    assert (report["n_queries"], report["n_unseen"]) == (14, 2)


def test_a_grown_run_has_the_labels_of_the_newer_version(rootward, labelled, shop, files, tmp_path):
    (tmp_path / "newer.csv").write_text(shop.read_text() + "clogs,shoes\n")
    (tmp_path / "titles.csv").write_text(TITLES + "Wooden clogs,clogs\n")
    result = rootward("grow", labelled, "edges:newer.csv", *files, "--out", "grown", "--quiet")
    assert result.exit_code == 0, result.stderr
    pairs = Run.load("grown").pairs
    assert pairs.relevant("Wooden clogs") == [("clogs", 0), ("shoes", 1), ("footwear", 2)]
    assert pairs.relevant("Velcro Tevas") == ANCESTORS["sandals"]


def test_labelled_texts_survive_a_newer_taxonomy(rootward, labelled, shop, tmp_path):
    """Hiking boots go, flip-flops go with their text, clogs come; the other titles stay."""
    rows = [row for row in shop.read_text().splitlines() if not row.startswith(("hiking boots", "flip-flops"))]
    (tmp_path / "newer.csv").write_text("\n".join([*rows, "clogs,shoes"]))
    result = rootward("grow", labelled, "edges:newer.csv", "--out", "grown", "--json", "-")
    assert result.exit_code == 0, result.stderr
    assert "1 labelled text is left out, as their nodes are gone." in result.stderr
    pairs = Run.load("grown").pairs
    assert pairs.relevant("Rubber wellies") == ANCESTORS["rain boots"]
    assert "Havaianas with a logo" not in pairs.query_ids
    change = json.loads(result.stdout)["diff"]
    assert (change["added"], change["removed"]) == (["clogs"], ["flip-flops", "hiking boots"])
    assert change["removed_labels"] == [["Havaianas with a logo", "flip-flops"]]
    assert json.loads((tmp_path / "grown" / "diff.json").read_text()) == change
    again = rootward("grow", labelled, "--diff", "grown/diff.json", "--out", "again", "--quiet")
    assert again.exit_code == 0, again.stderr
    assert set(Run.load("again").pairs.query_ids) == set(pairs.query_ids)


def test_labels_are_added_and_decide_about_their_texts(rootward, labelled, tmp_path):
    (tmp_path / "more.csv").write_text("text,node\nWooden clogs,shoes\nvelcro tevas,sneakers\n")
    result = rootward("grow", labelled, "--labels", "more.csv", "--out", "grown")
    assert result.exit_code == 0, result.stderr
    assert "texts gained        2  Wooden clogs (shoes), velcro tevas (sneakers)" in result.stdout
    assert "texts lost          1  Velcro Tevas (sandals)" in result.stdout
    pairs = Run.load("grown").pairs
    assert pairs.relevant("velcro tevas")[0] == ("sneakers", 0)
    assert pairs.relevant("Rubber wellies") == ANCESTORS["rain boots"]
    assert "Velcro Tevas" not in pairs.query_ids


def test_weights_of_labels_are_kept_by_the_run_and_by_growth(rootward, shop, tmp_path):
    (tmp_path / "titles.csv").write_text(
        "text,node,n,x\nWellies for puddles,rain boots,2.5,0\nVelcro Tevas,sandals,1,1\n"
    )
    flags = ["--labels", "titles.csv", "--weight", "n"]
    result = rootward("train", f"edges:{shop}", *flags, *QUICK, "--out", "run")
    assert result.exit_code == 0, result.stderr
    assert Run.load("run").pairs.query_weights.tolist() == [1.0] * 12 + [2.5, 1.0]
    assert rootward("grow", "run", f"edges:{shop}", "--out", "grown", "-q").exit_code == 0
    assert Run.load("grown").pairs.query_weights.tolist() == [1.0] * 12 + [2.5, 1.0]
    refused = rootward("train", f"edges:{shop}", "--labels", "titles.csv", "--weight", "x", "--out", "other")
    assert refused.exit_code == 2
    assert "the weight (column 'x') is '0'; a number above 0 is needed" in refused.stderr
    refused = rootward("train", f"edges:{shop}", "--weight", "n", "--out", "other")
    assert "--weight names a column of --labels FILE" in refused.stderr
    flat = ["labels:titles.csv", "--read", "weight=n"]
    assert rootward("train", *flat, *QUICK, "--out", "flat").exit_code == 0
    assert Run.load("flat").pairs.query_weights.tolist() == [2.5, 1.0]


def test_filters_and_ancestors_of_a_labelled_run(rootward, labelled):
    found = json.loads(rootward("search", labelled, "plain wellies", "--below", "boots", "--json").stdout)
    assert {each["id"] for each in found["documents"]} == {"boots", "rain boots", "hiking boots"}
    told = rootward("search", labelled, "puddle wellies", "--threshold", "-1", "-k", "1", "--upward", "--json")
    first, *above = json.loads(told.stdout)["documents"]
    wanted = {node for node, hops in Run.load(labelled).pairs.relevant(first["id"]) if hops}
    assert {each["id"] for each in above if each["added"]} == wanted


def test_growth_makes_pairs_by_the_settings_of_a_labelled_run(rootward, shop, files):
    near = ["--read", "max_distance=1"]
    assert rootward("train", f"edges:{shop}", *near, *files, *QUICK, "--out", "near").exit_code == 0
    assert rootward("grow", "near", f"edges:{shop}", *files, "--out", "grown", "--quiet").exit_code == 0
    assert Run.load("grown").pairs.relevant("Velcro Tevas") == [("sandals", 0), ("shoes", 1)]


def test_texts_and_categories_alone_are_a_source(rootward, files):
    told = rootward(
        "train", "labels:titles.csv", "--read", "text=title", "--read", "node=category", *QUICK, "--out", "run"
    )
    assert told.exit_code == 0, told.stderr
    run = Run.load("run")
    assert run.model.reads_texts
    assert list(run.pairs.document_ids) == [
        "flip-flops",
        "Flip-Flops",
        "rain boots",
        "footwear > boots > rain boots",
        "sandals",
    ]
    report = json.loads(rootward("evaluate", "run", "--labels", "new.csv", "--json", "-").stdout)
    assert report["n_queries"] == 2


def test_rows_with_unknown_nodes_are_refused_or_left_out(rootward, shop, files, tmp_path):
    (tmp_path / "titles.csv").write_text(TITLES + "Wooden shoes,clogs\n")
    command = ["train", f"edges:{shop}", *files, "--dim", "4", "--steps", "2", "--threads", "1"]
    refused = rootward(*command)
    assert refused.exit_code == 2
    assert "Row 7 of titles.csv: the node 'clogs' is no id, name or path of the 12 nodes." in refused.stderr
    assert "--read unknown=skip leaves such rows out" in refused.stderr
    left = rootward(*command, "--read", "unknown=skip")
    assert left.exit_code == 0
    assert "Left out 1 labelled text whose node is unknown: 'clogs' (row 7 of titles.csv)." in left.stderr


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["tree:2,2", "--text", "title"], "--text names a column of --labels FILE"),
        (["tree:2,2", "--labels", "titles.csv"], "has no column 'text'"),
        (["tree:2,2", "--labels", "gone.csv"], "gone.csv"),
        (["tree:2,2", "--read", "unknown=skip"], "--read unknown=skip is for labels"),
        (["labels:titles.csv"], "--read text= and --read node="),
        (["labels:titles.csv", "--labels", "new.csv"], "--labels are of nodes of a hierarchy"),
        (["tree:2,2", "--labels", "new.csv", "--tower", "lookup", "--word-pairs"], "belongs to --tower static"),
    ],
)
def test_what_does_not_fit_is_refused(rootward, files, flags, message):
    result = rootward("train", *flags, "--out", "run")
    assert result.exit_code == 2
    assert message in result.stderr


def test_a_tower_that_is_named_is_taken(rootward, shop, files):
    assert rootward("train", f"edges:{shop}", *files, *QUICK, "--tower", "lookup", "--out", "run").exit_code == 0
    assert not DualEncoder.load("run").reads_texts


def test_edges_with_empty_parents_and_nodes_with_empty_names_are_read_as_they_are(rootward, tmp_path):
    (tmp_path / "edges.csv").write_text("child,parent\n11,\n111,11\n112,11\n")
    (tmp_path / "nodes.csv").write_text("id,name\n11,\n111,Soybean Farming\n112,\n")
    (tmp_path / "labels.csv").write_text("text,node\nsoy beans,111\ncorn,112\n")
    command = ["train", "edges:edges.csv", "--read", "nodes=nodes.csv", "--labels", "labels.csv", "--out", "run"]
    assert rootward(*command, *QUICK).exit_code == 0
    pairs = Run.load("run").pairs
    assert list(pairs.query_ids) == ["11", "111", "112", "soy beans", "corn"]
    assert pairs.query_texts.names == ("", "Soybean Farming", "", "soy beans", "corn")
    assert pairs.relevant("corn") == [("112", 0), ("11", 1)]


def test_simple_methods_learn_from_the_run_and_are_measured_on_labels(rootward, labelled):
    pytest.importorskip("sklearn")
    flags = ["--labels", "held.csv", "--text", "words", "--node", "leaf", "--baselines", "--bootstrap", "20"]
    with open("held.csv", "w") as file:
        file.write("words,leaf\nwellies of rubber,rain boots\nplain Havaianas,flip-flops\n")
    told = json.loads(rootward("evaluate", labelled, *flags, "--json", "-").stdout)
    assert told["report"]["nodes"]["n_queries"] == 2
    assert told["baselines"]["n_known"] == 0
    assert [row["report"]["n_queries"] for row in told["baselines"]["rows"]] == [2, 2]
    assert "differences: paired" in rootward("evaluate", labelled, *flags).stdout


def test_baselines_refuse_labels_that_were_all_trained_on(rootward, labelled, files):
    result = rootward("evaluate", labelled, *files, "--baselines")
    assert result.exit_code == 2
    assert "held-out texts" in result.stderr


def test_labels_that_were_trained_on_keep_their_ids_and_no_other_text_gets_one(rootward, shop, tmp_path):
    (tmp_path / "titles.csv").write_text("text,node\nboots,rain boots\npuddle wellies,rain boots\n")
    flags = ["--labels", "titles.csv", *QUICK]
    assert rootward("train", f"edges:{shop}", *flags, "--out", "run").exit_code == 0
    assert "boots (2)" in Run.load("run").pairs.query_ids  # "boots" is a node
    (tmp_path / "new.csv").write_text("text,node\nboots,boots\nboots (2),sandals\npuddle wellies,boots\n")
    report = json.loads(rootward("evaluate", "run", "--labels", "new.csv", "--json", "-").stdout)
    assert (report["n_queries"], report["n_unseen"]) == (3, 1)
