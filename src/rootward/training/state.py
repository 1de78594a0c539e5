"""`State`: tables, optimisers and counters of a training; saved as the checkpoint that it resumes from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from rootward.encoders import DualEncoder, Table
from rootward.encoders.towers import TableGradient
from rootward.errors import RunFolderError
from rootward.files import atomic_write, refuse_link, sha256_of
from rootward.folders import CHECKPOINTS
from rootward.training.batches import Mined
from rootward.training.log import LogRecord
from rootward.training.optimizers import Optimizer, optimizer_of
from rootward.training.stage import Stage

OFF_THE_SPHERE = 1e-4  # of a row's length: far above what float32 rounds


@dataclass
class State:
    """What a training changes from step to step.

    Attributes:
        model: whose tables are trained, in place: a copy, on the device, of the model that `train` got.
        place: which stage of the recipe.
        step: steps of that stage done.
        seconds: time spent training before this process, all stages.
        best: overall recall of the best validation of this stage so far, -1 before the first.
        best_rows: the tables of that moment by name, where the stage keeps the best.
        optimizers: one a table, by its name.
        mined: the hard negatives of the steps until they are mined again, where the stage has any.
    """

    model: DualEncoder
    place: int = 0
    step: int = 0
    seconds: float = 0.0
    best: float = -1.0
    best_rows: dict[str, Tensor] = field(default_factory=dict, repr=False)
    optimizers: dict[str, Optimizer] = field(default_factory=dict, repr=False)
    mined: Mined | None = field(default=None, repr=False)

    @classmethod
    def of(cls, model: DualEncoder, device: torch.device) -> State:
        """Copy a model's tables to this device; rows that belong on the unit sphere are put on it."""
        units = [table.rows for table in model.tables().values() if table.unit]

        def copied(tensor: Tensor) -> Tensor:
            rows = tensor.detach().to(device, torch.float32, copy=True).contiguous()
            if any(tensor is unit for unit in units):  # those on the sphere already stay as they are, to the bit
                off = (torch.linalg.vector_norm(rows, dim=1) - 1).abs() > OFF_THE_SPHERE
                rows[off] = torch.nn.functional.normalize(rows[off])
            return rows

        return cls(model.mapped(copied))

    @cached_property
    def tables(self) -> dict[str, Table]:
        """What is trained, by name."""
        return self.model.tables()

    @property
    def device(self) -> torch.device:
        """Where training happens."""
        return next(iter(self.tables.values())).rows.device

    def begin(self, place: int, stage: Stage) -> None:
        """Start a stage: step 0, optimisers at their start, nothing validated."""
        self.place, self.step, self.best, self.best_rows, self.mined = place, 0, -1.0, {}, None
        self.optimizers = {name: optimizer_of(stage, table.rows, table.unit) for name, table in self.tables.items()}

    def move(self, pulled: TableGradient, rate: float) -> None:
        """Take one step with the rows of a table that have a gradient."""
        name = next(name for name, table in self.tables.items() if table.rows is pulled.table)
        self.optimizers[name].step(pulled.rows, pulled.gradient, rate * self.tables[name].rate)

    def remember_best(self, overall: float) -> None:
        """Keep a copy of the tables if this validation is the best of the stage."""
        if overall > self.best:
            self.best = overall
            self.best_rows = {name: table.rows.clone() for name, table in self.tables.items()}

    def take_best(self) -> None:
        """Put the best validated tables in place of the last ones."""
        for name, rows in self.best_rows.items():
            self.tables[name].rows.copy_(rows)

    def write_to(self, model: DualEncoder) -> None:
        """Copy what was trained into the tables of another model of the same towers."""
        with torch.no_grad():
            for name, table in model.tables().items():
                table.rows.copy_(self.tables[name].rows)

    def save(self, folder: Path, run: str, history: list[LogRecord]) -> None:
        """Write the checkpoint of a run folder; the one before stays until this one is whole.

        Args:
            folder: of the run.
            run: what a checkpoint of another run differs by.
            history: validations until now.
        """
        tensors = {
            **self.model.tensors(),
            "generality": torch.from_numpy(np.ascontiguousarray(self.model.generality)),
            "heights": torch.from_numpy(np.ascontiguousarray(self.model.heights)),
        }
        for table, optimizer in self.optimizers.items():
            tensors |= {f"{table}.{name}": tensor for name, tensor in optimizer.state().items()}
        tensors |= {f"best.{table}": rows for table, rows in self.best_rows.items()}
        if self.mined is not None:
            rows = {f"mined.{field.name}": getattr(self.mined, field.name) for field in fields(Mined)}
            tensors |= {name: torch.from_numpy(each) for name, each in rows.items()}
        numbers = Counters(
            place=self.place, step=self.step, seconds=self.seconds, best=self.best, run=run, history=tuple(history)
        )
        held = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        state = numbers.model_dump_json()
        about = {"state": state, "sha256": _digest(held, state)}
        refuse_link((folder / CHECKPOINT).parent)
        atomic_write(folder / CHECKPOINT, lambda path: save_file(held, path, about), links=False)

    def restore(self, saved: Checkpoint, stages: tuple[Stage, ...]) -> None:
        """Restore what `save` wrote except the model's own tensors, which it was made from already.

        Raises:
            RunFolderError: a checkpoint that does not fit these stages.
        """
        numbers, path = saved.numbers, saved.path
        if numbers.place >= len(stages) or numbers.step > (stages[numbers.place].steps or 0):
            raise RunFolderError(f"{path} is of a recipe with more stages than this run's. Train without --resume.")
        self.begin(numbers.place, stages[numbers.place])
        self.step, self.seconds, self.best = numbers.step, numbers.seconds, numbers.best
        for table, optimizer in self.optimizers.items():
            for name, tensor in optimizer.state().items():
                held = saved.tensors.get(f"{table}.{name}")
                if held is None or held.shape != tensor.shape:
                    raise RunFolderError(f"{path} is of another optimiser than this run's. Train without --resume.")
                tensor.copy_(held)
        mined = [saved.tensors.get(f"mined.{field.name}") for field in fields(Mined)]
        if mined[0] is not None and mined[1] is not None:
            self.mined = Mined(mined[0].numpy(), mined[1].numpy())
        best = {table: saved.tensors.get(f"best.{table}") for table in self.tables}
        self.best_rows = {table: rows.to(self.device) for table, rows in best.items() if rows is not None}


CHECKPOINT = Path(CHECKPOINTS) / "last.safetensors"


@dataclass(frozen=True)
class Checkpoint:
    """What `State.save` wrote.

    Attributes:
        path: of the file.
        tensors: those of the model, of the optimisers and of the best moment, by name.
        numbers: place, step, seconds and best of the `State`, and the validations until then.
    """

    path: Path
    tensors: dict[str, Tensor]
    numbers: Counters

    @classmethod
    def read(cls, folder: Path) -> Checkpoint:
        """The checkpoint of a run folder, its checksum checked.

        Raises:
            RunFolderError: there is none, or one that is damaged.
        """
        path = folder / CHECKPOINT
        refuse_link(path.parent)
        refuse_link(path)
        if not path.is_file():
            raise RunFolderError(
                f"{folder} has no {CHECKPOINT}, so there is nothing to resume. Train without --resume."
            )
        try:
            with safe_open(path, "pt") as file:
                about = file.metadata() or {}
                saved = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
            if about["sha256"] != _digest(saved, about["state"]):
                raise ValueError("its checksum is not the one it was written with")
            return cls(path, saved, Counters.model_validate_json(about["state"]))
        except (SafetensorError, OSError, KeyError, ValueError, TypeError, RuntimeError) as error:
            raise RunFolderError(f"{path} is damaged ({error}). Train again without --resume.") from error


class Counters(BaseModel):
    """What a checkpoint holds beside tensors.

    Attributes:
        place, step, seconds, best: of the `State`.
        run: what a checkpoint of another run differs by.
        history: validations until then.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    place: int = Field(ge=0)
    step: int = Field(ge=0)
    seconds: float = Field(ge=0)
    best: float
    run: str
    history: tuple[LogRecord, ...]


def _digest(tensors: Mapping[str, Tensor], state: str) -> str:
    """Over names, types, sizes and numbers of all tensors, and what stands beside them."""

    def chunks() -> Iterator[bytes | memoryview]:
        yield state.encode()
        for name, tensor in sorted(tensors.items()):
            yield f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode()
            yield tensor.reshape(-1).view(torch.uint8).numpy().data

    return sha256_of(chunks())
