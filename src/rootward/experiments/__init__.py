"""Experiments: the paper's figures and the studies around them, from raw rows to tables and figures."""

from rootward.experiments.reproduce import EXPERIMENTS, SCALES, draw_study, reproduce, study_table
from rootward.experiments.study import Study

__all__ = ["EXPERIMENTS", "SCALES", "Study", "draw_study", "reproduce", "study_table"]
