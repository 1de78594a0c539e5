"""Training: stages and recipes, losses, the loop, runs; modules are imported at their first use, as torch is slow."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rootward.training import losses, recipes
    from rootward.training.run import Run, Settings
    from rootward.training.session import resume, train
    from rootward.training.stage import Recipe, Stage

_MODULE_OF = {"Recipe": "stage", "Stage": "stage", "Run": "run", "Settings": "run"}

__all__ = ["Recipe", "Run", "Settings", "Stage", "losses", "recipes", "resume", "train"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'rootward.training' has no attribute {name!r}")
    if name in ("losses", "recipes"):
        return import_module(f"rootward.training.{name}")
    globals()[name] = getattr(import_module(f"rootward.training.{_MODULE_OF.get(name, 'session')}"), name)
    return globals()[name]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
