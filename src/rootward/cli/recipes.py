"""How `rootward train` trains: flags to a recipe, the fields of its stages, and what was chosen in words."""

from __future__ import annotations

import json as json_format
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, get_args

from rootward.cli.flags import flag, given
from rootward.errors import InputError, did_you_mean

if TYPE_CHECKING:
    from rootward.training import Recipe, Stage

TRAINING = "Training"


@dataclass(frozen=True)
class RecipeFlags:
    """How it is trained, and for how long; None for what was not given."""

    recipe: Annotated[
        str | None,
        flag(
            "--recipe",
            metavar="NAME",
            panel=TRAINING,
            help="One of those listed below. Default: the first.",
        ),
    ] = None
    epochs: Annotated[
        float | None, flag("--epochs", metavar="N", panel=TRAINING, help="Passes over the queries; else derived.")
    ] = None
    steps: Annotated[int | None, flag("--steps", metavar="N", panel=TRAINING, help="Steps, instead of epochs.")] = None
    minutes: Annotated[
        float | None,
        flag(
            "--minutes",
            metavar="N",
            panel=TRAINING,
            help="Time for all of it, instead of epochs and of steps that the recipe brings along.",
        ),
    ] = None
    changes: Annotated[
        list[str] | None,
        flag("--set", metavar="FIELD=VALUE", panel=TRAINING, help="A field listed below; may be repeated."),
    ] = None
    seed: Annotated[
        int | None,
        flag(
            "--seed",
            metavar="N",
            panel=TRAINING,
            help="Of every random choice. Default: 0.",
        ),
    ] = None


def recipe_of(flags: RecipeFlags) -> Recipe:
    """The recipe of these flags.

    Raises:
        InputError: no such recipe or field, a value out of range, a field twice, several lengths.
    """
    from rootward.training.recipes import RECIPES, by_name, decoupled  # noqa: PLC0415

    name = decoupled.__name__ if flags.recipe is None else flags.recipe
    changes = _changes(flags.changes or [], RECIPES.get(name))
    if flags.minutes is not None and not flags.minutes > 0:
        raise InputError(f"--minutes must be above 0, got {flags.minutes:g}.")
    lengths = given(epochs=flags.epochs, steps=flags.steps)
    for field in [field for field in ("epochs", "steps") if field in changes]:
        if field in lengths:
            raise InputError(f"{field} is given twice, by --{field} and by --set; keep one.")
        lengths[field] = changes.pop(field)
    if len(lengths) + (flags.minutes is not None) > 1:
        raise InputError("--epochs, --steps and --minutes each say how long to train; give one of them.")
    if name == "rebalanced":
        if "regular_share" not in changes:
            raise InputError("--recipe rebalanced needs the share drawn regularly, such as --set regular_share=0.03.")
        changes["p"] = changes.pop("regular_share")
    recipe = by_name(name, **changes)
    if flags.minutes is not None:
        lengths = {"epochs": None, "steps": None}
    return recipe.with_(**lengths)


def _changes(settings: list[str], recipe: Callable[..., Recipe] | None) -> dict[str, Any]:
    """Every FIELD=VALUE of --set: fields of `Stage`, and arguments that the recipe has besides them."""
    from inspect import signature  # noqa: PLC0415

    from rootward.training import Stage  # noqa: PLC0415

    of_recipe = (
        [] if recipe is None else [p.name for p in signature(recipe).parameters.values() if p.kind is p.KEYWORD_ONLY]
    )
    known = [*(field for field in Stage.model_fields if field != "name"), *of_recipe]
    changes: dict[str, Any] = {}
    for setting in settings:
        field, equals, text = setting.partition("=")
        if not equals:
            raise InputError(f"--set {setting}: needed FIELD=VALUE, such as --set scale=30.")
        if field not in known:
            raise InputError(
                f"--set {setting}: there is no field {field!r}.{did_you_mean(field, known)} The fields stand at the "
                "end of: rootward train --help"
            )
        if field in changes:
            raise InputError(f"--set {field} is given twice; keep one.")
        changes[field] = _value(text)
    return changes


def _value(text: str) -> Any:
    """Numbers, true, false and none as what they mean; other words as they are."""
    if text.lower() in ("none", "derived"):
        return None
    try:
        return json_format.loads(text.lower() if text.lower() in ("true", "false") else text)
    except ValueError:
        return text


# -- in words ----------------------------------------------------------------------------------------------------


def recipe_lines() -> list[tuple[str, str]]:
    """Every recipe and the first line of its docstring."""
    from rootward.training.recipes import RECIPES  # noqa: PLC0415

    return [(name, (recipe.__doc__ or "").partition("\n")[0]) for name, recipe in RECIPES.items()]


def field_lines() -> list[tuple[str, str]]:
    """Every field of a stage that can be set, with its values, its default and what it does."""
    from rootward.training import Stage  # noqa: PLC0415

    lines = []
    for name, field in Stage.model_fields.items():
        if name == "name":
            continue
        kinds = (field.annotation, *get_args(field.annotation))
        choices = [value for kind in kinds for value in get_args(kind) if isinstance(value, str)]
        default = "derived" if field.default is None else str(field.default)
        values = f" ({', '.join(choices)})" if choices else ""
        lines.append((name, f"{field.description}{values}. Default: {default}"))
    return lines


def told(stage: Stage, minutes: float | None) -> str:
    """What was chosen or derived for a stage, in one line."""
    assert stage.batch_size is not None and stage.scale is not None and stage.scale_end is not None
    length = f"{stage.steps:,} steps" if minutes is None else f"as many steps as {minutes:g} minutes allow"
    against = {
        "all": "all documents",
        "batch": "the batch's targets",
        "sampled": f"{stage.negatives} uniform documents",
    }
    mined = f" and the {stage.hard_negatives} hardest of each query" if stage.hard_negatives else ""
    what = "queries" if stage.sampler == "all_targets" else "pairs"
    tau = f"{stage.scale:.3g}" + (f" to {stage.scale_end:.3g}" if stage.scale_end != stage.scale else "")
    return (
        f"{stage.name}: {stage.loss} loss, {length} of {stage.batch_size:,} {what} against "
        f"{against[stage.candidates]}{mined}, tau {tau}, {stage.optimizer} at {stage.learning_rate:.3g}"
    )
