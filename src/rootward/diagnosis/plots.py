"""A diagnosis drawn: recall against distance, depth and generality, side by side."""

from __future__ import annotations

import os
from pathlib import Path

from rootward.diagnosis.diagnosis import Diagnosis
from rootward.evaluation.plots import figure_at, save_figure


def plot_diagnosis(diagnosis: Diagnosis, path: str | os.PathLike[str]) -> Path:
    """Three panels, recall by distance, by depth of the query and by generality; the finding is the title.

    Args:
        diagnosis: from `diagnose`.
        path: where to draw, with the suffix .png or .svg.

    Raises:
        MissingExtraError: matplotlib is not installed.
        InputError: another suffix.
    """
    facts = diagnosis.facts
    panels = (
        ("distance (hops)", facts.by_distance),
        ("depth of the query (hops)", facts.by_depth),
        ("generality (queries a document)", facts.by_generality),
    )
    figure, columns = figure_at(path, len(panels), size=(10, 3.6), sharey=True)
    for axes, (name, parts) in zip(columns, panels, strict=True):
        axes.bar([part.name for part in parts], [100 * part.recall for part in parts], color="tab:blue")
        axes.set(xlabel=name, ylim=(0, 102))
        axes.tick_params(axis="x", labelrotation=45 if len(parts) > 6 else 0)
        axes.grid(axis="y", alpha=0.3)
    figure.axes[0].set_ylabel("recall at |S(q)| (%)")
    figure.suptitle(diagnosis.verdict.finding, fontsize="medium")
    return save_figure(figure, path)
