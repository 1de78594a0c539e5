"""A category tree and labelled texts: train, measure beside simple methods, predict a file, label the least sure next.

    python examples/shop.py [FOLDER]     # default: tutorial-shop

The data are real: clothes, shoes and furniture, as WordNet describes them. Its larger groups are the
categories, what is below them are the products. It needs the extras `sklearn` and `plots`, and no network.
docs/tutorial-shop.md shows what it prints.
"""

from __future__ import annotations

import csv
import os
import random
import shlex
import sys
from collections import Counter
from pathlib import Path

import numpy as np

import rootward as rw
from rootward.classification import Classifier
from rootward.cli import app
from rootward.plots import figure_at, save_figure

DEPARTMENTS = ("clothing.n.01", "footwear.n.02", "furniture.n.01")
CATEGORY = 12
"""So many products below it make a node of WordNet a category."""

STEPS = 100
TEST, FIRST, NEXT = 200, 200, 100
"""How many texts are measured on, labelled at first, and labelled after that."""


def rootward(*words: str) -> None:
    """Show a command and run it in this process."""
    print(f"\n$ rootward {shlex.join(words)}", flush=True)
    app(list(words), standalone_mode=False)


def products_of(department: rw.Hierarchy) -> tuple[list[str], list[tuple[str, str]]]:
    """The paths of a department's categories, and its products: (name and description, path of the category)."""
    above = {node: department.parents_of(node) for node in department.ids}
    size: Counter[str] = Counter()
    chain_of: dict[str, list[str]] = {}
    for node in department.ids:
        chain = [node]
        while above[chain[-1]]:
            chain.append(above[chain[-1]][0])
        chain_of[node] = chain[::-1]
        size.update(chain[1:])
    name_of = dict(zip(department.ids, department.texts.names, strict=True))
    text_of = dict(zip(department.ids, department.texts.definitions, strict=True))
    paths, products = [], []
    for node, chain in chain_of.items():
        path = " > ".join(name_of[each] for each in chain if size[each] >= CATEGORY)
        if size[node] >= CATEGORY:
            paths.append(path)
        else:
            products.append((f"{name_of[node]}: {text_of[node]}", path))
    return paths, products


def write_csv(path: str, rows: list[tuple[str, str]]) -> None:
    """Write texts and their categories."""
    with open(path, "w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("title", "category"), *rows])


def train(labelled: list[tuple[str, str]], out: str) -> Classifier:
    """What `rootward train paths:categories.txt --labels ...` does, without a sentence encoder and with fewer steps."""
    tree = rw.Hierarchy.from_paths("categories.txt")
    pairs = tree.pairs(labels=rw.Labels.read(labelled)).by_name()
    recipe = rw.recipes.decoupled(steps=STEPS)
    settings = rw.Settings(progress=False)
    return Classifier.fit(pairs, recipe=recipe, out=out, settings=settings)


def main(folder: str = "tutorial-shop") -> None:
    """Run the tutorial in a folder."""
    if Path(folder, "runs").exists():
        raise SystemExit(f"{folder} holds runs already; remove them, or name another folder.")
    Path(folder).mkdir(parents=True, exist_ok=True)
    os.chdir(folder)
    wordnet = rw.Hierarchy.wordnet()
    paths: list[str] = []
    products: list[tuple[str, str]] = []
    for department in DEPARTMENTS:
        found = products_of(wordnet.below(department))
        paths += found[0]
        products += found[1]
    products = list(dict(products).items())
    random.Random(0).shuffle(products)
    test, labelled, new = products[:TEST], products[TEST : TEST + FIRST], products[TEST + FIRST :]
    Path("categories.txt").write_text("\n".join(paths) + "\n", encoding="utf-8")
    for name, rows in (("titles.csv", labelled), ("new.csv", new), ("test.csv", test)):
        write_csv(name, rows)
    print(f"categories.txt: {len(paths)}; titles.csv: {len(labelled)}; new.csv: {len(new)}; test.csv: {len(test)}")

    train(labelled, "runs/first")
    test_file = ("--labels", "test.csv", "--text", "title", "--node", "category")
    rootward("search", "runs/first", "a warm coat with a hood", "-k", "4")
    rootward("evaluate", "runs/first", *test_file, "--baselines", "--quiet")
    rootward("predict", "runs/first", "new.csv", "--text", "title", "--out", "predictions.csv", "--quiet")

    with open("predictions.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    print("\nThe surest of predictions.csv, and the least sure, of which some are not named at all:")
    order = sorted(range(len(rows)), key=lambda i: float(rows[i]["probability"]))
    for i in (*order[:-4:-1], *order[:3]):
        print(f"{float(rows[i]['probability']):.2f}  {rows[i]['node'] or '-':40}  {rows[i]['text'][:60]}")

    print(f"\n{NEXT} more labels, of {len(new)} new titles: nodes right in test.csv")
    drawn = random.Random(0).sample(range(len(new)), NEXT)
    for name, places in (("none", []), ("the least sure", order[:NEXT]), ("drawn at random", drawn)):
        folder = "runs/" + name.replace(" ", "-")
        run = Classifier.load("runs/first") if not places else train(labelled + [new[i] for i in places], folder)
        answers = run.answers(title for title, _ in test)
        right = sum(answer.node == category for answer, (_, category) in zip(answers, test, strict=True))
        print(f"  {name:16} {right} of {len(test)}")
    draw(rows, new, Path("sure.svg"))


def draw(rows: list[dict[str, str]], new: list[tuple[str, str]], path: Path) -> None:
    """How often a prediction is right, by the probability that it was given."""
    given = np.array([float(row["probability"]) for row in rows])
    right = np.array([row["node"] == category for row, (_, category) in zip(rows, new, strict=True)])
    figure, axes = figure_at(path, size=(4.8, 3.6))
    groups = np.array_split(np.argsort(given), 8)
    axes.plot([0, 1], [0, 1], color="0.7", linewidth=1)
    axes.plot([given[group].mean() for group in groups], [right[group].mean() for group in groups], marker="o")
    axes.set(
        xlabel="probability of the named node", ylabel="share that is right", title=f"{len(new)} new titles in 8 groups"
    )
    save_figure(figure, path)


if __name__ == "__main__":
    main(*sys.argv[1:])
