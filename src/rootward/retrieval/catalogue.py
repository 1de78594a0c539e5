"""`Catalogue`: ids, names, heights and ancestors of an index's rows."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import count
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from safetensors.torch import load_file, save_file

from rootward.csr import check_offsets, expand, offsets_of
from rootward.encoders import DualEncoder
from rootward.errors import InputError, RunFolderError, UnknownIdError
from rootward.files import atomic_write
from rootward.hierarchy import Hierarchy
from rootward.ids import Ids, check_rows, refuse_text
from rootward.pairs import Pairs
from rootward.scoring import Ints
from rootward.texts import Texts

Rows = npt.NDArray[np.int64]
Rows32 = npt.NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Catalogue:
    """Documents row by row. A deleted document keeps its row, and has it again if it is added again.

    Attributes:
        ids: document ids.
        heights: float32; accepted documents are shown by ascending height.
        gone: whether it was deleted.
        texts: names, where there are any.
        ancestors: of each document, where they are known.
        owners: int64, the document row of each row of the engine, where documents may have several vectors; None where
            the rows of the engine are those of the documents. A row of the engine belongs to its document for good.
    """

    ids: Ids
    heights: npt.NDArray[np.float32]
    gone: npt.NDArray[np.bool_]
    texts: Texts | None = None
    ancestors: Ancestors | None = None
    owners: Ints | None = None

    @classmethod
    def of(cls, model: DualEncoder, ancestors: Ancestors | None, owners: Ints | None = None) -> Catalogue:
        """A catalogue of all documents of a model."""
        ids, heights = model.document_ids, np.array(model.heights, np.float32)
        return cls(ids, heights, np.zeros(len(ids), np.bool_), model.document_texts, ancestors, owners)

    @cached_property
    def in_order(self) -> bool:
        """Whether the rows of the engine ascend with those of their documents."""
        return self.owners is None or bool((np.diff(self.owners) >= 0).all())

    def vectors_of(self, documents: npt.ArrayLike) -> Ints:
        """The rows of the engine that belong to these document rows, ascending."""
        assert self.owners is not None
        return np.flatnonzero(np.isin(self.owners, np.asarray(documents, np.int64)))

    def put(
        self,
        labels: list[str],
        heights: npt.ArrayLike | None,
        names: Mapping[str, str] | None,
        hierarchy: Hierarchy | None,
    ) -> tuple[Catalogue, Ints]:
        """(catalogue with these documents, their rows): known ids keep their rows, new ones get the next.

        Arguments are as for `Index.upsert`. Without a hierarchy known ancestors are kept, and new documents have none.
        """
        new = list(Ids(label for label in labels if label not in self.ids))
        ids = Ids([*self.ids, *new], old=self.ids.old) if new else self.ids
        rows, n_old, n_new = ids.rows(labels), len(self.ids), len(new)
        lowest = self.heights.min() if n_old else 0.0
        now = np.concatenate([self.heights, np.full(n_new, lowest, np.float32)])
        if heights is not None:
            values = np.asarray(heights, np.float32)
            if values.shape != rows.shape or not np.isfinite(values).all():
                raise InputError(f"heights are one finite number for each of the {len(rows):,} ids.")
            now[rows] = values
        gone = np.concatenate([self.gone, np.zeros(n_new, np.bool_)])
        gone[rows] = False
        texts = self.texts
        if texts is not None or names:
            texts = Texts(("",) * n_old, ((),) * n_old, ("",) * n_old) if texts is None else texts
            called = [*texts.names, *[""] * n_new]
            for label, name in (names or {}).items():
                called[ids.row(label)] = name
            texts = Texts(tuple(called), (*texts.synonyms, *((),) * n_new), (*texts.definitions, *("",) * n_new))
        known = self.ancestors
        if known is not None or hierarchy is not None:
            known = Ancestors.unknown(n_old) if known is None else known
            known = known.put(np.arange(n_old, len(ids)), Ancestors.unknown(n_new)) if n_new else known
            known = known if hierarchy is None else known.put(rows, Ancestors.of(hierarchy, ids).take(rows))
        return Catalogue(ids, now, gone, texts, known, self.owners), rows

    def place_vectors(self, documents: Ints) -> tuple[Catalogue, Ints, Ints]:
        """(catalogue, rows of the engine for vectors of these document rows, other rows of the same documents).

        The rows that a document has already are used first, in their order.
        """
        assert self.owners is not None
        own: dict[int, list[int]] = {}
        for row in self.vectors_of(documents)[::-1].tolist():
            own.setdefault(int(self.owners[row]), []).append(row)
        new = count(len(self.owners))
        rows = np.array([own[each].pop() if own.get(each) else next(new) for each in documents.tolist()], np.int64)
        owners = np.concatenate([self.owners, documents[rows >= len(self.owners)]])
        return replace(self, owners=owners), rows, np.array([row for rest in own.values() for row in rest], np.int64)

    def without(self, labels: Iterable[Hashable]) -> tuple[Catalogue, Ints]:
        """(catalogue without these documents, their rows).

        Raises:
            UnknownIdError: an id that is not there, or was deleted before.
        """
        refuse_text(labels)
        labels = list(labels)
        if (
            self.gone.any()
            and (unknown := next((label for label in labels if label not in self.ids), None)) is not None
        ):
            there = self.ids.take(np.flatnonzero(~self.gone))
            there.row(unknown)  # raises, and counts only what is there
        rows = self.ids.rows(labels)
        if self.gone[rows].any():
            label = self.ids[int(rows[self.gone[rows]][0])]
            raise UnknownIdError(f"No document {label!r}: it was deleted before.")
        gone = self.gone.copy()
        gone[rows] = True
        return replace(self, gone=gone), rows

    # -- on disk ---------------------------------------------------------------------------------------------------

    def save(self, folder: Path, mark: str) -> tuple[str, ...]:
        """Write `documents-MARK.parquet`, and `owners-` and `ancestors-MARK.safetensors` where these are known."""
        table = {"row": np.arange(len(self.ids)), "id": list(self.ids), "height": self.heights, "gone": self.gone}
        columns = {name: pa.array(column) for name, column in table.items()}
        if self.texts is not None:
            columns |= self.texts.columns()
        files = [f"documents-{mark}.parquet"]
        atomic_write(folder / files[0], lambda path: pq.write_table(pa.table(columns), path, compression="zstd"))
        more = {} if self.owners is None else {"owners": {"owners": self.owners}}
        more |= {} if self.ancestors is None else {"ancestors": vars(self.ancestors)}
        for what, arrays in more.items():
            tensors = {name: torch.from_numpy(np.array(array)) for name, array in arrays.items()}
            files.append(f"{what}-{mark}.safetensors")
            atomic_write(folder / files[-1], partial(save_file, tensors))
        return tuple(files)

    @classmethod
    def load(cls, folder: Path, files: tuple[str, ...]) -> Catalogue:
        """What `save` wrote."""
        table = pq.read_table(folder / files[0]).sort_by("row")
        n = table.num_rows
        if not np.array_equal(table["row"].to_numpy(), np.arange(n)):
            raise RunFolderError(f"{folder / files[0]} must have the rows from 0 to {n - 1:,}, each once.")
        texts = ancestors = owners = None
        if "name" in table.column_names:
            texts = Texts.from_table(table)
        for file in files[1:]:
            arrays = {name: part.numpy() for name, part in load_file(folder / file).items()}
            if file.startswith("owners"):
                owners = arrays["owners"]
                if owners.ndim != 1 or owners.dtype != np.int64:
                    raise RunFolderError(f"{folder / file} must hold one row of int64 numbers.")
                check_rows(folder / file, owners, n)
            else:
                ancestors = Ancestors(**arrays)
                if ancestors.depth.shape != (n,) or ancestors.offsets.shape != (n + 1,):
                    raise RunFolderError(f"{folder / file} must hold the ancestors of {n:,} documents.")
                check_offsets(ancestors.offsets, len(ancestors.rows), str(folder / file))
                check_rows(folder / file, ancestors.rows, n)
                if ancestors.hops.shape != ancestors.rows.shape or ancestors.hops.min(initial=0) < 0:
                    raise RunFolderError(f"{folder / file} must hold hops of at least 0, one for each ancestor.")
        heights, gone = (table[name].to_numpy() for name in ("height", "gone"))
        if heights.dtype != np.float32 or gone.dtype != np.bool_:
            raise RunFolderError(f"{folder / files[0]} must have float32 heights and true or false for gone.")
        return cls(Ids(table["id"].to_pylist()), heights, gone, texts, ancestors, owners)


@dataclass(frozen=True, eq=False)
class Ancestors:
    """The ancestors of some documents as CSR: those of document i are rows[offsets[i]:offsets[i + 1]].

    A document is its own ancestor at 0 hops; the nearest come first.

    Attributes:
        depth: int32, one a document: hops from the nearest root, 0 for roots; -1 for documents outside the hierarchy,
            whose lists are empty.
        offsets: int64, one longer.
        rows: int32 document rows.
        hops: int32, one an ancestor.
    """

    depth: Rows32
    offsets: Rows
    rows: Rows32
    hops: Rows32

    def __len__(self) -> int:
        return len(self.depth)

    @classmethod
    def of(cls, source: Hierarchy | Pairs, document_ids: Ids) -> Ancestors:
        """The ancestors of these documents.

        Args:
            source: a hierarchy with (some of) the documents' ids; or its pairs, in which a document at distance 1
                is a parent. What was left out of the pairs is missing here too.
            document_ids: row by row. Ancestors that are no documents are left out.

        Raises:
            InputError: pairs whose queries are no documents.
        """
        tree = source if isinstance(source, Hierarchy) else _graph_of(source)
        if tree.ids == document_ids:
            above = tree.ancestors()
            return cls(tree.depth, above.offsets, above.ancestors, above.distances)
        in_tree = tree.ids.find(document_ids)
        there = np.flatnonzero(in_tree >= 0)
        row_of = np.full(len(tree), -1, np.int32)
        row_of[in_tree[there]] = there
        above = tree.ancestors([tree.ids[row] for row in in_tree[there].tolist()])
        rows = row_of[above.ancestors]
        kept = rows >= 0
        sizes = np.zeros(len(document_ids), np.int64)
        sizes[there] = np.diff(offsets_of(kept)[above.offsets])
        depth = np.full(len(document_ids), -1, np.int32)
        depth[there] = tree.depth[in_tree[there]]
        return cls(depth, offsets_of(sizes), rows[kept], above.distances[kept])

    @classmethod
    def unknown(cls, n: int) -> Ancestors:
        """For n documents outside the hierarchy."""
        nothing = np.empty(0, np.int32)
        return cls(np.full(n, -1, np.int32), np.zeros(n + 1, np.int64), nothing, nothing)

    def take(self, rows: npt.ArrayLike) -> Ancestors:
        """The ancestors of these rows, in their order."""
        wanted = np.asarray(rows, np.int64)
        _, entry = expand(self.offsets, wanted)
        sizes = np.diff(self.offsets)[wanted]
        return Ancestors(self.depth[wanted], offsets_of(sizes), self.rows[entry], self.hops[entry])

    def put(self, rows: Rows, new: Ancestors) -> Ancestors:
        """With new ancestors for these rows, which may follow after the last one, without a gap."""
        source = np.arange(max(len(self), int(rows.max(initial=-1)) + 1))
        source[rows] = len(self) + np.arange(len(rows))
        both = Ancestors(
            np.concatenate([self.depth, new.depth]),
            np.concatenate([self.offsets, self.offsets[-1] + new.offsets[1:]]),
            np.concatenate([self.rows, new.rows]),
            np.concatenate([self.hops, new.hops]),
        )
        return both.take(source)

    def below(self, row: int, within: int | None = None) -> Rows:
        """Rows of the documents at or below this one, at most `within` hops, ascending."""
        entries = np.flatnonzero(self.rows == row)
        if within is not None:
            entries = entries[self.hops[entries] <= within]
        return np.searchsorted(self.offsets, entries, side="right") - 1

    def above(self, row: int, within: int | None = None) -> Rows:
        """Rows of the documents at or above this one, at most `within` hops, ascending."""
        part = slice(self.offsets[row], self.offsets[row + 1])
        kept = slice(None) if within is None else self.hops[part] <= within
        return np.sort(self.rows[part][kept]).astype(np.int64)

    def levels(self, first: int, last: int | None = None) -> Rows:
        """Rows of the documents with this depth, first and last included, ascending."""
        return levels(self.depth, first, last)


def levels(depth: Rows32, first: int, last: int | None) -> Rows:
    """Places with a depth from first to last, both included; None is open."""
    kept = depth >= max(first, 0)
    return np.flatnonzero(kept if last is None else kept & (depth <= last))


def _graph_of(pairs: Pairs) -> Hierarchy:
    """The hierarchy of pairs: the parents of a document are those at distance 1 from the query of the same id."""
    own = pairs.document_ids.find(pairs.query_ids)
    if len(own) and own.max() < 0:
        raise InputError(
            f"{pairs!r} do not say how documents stand to each other: no query is a document. Give a Hierarchy."
        )
    child = own[pairs.query_of]
    edge = np.flatnonzero((pairs.distances == 1) & (child >= 0))
    edge = edge[np.lexsort((pairs.documents[edge], child[edge]))]
    n_parents = np.bincount(child[edge], minlength=len(pairs.document_ids))
    return Hierarchy(pairs.document_ids, offsets_of(n_parents), pairs.documents[edge].astype(np.int32))
