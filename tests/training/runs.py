"""Short trainings that say nothing, and what to compare of them."""

from __future__ import annotations

import json
from typing import Any

import torch

from rootward.encoders import DualEncoder
from rootward.pairs import Pairs
from rootward.training import Recipe, Run, Settings, recipes, train

QUIET = Settings(device="cpu", progress=False)

SHORT = recipes.decoupled(steps=40)
LOSSES = {
    "decoupled": SHORT,
    "ordered": recipes.ordered(steps=40),
    "regular": recipes.regular(steps=40, batch_size=64),
    "regular, all": recipes.regular(steps=40, batch_size=64, candidates="all"),
    "rebalanced": recipes.rebalanced(0.3, steps=40, batch_size=64),
    "adam": recipes.decoupled(steps=150, optimizer="adam"),
    "pretrain_finetune": recipes.pretrain_finetune(steps=40, finetune_steps=10, batch_size=64),
    "sampled": recipes.decoupled(steps=40, candidates="sampled", negatives=4),
}


def fitted(pairs: Pairs, recipe: Recipe = SHORT, dim: int = 8, **options) -> Run:
    options.setdefault("settings", QUIET)
    return train(DualEncoder.lookup(pairs, dim), pairs, recipe, **options)


def vectors(model: DualEncoder) -> tuple[torch.Tensor, torch.Tensor]:
    return model.query_vectors().clone(), model.document_vectors().clone()


def same(one: DualEncoder, other: DualEncoder) -> bool:
    return all(torch.equal(a, b) for a, b in zip(vectors(one), vectors(other), strict=True))


def strict(line: str) -> Any:
    """What a line of JSON says; NaN and its like are none."""

    def refuse(word):
        raise AssertionError(f"{word} is no JSON")

    return json.loads(line, parse_constant=refuse)
