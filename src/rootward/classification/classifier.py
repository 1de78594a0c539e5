"""`Classifier`: a text to the node that it names and everything above it, with a calibrated probability."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from pydantic import BaseModel, ConfigDict
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from scipy.sparse import csr_array

from rootward.classification.evidence import BLOCK, MEASURES, Evidence, Floats, Ints, nodes_above
from rootward.classification.tuning import TunedEncoder, tune
from rootward.classification.weights import Weighing, Weights, spread
from rootward.encoders import DualEncoder
from rootward.encoders.pretrained import EncodedTexts, Encoder, cache_folder, encode_cached
from rootward.errors import InputError, PairsError, RunFolderError
from rootward.evaluation.evaluate import in_rows_of
from rootward.evaluation.naming import (
    NodeReport,
    Predictions,
    TextsOf,
    closure_in,
    measure_nodes,
    n_labels_in,
    named_queries,
)
from rootward.files import refuse_link
from rootward.folders import (
    CLASSIFIER,
    CLASSIFIER_FOLDER,
    CONFIG,
    REPORT,
    Generation,
    check_files,
    checked_as,
    file_of,
    read_config,
    read_whole,
    section,
    writing_to,
)
from rootward.hierarchy.closure import Closure
from rootward.pairs import Pairs
from rootward.rng import stream
from rootward.scoring import unit_rows
from rootward.texts import normal_form, what_is_read
from rootward.training import Recipe, Run, Settings, recipes, resume, train
from rootward.training.run import About

STEPS = 1_000
"""Steps of the static tower: with twice as many held-out texts are named no better (docs/lab-log.md)."""

_HELD_OUT, _MOST_HELD_OUT = 0.2, 2_000
_FEWEST_HELD_OUT = 20


@dataclass(frozen=True)
class Answer:
    """What a text names.

    Attributes:
        text: as it was read.
        node: id of the node that it most likely names; None where nothing fits.
        probability: that this node is the right one, 0 where nothing fits.
        answers: ids of the nodes that hold for it, the most likely and deepest first: a set that has everything above
            each of its nodes. It may stop above `node`, where that is not sure enough.
        probabilities: of each of `answers`, that it is the right node or stands above it.
        ranked: ids of the likeliest nodes, best first, up to ten.
    """

    text: str
    node: str | None
    probability: float
    answers: tuple[str, ...] = ()
    probabilities: tuple[float, ...] = ()
    ranked: tuple[str, ...] = ()


@dataclass(frozen=True)
class Named:
    """What some texts name; nodes are document rows.

    Attributes:
        fits: bool, n: whether anything fits.
        ranked: int64, n x up to 10: the likeliest nodes, best first.
        sure: float64, n: the calibrated probability that `ranked[:, 0]` is right.
        holds: float64, sparse n x nodes: the probability that a node is the right one or stands above it.
        closure: the ancestors of every node.
    """

    fits: npt.NDArray[np.bool_]
    ranked: Ints
    sure: npt.NDArray[np.float64]
    holds: csr_array
    closure: Closure

    def take(self, places: Sequence[int]) -> Named:
        """What these texts name."""
        at = list(places)
        return replace(
            self, fits=self.fits[at], ranked=self.ranked[at], sure=self.sure[at], holds=csr_array(self.holds[at])
        )

    def holding(self, place: int, floor: float) -> tuple[Ints, npt.NDArray[np.float64]]:
        """(nodes that are at least so probable, their probabilities): the likeliest node, what is above it, the others.

        Of these the nearest come first, then the deepest.
        """
        start, stop = self.holds.indptr[place : place + 2]
        there = self.holds.data[start:stop] >= floor
        rows, values = self.holds.indices[start:stop][there].astype(np.int64), self.holds.data[start:stop][there]
        own = slice(*self.closure.offsets[self.ranked[place, 0] : self.ranked[place, 0] + 2])
        hops = np.full(len(rows), np.iinfo(np.int64).max)
        above, found = self.closure.ancestors[own].astype(np.int64), self.closure.distances[own]
        _, i, j = np.intersect1d(rows, above, return_indices=True)
        hops[i] = found[j]
        depth = np.diff(self.closure.offsets)[rows]
        order = np.lexsort((rows, -values, -depth, hops))
        return rows[order], values[order]


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Held-out texts as a static tower saw them that was not yet trained on them.

    Attributes:
        rows: int64, query rows of the pairs.
        queries: float32, their vectors, one a row, as a search reads unseen texts.
        documents: float32, the vectors of all documents in that tower.
    """

    rows: Ints
    queries: Floats
    documents: Floats

    @classmethod
    def load(cls, run: str | Path) -> HeldOut | None:
        """Those of a run's classifier; None where it has none, or one of another model.

        Raises:
            RunFolderError: the classifier's files are damaged.
        """
        folder = Path(run) / CLASSIFIER
        if not folder.is_dir():
            return None
        refuse_link(folder)

        def read(config: dict[str, Any]) -> HeldOut | None:
            about = section(folder, config, "classifier", _Section, CLASSIFIER_FOLDER)
            if about.model != _model_of(Path(run)):
                return None
            check_files(folder, config, CLASSIFIER_FOLDER)
            return cls.read(folder, config)

        return read_whole(folder, CLASSIFIER_FOLDER, read)

    @classmethod
    def read(cls, folder: Path, config: dict[str, Any]) -> HeldOut | None:
        """Those in a classifier's folder, whose files were checked already; None where it has none."""
        if HELD_OUT not in config["files"]:
            return None
        path = file_of(folder, config, HELD_OUT, CLASSIFIER_FOLDER)
        try:
            return cls(**{name: tensor.numpy() for name, tensor in load_file(path).items()})
        except (SafetensorError, TypeError, ValueError) as error:
            raise RunFolderError(f"{path} cannot be read: {error}. Train that run again.") from error


@dataclass(frozen=True, eq=False)
class Classifier:
    """Names the node of a text, from texts that people labelled and a taxonomy.

    A softmax over the likeliest nodes weighs several measures: the nearest training text by trained vectors, by words
    and by a sentence encoder, the node's own vector, and a linear classifier. Which of them count, and how much, is
    fitted on held-out texts; then everything is trained again on all texts. The probability of a node is that of
    itself and all nodes below it, so an answer set is closed upwards.

    Attributes:
        evidence: the training texts, as vectors.
        weights: how they are weighed.
        pairs: what it was trained on; documents are its nodes.
        report: figures of held-out texts, before training on everything.
        about: the expected calibration error on held-out texts, what was tried, and seconds of each part.
        run: the training of the static tower on all texts.
        held_out: the held-out texts and the tower that was not trained on them.
        tuned: the sentence encoder as it was trained further on the texts that were not held out; None where it is used
            as it was, or not at all.
    """

    evidence: Evidence
    weights: Weights
    pairs: Pairs = field(repr=False)
    report: NodeReport | None = None
    about: dict[str, Any] = field(default_factory=dict)
    run: Run | None = field(default=None, repr=False)
    held_out: HeldOut | None = field(default=None, repr=False)
    tuned: TunedEncoder | None = field(default=None, repr=False)

    @classmethod
    def fit(
        cls,
        pairs: Pairs,
        *,
        encoder: Any = None,
        recipe: Recipe | None = None,
        dim: int = 128,
        seed: int = 0,
        out: str | Path | None = None,
        settings: Settings | None = None,
        cache: str | Path | None = None,
        source: str | None = None,
        held_out: npt.ArrayLike | None = None,
    ) -> Classifier:
        """Learn from labelled texts, measure on held-out ones, then learn from all.

        Args:
            pairs: such as `tree.pairs(labels=...)`: queries with texts; the documents at distance 0 of a query are the
                nodes that its text names, the others stand above these. Names of nodes are training texts too.
            encoder: name, folder or object of a sentence encoder, as for `DualEncoder.text`; None for none.
            recipe: of the static tower; None for `recipes.decoupled(steps=1000)`.
            dim: width of its vectors.
            seed: of every random choice.
            out: folder of the run, written by `train`, with the classifier in its folder "classifier"; None for none.
            settings: device, memory, progress.
            cache: where the encoder's outputs are kept, as for `DualEncoder.text`.
            source: named in the run.
            held_out: query rows to measure on, such as `held_out_rows` gives; None draws them. Where it is empty,
                nothing is measured: the measures have their usual weights, and there is no report.

        Raises:
            PairsError: fewer than 20 labelled texts that can be held out, or texts of one node alone.
            InputError, MissingExtraError, RunFolderError: as `DualEncoder.text` and `train`.
        """
        lesson = _Lesson.of(pairs, recipe, dim, seed, settings, source)
        base = None if encoder is None else Encoder.of(encoder)
        return cls._made(lesson, lesson.held_out(held_out), base, cache, out)

    @classmethod
    def resume(
        cls,
        folder: str | Path,
        *,
        encoder: Any = None,
        settings: Settings | None = None,
        cache: str | Path | None = None,
    ) -> Classifier:
        """Finish the run of an interrupted `fit` and make its classifier, as if it had not been interrupted.

        What came before the run, which a checkpoint does not hold, is done again.

        Args:
            folder: of the run.
            encoder: the sentence encoder, where it is now; None for where it was.
            settings, cache: as for `fit`.

        Raises:
            RunFolderError: the run was not begun by `fit`, or is damaged.
            InputError: it has its classifier already, or an encoder is another one.
        """
        folder = Path(folder)
        about = About.read(folder, read_config(folder))
        if about.classifier is None:
            raise RunFolderError(f"{folder} was not begun as a run with a classifier; rootward.resume finishes it.")
        begun = checked_as(_Begun, about.classifier, f"{folder / CONFIG}", "Train that run again.", RunFolderError)
        if (folder / CLASSIFIER / CONFIG).is_file():
            raise InputError(f"{folder} is finished, and has its classifier.")
        measure = (settings is None or settings.measure) and not about.measured
        run = resume(folder, settings=settings) if measure or not about.finished else Run.load(folder)
        if not run.finished:
            raise KeyboardInterrupt
        lesson = _Lesson.of(run.pairs, begun.recipe, about.dim, about.seed, settings, about.source)
        base = None if begun.encoder is None else Encoder.from_settings(begun.encoder, encoder)
        return cls._made(lesson, lesson.held_out(begun.held_out), base, cache, folder, run)

    @classmethod
    def _made(
        cls,
        lesson: _Lesson,
        held: Ints,
        base: Encoder | None,
        cache: str | Path | None,
        out: str | Path | None,
        run: Run | None = None,
    ) -> Classifier:
        """The classifier of a lesson; `run` is the training on all texts, where that was done before."""
        everything = np.ones(lesson.pairs.n_queries, np.bool_)
        keep = everything.copy()
        keep[held] = False
        tuned = None if base is None else lesson.read(base, keep, cache)
        trial, weighing, report, seen = None, None, None, None
        if len(held):
            with lesson.timed("trial"):
                trial = lesson.learnt(keep, lesson.trained(keep))
            with lesson.timed("weighing"):
                weighing, report, seen = lesson.weighed(trial, held)
        with lesson.timed("training"):
            if run is None:
                kept = None if base is None else base.settings()
                begun = _Begun(encoder=kept, recipe=lesson.recipe, held_out=held.tolist()).model_dump(mode="json")
                run = lesson.trained(everything, out, begun)
            evidence = lesson.learnt(everything, run, trial)
        about = {
            "held_out": len(held),
            "expected_calibration_error": None if weighing is None else weighing.calibration_error,
            "tried": {} if weighing is None else weighing.tried,
            "tuned": tuned is not None,
            "seconds": {name: round(value, 1) for name, value in lesson.seconds.items()},
        }
        weights = Weights.usual(evidence.measures) if weighing is None else weighing.weights
        made = cls(evidence, weights, lesson.pairs, report, about, run, held_out=seen, tuned=tuned)
        if out is not None:
            made.save(Path(out) / CLASSIFIER)
        return made

    # -- answers ---------------------------------------------------------------------------------------------------

    def answers(self, texts: Iterable[str]) -> Iterator[Answer]:
        """What each text names, in order; blocks of texts at a time, so that any number of them can be read."""
        left = iter(texts)
        while some := list(islice(left, BLOCK)):
            yield from self._answers(some)

    def answer(self, text: str) -> Answer:
        """What one text names."""
        return next(self._answers([text]))

    @property
    def candidates(self) -> tuple[str, ...]:
        """Ids of the nodes that a text can name: those with a training text, their own name included."""
        ids = self.pairs.document_ids
        return tuple(ids[row] for row in self.evidence.classes.tolist())

    def chances(self, texts: Sequence[str]) -> csr_array:
        """How likely each text names each of `candidates`: float64, texts x candidates; every row sums to 1.

        Only the likeliest 128 of a text are stored. A named node's `Answer.probability` is this, calibrated once more.
        """
        found = self.evidence.candidates(texts)
        weighed = self.weights.chances(self.evidence.measures, found.values)
        return spread(found.classes, weighed, len(self.evidence.classes))

    def _answers(self, texts: Sequence[str]) -> Iterator[Answer]:
        ids, found = self.pairs.document_ids, self.read(texts)
        for place, text in enumerate(texts):
            if not found.fits[place]:
                yield Answer(text, None, 0.0)
                continue
            ranked = found.ranked[place].tolist()
            rows, values = found.holding(place, self.weights.floor)
            yield Answer(
                text,
                ids[ranked[0]],
                float(found.sure[place]),
                tuple(ids[row] for row in rows.tolist()),
                tuple(values.tolist()),
                tuple(ids[row] for row in ranked),
            )

    def read(self, texts: Sequence[str]) -> Named:
        """What each text names, as arrays over document rows; `answers` is the same with ids."""
        found = self.evidence.candidates(texts)
        chances = self.weights.chances(self.evidence.measures, found.values)
        order = np.argsort(-chances, axis=1, kind="stable")[:, :10]
        ranked = self.evidence.classes[np.take_along_axis(found.classes, order, 1)]
        holds = spread(found.classes, chances, len(self.evidence.classes)) @ self._above
        words = np.array([bool(normal_form(text)) for text in texts], np.bool_)
        fits = words & (found.familiar >= self.weights.familiar)
        return Named(fits, ranked, self.weights.calibrated(chances.max(1)), csr_array(holds), self.closure)

    def measure(self, pairs: Pairs, *, label: str = "", texts: TextsOf | None = None, **drawn: Any) -> NodeReport:
        """Measure which nodes the texts of other pairs name.

        Args:
            pairs: queries with texts and a document at distance 0 are measured; documents are nodes of the classifier.
            label, texts: kept in the report.
            drawn: `bootstrap` and `seed`, as for `measure_nodes`.

        Raises:
            PairsError: no query has a document at distance 0.
            UnknownIdError: a document that the classifier does not know.
        """
        pairs = in_rows_of(self.pairs, pairs)
        rows = named_queries(pairs)
        asked = what_is_read(pairs.query_ids, pairs.query_texts)
        said = list(self.answers(asked[row] for row in rows.tolist()))
        columns = ([getattr(each, name) for each in said] for name in ("node", "answers", "ranked"))
        predictions = Predictions.from_ids(rows, self.pairs.document_ids, *columns)
        labels, sure = n_labels_in(self.pairs), np.array([each.probability for each in said])
        about: dict[str, Any] = {"label": label, "texts": texts, "sure": sure, **drawn}
        return measure_nodes(predictions, pairs, closure=self.closure, n_labels=labels, **about)

    @cached_property
    def closure(self) -> Closure:
        """The ancestors of every node."""
        return closure_in(self.pairs)

    @cached_property
    def _above(self) -> csr_array:
        return nodes_above(self.closure, self.evidence.classes)

    @property
    def remarks(self) -> tuple[str, ...]:
        """What was chosen and why, for a person."""
        parts = zip(self.weights.measures, self.weights.weights, strict=True)
        used = ", ".join(f"{name} ({MEASURES[name]}) {weight:.3g}" for name, weight in parts)
        tried = self.about.get("tried", {})
        said = ["The sentence encoder was tuned to these labels."] if self.about.get("tuned") else []
        said += [f"Weighs {used}.", f"An answer set holds what is at least {self.weights.floor:.0%} likely."]
        if tried:
            single = {name: score for name, score in tried.items() if " " not in name}
            best = max(single, key=single.__getitem__)
            own = tried[" ".join(self.weights.measures)]
            said.append(
                f"Chosen on {self.about['held_out']:,} held-out texts: mean of accuracy and F1 {own:.1%}; the best "
                f"single measure, {best}, gives {single[best]:.1%}. Then everything was trained again on all texts."
            )
            said.append(f"Expected calibration error on them: {self.about['expected_calibration_error']:.1%}.")
            seconds = ", ".join(f"{name} {value:.0f}" for name, value in self.about["seconds"].items())
            said.append(f"Seconds: {seconds}.")
        elif self.about.get("held_out") == 0:
            said.append(
                "No text was held out, so nothing is measured: the weights are the usual ones, the probabilities are "
                "not calibrated, and every text with a letter or digit gets a node."
            )
        return tuple(said)

    def __str__(self) -> str:
        return "\n".join([*([] if self.report is None else [str(self.report)]), *self.remarks])

    # -- on disk ---------------------------------------------------------------------------------------------------

    def save(self, folder: str | Path) -> Path:
        """Write it beside its run; `load` needs both."""
        folder = Path(folder)
        refuse_link(folder)
        own = self.evidence
        names = ("rows", "owners", "classes", "outputs", "directions", "linear")
        arrays = {name: getattr(own, name) for name in names}
        tensors = {name: torch.from_numpy(np.array(array)) for name, array in arrays.items() if array is not None}
        base = own.encoder if self.tuned is None else self.tuned.base
        values = {
            "weights": self.weights.model_dump(mode="json"),
            "about": self.about,
            "encoder": None if base is None else base.settings(),
            "model": _model_of(folder.parent),
        }
        with writing_to(folder, "Classifier.save"), Generation(folder) as new:
            new.write(EVIDENCE, lambda path: save_file(tensors, path))
            if self.tuned is not None:
                new.write(TUNED, self.tuned.save)
            if (report := self.report) is not None:
                new.write(REPORT, lambda path: path.write_text(report.to_json(), encoding="utf-8"))
            if self.held_out is not None:
                arrays = {name: np.ascontiguousarray(value) for name, value in vars(self.held_out).items()}
                seen = {name: torch.from_numpy(array) for name, array in arrays.items()}
                new.write(HELD_OUT, lambda path: save_file(seen, path))
            new.commit({"classifier": values})
        return folder

    @classmethod
    def load(cls, run: str | Path | Run, *, encoder: Any = None) -> Classifier:
        """The classifier of a run.

        Args:
            run: its folder, or as loaded.
            encoder: the sentence encoder, where it is now; None for where it was.

        Raises:
            RunFolderError: the run has no classifier, or its files are damaged.
            InputError, MissingExtraError: an encoder that cannot be used.
        """
        loaded = run if isinstance(run, Run) else Run.load(run)
        if loaded.folder is None or not has_classifier(loaded.folder):
            raise RunFolderError(
                f"{loaded.folder or 'The run'} has no classifier; rootward train SOURCE --labels FILE makes one, of "
                "texts of two nodes or more and with no other --tower than auto."
            )
        folder, run_folder = loaded.folder / CLASSIFIER, loaded.folder
        refuse_link(folder)

        def read(config: dict[str, Any]) -> Classifier:
            about = section(folder, config, "classifier", _Section, CLASSIFIER_FOLDER)
            if EVIDENCE not in config["files"]:
                raise RunFolderError(f"{folder} lists no {EVIDENCE}; train that run again.")
            check_files(folder, config, CLASSIFIER_FOLDER)
            if about.model != _model_of(run_folder):
                raise RunFolderError(f"{folder} is of another model than {run_folder} holds; train that run again.")
            try:
                tensors = load_file(file_of(folder, config, EVIDENCE, CLASSIFIER_FOLDER))
                opened = None if about.encoder is None else Encoder.from_settings(about.encoder, encoder)
                tuned = None
                if opened is not None and TUNED in config["files"]:
                    tuned = TunedEncoder.load(file_of(folder, config, TUNED, CLASSIFIER_FOLDER), opened)
                    opened = tuned.encoder
                evidence = Evidence(loaded.model, encoder=opened, **{name: t.numpy() for name, t in tensors.items()})
                _check_evidence(evidence, loaded.pairs)
            except (SafetensorError, TypeError, KeyError, ValueError) as error:
                if isinstance(error, InputError):
                    raise
                raise RunFolderError(f"{folder / EVIDENCE} does not fit its run: {error}. Train it again.") from error
            path = file_of(folder, config, REPORT, CLASSIFIER_FOLDER)
            report = NodeReport.load(path) if REPORT in config["files"] else None
            seen = HeldOut.read(folder, config)
            return cls(evidence, about.weights, loaded.pairs, report, about.about, loaded, seen, tuned)

        return read_whole(folder, CLASSIFIER_FOLDER, read)


EVIDENCE, TUNED, HELD_OUT = "evidence.safetensors", "encoder.safetensors", "held_out.safetensors"


class _Begun(BaseModel):
    """What `fit` was called with and a run does not keep, in the run's `config.json`."""

    model_config = ConfigDict(frozen=True)
    encoder: dict[str, Any] | None
    recipe: Recipe
    held_out: list[int]


class _Section(BaseModel):
    """The section "classifier" of `config.json`: weights, what is known, encoder, checksum of the run's model."""

    model_config = ConfigDict(frozen=True)
    weights: Weights
    about: dict[str, Any]
    encoder: dict[str, Any] | None
    model: str | None


def has_classifier(run: Path) -> bool:
    """Whether a run has a classifier.

    Raises:
        RunFolderError: it should have one, but training was interrupted before it was made.
    """
    if (run / CLASSIFIER).is_dir():
        return True
    if begun_with_classifier(run):
        raise RunFolderError(
            f"{run} has no classifier yet: its training was interrupted. Go on with: rootward train --resume {run}"
        )
    return False


def begun_with_classifier(run: Path) -> bool:
    """Whether a run was begun by `Classifier.fit`."""
    return (run / CONFIG).is_file() and bool(read_config(run).get("run", {}).get("classifier"))


def _model_of(run: Path) -> str | None:
    """The checksum of a run's model; None for a folder without a run."""
    if not (run / CONFIG).is_file():
        return None
    found = read_config(run)["files"].get("model.safetensors", (0, None))
    return str(found[1]) if found[1] else None


def _check_evidence(evidence: Evidence, pairs: Pairs) -> None:
    """Raise a ValueError where arrays name rows that are not there, or have other lengths than each other."""
    n, n_classes = len(evidence.rows), len(evidence.classes)
    within = ((evidence.rows, pairs.n_queries), (evidence.owners, n_classes), (evidence.classes, pairs.n_documents))
    for array, bound in within:
        if array.ndim != 1 or array.dtype != np.int64 or (len(array) and (array.min() < 0 or array.max() >= bound)):
            raise ValueError(f"rows must be from 0 to {bound - 1:,}")
    outputs, linear = evidence.outputs, evidence.linear
    if len(evidence.owners) != n or (outputs is not None and (outputs.ndim != 2 or len(outputs) != n)):
        raise ValueError("arrays of texts must be equally long")
    if linear is not None and (linear.ndim != 2 or len(linear) != n_classes):
        raise ValueError("the linear classifier must have a row for each class")


def labelled_texts(pairs: Pairs) -> tuple[Ints, Ints]:
    """The texts that name a node: (query row, document row at distance 0), one a pair.

    A node without a name is no text, though its id is what a tower reads of it.
    """
    exact = np.flatnonzero(pairs.distances == 0)
    rows, nodes = pairs.query_of[exact], pairs.documents[exact].astype(np.int64)
    texts = what_is_read(pairs.query_ids, pairs.query_texts)
    names = None if pairs.query_texts is None else pairs.query_texts.names
    good = [
        bool(normal_form(texts[row])) and (names is None or bool(names[row]) or texts[row] != pairs.document_ids[node])
        for row, node in zip(rows.tolist(), nodes.tolist(), strict=True)
    ]
    return rows[good], nodes[good]


def held_out_rows(pairs: Pairs, rows: Ints, nodes: Ints, seed: int) -> Ints:
    """Query rows to measure on: a fifth of the labelled texts, 20 to 2,000; every node keeps a text.

    Names of nodes are not held out, unless there are no other texts. Spellings of one text stay together.

    Raises:
        PairsError: there are fewer than 20.
    """
    labelled = np.array([pairs.query_ids[row] not in pairs.document_ids for row in rows.tolist()], np.bool_)
    if not labelled.any():
        labelled[:] = True
    texts = what_is_read(pairs.query_ids, pairs.query_texts)
    groups: dict[str, list[int]] = {}
    for place, row in enumerate(rows.tolist()):
        groups.setdefault(normal_form(texts[row]), []).append(place)
    free = [group for group in groups.values() if labelled[group].all()]
    left = np.bincount(nodes, minlength=pairs.n_documents)
    wanted = min(_MOST_HELD_OUT, max(_FEWEST_HELD_OUT, round(_HELD_OUT * int(labelled.sum()))))
    held: list[int] = []
    for i in stream(seed, "held out").permutation(len(free)).tolist():
        taken = np.bincount(nodes[free[i]], minlength=0)
        of = np.flatnonzero(taken)
        if len(held) >= wanted:
            break
        if (left[of] > taken[of]).all():
            left[of] -= taken[of]
            held += free[i]
    found = np.unique(rows[held]) if held else np.empty(0, np.int64)
    if len(found) < _FEWEST_HELD_OUT:
        raise PairsError(
            f"Only {len(found)} labelled texts can be held out, and {_FEWEST_HELD_OUT} are needed to measure a "
            "classifier: give more labelled texts, two or more for a node."
        )
    return found


@dataclass(eq=False)
class _Lesson:
    """What `Classifier.fit` learns from, and how; `seconds` are those of its parts."""

    pairs: Pairs
    rows: Ints
    nodes: Ints
    closure: Closure
    settings: Settings
    recipe: Recipe
    dim: int
    seed: int
    source: str | None
    encoder: Encoder | None = None
    outputs: EncodedTexts | None = None
    seconds: dict[str, float] = field(default_factory=dict)

    @classmethod
    def of(
        cls, pairs: Pairs, recipe: Recipe | None, dim: int, seed: int, settings: Settings | None, source: str | None
    ) -> _Lesson:
        """What `fit` was called with, and the texts that name a node.

        Raises:
            PairsError: texts of one node alone.
        """
        rows, nodes = labelled_texts(pairs)
        if len(np.unique(nodes)) < 2:
            raise PairsError("A classifier needs texts of two nodes at least.")
        recipe = recipes.decoupled(steps=STEPS) if recipe is None else recipe
        settings = Settings() if settings is None else settings
        return cls(pairs, rows, nodes, closure_in(pairs), settings, recipe, dim, seed, source)

    def held_out(self, rows: npt.ArrayLike | None) -> Ints:
        """These query rows, ascending; None draws them."""
        if rows is None:
            return held_out_rows(self.pairs, self.rows, self.nodes, self.seed)
        return np.unique(np.asarray(rows, np.int64))

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.seconds[name] = time.perf_counter() - start

    @cached_property
    def texts(self) -> Sequence[str]:
        return what_is_read(self.pairs.query_ids, self.pairs.query_texts)

    def read(self, encoder: Encoder, keep: npt.NDArray[np.bool_], cache: str | Path | None) -> TunedEncoder | None:
        """Read all texts, by an encoder that is tuned on the kept ones where the others say that it helps."""
        tuned, mine, progress = None, keep[self.rows], self.settings.progress
        with self.timed("tuning"):
            if not mine.all():
                kept, other = (
                    [self.texts[row] for row in some.tolist()] for some in (self.rows[mine], self.rows[~mine])
                )
                held_out = (other, self.nodes[~mine])
                tuned = tune(encoder, kept, self.nodes[mine], self.closure, held_out, seed=self.seed, progress=progress)
        with self.timed("encoder"):
            self.encoder = encoder if tuned is None else tuned.encoder
            kept_in = cache_folder(cache) if tuned is None else None
            self.outputs = encode_cached(self.encoder, self.texts, kept_in, progress)
        return tuned

    def trained(
        self, keep: npt.NDArray[np.bool_], out: str | Path | None = None, begun: dict[str, Any] | None = None
    ) -> Run:
        """A static tower, trained on the kept texts."""
        own = self.pairs if keep.all() else self.pairs.keep(keep[self.pairs.query_of])
        progress = self.settings.progress
        model = DualEncoder.text(own, "static", dim=self.dim, word_pairs=True, seed=self.seed, progress=progress)
        how = self.settings if out is not None else Settings(**{**vars(self.settings), "measure": False})
        run = train(
            model, own, self.recipe, seed=self.seed, out=out, settings=how, source=self.source, classifier=begun
        )
        if not run.finished:
            raise KeyboardInterrupt
        return run

    def learnt(self, keep: npt.NDArray[np.bool_], run: Run, start: Evidence | None = None) -> Evidence:
        """The evidence of the kept texts, by a run on them."""
        mine = keep[self.rows]
        rows, weights = self.rows[mine], self.pairs.query_weights
        return Evidence.learn(
            run.model,
            rows,
            self.nodes[mine],
            self.closure,
            outputs=None if self.outputs is None else _unit_outputs(self.outputs, rows),
            encoder=self.encoder,
            weights=None if weights is None else weights[rows],
            seed=self.seed,
            start=start,
        )

    def weighed(self, trial: Evidence, held: Ints) -> tuple[Weighing, NodeReport, HeldOut]:
        """Weights fitted on held-out texts, figures of them, and what is kept of them."""
        asked = [self.texts[row] for row in held.tolist()]
        found = trial.candidates(asked, None if self.outputs is None else _unit_outputs(self.outputs, held))
        weighing = Weighing.of(trial, found, held, self.pairs, self.closure, self.seed)
        report = measure_nodes(
            weighing.predictions,
            self.pairs,
            closure=self.closure,
            n_labels=n_labels_in(self.pairs),
            label="rootward",
            texts="held-out",
            seed=self.seed,
        )
        read = trial.model.encode_queries(asked).vectors.cpu().numpy()
        return weighing, report, HeldOut(held, read, trial.model.document_vectors().cpu().numpy())


def _unit_outputs(outputs: EncodedTexts, rows: Ints) -> Floats:
    return unit_rows(outputs[rows])
