"""Evaluation: ranks of every pair, what follows from them, and how sure it is."""

from rootward.evaluation.baselines import Baseline, Baselines, baselines
from rootward.evaluation.evaluate import evaluate, ranks_of
from rootward.evaluation.intervals import Comparison, Difference
from rootward.evaluation.metrics import (
    AnswerOrder,
    AnswerSets,
    Recall,
    answer_order,
    answer_sets,
    answer_thresholds,
    best,
    extend_documents,
    extend_queries,
    recall,
    recall_at,
    sampled_recall,
)
from rootward.evaluation.naming import (
    NodeReport,
    Predictions,
    closure_in,
    compare_nodes,
    measure_nodes,
    named_queries,
    predict_nodes,
)
from rootward.evaluation.ranks import Ranks, rank_pairs
from rootward.evaluation.report import BesideRow, Report, compare, plot_recall

__all__ = [
    "AnswerOrder",
    "AnswerSets",
    "Baseline",
    "Baselines",
    "BesideRow",
    "Comparison",
    "Difference",
    "NodeReport",
    "Predictions",
    "Ranks",
    "Recall",
    "Report",
    "answer_order",
    "answer_sets",
    "answer_thresholds",
    "baselines",
    "best",
    "closure_in",
    "compare",
    "compare_nodes",
    "evaluate",
    "extend_documents",
    "extend_queries",
    "measure_nodes",
    "named_queries",
    "plot_recall",
    "predict_nodes",
    "rank_pairs",
    "ranks_of",
    "recall",
    "recall_at",
    "sampled_recall",
]
