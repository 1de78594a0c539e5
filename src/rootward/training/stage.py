"""`Stage` and `Recipe`: a training as data. Flags, `config.json` and these defaults are one and the same."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import reduce
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Literal, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_serializer,
    field_validator,
    model_validator,
)

from rootward.errors import InputError, did_you_mean

LossName = Literal["softmax", "decoupled", "listwise"]
SamplerName = Literal["all_targets", "regular", "heavy_tail", "rebalanced"]
_BUILT_IN: dict[str, tuple[str, ...]] = {"loss": get_args(LossName), "sampler": get_args(SamplerName)}
_PATH = re.compile(r"[^\W\d][\w.]*:[\w.<>]+")


class _Checked(BaseModel):
    """A model whose constructor raises our own `InputError`."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    if not TYPE_CHECKING:  # type checkers see the fields

        def __init__(self, **fields: Any) -> None:
            try:
                super().__init__(**fields)
            except ValidationError as error:
                raise InputError("; ".join(_message(fault, type(self)) for fault in error.errors())) from error


def _message(fault: Any, kind: type[BaseModel]) -> str:
    """One fault that pydantic found: 'epochs: Input should be greater than 0, got -1'."""
    place = ".".join(map(str, fault["loc"]))
    if fault["type"] == "extra_forbidden":
        return f"a {kind.__name__} has no field {place!r}.{did_you_mean(place, kind.model_fields)}"
    message = str(fault["msg"]).removeprefix("Value error, ")
    return f"{place}: {message}, got {fault['input']!r}" if place else message


class Stage(_Checked):
    """One stretch of training. `None` means: derived from the data, see `rootward.training.defaults`.

    `loss` and `sampler` also take a function of your own (docs/custom-loss.md), or its import path "module:name". What
    is derived for it is what is derived for "decoupled" and for "regular". A function that can be imported is kept as
    its path, so a recipe prints, compares and saves it as that.

    Raises:
        InputError: an unknown field, or a value out of range.
    """

    name: str = Field("train", description="what the stage is called in logs")
    loss: LossName | str | Callable[..., Any] = Field(
        "decoupled", description="what is minimised, see rootward.training.losses; or module:function"
    )
    sampler: SamplerName | str | Callable[..., Any] = Field(
        "all_targets", description="how training pairs are drawn, see rootward.pairs.samplers; or module:function"
    )
    regular_share: float | None = Field(
        None, ge=0, le=1, description="share of each batch drawn regularly; rebalanced only"
    )
    candidates: Literal["all", "batch", "sampled"] = Field(
        "sampled",
        description="documents that compete: all of them, the batch's targets, or these and some uniform ones",
    )
    log_q: bool = Field(True, description="correct candidates for how often they were to be expected in a batch")
    negatives: int | None = Field(
        None, ge=1, description="uniform documents a batch, besides its targets; sampled only"
    )
    hard_negatives: int = Field(
        0, ge=0, description="highest-scoring wrong documents of each query that compete besides; not where all do"
    )
    mine_every: int | None = Field(
        None, ge=1, description="steps between two searches for these; None: derived, a pass over the queries"
    )
    optimizer: Literal["sgd", "adam", "lazy_adam"] = Field(
        "lazy_adam", description="sgd and adam move every row at each step, lazy_adam only those in the batch"
    )
    learning_rate: float | None = Field(
        None, gt=0, description="at the start; for lazy_adam the typical length of a row's step on the unit sphere"
    )
    learning_rate_for: int = Field(
        1, ge=1, description="queries that this rate is for; with fewer it is smaller in proportion"
    )
    decay: Literal["linear", "constant"] = Field("linear", description="of the learning rate, over the stage")
    warmup: float | None = Field(
        None, ge=0, lt=1, description="share of the stage in which the rate rises from nothing"
    )
    momentum: float | None = Field(
        None, ge=0, lt=1, description="of sgd; for the Adams the decay of the gradient's average"
    )
    second_moment: float = Field(0.99, ge=0, lt=1, description="decay of the squared gradient's average; Adams only")
    scale: float | None = Field(None, gt=0, description="inverse temperature tau at the start")
    scale_end: float | None = Field(None, gt=0, description="tau at the end, reached geometrically; None: derived")
    soft: bool = Field(False, description="derive a tau that is low and stays so, for pairs of which some are missing")
    batch_size: int | None = Field(None, ge=1, description="queries a step (all_targets), else pairs a step")
    epochs: float | None = Field(None, gt=0, description="passes over the queries (all_targets) or the pairs")
    steps: int | None = Field(None, ge=1, description="steps, instead of epochs")
    keep: Literal["last", "best"] = Field("last", description="vectors to end with: the last, or the best validated")
    validate_every: int | None = Field(None, ge=1, description="steps between two validations")

    @field_validator("loss", "sampler", mode="plain")
    @classmethod
    def _name_or_function(cls, value: Any, info: ValidationInfo) -> Any:
        names = _BUILT_IN[str(info.field_name)]
        if callable(value):
            path = import_path(value)
            module = path.partition(":")[0]
            try:  # the path, where another process would find this very function at it
                found = module != "__main__" and find_spec(module) and imported(path, "function")
            except (ImportError, ValueError, InputError):
                return value
            return path if found is value else value
        if isinstance(value, str) and (value in names or _PATH.fullmatch(value)):
            return value
        raise ValueError(f"Input should be {', '.join(map(repr, names))}, a function, or its import path 'module:name'")

    @field_serializer("loss", "sampler", when_used="json")
    def _path(self, value: str | Callable[..., Any]) -> str:
        return value if isinstance(value, str) else import_path(value)

    @model_validator(mode="after")
    def _fits(self) -> Stage:
        if self.epochs is not None and self.steps is not None:
            raise ValueError("give epochs or steps, not both")
        if (self.sampler == "rebalanced") != (self.regular_share is not None):
            raise ValueError("regular_share belongs to sampler='rebalanced', and only to it")
        if self.hard_negatives and self.candidates == "all":
            raise ValueError("hard_negatives are documents that compete besides others; with candidates='all' all do")
        if self.mine_every is not None and not self.hard_negatives:
            raise ValueError("mine_every belongs to hard_negatives; give how many a query, or leave it out")
        if self.loss == "listwise" and self.sampler != "all_targets":
            raise ValueError("loss='listwise' ranks all targets of a query, so it needs sampler='all_targets'")
        return self


class Recipe(_Checked):
    """A named list of stages, each starting from the vectors that the one before ended with.

    Attributes:
        name: of the recipe.
        start: where lookup tables start, see `DualEncoder.lookup`; `rootward train` reads it.
        stages: at least one, each with a name of its own.

    Raises:
        InputError: no stages, or two of one name.
    """

    name: str
    start: Literal["constructed", "random", "free"] = "constructed"
    stages: tuple[Stage, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _names_differ(self) -> Recipe:
        names = [stage.name for stage in self.stages]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"two stages are called {twice!r}; each needs its own name, as logs go by it")
        return self

    def with_(self, **changes: Any) -> Recipe:
        """The same recipe with these fields changed in its *first* stage, `Recipe.with_(epochs=3)`.

        Setting epochs clears steps and the other way round, as a stage takes one of them.

        Raises:
            InputError: an unknown field, or a value out of range.
        """
        if changes.get("epochs") is not None:
            changes.setdefault("steps", None)
        if changes.get("steps") is not None:
            changes.setdefault("epochs", None)
        first = Stage(**{**self.stages[0].model_dump(), **changes})
        return Recipe(name=self.name, start=self.start, stages=(first, *self.stages[1:]))


# -- losses and samplers of one's own ----------------------------------------------------------------------------


def import_path(function: Callable[..., Any]) -> str:
    """Where a function can be imported from, "module:qualname"; its repr where it has no such name."""
    try:
        return f"{function.__module__}:{function.__qualname__}"
    except AttributeError:
        return repr(function)


def imported(path: str | Callable[..., Any], kind: str) -> Callable[..., Any]:
    """The function at an import path "module:qualname"; a function itself.

    Args:
        path: see above.
        kind: what the function is, for error messages: "loss" or "sampler".

    Raises:
        InputError: the module cannot be imported, or has nothing callable of this name.
    """
    if not isinstance(path, str):
        return path
    module, _, name = path.partition(":")
    try:
        found = reduce(getattr, name.split("."), import_module(module))
    except ImportError as error:
        raise InputError(
            f"The {kind} {path} cannot be imported ({error}). Put the folder that {module.partition('.')[0]} is in on "
            f"PYTHONPATH, or install its package."
        ) from error
    except AttributeError as error:
        raise InputError(
            f"The {kind} {path} cannot be imported: module {module} has no {name}. Was it renamed?"
        ) from error
    if not callable(found):
        raise InputError(f"The {kind} {path} is a {type(found).__name__}, not a function.")
    return found


def refuse_unimportable(recipe: Recipe) -> None:
    """Refuse a loss or sampler that a saved run could not import.

    Raises:
        InputError: a lambda, a function inside a function, one of the program that was started, or one that is gone.
    """
    for stage in recipe.stages:
        for field, built_in in _BUILT_IN.items():
            value = stage.model_dump(mode="json")[field]
            if not isinstance(getattr(stage, field), str) or value.startswith("__main__:"):
                raise InputError(
                    f"The {field} of stage {stage.name!r} is {value}, which another process cannot import, and a saved "
                    f"run has to find it again. Define it by a name of its own in a module, such as my_{field}.py, and "
                    f"give Stage({field}=my_{field}.NAME); or train without out."
                )
            if value not in built_in:
                imported(value, field)
