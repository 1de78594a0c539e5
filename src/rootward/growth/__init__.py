"""Growth: a trained model follows its hierarchy, without training."""

from rootward.growth.diff import Diff, Lineage, diff, lineage
from rootward.growth.drift import Drift, drift
from rootward.growth.folder import GrownRun, grow_run
from rootward.growth.grow import Grown, add_documents, add_nodes, add_queries, grow, remove
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
