"""Evaluation: ranks of every pair, what follows from them, and how sure it is."""

from rootward.evaluation.answer_sets import AnswerSets, answer_sets, best
from rootward.evaluation.calibrate import calibrate
from rootward.evaluation.calibration import Calibration
from rootward.evaluation.evaluate import evaluate, ranks_of
from rootward.evaluation.intervals import Comparison, Difference
from rootward.evaluation.metrics import AnswerOrder, Recall, answer_order, recall, recall_at, sampled_recall
from rootward.evaluation.plots import plot_calibration, plot_recall
from rootward.evaluation.published import (
    PublishedFigure,
    PublishedRow,
    published_figure,
    published_figures,
    published_row,
    published_rows,
)
from rootward.evaluation.ranking import rank_pairs
from rootward.evaluation.ranks import Ranks
from rootward.evaluation.report import Report, compare
from rootward.evaluation.set_report import SetFigures, SetReport
from rootward.evaluation.thresholds import answer_thresholds, extend_documents, extend_queries

__all__ = [
    "AnswerOrder",
    "AnswerSets",
    "Calibration",
    "Comparison",
    "Difference",
    "PublishedFigure",
    "PublishedRow",
    "Ranks",
    "Recall",
    "Report",
    "SetFigures",
    "SetReport",
    "answer_order",
    "answer_sets",
    "answer_thresholds",
    "best",
    "calibrate",
    "compare",
    "evaluate",
    "extend_documents",
    "extend_queries",
    "plot_calibration",
    "plot_recall",
    "published_figure",
    "published_figures",
    "published_row",
    "published_rows",
    "rank_pairs",
    "ranks_of",
    "recall",
    "recall_at",
    "sampled_recall",
]
