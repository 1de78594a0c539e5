"""Planning: which dimension a hierarchy needs, constructed and learned."""

from rootward.planning.constructed import constructed_recall, smallest_constructed
from rootward.planning.learned import SmallestLearned, smallest_learned
from rootward.planning.plan import Plan, plan
from rootward.planning.plots import plot_plan

__all__ = [
    "Plan",
    "SmallestLearned",
    "constructed_recall",
    "plan",
    "plot_plan",
    "smallest_constructed",
    "smallest_learned",
]
