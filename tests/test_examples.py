"""The tutorials of examples/ run from start to end, and print what is known by hand to be right."""

from __future__ import annotations

import csv
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"


@pytest.fixture(scope="module")
def printed(tmp_path_factory):
    """What a script prints, in a process of its own, and the folder that it writes; each script runs once."""
    done: dict[str, tuple[str, Path]] = {}

    def run(name: str) -> tuple[str, Path]:
        if name not in done:
            folder = tmp_path_factory.mktemp("examples") / name
            command = [sys.executable, str(EXAMPLES / f"{name}.py"), str(folder)]
            ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
            assert ended.returncode == 0, ended.stderr[-3000:]
            done[name] = ended.stdout, folder
        return done[name]

    return run


def listed(output: str, command: str) -> list[str]:
    """The names or ids in the second column of what a search printed."""
    part = output.split(command, 1)[1].split("\n\n", 1)[0]
    return re.findall(r"^ +\d+  (\S+)", part, flags=re.MULTILINE)


def test_curator_finds_a_held_out_phrase_and_the_terms_of_the_newer_file(printed) -> None:
    output, folder = printed("curator")
    anthrax = ["pulmonary_anthrax.n.01", "anthrax.n.02", "disease.n.01"]
    sets = re.findall(r"\$ rootward search (\S+) .*--threshold auto\n", output)
    assert sets == ["runs/diseases", "runs/diseases-new"]
    with (folder / "phrases.csv").open(encoding="utf-8", newline="") as file:
        assert ["woolsorter's pneumonia", "pulmonary_anthrax.n.01"] in list(csv.reader(file))
    assert "woolsorter's pneumonia" not in (folder / "diseases.obo").read_text(encoding="utf-8")
    assert listed(output, "-k 5")[:3] == anthrax
    assert listed(output, "search runs/diseases-new")[:2] == ["swine_influenza.n.01", "influenza.n.01"]
    assert listed(output, "search runs/diseases-new")[-1] == "disease.n.01"
    assert "swine_influenza.n.01 -> influenza.n.01" in output
    assert "recall of held-out texts" in output
    assert (folder / "recall.svg").is_file()


def test_shop_names_the_category_and_all_above_it_and_counts_what_more_labels_give(printed) -> None:
    output, folder = printed("shop")
    assert re.findall(r"^ +\d  (.*?)  ", output.split("$ rootward evaluate")[0], flags=re.MULTILINE) == [
        "clothing > garment > overgarment > coat",
        "clothing > garment > overgarment",
        "clothing > garment",
        "clothing",
    ]
    assert re.search(r"^ +svm +\d", output, flags=re.MULTILINE)
    right = [int(number) for number in re.findall(r"(\d+) of 200$", output, flags=re.MULTILINE)]
    assert len(right) == 3
    assert min(right) > 100  # with 30 categories, chance alone names a few
    assert right[1] > right[0]
    with (folder / "predictions.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    with (folder / "new.csv").open(encoding="utf-8", newline="") as file:
        assert [row["text"] for row in rows] == [row["title"] for row in csv.DictReader(file)]
    for row in rows:
        answers = json.loads(row["answers"])
        assert all(path.rpartition(" > ")[0] in ("", *answers) for path in answers)  # closed upwards


def test_researcher_has_the_right_gradient_and_measures_the_default_ahead(printed) -> None:
    output, folder = printed("researcher")
    assert float(re.search(r"error of the gradient: (\S+)", output)[1]) < 1e-12
    overall = {
        name: float(re.search(rf"^{re.escape(name)}.* (\S+)  \S+$", output, flags=re.MULTILINE)[1])
        for name in ("decoupled (default)", "softmax", "sigmoid (own)")
    }
    assert overall["decoupled (default)"] > overall["softmax"] > 50
    assert (folder / "recall.svg").is_file()


def test_backend_takes_a_newer_run_over_and_no_request_fails(printed) -> None:
    output, folder = printed("backend")
    car = ["sports car", "car", "motor vehicle", "self-propelled vehicle", "wheeled vehicle", "vehicle"]
    answers = re.findall(r"^GET (.*)\n((?:  .*\n)+)", output, flags=re.MULTILINE)
    names = [re.findall(r"^  \d  (.*?)  ", lines, flags=re.MULTILINE) for _, lines in answers]
    assert names[0] == car
    assert "electric" not in names[1]
    assert names[2] == ["electric", *car[1:]]
    assert re.search(r"^[1-9]\d* requests meanwhile, 0 of them failed$", output, flags=re.MULTILINE)
    assert "answered by generation 1: 0," not in output
    assert "by newer ones: 0" not in output
    assert "the server ended with status 0" in output
    assert (folder / "takeover.svg").is_file()


KNOWN = {
    "quick-start": ("kids' sneakers", "the right node, and the two ways up from it"),
    "long-distance": ("default, 100 steps     overall 100.0", "the default finds all of them"),
    "held-out": ("[('genetic_disease.n.01', 0), ('disease.n.01', 1)]", "the term and what stands above it"),
}


@pytest.mark.parametrize("name", KNOWN)
@pytest.mark.filterwarnings("ignore:FigureCanvasAgg is non-interactive")
def test_every_cell_of_a_notebook_runs(name, tmp_path, monkeypatch, capsys) -> None:
    """One after the other in one namespace, as Jupyter does it; without its kernel, which is a heavy dependency."""
    pyplot = pytest.importorskip("matplotlib.pyplot")
    pyplot.switch_backend("agg")
    monkeypatch.chdir(tmp_path)
    notebook = json.loads((EXAMPLES / f"{name}.ipynb").read_text(encoding="utf-8"))
    assert notebook["nbformat"] == 4
    names: dict[str, object] = {"__name__": "__main__"}
    for i, cell in enumerate(notebook["cells"]):
        if cell["cell_type"] == "code":
            assert cell["outputs"] == []
            exec(compile("".join(cell["source"]), f"{name}.ipynb, cell {i}", "exec"), names)
    figures = pyplot.get_fignums()
    pyplot.close("all")
    assert figures
    assert KNOWN[name][0] in capsys.readouterr().out
    if name == "quick-start":
        assert set(names["found"]) == {"kids' sneakers", "sneakers", "kids' shoes", "shoes", "footwear"}
        assert names["found"][0] == "kids' sneakers"
    if name == "long-distance":
        regular = names["reports"]["regular, 1,000 steps"]
        assert regular.slices[0].recall.value > 0.9
        assert regular.slices[5].recall.value < 0.5


@pytest.mark.parametrize(("name", "kept"), [("curator", "runs"), ("shop", "runs"), ("backend", "models")])
def test_a_folder_with_runs_of_its_own_is_left_alone(name, kept, tmp_path) -> None:
    (tmp_path / kept).mkdir()
    command = [sys.executable, str(EXAMPLES / f"{name}.py"), str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    assert ended.returncode == 1
    assert "name another folder" in ended.stderr
    assert [path.name for path in tmp_path.iterdir()] == [kept]


def test_every_example_is_on_a_page_of_the_documentation() -> None:
    pages = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "docs").glob("*.md"))
    for path in [*EXAMPLES.glob("*.py"), *EXAMPLES.glob("*.ipynb")]:
        assert f"examples/{path.name}" in pages


TUTORIALS = ("curator", "shop", "researcher", "backend")


@pytest.mark.parametrize("name", TUTORIALS)
def test_code_that_a_tutorial_shows_is_that_of_its_script(name) -> None:
    page = (ROOT / "docs" / f"tutorial-{name}.md").read_text(encoding="utf-8")
    script = (EXAMPLES / f"{name}.py").read_text(encoding="utf-8")
    shown = re.findall(r"^```py\n(.*?)^```", page, flags=re.MULTILINE | re.DOTALL)
    assert bool(shown) == (name in ("researcher", "backend"))
    assert all(code in script for code in shown)


@pytest.mark.parametrize("name", ["curator", "shop"])
def test_commands_that_a_tutorial_shows_are_those_of_its_script(name, printed) -> None:
    page = (ROOT / "docs" / f"tutorial-{name}.md").read_text(encoding="utf-8")
    lines = re.findall(r"^rootward .*", page, flags=re.MULTILINE)
    run = [shlex.split(line) for line in re.findall(r"^\$ (rootward .*)", printed(name)[0], flags=re.MULTILINE)]
    shown = [shlex.split(line) for line in lines]
    by_hand = [words for words in shown if words not in run]
    assert [words for words in run if words not in shown] == []
    assert [words[1] for words in by_hand] == (["train"] if name == "shop" else [])  # the script calls Classifier.fit
