"""Figure 5: recall at k on ESCI's products, joint training against pretraining and finetuning.

The paper (arXiv 2509.16411, section 6.2) trains a transformer from scratch; here the static tower reads the texts,
which two cores can train. Exact pairs are distance 0, Substitute pairs distance 1. Joint training draws from both for
as many steps as the two stages of the other have together; that pretrains on Exact pairs and finetunes on Substitute
pairs alone, at a lower rate and a higher tau, with a query's Exact products never among its negatives.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from rootward.encoders import DualEncoder
from rootward.errors import InputError
from rootward.evaluation.evaluate import ranks_of
from rootward.evaluation.metrics import recall_at
from rootward.evaluation.results import plain_table
from rootward.pairs import Pairs
from rootward.plots import plain_ticks
from rootward.readers.esci import HOW, Version
from rootward.rng import stream
from rootward.training import Recipe, Stage, train
from rootward_paper.drawing import mean, new_figure
from rootward_paper.measuring import QUIET, grid
from rootward_paper.study import Experiment, Job, Row, Study

KS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000)
SETS = {"Exact": (0, 5_000), "Substitute": (1, 2_000)}
"""Distance, and how many test pairs are drawn: the paper's sizes."""

TRAININGS = ("joint", "pretrained", "pretrain-finetune")
Trained = tuple[str, DualEncoder, float]
"""The name of a training, its model, the seconds that it took."""


@dataclass(frozen=True)
class Setting:
    """How a scale trains.

    Attributes:
        version: of ESCI.
        dim: width of the vectors.
        pretrain, finetune: steps.
        batch: pairs a step.
    """

    version: Version
    dim: int
    pretrain: int
    finetune: int
    batch: int

    def stage(self, name: str, **fields: Any) -> Recipe:
        """One stage as a recipe; softmax over the batch's products and some uniform ones, corrected by log Q."""
        settings = {"loss": "softmax", "sampler": "regular", "batch_size": self.batch, **fields}
        stage = Stage(name=name, validate_every=settings["steps"], **settings)
        return Recipe(name=name, stages=(stage,))


SCALES = {
    "tiny": Setting("large", 64, 12, 6, 64),
    "cpu": Setting("small", 128, 3_000, 1_000, 1_024),
    "paper": Setting("large", 128, 30_000, 50_000, 4_096),
}
FINETUNE = {"sampler": "heavy_tail", "loss": "decoupled", "learning_rate": 0.02, "scale": 100.0, "scale_end": 100.0}
"""A tenth of the rate and five times the tau that pretraining begins with. Heavy-tail draws by distance, so of
distances 0 and 1 it draws the second alone; and in the decoupled loss a Substitute does not compete with the query's
Exact products, which the softmax would push down like irrelevant ones."""


def measure(scale: str, seeds: Sequence[int], *, data: str | None = None) -> Iterator[Job]:
    """Recall at every k, for each seed, training and set of test pairs.

    Raises:
        InputError: no data.
        TableError: a file of ESCI that is missing or cannot be read.
    """
    if data is None:
        raise InputError(f"figure5 needs ESCI, which does not come with the package: --data FOLDER. {HOW}")
    setting = SCALES[scale]
    known, test = (Pairs.from_esci(data, part=part, version=setting.version) for part in ("train", "test"))
    return grid(partial(_rows, setting, known, test), seed=seeds, stages=(1, 2))


def _rows(setting: Setting, known: Pairs, test_pairs: Pairs, *, seed: int, stages: int) -> Iterator[Row]:
    tests = {name: drawn(test_pairs, hops, n, seed) for name, (hops, n) in SETS.items()}
    for training, model, seconds in (jointly if stages == 1 else in_stages)(setting, known, seed):
        for name, test in tests.items():
            yield {
                "training": training,
                "set": name,
                "pairs": len(test),
                "documents": test.n_documents,
                "k": list(KS),
                "recall": [float(share) for share in recall_at(ranks_of(model, test), KS)] if len(test) else None,
                "seconds": round(seconds, 1),
            }


def drawn(pairs: Pairs, hops: int, n: int, seed: int) -> Pairs:
    """At most n of the pairs at this distance, drawn without replacement."""
    there = np.flatnonzero(pairs.distances == hops)
    chosen = stream(seed, "figure5", hops).permutation(there)[:n]
    wanted = np.zeros(len(pairs), np.bool_)
    wanted[chosen] = True
    return pairs.keep(wanted)


def jointly(setting: Setting, pairs: Pairs, seed: int) -> Iterator[Trained]:
    """Both distances from the beginning, for as many steps as the two stages have together."""
    began = time.perf_counter()
    model = DualEncoder.text(pairs, dim=setting.dim, seed=seed)
    recipe = setting.stage("joint", steps=setting.pretrain + setting.finetune)
    train(model, pairs, recipe, seed=seed, settings=QUIET)
    yield "joint", model, time.perf_counter() - began


def in_stages(setting: Setting, pairs: Pairs, seed: int) -> Iterator[Trained]:
    """The model after pretraining, and the same model again after finetuning."""
    began = time.perf_counter()
    model = DualEncoder.text(pairs, dim=setting.dim, seed=seed)
    train(model, pairs.near(0), setting.stage("pretrain", steps=setting.pretrain), seed=seed, settings=QUIET)
    took = time.perf_counter() - began
    yield "pretrained", model, took
    began = time.perf_counter()
    train(model, pairs, setting.stage("finetune", steps=setting.finetune, **FINETUNE), seed=seed, settings=QUIET)
    yield "pretrain-finetune", model, took + time.perf_counter() - began


def curve(study: Study, training: str, name: str) -> list[tuple[int, str, float]]:
    """(k, mean with its interval over seeds, mean) of one line, in percent; empty where there are no test pairs."""
    rows = [row for row in study.where(training=training, set=name) if row["recall"] is not None]
    if not rows:
        return []
    means = [mean([100 * row["recall"][i] for row in rows]) for i in range(len(rows[0]["k"]))]
    return [(k, str(each), each.value) for k, each in zip(rows[0]["k"], means, strict=True)]


def table(study: Study) -> str:
    """Recall at every k in percent, a line a training and set."""
    first = study.rows[0]
    lines = [
        [training, name, *(cell for _, cell, _ in curve(study, training, name))]
        for name in SETS
        for training in TRAININGS
        if curve(study, training, name)
    ]
    sizes = ", ".join(f"{study.where(set=name)[0]['pairs']:,} {name}" for name in SETS)
    return (
        f"Recall at k in % among {first['documents']:,} products; test pairs a seed: {sizes}\n"
        f"{plain_table(['training', 'set', *(f'k = {k:,}' for k in first['k'])], lines)}"
    )


def draw(study: Study) -> Any:
    """Recall against k, a panel a set, as in the paper."""
    figure, axes = new_figure(columns=2)
    for name, side in zip(SETS, axes, strict=True):
        for training in TRAININGS:
            points = curve(study, training, name)
            side.plot([k for k, _, _ in points], [value for _, _, value in points], marker="o", label=training)
        side.set(xscale="log", xlabel="k", ylabel="recall at k (%)", title=name)
        plain_ticks(side.xaxis)
        side.grid(alpha=0.3)
    axes[0].legend(frameon=False, fontsize=8)
    return figure


FIGURE5 = Experiment(measure, table, draw)
