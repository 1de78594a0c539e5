"""`Catalogue`: what the rows of an index are called, and what is known of them beside their vectors."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from safetensors.torch import load_file, save_file

from rootward.errors import InputError, UnknownIdError
from rootward.evaluation.blocks import Ints
from rootward.files import atomic_write
from rootward.hierarchy import Hierarchy
from rootward.pairs import Ids, Texts
from rootward.retrieval.lineage import Lineage

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Catalogue:
    """Documents row by row. A document that was deleted keeps its row, and gets it back when it returns.

    Attributes:
        ids: the users' labels.
        heights: float32; accepted documents are shown by ascending height.
        gone: whether it was deleted.
        texts: names, where there are any.
        lineage: what stands above it, where that is known.
    """

    ids: Ids
    heights: npt.NDArray[np.float32]
    gone: Flags
    texts: Texts | None = None
    lineage: Lineage | None = None

    @classmethod
    def of(cls, ids: Ids, heights: npt.ArrayLike, texts: Texts | None, lineage: Lineage | None) -> Catalogue:
        """Of documents that are all there."""
        return cls(ids, np.array(heights, np.float32), np.zeros(len(ids), np.bool_), texts, lineage)

    def put(
        self,
        labels: list[str],
        heights: npt.ArrayLike | None,
        names: Mapping[str, str] | None,
        hierarchy: Hierarchy | None,
    ) -> tuple[Catalogue, Ints]:
        """(with these documents, their rows): known ids keep their rows, new ones follow after the last.

        Args:
            labels: different ids.
            heights: one an id; None keeps those there are, and takes the lowest for new ones, as of a leaf.
            names: of some of them.
            hierarchy: where they stand now; None keeps what is known, and new ones stand nowhere.
        """
        new = list(Ids(label for label in labels if label not in self.ids))
        ids = Ids([*self.ids, *new]) if new else self.ids
        rows, n, n_new = ids.rows(labels), len(ids), len(new)
        lowest = self.heights.min(initial=np.inf) if len(self.heights) else 0.0
        now = np.concatenate([self.heights, np.full(n_new, lowest, np.float32)])
        if heights is not None:
            given = np.asarray(heights, np.float32)
            if given.shape != rows.shape or not np.isfinite(given).all():
                raise InputError(f"heights are one finite number for each of the {len(rows):,} ids.")
            now[rows] = given
        gone = np.concatenate([self.gone, np.zeros(n_new, np.bool_)])
        gone[rows] = False
        return Catalogue(ids, now, gone, self._texts(ids, n, names), self._lineage(ids, rows, hierarchy)), rows

    def _texts(self, ids: Ids, n: int, names: Mapping[str, str] | None) -> Texts | None:
        old = self.texts
        if old is None and not names:
            return None
        if old is None:
            old = Texts(*(((empty,) * len(self.ids)) for empty in ("", (), "")))  # type: ignore[arg-type]
        more = n - len(old)
        called = [*old.names, *[""] * more]
        for label, name in (names or {}).items():
            called[ids.row(label)] = name
        return Texts(tuple(called), (*old.synonyms, *((),) * more), (*old.definitions, *("",) * more))

    def _lineage(self, ids: Ids, rows: Ints, hierarchy: Hierarchy | None) -> Lineage | None:
        n_new = len(ids) - len(self.ids)
        if self.lineage is None and hierarchy is None:
            return None
        old = Lineage.unknown(len(self.ids)) if self.lineage is None else self.lineage
        old = old.put(np.arange(len(self.ids), len(ids)), Lineage.unknown(n_new)) if n_new else old
        return old if hierarchy is None else old.put(rows, Lineage.of(hierarchy, ids).take(rows))

    def without(self, labels: Iterable[Hashable]) -> tuple[Catalogue, Ints]:
        """(without these documents, their rows).

        Raises:
            UnknownIdError: an id that is not there, or was deleted before.
        """
        rows = self.ids.rows(labels)
        if self.gone[rows].any():
            label = self.ids[int(rows[self.gone[rows]][0])]
            raise UnknownIdError(f"No document {label!r}: it was deleted before.")
        gone = self.gone.copy()
        gone[rows] = True
        return replace(self, gone=gone), rows

    # -- on disk ---------------------------------------------------------------------------------------------------

    def save(self, folder: Path, mark: str) -> tuple[str, ...]:
        """Write `documents-MARK.parquet`, and `lineage-MARK.safetensors` where that is known."""
        table = {"row": np.arange(len(self.ids)), "id": list(self.ids), "height": self.heights, "gone": self.gone}
        columns = {name: pa.array(column) for name, column in table.items()}
        if self.texts is not None:
            columns["name"] = pa.array(self.texts.names, pa.string())
            columns["synonyms"] = pa.array(self.texts.synonyms, pa.list_(pa.string()))
            columns["definition"] = pa.array(self.texts.definitions, pa.string())
        files = [f"documents-{mark}.parquet"]
        atomic_write(folder / files[0], lambda path: pq.write_table(pa.table(columns), path, compression="zstd"))
        if self.lineage is not None:
            parts = ("depth", "offsets", "ancestors", "hops")
            known = {part: torch.from_numpy(np.array(getattr(self.lineage, part))) for part in parts}
            files.append(f"lineage-{mark}.safetensors")
            atomic_write(folder / files[1], lambda path: save_file(known, path))
        return tuple(files)

    @classmethod
    def load(cls, folder: Path, files: tuple[str, ...]) -> Catalogue:
        """What `save` wrote."""
        table = pq.read_table(folder / files[0]).sort_by("row")
        texts = None
        if "name" in table.column_names:
            synonyms = tuple(tuple(names) for names in table["synonyms"].to_pylist())
            texts = Texts(tuple(table["name"].to_pylist()), synonyms, tuple(table["definition"].to_pylist()))
        lineage = None
        if len(files) > 1:
            lineage = Lineage(**{name: part.numpy() for name, part in load_file(folder / files[1]).items()})
        heights, gone = (table[name].to_numpy() for name in ("height", "gone"))
        return cls(Ids(table["id"].to_pylist()), heights, gone, texts, lineage)
