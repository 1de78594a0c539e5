"""`rootward construct` and `rootward plan`: geometry from the shell."""

import csv
import json

import pytest

from shoes import EDGES, SECOND_PARENT


@pytest.fixture
def tree(tmp_path):
    """The shop without the second parent, as CSV."""
    path = tmp_path / "tree.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("child", "parent"), *(edge for edge in EDGES if edge != SECOND_PARENT)])
    return path


def test_a_construction_is_measured_saved_evaluated_and_searched(rootward, shop):
    made = rootward("construct", f"edges:{shop}", "--dim", "300", "--out", "runs/shop")
    assert made.exit_code == 0, made.stderr
    assert "100 % of 12 queries separated" in made.stdout
    assert "rootward evaluate runs/shop" in made.stderr
    told = json.loads(rootward("evaluate", "runs/shop", "--json", "-").stdout)
    assert (told["overall"]["value"], told["n_pairs"]) == (1.0, 37)
    found = json.loads(rootward("search", "runs/shop", "sandals", "--threshold", "auto", "--json").stdout)
    assert {each["id"] for each in found["documents"]} == {"sandals", "shoes", "footwear"}


def test_exact_methods_need_no_dim_and_say_what_float32_leaves(rootward, tree):
    result = json.loads(rootward("construct", f"edges:{tree}", "--method", "moment-curve", "--json", "-").stdout)
    assert result["dim"] == 8  # the largest set has four
    assert (result["separation"]["dtype"], result["in_float32"]["dtype"]) == ("float64", "float32")
    assert result["separation"]["at_threshold"] == 1.0


def test_arcs_refuse_what_is_no_tree(rootward, shop):
    result = rootward("construct", f"edges:{shop}", "--method", "arcs", "--out", "runs/shop")
    assert result.exit_code == 2
    assert '"kids\' sneakers" has 2 parents' in result.stderr


def test_noise_is_measured_against_the_true_pairs(rootward, shop):
    flags = ["construct", f"edges:{shop}", "--dim", "300", "--drop", "0.2"]
    result = json.loads(rootward(*flags, "--json", "-").stdout)
    assert result["separation"]["at_threshold"] == 1.0  # of the pairs it was given
    assert result["against_true"]["recall"] < 1.0
    assert "against the true pairs: recall" in rootward(*flags).stdout


def test_a_folder_that_holds_a_model_is_kept(rootward, shop, tmp_path):
    flags = ["construct", f"edges:{shop}", "--out", "runs/shop", "--dim"]
    assert rootward(*flags, "60").exit_code == 0
    before = (tmp_path / "runs/shop/model.safetensors").read_bytes()
    again = rootward(*flags, "61")
    assert again.exit_code == 2
    assert "holds a model already" in again.stderr
    assert (tmp_path / "runs/shop/model.safetensors").read_bytes() == before


def test_a_plan_prints_what_each_number_says(rootward, tree):
    result = rootward("plan", f"edges:{tree}", "--no-learned", "--seeds", "2")
    assert result.exit_code == 0, result.stderr
    assert "a forest: every set exactly at threshold 0, in float64" in result.stdout
    assert "one threshold served all queries with all of 2 seeds" in result.stdout
    assert "construction at dim" in result.stderr


def test_a_plan_pipes_and_draws(rootward, tree, tmp_path):
    pytest.importorskip("matplotlib")
    flags = ["--no-learned", "--quiet", "--json", "-", "--plot", "plan.svg"]
    result = rootward("plan", f"edges:{tree}", *flags)
    assert (result.exit_code, result.stderr) == (0, "")
    told = json.loads(result.stdout)
    assert told["gaussian"]["dim"] > told["gaussian"]["failed_at"]
    assert told["learned"] is None
    assert (tmp_path / "plan.svg").exists()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--target", "95"], "target is a share in (0, 1]"),
        (["--plot", "plan.pdf"], "saved as .png or .svg"),
        (["--no-learned", "--no-gaussian", "--plot", "plan.svg"], "draws what was tried"),
    ],
)
def test_a_plan_refuses_early(rootward, tree, flags, message):
    result = rootward("plan", f"edges:{tree}", *flags)
    assert result.exit_code == 2
    assert message in result.stderr


def test_without_a_source_or_a_width_the_command_says_what_it_needs_itself(rootward, tree):
    for command in (["plan"], ["construct", "--dim", "9"]):
        result = rootward(*command)
        assert (result.exit_code, "rootward train" in result.stderr) == (2, False)
        assert "A source is needed: a named one (wordnet, " in result.stderr
    result = rootward("construct", f"edges:{tree}")
    assert (result.exit_code, "such as --dim 512; rootward plan" in result.stderr) == (2, True)
