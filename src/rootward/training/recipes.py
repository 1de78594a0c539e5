"""Recipes: the trainings that have a name.

`decoupled` is the default because it measures best (docs/lab-log.md); the others are the paper's
(arXiv 2509.16411, sections 4 and 6) and `ordered`, whose scores alone show the nearest first.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from rootward.errors import InputError, did_you_mean
from rootward.training.stage import Recipe, Stage

Candidates = Literal["all", "batch"]


def decoupled(**changes: Any) -> Recipe:
    """Every relevant document above every irrelevant one, none against another: the default recipe.

    Args:
        changes: fields of `Stage` to set, e.g. `epochs=30`.
    """
    return Recipe(name="decoupled", stages=(Stage(name="decoupled", **changes),))


def ordered(**changes: Any) -> Recipe:
    """The list-wise loss: the relevant documents first *and* the nearest of them first, by score alone.

    Recall is lower than `decoupled` gives at the same dimension. Args as for `decoupled`.
    """
    return Recipe(name="ordered", stages=(Stage(name="ordered", loss="listwise", **changes),))


# The paper's optimiser: SGD with momentum, batch 4096, tau 20 (section 6.1); rate and negatives are not stated.
_PAPER: dict[str, Any] = {
    "loss": "softmax",
    "optimizer": "sgd",
    "momentum": 0.9,
    "log_q": False,
    "learning_rate": 20.0,
    "decay": "constant",
    "batch_size": 4096,
    "scale": 20.0,
}


def _as_in_the_paper(name: str, **fields: Any) -> Stage:
    """A stage with the paper's settings where nothing else is given; tau stays where it starts."""
    merged = {**_PAPER, **fields}
    return Stage(name=name, **{"scale_end": merged["scale"], **merged})


def regular(*, candidates: Candidates = "batch", steps: int = 50_000, **changes: Any) -> Recipe:
    """The paper's training: softmax loss, SGD with momentum on regularly sampled pairs.

    Args:
        candidates: "batch" for the in-batch softmax, which shows the published failure at long distances; "all"
            for the softmax over all documents, as the paper's equation can also be read.
        steps: 50,000 on WordNet in the paper.
        changes: further fields of `Stage`.
    """
    fields = {"sampler": "regular", "candidates": candidates, "steps": steps, **changes}
    stage = _as_in_the_paper("regular", **fields)
    return Recipe(name="regular", start="random", stages=(stage,))


def rebalanced(p: float, *, candidates: Candidates = "batch", steps: int = 50_000, **changes: Any) -> Recipe:
    """As `regular`, with only a share p of each batch drawn regularly and the rest heavy-tail.

    Args:
        p: 0..1; the paper shows 0.01 and 0.03. The rest as for `regular`.
    """
    fields = {"sampler": "rebalanced", "regular_share": p, "candidates": candidates, "steps": steps, **changes}
    return Recipe(name="rebalanced", start="random", stages=(_as_in_the_paper("rebalanced", **fields),))


def pretrain_finetune(
    *, candidates: Candidates = "batch", steps: int = 50_000, finetune_steps: int = 700, **changes: Any
) -> Recipe:
    """The paper's recipe: pretrain on regular pairs, then finetune on heavy-tail pairs only.

    Finetuning takes a thousandth of the learning rate and tau 500 in place of 20; both stages end with the vectors
    that validated best (arXiv 2509.16411, sections 5 and 6.1).

    Args:
        candidates, steps: of both stages and of the first, as for `regular`.
        finetune_steps: of the second stage; 700 on WordNet in the paper.
        changes: further fields of `Stage`, for both stages; learning_rate and scale are the first stage's.
    """
    first = regular(candidates=candidates, steps=steps, keep="best", **changes).stages[0]
    assert first.learning_rate is not None and first.scale is not None
    second = Stage.model_validate(
        {
            **first.model_dump(),
            "name": "finetune",
            "sampler": "heavy_tail",
            "learning_rate": first.learning_rate / 1000,
            "scale": 25 * first.scale,
            "scale_end": 25 * first.scale,
            "steps": finetune_steps,
            "validate_every": max(1, finetune_steps // 20),
        }
    )
    pretrain = first.model_copy(update={"name": "pretrain"})
    return Recipe(name="pretrain_finetune", start="random", stages=(pretrain, second))


RECIPES: dict[str, Callable[..., Recipe]] = {
    "decoupled": decoupled,
    "ordered": ordered,
    "regular": regular,
    "rebalanced": rebalanced,
    "pretrain_finetune": pretrain_finetune,
}


def by_name(name: str, **arguments: Any) -> Recipe:
    """The recipe of this name, made with these arguments.

    Raises:
        InputError: no recipe is called so.
    """
    if name not in RECIPES:
        raise InputError(f"No recipe {name!r}; there are {', '.join(RECIPES)}.{did_you_mean(name, RECIPES)}")
    return RECIPES[name](**arguments)
