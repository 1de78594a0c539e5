"""Growth: update a trained model for a changed hierarchy, without training it again."""

from rootward.growth.diff import Diff, Lineage, diff, lineage
from rootward.growth.drift import Drift, drift
from rootward.growth.grow import Grown, add_documents, add_nodes, add_queries, grow, remove
from rootward.growth.runs import GrownRun, grow_run
from rootward.growth.solve import Effort

__all__ = [
    "Diff",
    "Drift",
    "Effort",
    "Grown",
    "GrownRun",
    "Lineage",
    "add_documents",
    "add_nodes",
    "add_queries",
    "diff",
    "drift",
    "grow",
    "grow_run",
    "lineage",
    "remove",
]
