"""Growth: a trained model follows its hierarchy, without training."""

from rootward.growth.diff import Diff, diff
from rootward.growth.drift import Drift, drift
from rootward.growth.edits import add_documents, add_nodes, add_queries, remove
from rootward.growth.folder import GrownRun, grow_run
from rootward.growth.grow import Grown, grow
from rootward.growth.lineage import Lineage, lineage
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
