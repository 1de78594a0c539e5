"""The engines by name. Each is imported when it is asked for, so that optional packages stay optional."""

from __future__ import annotations

from importlib import import_module
from inspect import signature
from typing import Any

from torch import Tensor

from rootward.errors import InputError, did_you_mean
from rootward.retrieval.engines.engine import Engine

ENGINES = {
    "exact": "exact:Exact",
    "ivf": "ivf:Ivf",
    "ivf-sq8": "ivf:IvfSq8",
    "hnsw": "hnsw:Hnsw",
    "milvus": "milvus:Milvus",
}
"""Name to where it is: a file of this room, and the class in it."""


def engine_class(name: str) -> Any:
    """The class of an engine: `prepared(documents, **options)` and `load(folder, files, settings)` make one.

    Raises:
        InputError: there is none of this name.
        MissingExtraError: its package is not installed.
    """
    if name not in ENGINES:
        there = [each for each in ENGINES if each != "milvus"]  # that one is asked for by its address
        raise InputError(f"No engine {name!r}; there are {', '.join(map(repr, there))}.{did_you_mean(name, there)}")
    file, _, kind = ENGINES[name].partition(":")
    return getattr(import_module(f"rootward.retrieval.engines.{file}"), kind)


def check_options(name: str, options: dict[str, Any]) -> None:
    """Check that an engine takes these options.

    Raises:
        InputError: it does not, or there is no such engine.
    """
    takes = [each for each in _parameters(name) if each not in ("documents", "demand")]
    for option in options:
        if option not in takes:
            there = ", ".join(f"{each}=" for each in takes) or "no options"
            raise InputError(f"The engine {name!r} takes {there}; got {option}=.{did_you_mean(option, takes)}")


def knows_demand(name: str) -> bool:
    """Whether an engine has a use for knowing which queries want which documents."""
    return "demand" in _parameters(name)


def _parameters(name: str) -> list[str]:
    return list(signature(engine_class(name).prepared).parameters)


def prepared(name: str, documents: Tensor, options: dict[str, Any]) -> Engine:
    """An engine without documents, ready for vectors like these; `check_options` comes before.

    Raises:
        InputError: no such engine, or an option that it cannot use.
        MissingExtraError: its package is not installed.
    """
    engine: Engine = engine_class(name).prepared(documents, **options)
    return engine
