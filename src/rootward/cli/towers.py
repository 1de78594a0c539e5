"""What `rootward train` trains: flags to a model, and to the pairs that it is trained on."""

from __future__ import annotations

from dataclasses import dataclass
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

from rootward.cli.flags import flag, given, said
from rootward.errors import InputError, did_you_mean

if TYPE_CHECKING:
    from rootward.encoders import DualEncoder
    from rootward.pairs import Pairs
    from rootward.training import Recipe
    from rootward.training.defaults import Costs

DIM = 64
_LOOKUP = "lookup"
_TOWER = "Tower"


@dataclass(frozen=True)
class TowerFlags:
    """What is trained; None and False for what was not given.

    Defaults are those of `DualEncoder.text`; the help only tells them, as it has to come without torch, and a test
    holds it to them.
    """

    tower: Annotated[
        str | None,
        flag(
            "--tower",
            metavar="NAME",
            panel=_TOWER,
            help="lookup: a vector for every query. static: vectors of words and n-grams, so that every name and "
            "synonym is a query, and words never seen are understood too. frozen: the same by a sentence encoder that "
            "stays as it is, with a head that is trained. joint: static and frozen trained as one. full: the encoder "
            "is trained too. Default: lookup.",
        ),
    ] = None
    encoder: Annotated[
        str | None,
        flag(
            "--encoder",
            metavar="NAME",
            panel=_TOWER,
            help="Of a frozen, joint or full tower: a sentence-transformers model, by name or folder. With --resume: "
            "where it is now, if not found by its name.",
        ),
    ] = None
    dim: Annotated[
        int | None,
        flag(
            "--dim",
            metavar="N",
            min=1,
            panel=_TOWER,
            help=f"Width of the vectors. Default: {DIM}; 128 for towers that read.",
        ),
    ] = None
    documents: Annotated[
        str | None,
        flag(
            "--documents",
            metavar="NAME",
            panel=_TOWER,
            help="Beside a tower that reads. tied: a document is its name as queries are read, and what it learns "
            "besides. text: its name by a tower of its own. lookup: a row of a table. Default: tied.",
        ),
    ] = None
    glosses: Annotated[
        bool,
        flag("--glosses", panel=_TOWER, help="Of a tower that reads: definitions and their examples are queries too."),
    ] = False
    unambiguous: Annotated[
        bool | None,
        flag(
            "--unambiguous/--ambiguous",
            panel=_TOWER,
            help="Of a tower that reads: leave out synonyms and glosses that are names of several nodes, and say how "
            "many they are; or keep them, though one text cannot have the answers of both. Default: --unambiguous.",
        ),
    ] = None
    skip_unreadable: Annotated[
        bool,
        flag(
            "--skip-unreadable",
            panel=_TOWER,
            help="Of a tower that reads: go on without queries whose text has no letter or digit, and say how many "
            "they are. Else they are an error.",
        ),
    ] = False
    word_pairs: Annotated[
        bool,
        flag(
            "--word-pairs",
            panel=_TOWER,
            help="Of a static or joint tower: a vector for every two words in a row as well.",
        ),
    ] = False
    drop: Annotated[
        float | None,
        flag(
            "--drop",
            metavar="SHARE",
            panel=_TOWER,
            help="Of a tower that reads: share of a text's features, or of an encoder's outputs, that each step leaves "
            "out at random. Default: 0.1.",
        ),
    ] = None
    hidden: Annotated[
        int | None,
        flag(
            "--hidden",
            metavar="N",
            min=1,
            panel=_TOWER,
            help="Of a frozen, joint or full tower: width of a hidden layer in the head; without it the head is one "
            "matrix.",
        ),
    ] = None
    cache: Annotated[
        Path | None,
        flag(
            "--cache",
            metavar="FOLDER",
            panel=_TOWER,
            help="Of a frozen or joint tower: where to keep what the encoder made of each text, which the run "
            "remembers. Default: $ROOTWARD_CACHE, else the user's cache folder.",
        ),
    ] = None
    chunk: Annotated[
        int | None,
        flag(
            "--chunk",
            metavar="N",
            min=1,
            panel=_TOWER,
            help="Of a full tower: texts that pass through the encoder at a time, which is what its memory is for. "
            "Default: 64.",
        ),
    ] = None
    pace: Annotated[
        float | None,
        flag(
            "--pace",
            metavar="SHARE",
            panel=_TOWER,
            help="Of a full tower: the step of an encoder's weight as a share of the learning rate. Default: 0.0001.",
        ),
    ] = None

    @property
    def all_given(self) -> dict[str, Any]:
        """The flags that were given, --ambiguous among them: a False that was said."""
        return given(**vars(self)) | said(unambiguous=self.unambiguous)

    @property
    def reads_texts(self) -> bool:
        """Whether queries are read rather than looked up."""
        return self.tower not in (None, _LOOKUP)

    @property
    def width(self) -> int:
        """The width of the vectors, given or not."""
        if self.dim is not None:
            return self.dim
        return _text_dim() if self.reads_texts else DIM

    @property
    def costs(self) -> Costs:
        """What the model will cost in a step, before it is made: as `costs_of` it."""
        from rootward.training.defaults import CHEAP, ENCODED  # noqa: PLC0415

        return ENCODED if self.tower == "full" and self.documents != _LOOKUP else CHEAP


_READING = ("static", "frozen", "joint", "full")
ON_ENCODER = ("frozen", "joint", "full")
_BELONGS = {
    "encoder": ON_ENCODER,
    "documents": _READING,
    "glosses": _READING,
    "unambiguous": _READING,
    "skip_unreadable": _READING,
    "word_pairs": ("static", "joint"),
    "drop": _READING,
    "hidden": ON_ENCODER,
    "cache": ("frozen", "joint"),
    "chunk": ("full",),
    "pace": ("full",),
}

_OF_PAIRS = ("glosses", "unambiguous", "skip_unreadable")  # what is trained on, not what


def _text_dim() -> int:
    from rootward.encoders import DualEncoder  # noqa: PLC0415

    dim: int = signature(DualEncoder.text).parameters["dim"].default
    return dim


def refuse(flags: TowerFlags) -> None:
    """Refuse what cannot be made, before anything is read.

    Raises:
        InputError: no such tower or documents, or a flag of another tower.
    """
    _refuse_unknown("tower", flags.tower, (_LOOKUP, *_READING))
    if flags.documents is not None:
        from rootward.encoders.registry import DocumentKind  # noqa: PLC0415

        _refuse_unknown("kind of --documents", flags.documents, get_args(DocumentKind))
    if flags.tower in ON_ENCODER and flags.encoder is None:
        raise InputError(
            f"--tower {flags.tower} reads by an encoder that others trained; name one of sentence-transformers, or its "
            "folder: --encoder all-MiniLM-L6-v2. --tower static needs none."
        )
    tower = flags.tower or _LOOKUP
    for name in flags.all_given:
        towers = _BELONGS.get(name, (tower,))
        if tower not in towers:
            dashed = f"--{name.replace('_', '-')}"
            raise InputError(
                f"{dashed} belongs to --tower {' or '.join(towers)}, the tower here is {tower}; leave out {dashed} or "
                "name one of those."
            )


def _refuse_unknown(what: str, value: str | None, choices: tuple[str, ...]) -> None:
    if value is not None and value not in choices:
        raise InputError(f"No {what} {value!r}; there are {', '.join(choices)}.{did_you_mean(value, choices)}")


def pairs_for(flags: TowerFlags, pairs: Pairs) -> Pairs:
    """What the tower is trained on: towers that read have a query for every name and synonym, and for glosses.

    Raises:
        InputError: some of pairs on disk are to be skipped.
    """
    if not flags.reads_texts:
        return pairs
    if flags.skip_unreadable and pairs.folder is not None:
        raise InputError("--skip-unreadable makes a copy in memory of pairs on disk; leave such rows out of the table.")
    named = pairs.by_name(**given(glosses=flags.glosses), **said(unambiguous=flags.unambiguous))
    return named.readable() if flags.skip_unreadable else named


def model_for(flags: TowerFlags, pairs: Pairs, recipe: Recipe, seed: int | None, progress: bool) -> DualEncoder:
    """The untrained model; what was not given is as `DualEncoder.text`, or a lookup table, has it.

    Raises:
        InputError, MissingExtraError: as `DualEncoder.text`.
    """
    from rootward.encoders import DualEncoder  # noqa: PLC0415

    if not flags.reads_texts:
        return DualEncoder.lookup(pairs, flags.width, start=recipe.start, **given(seed=seed))
    options = {name: value for name, value in vars(flags).items() if name not in _OF_PAIRS}
    return DualEncoder.text(pairs, progress=progress, **given(**options, seed=seed))
