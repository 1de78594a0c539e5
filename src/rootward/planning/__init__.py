"""Planning: which dimension a hierarchy needs, constructed and learned."""

from rootward.planning.learned import SmallestLearned, smallest_learned
from rootward.planning.plan import Plan, plan
from rootward.planning.plots import plot_plan

__all__ = ["Plan", "SmallestLearned", "plan", "plot_plan", "smallest_learned"]
