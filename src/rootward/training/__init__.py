"""Training: losses, stages and recipes as data, the one loop, runs.

Each name fetches its module when it is first used, so that what is only data, stages and recipes, costs no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rootward.training import losses, recipes
    from rootward.training.run import Run, Settings
    from rootward.training.session import resume, train
    from rootward.training.stage import Recipe, Stage

__all__ = ["Recipe", "Run", "Settings", "Stage", "losses", "recipes", "resume", "train"]

_MODULE_OF = {
    "Recipe": "stage",
    "Run": "run",
    "Settings": "run",
    "Stage": "stage",
    "resume": "session",
    "train": "session",
}


def __getattr__(name: str) -> Any:
    if name in ("losses", "recipes"):
        return import_module(f"rootward.training.{name}")
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'rootward.training' has no attribute {name!r}")
    found = getattr(import_module(f"rootward.training.{_MODULE_OF[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
