"""`rootward grow`: a run and a newer version of its source in, a grown run out."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

import rootward as rw
from rootward.cli.flags import EncoderAgain, ResultFlags, panel, provided, refuse_run_folder
from rootward.cli.sources import WeightedLabelFlags, read_source, unknown_setting
from rootward.cli.towers import names_of
from rootward.errors import InputError, PairsError

_growth = panel("Growth")


def grow(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A folder that train or grow wrote.")],
    source: WeightedLabelFlags,
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
    where their queries look for them. A hierarchy becomes pairs as it did for the run, unless --read says otherwise.
    Labelled texts stay; those of --labels are added, and decide where a text has other nodes now. A run with a
    classifier is the exception: it is trained anew on the newer version, with figures of held-out texts.
    Prints what changed, also in diff.json of the new run, what recall it has cost since the last training, and whether
    to train again.

    \b
      rootward grow runs/shop edges:tuesday.csv --out runs/tuesday
      rootward grow runs/hpo hp.obo --save-diff change.json --out runs/hpo-2
      rootward grow runs/titles --labels more.csv --text title --node category --out runs/more
      rootward grow runs/shop --diff change.json --out runs/tuesday
    """
    if out is None:
        raise InputError(f"--out is needed: the folder of the grown run. {run} stays as it is.")
    if (source.is_given or source.labels is not None) == (changes is not None):
        raise InputError(
            "Give the newer version as SOURCE, such as edges:tuesday.csv, more labels by --labels, or a change by "
            "--diff; not both."
        )
    refuse_run_folder(out)
    results.check(save_diff=save_diff)
    from rootward.classification import has_classifier  # noqa: PLC0415
    from rootward.growth.diff import Diff, lineage  # noqa: PLC0415
    from rootward.growth.grow import changed_pairs  # noqa: PLC0415
    from rootward.growth.runs import grow_run  # noqa: PLC0415

    trained = rw.Run.load(run, encoder=encoder, progress=not results.quiet)
    named = names_of(glosses, ambiguous)
    if named and not trained.model.reads_texts:
        flags = " and ".join(f"--{name}" for name in provided(glosses=glosses, ambiguous=ambiguous))
        raise InputError(f"{flags} belongs to a run that reads texts; {run} looks its queries up. Leave it out.")
    if changes is not None:
        after = changed_pairs(trained.pairs, Diff.load(changes))
    else:
        if source.source is None:
            known, labels = lineage(trained.pairs), source.read_labels()
            after = known.pairs(known.hierarchy, labels=labels, **unknown_setting(source))
        else:
            after = read_source(source, like=trained.pairs).pairs
        if trained.model.reads_texts:
            after = after.by_name(**(named or _naming(trained.pairs)))
        results.say(*after.notes)
    if has_classifier(run):
        try:
            _trained_anew(run, trained, after, out, source.name, seed, encoder, save_diff, results)
            return
        except PairsError as error:
            results.say(f"{error} The tower of {run} is grown without a classifier.")
    grown = grow_run(trained, after, out, source=source.name, progress=not results.quiet, **provided(seed=seed))
    if grown.change is not None and save_diff is not None:
        grown.change.save(save_diff)
    shown = [str(part) for part in (grown.change, grown.drift) if part is not None]
    values = {
        "diff": None if grown.change is None else grown.change.model_dump(mode="json"),
        "seconds": round(grown.grown.seconds, 3),
        "drift": grown.drift.model_dump(mode="json"),
        "overall": grown.report.overall.value,
    }
    results.deliver(*shown, text=lambda: json.dumps(values, indent=2) + "\n")
    results.say(f"{grown.grown}. The run is in {grown.folder}.", *filter(None, [grown.calibration]))


def _naming(pairs: rw.Pairs) -> dict[str, bool]:
    """The arguments of `by_name` that made the queries of a run; none where its pairs do not tell."""
    from rootward.growth.diff import lineage  # noqa: PLC0415

    with suppress(PairsError):
        return lineage(pairs).naming or {}
    return {}


def _trained_anew(
    run: Path,
    trained: rw.Run,
    after: rw.Pairs,
    out: Path,
    source: str | None,
    seed: int | None,
    encoder: str | None,
    save_diff: Path | None,
    results: ResultFlags,
) -> None:
    """Train the classifier of a run on newer pairs; what it weighs and reports is of held-out texts, so of these.

    Raises:
        PairsError: too few texts are left that can be held out.
    """
    from rootward.calibration.calibrate import NAME  # noqa: PLC0415
    from rootward.classification import Classifier  # noqa: PLC0415
    from rootward.growth.runs import change_of  # noqa: PLC0415
    from rootward.training.run import DIFF  # noqa: PLC0415

    change = change_of(trained.pairs, after)
    known = Classifier.load(trained, encoder=encoder)
    results.say(f"{run} has a classifier, which is trained anew on the newer version.")
    nothing = provided(held_out=() if known.about.get("held_out") == 0 else None)  # held out, as before
    made = Classifier.fit(
        after,
        encoder=known.evidence.encoder if known.tuned is None else known.tuned.base,
        recipe=trained.recipe,
        dim=trained.model.dim,
        seed=trained.seed if seed is None else seed,
        out=out,
        settings=rw.Settings(progress=not results.quiet),
        source=source,
        **nothing,
    )
    if change is not None:
        for path in filter(None, [out / DIFF, save_diff]):
            change.save(path)
    values = {
        "diff": None if change is None else change.model_dump(mode="json"),
        "report": None if made.report is None else made.report.model_dump(mode="json"),
    }
    shown = [part for part in (change, made.report) if part is not None]
    results.deliver(*shown, text=lambda: json.dumps(values, indent=2) + "\n")
    results.say(*made.remarks, f"The run is in {out}.")
    if (run / NAME).is_file():
        results.say(f"The calibration of {run} is dropped, as the tower is new: rootward calibrate {out}")
