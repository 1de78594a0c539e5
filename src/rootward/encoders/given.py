"""What a person hands to an encoder, checked before it is used: pairs, a width, vectors, texts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rootward.errors import InputError, quoted
from rootward.pairs import Pairs


def check_pairs(pairs: Any, call: str) -> None:
    """Refuse what are no pairs; `call` is how it is written.

    Raises:
        InputError: something else, such as a hierarchy or arguments in another order.
    """
    if not isinstance(pairs, Pairs):
        hint = " A hierarchy's are hierarchy.pairs()." if type(pairs).__name__ == "Hierarchy" else ""
        raise InputError(f"{call} takes pairs first; got a {type(pairs).__name__}.{hint}")


def check_dim(dim: Any) -> None:
    """Refuse a width that is none.

    Raises:
        InputError: no integer, or below 1.
    """
    if isinstance(dim, bool) or not isinstance(dim, int | np.integer):
        raise InputError(f"dim is a whole number, such as 64; got {dim!r}, a {type(dim).__name__}.")
    if dim < 1:
        raise InputError(f"dim must be at least 1, got {dim}.")


def as_table(given: Any, side: str) -> Tensor:
    """A copy of a side's vectors as a float32 matrix.

    Raises:
        InputError: something that is no matrix of numbers.
    """
    needed = f"The {side} vectors must be a matrix of numbers, a row for each {side} id"
    try:
        table = torch.as_tensor(given).detach().to(torch.float32, copy=True).contiguous()
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"{needed}; got a {type(given).__name__} that is none ({error}).") from None
    if table.ndim != 2:
        raise InputError(f"{needed}; got shape {tuple(table.shape)}.")
    return table


def as_list(given: Iterable[Any], call: str) -> list[Any]:
    """Several ids or texts as a list; `call` is where they go.

    Raises:
        InputError: one string, which Python would take apart into letters, or nothing to go through.
    """
    if isinstance(given, str | bytes):
        shown = quoted(given) if isinstance(given, str) else "..."
        raise InputError(f"{call} takes a list, also of one: {call}([{shown}]); got a {type(given).__name__}.")
    try:
        return list(given)
    except TypeError:
        raise InputError(f"{call} takes a list; got {given!r}, a {type(given).__name__}.") from None
