"""`Calibration`: where answer sets end when nobody knows |S(q)|, as a value that is saved with the model."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file
from torch import Tensor

from rootward.errors import InputError
from rootward.evaluation.blocks import Floats, Ints
from rootward.evaluation.reliability import Chances
from rootward.evaluation.rules import ExpectedSize, Rule, as_array, rule_of
from rootward.evaluation.set_report import SetReport
from rootward.files import atomic_write

VERSION = 1

NAME = "calibration.safetensors"
"""What the file is called in a model's folder."""

Best = Callable[[Tensor, int], tuple[Ints, Floats]]
"""Query vectors and k to (offsets, scores): the scores of the k best documents of each query, best first."""


@dataclass(frozen=True, eq=False)
class Calibration:
    """A rule for where the answer set of any query ends, and how good it is; from `calibrate`.

    Prints its report. `Index.build(model, calibration=...)` answers with it.

    Attributes:
        rule: gives each document a margin; those at 0 or above are the answer set.
        chances: from margin to the chance of being relevant.
        report: what was measured on queries that were not calibrated on.
        fingerprint: of the model; an index of another one refuses it.
    """

    rule: Rule
    chances: Chances
    report: SetReport
    fingerprint: str

    def __repr__(self) -> str:
        return f"Calibration({self.report!r})"

    def __str__(self) -> str:
        return str(self.report)

    def __eq__(self, other: object) -> bool:
        """The same rule with the same numbers, of the same model, with the same report."""
        if not isinstance(other, Calibration):
            return False
        mine, theirs = self._tensors(), other._tensors()
        return (self._about(), mine.keys()) == (other._about(), theirs.keys()) and all(
            np.array_equal(mine[name], theirs[name]) for name in mine
        )

    __hash__ = None  # type: ignore[assignment]

    def thresholds(self, queries: Tensor, best: Best) -> npt.NDArray[np.float32]:
        """The score at which the answer set of each query ends (float32, n); infinite where a query abstains.

        Args:
            queries: vectors, n x dim, of the model that was calibrated.
            best: asked by the rule "size" alone, which ends a set half way between two documents.

        Raises:
            InputError: vectors of another width.
        """
        vectors = as_array(queries)
        width = self._width
        if vectors.ndim != 2 or (width is not None and vectors.shape[1] != width):
            raise InputError(f"The calibration is of vectors with {width} columns, got shape {vectors.shape}.")
        if not isinstance(self.rule, ExpectedSize):
            return self.rule.thresholds(vectors).astype(np.float32)
        sizes = np.floor(np.clip(self.rule.expected(vectors), 0, np.iinfo(np.int32).max)).astype(np.int64)
        offsets, scores = best(queries, int(sizes.max(initial=0)) + 1)
        out = np.full(len(sizes), np.inf)
        some = np.flatnonzero((sizes > 0) & (np.diff(offsets) > 0))
        last = offsets[some] + np.minimum(sizes[some], np.diff(offsets)[some]) - 1
        following = np.minimum(last + 1, offsets[some + 1] - 1)
        out[some] = (scores[last].astype(np.float64) + scores[following]) / 2
        return out.astype(np.float32)

    @property
    def _width(self) -> int | None:
        """Of the vectors; None where the rule does not look at them."""
        tensors = self.rule.tensors()
        shapes = [tensors[name].shape[-1] for name in ("weights", "known") if name in tensors]
        return shapes[0] if shapes else None

    # -- on disk ---------------------------------------------------------------------------------------------

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write everything to one safetensors file, or into a model's folder; whole or not at all."""
        path = Path(path)
        target = path / NAME if path.is_dir() else path
        tensors = {name: np.ascontiguousarray(array) for name, array in self._tensors().items()}
        return atomic_write(target, lambda to: save_file(tensors, to, self._about()))

    def _tensors(self) -> dict[str, npt.NDArray[np.float64]]:
        return {"margins": self.chances.margins, "shares": self.chances.shares, **self.rule.tensors()}

    def _about(self) -> dict[str, str]:
        return {
            "rootward.calibration": str(VERSION),
            "rule": self.rule.name,
            "shift": repr(self.rule.shift),
            "fingerprint": self.fingerprint,
            "report": self.report.to_json(),
        }

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Calibration:
        """The calibration that `save` wrote to this file or folder.

        Raises:
            InputError: no such file, not written by `save`, damaged, or from a newer version.
        """
        path = Path(path)
        path = path / NAME if path.is_dir() else path
        if not path.is_file():
            raise InputError(
                f"There is no calibration {path}. Make one: rootward calibrate RUN, or rootward.calibrate(model, ...)."
            )
        try:
            with safe_open(path, "np") as file:
                about = file.metadata() or {}
                version = int(about.get("rootward.calibration", 0))
                if version > VERSION:
                    raise InputError(
                        f"{path.name} was written by a newer rootward (format {version}, this one reads up to "
                        f"{VERSION}); update rootward to open it."
                    )
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            chances = Chances(tensors.pop("margins"), tensors.pop("shares"))
            rule = rule_of(about["rule"], float(about["shift"]), tensors)
            return cls(rule, chances, SetReport.from_json(about["report"]), about["fingerprint"])
        except (SafetensorError, ValidationError, json.JSONDecodeError, KeyError) as error:
            raise InputError(
                f"{path.name} was not written by Calibration.save, or is damaged: {error}. Calibrate again."
            ) from error
