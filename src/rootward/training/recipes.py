"""Recipes: trainings by name, as functions that return a `Recipe`.

`decoupled` is the default because it measures best (docs/lab-log.md); the others are the paper's
(arXiv 2509.16411, sections 4 and 6) and `ordered`, whose scores alone show the nearest first.
"""

from __future__ import annotations

from collections.abc import Callable
from inspect import signature
from typing import Any, Literal

from rootward.errors import InputError, did_you_mean
from rootward.training.stage import Recipe, Stage

Candidates = Literal["all", "batch"]


def decoupled(**changes: Any) -> Recipe:
    """Every relevant document above every irrelevant one, none against another: the default recipe.

    Args:
        changes: fields of `Stage` to set, e.g. `epochs=30`.
    """
    return Recipe(name="decoupled", stages=(_stage("decoupled", **changes),))


def ordered(**changes: Any) -> Recipe:
    """The list-wise loss: the relevant documents first *and* the nearest of them first, by score alone.

    Recall is lower than `decoupled` gives at the same dimension. Args as for `decoupled`.
    """
    return Recipe(name="ordered", stages=(_stage("ordered", **{"loss": "listwise", **changes}),))


def incomplete(**changes: Any) -> Recipe:
    """For pairs of which many are missing: as `decoupled`, with a low tau that stays low.

    A sharp loss pushes every document that is not among a query's pairs just behind those that are, true but
    unobserved ancestors too; a soft one lets what related queries share show. With 10 and 50 % of the far pairs of
    WordNet's animals held out it found 93 and 74 % of them where `decoupled` found 63 and 39, and kept 93 and 98 % of
    the observed pairs where that kept all (docs/paper.md). A lower `scale` finds more where most is missing, and keeps
    less. Where documents are queries too, `Pairs.completed` finds all that follows. Args as for `decoupled`.
    """
    return Recipe(name="incomplete", stages=(_stage("incomplete", **{"soft": True, **changes}),))


# The paper's optimiser: SGD with momentum, batch 4096, tau 20 (section 6.1). Rate, negatives and whether rows have unit
# length are not stated; free rows with the in-batch softmax give its curves (docs/lab-log.md). Its lengths: 50,000
# steps on WordNet, and 700 of finetuning.
_PAPER: dict[str, Any] = {
    "loss": "softmax",
    "optimizer": "sgd",
    "momentum": 0.9,
    "log_q": False,
    "learning_rate": 1.0,
    "learning_rate_for": 1_000,
    "decay": "constant",
    "batch_size": 4096,
    "scale": 20.0,
    "steps": 50_000,
}


def regular(*, candidates: Candidates = "batch", **changes: Any) -> Recipe:
    """The paper's training: softmax loss, SGD with momentum on regularly sampled pairs, vectors of any length.

    Its learning rate, 1, is for a thousand queries and more; a hundred get 0.1 and a dozen 0.01, since each is drawn
    the more often the fewer there are. A rate of your own is used as it is.

    Args:
        candidates: "batch" for the in-batch softmax, which shows the published failure at long distances; "all"
            for the softmax over all documents, as the paper's equation can also be read.
        changes: further fields of `Stage`. The paper's 50,000 steps give way to `steps` or `epochs`; `steps=None`
            leaves the length to the data, or to a time budget.
    """
    stage = _as_in_the_paper("regular", {"sampler": "regular", "candidates": candidates, **changes})
    return Recipe(name="regular", start="free", stages=(stage,))


def rebalanced(p: float, *, candidates: Candidates = "batch", **changes: Any) -> Recipe:
    """As `regular`, with only a share p of each batch drawn regularly and the rest heavy-tail.

    Args:
        p: 0..1; the paper shows 0.01 and 0.03. The rest as for `regular`.
    """
    if "regular_share" in changes:
        raise InputError("rebalanced takes the share drawn regularly as p; leave out regular_share.")
    fields = {"sampler": "rebalanced", "regular_share": p, "candidates": candidates, **changes}
    return Recipe(name="rebalanced", start="free", stages=(_as_in_the_paper("rebalanced", fields),))


def pretrain_finetune(
    *,
    candidates: Candidates = "batch",
    finetune_steps: int = 700,
    finetune_candidates: Candidates | None = None,
    **changes: Any,
) -> Recipe:
    """The paper's recipe: pretrain on regular pairs, then finetune on heavy-tail pairs only.

    Finetuning takes a thousandth of the learning rate and tau 500 in place of 20; both stages end with the vectors
    that validated best (arXiv 2509.16411, sections 5 and 6.1).

    Args:
        candidates: of both stages, as for `regular`.
        finetune_steps: of the second stage; 700 on WordNet in the paper.
        finetune_candidates: of the second stage, where they are others. A heavy-tail batch holds no document that is
            nobody's ancestor, so in-batch nothing moves such a document out of the way; against "all" the far
            ancestors come back twice as far, and more of the exact matches are lost (docs/lab-log.md).
        changes: further fields of `Stage`, for both stages; learning_rate, scale and length are the first stage's.
    """
    for field in ("learning_rate", "scale"):
        if field in changes and changes[field] is None:
            raise InputError(
                f"pretrain_finetune makes the second stage's {field} from the first's, so it cannot be left open; "
                f"give a number, or leave it out for the recipe's {_PAPER[field]:g}."
            )
    if "keep" in changes:
        raise InputError(
            "pretrain_finetune keeps the best vectors of both stages, as the paper does; leave out keep, or write the "
            "two stages yourself: Recipe(name=..., stages=(Stage(...), Stage(...)))."
        )
    first = _as_in_the_paper("pretrain", {"sampler": "regular", "candidates": candidates, "keep": "best", **changes})
    assert first.learning_rate is not None and first.scale is not None
    second = {
        "sampler": "heavy_tail",
        "learning_rate": first.learning_rate / 1000,
        "scale": 25 * first.scale,
        "scale_end": 25 * first.scale,
        "epochs": None,
        "steps": finetune_steps,
        "candidates": finetune_candidates or candidates,
        "validate_every": max(1, finetune_steps // 20),
    }
    finetune = _stage("finetune", **{**first.model_dump(exclude={"name"}), **second})
    return Recipe(name="pretrain_finetune", start="free", stages=(first, finetune))


def _as_in_the_paper(name: str, fields: dict[str, Any]) -> Stage:
    """A stage with the paper's settings for all other fields; tau stays where it starts."""
    merged = {**_PAPER, **fields}
    if "learning_rate" in fields:
        merged["learning_rate_for"] = fields.get("learning_rate_for", 1)
    if "steps" not in fields and fields.get("epochs") is not None:
        merged["steps"] = None
    return _stage(name, **{"scale_end": merged["scale"], **merged})


def _stage(stage: str, /, **fields: Any) -> Stage:
    if "name" in fields:
        raise InputError(f"The stages of a recipe have their names already; leave out name={fields['name']!r}.")
    return Stage(name=stage, **fields)


RECIPES: dict[str, Callable[..., Recipe]] = {
    "decoupled": decoupled,
    "ordered": ordered,
    "incomplete": incomplete,
    "regular": regular,
    "rebalanced": rebalanced,
    "pretrain_finetune": pretrain_finetune,
}


def by_name(name: str, **arguments: Any) -> Recipe:
    """The recipe of this name, made with these arguments.

    Raises:
        InputError: no recipe is called so, one of its arguments is missing, or a field of a stage is wrong.
    """
    if name not in RECIPES:
        raise InputError(f"No recipe {name!r}; there are {', '.join(RECIPES)}.{did_you_mean(name, RECIPES)}")
    needed = [p.name for p in signature(RECIPES[name]).parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
    for missing in [argument for argument in needed if argument not in arguments]:
        raise InputError(f"The recipe {name!r} needs {missing}: recipes.by_name({name!r}, {missing}=0.03).")
    return RECIPES[name](**arguments)
