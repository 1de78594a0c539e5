"""Hierarchical retrieval: a query's exact match and everything above it, from one inner product.

    import rootward as rw

    tree = rw.Hierarchy.from_edges("edges.parquet")
    pairs = tree.pairs(max_distance=8)
    model = rw.DualEncoder.lookup(pairs, dim=64)
    run = rw.train(model, pairs, rw.recipes.decoupled(), seed=0, out="runs/mine")
    hits = rw.Index.build(model).search(model.queries(["sandals"]), k=9)

Importing this loads nothing: each name fetches its module when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rootward.calibration import Calibration, calibrate
    from rootward.diagnosis import (
        Diagnosis,
        diagnose,
    )
    from rootward.encoders import (
        DualEncoder,
    )
    from rootward.errors import (
        CycleError,
        HierarchyError,
        InputError,
        MissingExtraError,
        PairsError,
        RootwardError,
        RunFolderError,
        TableError,
        TrainingError,
        UnknownIdError,
        WriteError,
    )
    from rootward.evaluation import Ranks, Report, compare, evaluate, plot_recall
    from rootward.geometry import (
        Constructed,
        Plan,
        Separation,
        construct,
        guaranteed_dimension,
        plan,
        separation,
    )
    from rootward.growth import (
        Diff,
        Drift,
        Grown,
        add_documents,
        add_nodes,
        add_queries,
        diff,
        drift,
        grow,
        grow_run,
        remove,
    )
    from rootward.hierarchy import (
        Hierarchy,
    )
    from rootward.integrations import export
    from rootward.pairs import (
        Pairs,
    )
    from rootward.retrieval import (
        Filter,
        Hits,
        Index,
        Searcher,
    )
    from rootward.training import (
        Recipe,
        Run,
        Settings,
        Stage,
        losses,
        recipes,
        resume,
        train,
    )

    __version__: str

__all__ = [
    "Calibration",
    "Constructed",
    "CycleError",
    "Diagnosis",
    "Diff",
    "Drift",
    "DualEncoder",
    "Filter",
    "Grown",
    "Hierarchy",
    "HierarchyError",
    "Hits",
    "Index",
    "InputError",
    "MissingExtraError",
    "Pairs",
    "PairsError",
    "Plan",
    "Ranks",
    "Recipe",
    "Report",
    "RootwardError",
    "Run",
    "RunFolderError",
    "Searcher",
    "Separation",
    "Settings",
    "Stage",
    "TableError",
    "TrainingError",
    "UnknownIdError",
    "WriteError",
    "__version__",
    "add_documents",
    "add_nodes",
    "add_queries",
    "calibrate",
    "compare",
    "construct",
    "diagnose",
    "diff",
    "drift",
    "evaluate",
    "export",
    "grow",
    "grow_run",
    "guaranteed_dimension",
    "losses",
    "plan",
    "plot_recall",
    "recipes",
    "remove",
    "resume",
    "separation",
    "train",
]

_ROOMS = {
    "calibration": ("Calibration", "calibrate"),
    "diagnosis": ("Diagnosis", "diagnose"),
    "encoders": ("DualEncoder",),
    "evaluation": (
        "Ranks",
        "Report",
        "compare",
        "evaluate",
        "plot_recall",
    ),
    "integrations": ("export",),
    "geometry": (
        "Constructed",
        "Plan",
        "Separation",
        "construct",
        "guaranteed_dimension",
        "plan",
        "separation",
    ),
    "growth": (
        "Diff",
        "Drift",
        "Grown",
        "add_documents",
        "add_nodes",
        "add_queries",
        "diff",
        "drift",
        "grow",
        "grow_run",
        "remove",
    ),
    "hierarchy": ("Hierarchy",),
    "pairs": ("Pairs",),
    "retrieval": ("Filter", "Hits", "Index", "Searcher"),
    "training": ("Recipe", "Run", "Settings", "Stage", "losses", "recipes", "resume", "train"),
}
_ROOM_OF = {name: room for room, names in _ROOMS.items() for name in names}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        found: Any = import_module("importlib.metadata").version("rootward")
    elif name in __all__:
        found = getattr(import_module(f"rootward.{_ROOM_OF.get(name, 'errors')}"), name)
    else:
        raise AttributeError(f"module 'rootward' has no attribute {name!r}")
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
