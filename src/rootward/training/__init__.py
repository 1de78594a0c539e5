"""Training: losses, stages and recipes as data, the one loop, runs."""

from rootward.training import losses, recipes
from rootward.training.run import Run
from rootward.training.stage import Recipe, Stage
from rootward.training.train import Settings, resume, train

__all__ = ["Recipe", "Run", "Settings", "Stage", "losses", "recipes", "resume", "train"]
