"""Everything a training needs to go on where it was, and its checkpoint on disk."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from rootward.encoders import DualEncoder
from rootward.errors import RunFolderError
from rootward.files import atomic_write
from rootward.training.optimizers import Optimizer, optimizer_of
from rootward.training.stage import Stage

CHECKPOINT = Path("checkpoints") / "last.safetensors"
OFF_THE_SPHERE = 1e-4  # of a row's length: far above what float32 rounds


@dataclass
class State:
    """Where a training stands.

    Attributes:
        queries, documents: the tables that are trained, in place.
        generality, heights: of the model, which has them from pairs that may not be those trained on.
        place: which stage of the recipe.
        step: steps of that stage done.
        seconds: time spent training before this process, all stages.
        best: overall recall of the best validation of this stage so far, -1 before the first.
        best_queries, best_documents: the tables of that moment, where the stage keeps the best.
        optimizers: of the query table and of the document table.
    """

    queries: Tensor
    documents: Tensor
    generality: Tensor = field(default_factory=lambda: torch.empty(0, dtype=torch.int64), repr=False)
    heights: Tensor = field(default_factory=lambda: torch.empty(0), repr=False)
    place: int = 0
    step: int = 0
    seconds: float = 0.0
    best: float = -1.0
    best_queries: Tensor | None = None
    best_documents: Tensor | None = None
    optimizers: tuple[Optimizer, Optimizer] | None = field(default=None, repr=False)

    @classmethod
    def of(cls, model: DualEncoder, device: torch.device) -> State:
        """The start from a model's tables, copied to this device, rows off the unit sphere put on it."""
        queries, documents = (
            _on_the_sphere(table.detach().to(device, torch.float32, copy=True).contiguous())
            for table in (model.query_vectors(), model.document_vectors())
        )
        generality, heights = np.array(model.generality, np.int64), np.array(model.heights, np.float32)
        return cls(queries, documents, torch.from_numpy(generality), torch.from_numpy(heights))

    def begin(self, place: int, stage: Stage) -> None:
        """Start a stage: step 0, optimisers at their start, nothing validated."""
        self.place, self.step, self.best = place, 0, -1.0
        self.best_queries = self.best_documents = None
        self.optimizers = optimizer_of(stage, self.queries), optimizer_of(stage, self.documents)

    def remember_best(self, overall: float) -> None:
        """Keep a copy of the tables if this validation is the best of the stage."""
        if overall > self.best:
            self.best = overall
            self.best_queries, self.best_documents = self.queries.clone(), self.documents.clone()

    def take_best(self) -> None:
        """Put the best validated tables in place of the last ones."""
        if self.best_queries is not None and self.best_documents is not None:
            self.queries.copy_(self.best_queries)
            self.documents.copy_(self.best_documents)

    # -- on disk ---------------------------------------------------------------------------------------------

    def save(self, folder: Path) -> None:
        """Write `checkpoints/last.safetensors` in the run folder; the one before stays until this one is whole."""
        assert self.optimizers is not None
        tensors = {name: getattr(self, name) for name in ("queries", "documents", "generality", "heights")}
        for side, optimizer in zip(("queries", "documents"), self.optimizers, strict=True):
            tensors |= {f"{side}.{name}": tensor for name, tensor in optimizer.state().items()}
        if self.best_queries is not None and self.best_documents is not None:
            tensors |= {"best.queries": self.best_queries, "best.documents": self.best_documents}
        numbers = {"place": self.place, "step": self.step, "seconds": self.seconds, "best": self.best}
        held = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        about = {"state": json.dumps(numbers), "sha256": _digest(held)}
        atomic_write(folder / CHECKPOINT, lambda path: save_file(held, path, about))

    def restore(self, folder: Path, stages: tuple[Stage, ...]) -> None:
        """Go back to what `save` wrote, into these very tables.

        Raises:
            RunFolderError: no checkpoint there, one that is damaged, or one that does not fit these tables or stages.
        """
        path = folder / CHECKPOINT
        if not path.is_file():
            raise RunFolderError(
                f"{folder} has no {CHECKPOINT}, so there is nothing to resume. Train without --resume."
            )
        numbers, saved = _read(path)
        if saved["queries"].shape != self.queries.shape or saved["documents"].shape != self.documents.shape:
            raise RunFolderError(f"{path} holds tables of another size than the model's. Train without --resume.")
        if numbers["place"] >= len(stages):
            raise RunFolderError(f"{path} is of a recipe with more stages than this run's. Train without --resume.")
        self.begin(numbers["place"], stages[numbers["place"]])
        assert self.optimizers is not None
        self.step, self.seconds, self.best = numbers["step"], numbers["seconds"], numbers["best"]
        self.queries.copy_(saved["queries"])
        self.documents.copy_(saved["documents"])
        self.generality, self.heights = saved["generality"], saved["heights"]
        for side, optimizer in zip(("queries", "documents"), self.optimizers, strict=True):
            for name, tensor in optimizer.state().items():
                if f"{side}.{name}" not in saved:
                    raise RunFolderError(f"{path} is of another optimiser than this run's. Train without --resume.")
                tensor.copy_(saved[f"{side}.{name}"])
        if "best.queries" in saved:
            self.best_queries = saved["best.queries"].to(self.queries.device)
            self.best_documents = saved["best.documents"].to(self.documents.device)


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The numbers and the tensors of a checkpoint, its checksum checked."""
    try:
        with safe_open(path, "pt") as file:
            about = file.metadata() or {}
            saved = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
        if about["sha256"] != _digest(saved):
            raise ValueError("its checksum is not the one it was written with")
        return json.loads(about["state"]), saved
    except (SafetensorError, KeyError, ValueError) as error:
        raise RunFolderError(f"{path} is damaged ({error}). Train again without --resume.") from error


def _digest(tensors: dict[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(name.encode())
        digest.update(tensor.reshape(-1).numpy().data)
    return digest.hexdigest()


def _on_the_sphere(rows: Tensor) -> Tensor:
    """The rows with those off the unit sphere put on it; the others stay as they are, to the bit."""
    off = (torch.linalg.vector_norm(rows, dim=1) - 1).abs() > OFF_THE_SPHERE
    rows[off] = torch.nn.functional.normalize(rows[off])
    return rows
