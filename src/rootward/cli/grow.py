"""`rootward grow`: a run and a newer version of its source in, a grown run out, without training."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import rootward as rw
from rootward.cli.flags import EncoderAgain, ResultFlags, panel, provided, refuse_run_folder
from rootward.cli.sources import LabelFlags, read_source
from rootward.cli.towers import names_of
from rootward.errors import InputError, PairsError
from rootward.folders import CLASSIFIER

if TYPE_CHECKING:
    from rootward.growth.diff import Diff

_growth = panel("Growth")


def grow(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A folder that train or grow wrote.")],
    source: LabelFlags,
    *,
    out: Annotated[Path | None, _growth("--out FOLDER", "Where the grown run goes.")] = None,
    changes: Annotated[
        Path | None, _growth("--diff FILE", "A change that --save-diff wrote, in place of a source.")
    ] = None,
    save_diff: Annotated[Path | None, _growth("--save-diff FILE", "Write the change as JSON.")] = None,
    glosses: Annotated[bool, _growth("--glosses", "Text towers, as for train: definitions are queries too.")] = False,
    ambiguous: Annotated[
        bool, _growth("--ambiguous", "Text towers, as for train: keep synonyms that several nodes share.")
    ] = False,
    seed: Annotated[int | None, _growth("--seed N", "Of every random choice. Default: 0.")] = None,
    encoder: EncoderAgain = None,
    results: ResultFlags,
) -> None:
    """Update a run to a newer version of its source, without training.

    Vectors of new nodes are solved for, the others stay. Text towers read new names and synonyms, and put new documents
    where their queries look for them. A hierarchy becomes pairs as it did for the run, unless --read says otherwise;
    labelled texts are those of --labels.
    Prints what changed, what recall it has cost since the last training, and whether to train again.

    \b
      rootward grow runs/shop edges:tuesday.csv --out runs/tuesday
      rootward grow runs/hpo hp.obo --save-diff change.json --out runs/hpo-2
      rootward grow runs/shop --diff change.json --out runs/tuesday
    """
    if out is None:
        raise InputError(f"--out is needed: the folder of the grown run. {run} stays as it is.")
    if source.labels is not None and source.source is None:
        raise InputError("--labels are of the newer version; name it as SOURCE, such as edges:tuesday.csv, too.")
    if source.is_given == (changes is not None):
        raise InputError(
            "Give the newer version as SOURCE, such as edges:tuesday.csv, or a change by --diff; not both."
        )
    refuse_run_folder(out)
    results.check(save_diff=save_diff)
    from rootward.growth.diff import Diff  # noqa: PLC0415
    from rootward.growth.runs import grow_run  # noqa: PLC0415

    trained = rw.Run.load(run, encoder=encoder, progress=not results.quiet)
    named = names_of(glosses, ambiguous)
    if named and not trained.model.reads_texts:
        flags = " and ".join(f"--{name}" for name in provided(glosses=glosses, ambiguous=ambiguous))
        raise InputError(f"{flags} belongs to a run that reads texts; {run} looks its queries up. Leave it out.")
    change = None if changes is None else Diff.load(changes)
    after: Diff | rw.Pairs | None = change
    if after is None:
        pairs = read_source(source, like=trained.pairs).pairs
        after = pairs = pairs.by_name(**named) if trained.model.reads_texts else pairs
        results.say(*pairs.notes)
        with suppress(PairsError):  # queries and documents are not the same nodes
            change = rw.diff(trained.pairs, pairs)
    if change is not None and save_diff is not None:
        change.save(save_diff)
    grown = grow_run(trained, after, out, source=source.name, progress=not results.quiet, **provided(seed=seed))
    shown = [str(part) for part in (change, grown.drift) if part is not None]
    values = {
        "diff": None if change is None else change.model_dump(mode="json"),
        "seconds": round(grown.grown.seconds, 3),
        "drift": grown.drift.model_dump(mode="json"),
        "overall": grown.report.overall.value,
    }
    results.deliver(*shown, text=lambda: json.dumps(values, indent=2) + "\n")
    results.say(f"{grown.grown}. The run is in {grown.folder}.")
    if (run / CLASSIFIER).is_dir():
        results.say(f"The classifier of {run} is not carried over; for rootward predict, train again with all labels.")
