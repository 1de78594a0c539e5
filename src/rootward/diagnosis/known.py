"""What a run folder knows about its own training."""

from __future__ import annotations

from pathlib import Path

from rootward.diagnosis.facts import Known
from rootward.encoders.storage import read_config
from rootward.training.loop import Progress
from rootward.training.run import About, read_log
from rootward.training.stage import Stage


def known_of(folder: Path) -> Known | None:
    """The recipe and the course of a run; None of a model that was saved without one.

    Raises:
        RunFolderError: no such folder, or none of ours.
    """
    config = read_config(folder)
    if "run" not in config:
        return None
    about = About.read(folder, config)
    stages = about.recipe.stages
    return Known(
        recipe=about.recipe.name,
        in_batch=any(stage.candidates == "batch" and not stage.log_q for stage in stages),
        far_only=_is_far_only(stages[-1]),
        finished=about.finished,
        rise=_rise([record for record in read_log(folder) if record.stage == stages[-1].name]),
    )


def _is_far_only(stage: Stage) -> bool:
    return stage.sampler == "heavy_tail" or (stage.regular_share is not None and stage.regular_share < 0.5)


def _rise(records: list[Progress]) -> float | None:
    """Recall gained over the last fifth of the validations; None where fewer than five say anything."""
    recalls = [record.recall for record in records if record.recall is not None]
    if len(recalls) < 5:
        return None
    return recalls[-1] - recalls[-1 - max(1, len(recalls) // 5)]
