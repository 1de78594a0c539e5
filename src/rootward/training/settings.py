"""`Settings`: how a training is run; `Machine`: what they come to here, and what else its bits depend on."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal

import torch

from rootward.errors import InputError, did_you_mean
from rootward.training.loop import BLOCK_BYTES

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}


@dataclass(frozen=True)
class Settings:
    """How a training is run, as opposed to what it trains: nothing in here is meant to change the result.

    Roundings it may change: `resume` therefore takes what is left open, "auto" or None, from the run itself.

    Attributes:
        device: "auto", "cpu", "cuda", ...
        precision: of the matrix products: "auto", "float32" or "bfloat16".
        block_bytes: budget for scores held at a time; None for what suits a processor's cache.
        measure: evaluate at the end, which also finds the thresholds of the answer sets.
        progress: show a bar; where standard error is no terminal a line for a validation, at most every two seconds,
            and for a step where half a minute has passed without one.
    """

    device: str = "auto"
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    block_bytes: int | None = None
    measure: bool = True
    progress: bool = True


@dataclass(frozen=True)
class Machine:
    """What the bits of a run depend on besides its recipe, pairs and seed; `config.json` keeps it.

    Attributes:
        device, precision, block_bytes: as in `Settings`, nothing left open.
        threads: that torch takes.
        torch_version: of it.
    """

    device: str
    precision: str
    block_bytes: int
    threads: int
    torch_version: str

    @classmethod
    def here(cls, settings: Settings, before: Machine | None = None) -> Machine:
        """What the settings come to in this process; what they leave open is as `before`, if that device is here.

        Raises:
            InputError: a device that cannot be used here, or no such precision.
        """
        if before is not None and settings.device == "auto" and not _is_here(before.device):
            before = None
        device = before.device if before is not None and settings.device == "auto" else settings.device
        device = str(device_of(device))
        precision = before.precision if before is not None and settings.precision == "auto" else settings.precision
        block_bytes = BLOCK_BYTES if before is None else before.block_bytes
        return cls(
            device,
            precision_of(precision, torch.device(device)),
            block_bytes if settings.block_bytes is None else settings.block_bytes,
            torch.get_num_threads(),
            str(torch.__version__),
        )

    @property
    def products(self) -> torch.dtype:
        """What matrix products are computed in."""
        return PRECISIONS[self.precision]

    def unlike(self, before: Machine) -> list[str]:
        """What is not as it was before, each in a few words: 'threads 2 instead of 1'."""
        pairs = [(field.name, getattr(self, field.name), getattr(before, field.name)) for field in fields(self)]
        return [f"{name.replace('_', ' ')} {now} instead of {then}" for name, now, then in pairs if now != then]


def device_of(name: str) -> torch.device:
    """The device to train on: "auto" takes a CUDA device where there is one.

    Raises:
        InputError: it cannot be used here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if not _is_here(name):
        gpus = [f"cuda:{i}" for i in range(torch.cuda.device_count())]
        there = ", ".join(["auto", "cpu", *(["cuda"] if gpus else []), *gpus])
        raise InputError(f"Device {name!r} cannot be used here; there are {there}.")
    return torch.device(name)


def _is_here(name: str) -> bool:
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError, NotImplementedError):
        return False
    return name != "meta"  # torch's device without memory


def precision_of(name: str, device: torch.device) -> str:
    """What scores are multiplied in: "auto" takes bfloat16 on a CUDA device that has it, else float32.

    Raises:
        InputError: no precision is called so.
    """
    if name == "auto":
        return "bfloat16" if device.type == "cuda" and torch.cuda.is_bf16_supported() else "float32"
    if name not in PRECISIONS:
        raise InputError(
            f"No precision {name!r}; there are auto, {', '.join(PRECISIONS)}.{did_you_mean(name, PRECISIONS)}"
        )
    return name
