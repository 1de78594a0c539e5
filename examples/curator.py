"""An ontology from file to calibrated answers, measured on phrases that training never saw, and grown by a newer file.

    python examples/curator.py [FOLDER]     # default: tutorial-curator

The ontology is real: what WordNet says of diseases, 606 terms with synonyms and definitions, written as OBO. It needs
the extras `plots` and `sklearn`, no network, and half a minute. docs/tutorial-curator.md shows what it prints.
"""

from __future__ import annotations

import csv
import os
import random
import shlex
import sys
from pathlib import Path

import rootward as rw
from rootward.cli import app
from rootward.texts import normal_form

NEW = ("swine_influenza.n.01", "hepatitis_delta.n.01")
"""Terms that only the newer file has."""

STEPS = "200"
"""Steps of training; 2,000, the default here, find no more of the held-out phrases."""


def rootward(*words: str) -> None:
    """Show a command and run it in this process."""
    print(f"\n$ rootward {shlex.join(words)}", flush=True)
    app(list(words), standalone_mode=False)


def write_obo(tree: rw.Hierarchy, path: str, synonyms: dict[str, list[str]]) -> None:
    """Write the terms with these synonyms as OBO."""
    with open(path, "w", encoding="utf-8") as file:
        file.write("format-version: 1.2\n")
        for node, name, definition in zip(tree.ids, tree.texts.names, tree.texts.definitions, strict=True):
            file.write(f"\n[Term]\nid: {node}\nname: {name}\n")
            file.write('def: "{}" []\n'.format(definition.replace('"', '\\"')))
            file.writelines(f'synonym: "{synonym}" EXACT []\n' for synonym in synonyms[node])
            file.writelines(f"is_a: {parent}\n" for parent in tree.parents_of(node))


def write_files() -> None:
    """Write diseases.obo, without NEW, diseases-new.obo, and phrases.csv: two synonyms in five, which neither has."""
    tree = rw.Hierarchy.wordnet().below("disease.n.01")
    rng = random.Random(0)
    kept: dict[str, list[str]] = {}
    phrases = []
    older = [node for node in tree.ids if node not in NEW]
    for node, synonyms in zip(tree.ids, tree.texts.synonyms, strict=True):
        out = {synonym for synonym in synonyms if node not in NEW and rng.random() < 0.4}
        kept[node] = [synonym for synonym in synonyms if synonym not in out]
        phrases += [(synonym, node) for synonym in synonyms if synonym in out]
    known = {
        normal_form(text) for node, name in zip(tree.ids, tree.texts.names, strict=True) for text in (name, *kept[node])
    }
    phrases = [(text, node) for text, node in phrases if normal_form(text) not in known]
    write_obo(tree.induced(older), "diseases.obo", kept)
    write_obo(tree, "diseases-new.obo", kept)
    with open("phrases.csv", "w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("text", "node"), *phrases])
    print(f"diseases.obo: {len(older)} terms; diseases-new.obo: {len(tree)}; phrases.csv: {len(phrases)}")


def main(folder: str = "tutorial-curator") -> None:
    """Run the tutorial in a folder."""
    if Path(folder, "runs").exists():
        raise SystemExit(f"{folder} holds runs already; remove them, or name another folder.")
    Path(folder).mkdir(parents=True, exist_ok=True)
    os.chdir(folder)
    write_files()
    run, grown = "runs/diseases", "runs/diseases-new"
    rootward("train", "diseases.obo", "--tower", "static", "--steps", STEPS, "--out", run, "--quiet")
    rootward("search", run, "woolsorter's pneumonia", "-k", "5")
    labels = ("--labels", "phrases.csv")
    rootward("evaluate", run, *labels, "--baselines", "--plot", "recall.svg", "--quiet")
    rootward("calibrate", run, *labels, "--quiet")
    rootward("search", run, "woolsorter's pneumonia", "--threshold", "auto")
    rootward("grow", run, "diseases-new.obo", "--out", grown, "--quiet")
    rootward("search", grown, "swine flu", "--threshold", "auto")


if __name__ == "__main__":
    main(*sys.argv[1:])
