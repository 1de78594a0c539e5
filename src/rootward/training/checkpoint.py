"""A checkpoint on disk: tensors by name and a few numbers, whole or not there, its damage seen."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from rootward.errors import RunFolderError
from rootward.files import atomic_write

CHECKPOINT = Path("checkpoints") / "last.safetensors"


@dataclass(frozen=True)
class Checkpoint:
    """What `State.save` wrote.

    Attributes:
        path: of the file.
        tensors: those of the model, of the optimisers and of the best moment, by name.
        numbers: place, step, seconds and best of the `State`.
    """

    path: Path
    tensors: dict[str, Tensor]
    numbers: dict[str, Any]

    @classmethod
    def read(cls, folder: Path) -> Checkpoint:
        """The checkpoint of a run folder, its checksum checked.

        Raises:
            RunFolderError: there is none, or one that is damaged.
        """
        path = folder / CHECKPOINT
        if not path.is_file():
            raise RunFolderError(
                f"{folder} has no {CHECKPOINT}, so there is nothing to resume. Train without --resume."
            )
        try:
            with safe_open(path, "pt") as file:
                about = file.metadata() or {}
                saved = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
            if about["sha256"] != _digest(saved):
                raise ValueError("its checksum is not the one it was written with")
            return cls(path, saved, json.loads(about["state"]))
        except (SafetensorError, KeyError, ValueError) as error:
            raise RunFolderError(f"{path} is damaged ({error}). Train again without --resume.") from error


def write_checkpoint(folder: Path, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None:
    """Write `checkpoints/last.safetensors`."""
    held = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    about = {"state": json.dumps(numbers), "sha256": _digest(held)}
    atomic_write(folder / CHECKPOINT, lambda path: save_file(held, path, about))


def _digest(tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(name.encode())
        digest.update(tensor.reshape(-1).numpy().data)
    return digest.hexdigest()
