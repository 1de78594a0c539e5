"""What `rootward train` trains: flags to a model, and to the pairs that it is trained on."""

from __future__ import annotations

from dataclasses import dataclass, fields
from inspect import signature
from typing import TYPE_CHECKING, Annotated, Any, get_args

import rootward as rw
from rootward.cli.flags import model, provided
from rootward.cli.settings import Setting, settings_of
from rootward.errors import InputError, did_you_mean

if TYPE_CHECKING:
    from rootward.training.defaults import Costs

DIM = 64
_LOOKUP = "lookup"
LABELLED = "static"
"""The tower of labelled texts, unless another is named."""
_OF_PAIRS = "glosses", "ambiguous", "skip_unreadable"  # what is trained on, not what


@dataclass(frozen=True)
class TowerFlags:
    """What is trained; None and False for what was not given.

    Defaults are those of `DualEncoder.text`; the help only tells them, as it has to come without torch, and a test
    holds it to them.
    """

    tower: Annotated[
        str | None,
        model("--tower NAME", "auto, lookup, static; with --encoder frozen, joint, full."),
    ] = None
    encoder: Annotated[str | None, model("--encoder NAME", "A sentence-transformers model, by name or folder.")] = None
    dim: Annotated[int | None, model("--dim N", f"Width. Default: {DIM}; 128 for text towers.", min=1)] = None
    documents: Annotated[str | None, model("--documents NAME", "Text: tied, text, lookup. Default: tied.")] = None
    glosses: Annotated[bool, model("--glosses", "Text towers: definitions are queries too.")] = False
    ambiguous: Annotated[bool, model("--ambiguous", "Text towers: keep synonyms that several nodes share.")] = False
    skip_unreadable: Annotated[
        bool, model("--skip-unreadable", "Text towers: leave out texts without a letter or digit.")
    ] = False
    word_pairs: Annotated[bool, model("--word-pairs", "static, joint: two adjacent words have a vector too.")] = False

    @property
    def reads_texts(self) -> bool:
        """Whether queries are read rather than looked up."""
        return self.tower not in (None, _LOOKUP)

    @property
    def width(self) -> int:
        """The width of the vectors, given or not."""
        if self.dim is not None or not self.reads_texts:
            return self.dim or DIM
        dim: int = signature(rw.DualEncoder.text).parameters["dim"].default
        return dim

    @property
    def costs(self) -> Costs:
        """What the model will cost in a step, before it is made: as `costs_of` it."""
        from rootward.training.defaults import CHEAP, ENCODED  # noqa: PLC0415

        return ENCODED if self.tower == "full" and self.documents != _LOOKUP else CHEAP


AUTO = "auto"
"""Chosen on held-out texts: a `Classifier`, the default with labels."""

_TEXT = ("static", "frozen", "joint", "full")
ON_ENCODER = ("frozen", "joint", "full")
_BELONGS = {
    "encoder": (*ON_ENCODER, AUTO),
    "documents": _TEXT,
    "glosses": (*_TEXT, AUTO),
    "ambiguous": (*_TEXT, AUTO),
    "skip_unreadable": (*_TEXT, AUTO),
    "word_pairs": ("static", "joint"),
    "drop": _TEXT,
    "hidden": ON_ENCODER,
    "cache": ("frozen", "joint"),
    "chunk": ("full",),
    "pace": ("full",),
}


def tower_settings() -> dict[str, Setting]:
    """Arguments of text towers that have no flag of their own, for `--set`."""
    flags = [field.name for field in fields(TowerFlags)]
    found = settings_of(rw.DualEncoder.text, leave_out=(*flags, "seed", "progress"))
    return {name: setting for name, setting in found.items() if name in _BELONGS}


def refuse_tower(flags: TowerFlags, settings: dict[str, Any]) -> None:
    """Refuse what cannot be made, before anything is read; `settings` are those of `--set`."""
    _refuse_unknown("tower", flags.tower, (_LOOKUP, AUTO, *_TEXT))
    if flags.documents is not None:
        from rootward.encoders.registry import DocumentKind  # noqa: PLC0415

        _refuse_unknown("kind of --documents", flags.documents, get_args(DocumentKind))
    if flags.tower in ON_ENCODER and flags.encoder is None:
        raise InputError(
            f"--tower {flags.tower} needs a sentence encoder; name one of sentence-transformers, or its folder: "
            "--encoder all-MiniLM-L6-v2. --tower static needs none."
        )
    tower = flags.tower or _LOOKUP
    typed = {name: f"--{name.replace('_', '-')}" for name in provided(**vars(flags))}
    typed |= {name: f"--set {name}" for name in settings}
    for name, shown in typed.items():
        towers = _BELONGS.get(name, (tower,))
        if tower not in towers:
            raise InputError(
                f"{shown} belongs to --tower {' or '.join(towers)}, the tower here is {tower}; leave out {shown} or "
                "name one of those."
            )


def _refuse_unknown(what: str, value: str | None, choices: tuple[str, ...]) -> None:
    if value is not None and value not in choices:
        raise InputError(f"No {what} {value!r}; there are {', '.join(choices)}.{did_you_mean(value, choices)}")


def pairs_for(flags: TowerFlags, pairs: rw.Pairs) -> rw.Pairs:
    """What the tower is trained on: text towers have a query for every name and synonym, and for glosses."""
    if not flags.reads_texts:
        return pairs
    if flags.skip_unreadable and pairs.folder is not None:
        raise InputError("--skip-unreadable makes a copy in memory of pairs on disk; leave such rows out of the table.")
    named = pairs.by_name(**names_of(flags.glosses, flags.ambiguous))
    return named.readable() if flags.skip_unreadable else named


def names_of(glosses: bool, ambiguous: bool) -> dict[str, bool]:
    """Arguments of `Pairs.by_name`, as the flags --glosses and --ambiguous say."""
    return provided(glosses=glosses) | ({"unambiguous": False} if ambiguous else {})


def model_for(
    flags: TowerFlags, settings: dict[str, Any], pairs: rw.Pairs, recipe: rw.Recipe, seed: int | None, progress: bool
) -> rw.DualEncoder:
    """The untrained model; what was not given is as `DualEncoder.text`, or a lookup table, has it."""
    if not flags.reads_texts:
        return rw.DualEncoder.lookup(pairs, flags.width, start=recipe.start, **provided(seed=seed))
    options = {name: value for name, value in vars(flags).items() if name not in _OF_PAIRS}
    return rw.DualEncoder.text(pairs, progress=progress, **provided(**options, seed=seed), **settings)
