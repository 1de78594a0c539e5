"""Seconds a text pair: training MiniLM here and by sentence-transformers' own trainer, in turns, in one process.

python benchmarks/trainer_throughput.py [--steps 10] [--rounds 3]

Same texts, same size of batches, same limit of tokens, same weights at the start, both sides encoded by the model; once
the encoder is trained too ("full"), once it stays as it is and a matrix on top of it is trained ("frozen"). Every round
gives each trainer some steps after two that are not counted; figures are medians over rounds. What
differs: their trainer has the encoder's dropout on, moves every weight (AdamW) and pads a batch to its longest text;
ours pads texts of like length together, has a head of its own for each side on the encoder, leaves out a share of the
encoder's outputs, and moves the tokens that are in the batch alone. On the frozen encoder theirs reads every text at
every step, ours once, before the first: "with reading" counts that as if every text were seen once only.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from typing import Any

import machine
import numpy as np
import sentences
import torch

import rootward as rw
from rootward.ids import Ids
from rootward.pairs import Pairs
from rootward.texts import Texts
from rootward.training.batches import Batches
from rootward.training.defaults import resolve
from rootward.training.loop import BLOCK_BYTES, train_step
from rootward.training.state import State

BATCH, DIM, UNCOUNTED = 64, 384, 2
Side = Callable[[], float]


def text_pairs(n: int, seed: int) -> tuple[list[str], list[str]]:
    """n glosses of WordNet nouns, and the name of something above what each defines; no text twice on either side."""
    pairs = rw.Hierarchy.wordnet().pairs()
    texts = pairs.query_texts
    assert texts is not None
    rng, anchors, positives = np.random.default_rng(seed), [], []
    taken: set[str] = set()
    for row in rng.permutation(np.flatnonzero(pairs.sizes > 1)).tolist():
        asked = pairs.documents[pairs.offsets[row] + 1 : pairs.offsets[row + 1]]
        name = texts.names[int(rng.choice(asked))]
        if texts.definitions[row] and not {texts.definitions[row], name} & taken and len(anchors) < n:
            taken |= {texts.definitions[row], name}
            anchors.append(texts.definitions[row])
            positives.append(name)
    return anchors, positives


# -- theirs ------------------------------------------------------------------------------------------------------------


def theirs(anchors: list[str], positives: list[str], frozen: bool, steps: int) -> Side:
    """A round of sentence-transformers' trainer; its own callback holds the watch."""
    from datasets import Dataset  # noqa: PLC0415
    from sentence_transformers import (  # noqa: PLC0415
        SentenceTransformer,
        SentenceTransformerTrainer,
        SentenceTransformerTrainingArguments,
        losses,
    )
    from sentence_transformers.sentence_transformer.modules import Dense  # noqa: PLC0415
    from transformers import TrainerCallback  # noqa: PLC0415

    encoder = sentences.load()
    if frozen:
        encoder.requires_grad_(False)
        head = Dense(DIM, DIM, bias=False, activation_function=torch.nn.Identity())
        encoder = SentenceTransformer(modules=[*encoder, head], device="cpu")
    data = Dataset.from_dict({"anchor": anchors, "positive": positives})

    class Watch(TrainerCallback):  # type: ignore[misc]
        ended: list[float]

        def on_step_end(self, *_: Any, **__: Any) -> None:
            self.ended.append(time.perf_counter())

    def round_() -> float:
        watch = Watch()
        watch.ended = []
        with tempfile.TemporaryDirectory() as folder:
            arguments = SentenceTransformerTrainingArguments(
                folder,
                max_steps=steps + UNCOUNTED,
                per_device_train_batch_size=BATCH,
                learning_rate=sentences.RATE,
                seed=0,
                use_cpu=True,
                save_strategy="no",
                report_to="none",
                logging_strategy="no",
                disable_tqdm=True,
            )
            loss = losses.MultipleNegativesRankingLoss(encoder)
            SentenceTransformerTrainer(
                model=encoder, args=arguments, train_dataset=data, loss=loss, callbacks=[watch]
            ).train()
        return (watch.ended[-1] - watch.ended[UNCOUNTED - 1]) / (steps * BATCH)

    return round_


# -- ours --------------------------------------------------------------------------------------------------------------


def ours(anchors: list[str], positives: list[str], tower: str, steps: int) -> tuple[Side, float]:
    """A round of our loop, as `train` runs it without its watching; and seconds a text pair of making the model."""
    names = list(dict.fromkeys(positives))
    rows = {name: row for row, name in enumerate(names)}
    texts = [Texts(tuple(each), ((),) * len(each), ("",) * len(each)) for each in (anchors, names)]
    pairs = Pairs.from_arrays(
        Ids(range(len(anchors))),
        Ids(range(len(names))),
        np.arange(len(anchors)),
        [rows[name] for name in positives],
        np.zeros(len(anchors), np.int64),
        query_texts=texts[0],
        document_texts=texts[1],
    )
    encoder = sentences.load()
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as cache:
        model = rw.DualEncoder.text(pairs, tower, dim=DIM, documents="text", encoder=encoder, cache=cache)  # type: ignore[arg-type]
    reading = (time.perf_counter() - began) / len(anchors)
    wanted = {"sampler": "all_targets", "candidates": "batch", "loss": "softmax", "batch_size": BATCH}
    stage = resolve(rw.Stage(**wanted, steps=10_000), pairs, DIM)  # type: ignore[arg-type]
    state = State.of(model, torch.device("cpu"))
    state.begin(0, stage)
    batches = Batches(pairs, stage, 0, 0)

    def round_() -> float:
        began, seen = 0.0, 0
        for step in range(steps + UNCOUNTED):
            if step == UNCOUNTED:
                began, seen = time.perf_counter(), 0
            batch = batches[state.step]
            train_step(state, stage, batch, BLOCK_BYTES, torch.float32)
            state.step += 1
            seen += BATCH
        return (time.perf_counter() - began) / seen

    return round_, reading


# -- beside each other -------------------------------------------------------------------------------------------------


def beside(kind: str, steps: int, rounds: int) -> dict[str, Any]:
    """One row: seconds a text pair of both, taking turns, and their ratio."""
    anchors, positives = text_pairs((steps + UNCOUNTED) * BATCH, 0)
    mine, reading = ours(anchors, positives, kind, steps)
    sides = {"theirs": theirs(anchors, positives, kind == "frozen", steps), "ours": mine}
    took: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(rounds):
        for name in sides if turn % 2 == 0 else reversed(sides):
            took[name].append(sides[name]())
            print(f"{kind} {name}: {1_000 * took[name][-1]:.2f} ms a text pair", flush=True)
    medians = {name: statistics.median(each) for name, each in took.items()}
    row = {
        "training": kind,
        "theirs_ms_a_pair": 1_000 * medians["theirs"],
        "ours_ms_a_pair": 1_000 * medians["ours"],
        "ours_is_times_as_fast": medians["theirs"] / medians["ours"],
        "rounds_theirs": [round(1_000 * each, 3) for each in took["theirs"]],
        "rounds_ours": [round(1_000 * each, 3) for each in took["ours"]],
    }
    if kind == "frozen":
        row["ours_reading_ms_a_pair"] = 1_000 * reading
        row["ours_with_reading_times_as_fast"] = medians["theirs"] / (medians["ours"] + reading)
    return row


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=10, help="steps a round that are counted")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--parts", default="full,frozen")
    parser.add_argument("--no-save", action="store_true", help="only print")
    chosen = parser.parse_args()
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    figures = [beside(kind, chosen.steps, chosen.rounds) for kind in chosen.parts.split(",")]
    command = f"python benchmarks/trainer_throughput.py --steps {chosen.steps} --rounds {chosen.rounds}"
    if chosen.no_save:
        print(figures)
    else:
        machine.save("trainer_throughput", command, figures, "batches of 64 text pairs; medians of rounds in turns")


if __name__ == "__main__":
    main()
