"""Hierarchical retrieval: the right node of a taxonomy for a text, and everything above it.

    import rootward as rw

    tree = rw.Hierarchy.from_edges("edges.parquet")
    named = tree.pairs().by_name()
    model = rw.DualEncoder.text(named)
    run = rw.train(model, named, out="runs/mine")
    print(rw.Searcher.open("runs/mine").search(["sandals for a kid"], k=3))

Importing this package loads nothing: each name imports its module when it is first used. What else is public is in the
packages, such as `rootward.growth.add_nodes` or `rootward.errors.InputError`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rootward import errors
    from rootward.calibration import Calibration, calibrate
    from rootward.diagnosis import diagnose
    from rootward.encoders import DualEncoder
    from rootward.errors import RootwardError
    from rootward.evaluation import Report, compare, evaluate
    from rootward.geometry import construct, plan
    from rootward.growth import diff, grow
    from rootward.hierarchy import Hierarchy
    from rootward.integrations.export import export
    from rootward.pairs import Labels, Pairs
    from rootward.retrieval import Filter, Hits, Index, Searcher
    from rootward.training import Recipe, Run, Settings, Stage, losses, recipes, resume, train

    __version__: str

__all__ = [
    "Calibration",
    "DualEncoder",
    "Filter",
    "Hierarchy",
    "Hits",
    "Index",
    "Labels",
    "Pairs",
    "Recipe",
    "Report",
    "RootwardError",
    "Run",
    "Searcher",
    "Settings",
    "Stage",
    "__version__",
    "calibrate",
    "compare",
    "construct",
    "diagnose",
    "diff",
    "errors",
    "evaluate",
    "export",
    "grow",
    "losses",
    "plan",
    "recipes",
    "resume",
    "train",
]

_ROOMS = {
    "calibration": ("Calibration", "calibrate"),
    "diagnosis": ("diagnose",),
    "encoders": ("DualEncoder",),
    "errors": ("RootwardError",),
    "evaluation": ("Report", "compare", "evaluate"),
    "geometry": ("construct", "plan"),
    "growth": ("diff", "grow"),
    "hierarchy": ("Hierarchy",),
    "integrations": ("export",),
    "pairs": ("Labels", "Pairs"),
    "retrieval": ("Filter", "Hits", "Index", "Searcher"),
    "training": ("Recipe", "Run", "Settings", "Stage", "losses", "recipes", "resume", "train"),
}
_ROOM_OF = {name: room for room, names in _ROOMS.items() for name in names}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        found: Any = import_module("importlib.metadata").version("rootward")
    elif name == "errors":
        return import_module("rootward.errors")
    elif name in _ROOM_OF:
        found = getattr(import_module(f"rootward.{_ROOM_OF[name]}"), name)
    else:
        raise AttributeError(f"module 'rootward' has no attribute {name!r}")
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
