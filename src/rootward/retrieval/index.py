"""`Index`: a model's documents, ready to be searched by its queries."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rootward.calibration.calibrate import Calibration
from rootward.encoders import DualEncoder, Queries
from rootward.errors import InputError, number, whole_number
from rootward.files import sha256_of
from rootward.folders import writing_to
from rootward.hierarchy import Hierarchy
from rootward.ids import Ids, id_text, refuse_text
from rootward.pairs import Pairs
from rootward.retrieval import storage
from rootward.retrieval.catalogue import Ancestors, Catalogue
from rootward.retrieval.engines.engine import (
    Engine,
    Found,
    Shared,
    Tunable,
    Where,
    as_documents,
    as_matrix,
    as_queries,
    check_lengths,
    engine_class,
    uses_relevance,
)
from rootward.retrieval.engines.exact import Exact
from rootward.retrieval.engines.lists import Relevance
from rootward.retrieval.filters import Filter, check_filter
from rootward.retrieval.hits import Hits, display_order
from rootward.retrieval.several import Merged
from rootward.retrieval.storage import load_documents
from rootward.retrieval.tuning import Sample, Tuned, check_recall, tune
from rootward.scoring import Floats, Ints
from rootward.texts import Texts

WIDE = 64
"""Documents that are searched before the nearest are chosen; more where an answer set is larger."""


_Encoded: TypeAlias = tuple[Sequence[str], Tensor, npt.NDArray[np.float32]]
"""Ids, vectors (n x dim) and thresholds (on the CPU; NaN where unknown) of queries."""


@dataclass(eq=False)
class Index:
    """Documents of a model, searched by inner product.

    Attributes:
        engine: finds rows and scores.
        catalogue: ids, names, heights and ancestors of the rows.
        fingerprint: of the model; queries of another one are refused.
        tuned: effort of an approximate engine and the recall measured with it; None for others.
        folder: where it was saved or loaded, and `commit` writes; None until then.
        calibration: ends the answer sets of queries without a threshold of their own; see `calibrated`.
        opened: the state of the folder as this index read or wrote it, a checksum; None until then.
    """

    engine: Engine
    catalogue: Catalogue
    fingerprint: str
    tuned: Tuned | None = None
    folder: Path | None = None
    calibration: Calibration | None = None
    opened: str | None = None

    @classmethod
    def build(
        cls,
        model: DualEncoder,
        engine: str = "exact",
        *,
        pairs: Pairs | None = None,
        k: int = 10,
        recall: float = 0.99,
        hierarchy: Hierarchy | Pairs | None = None,
        vectors: Tensor | npt.ArrayLike | None = None,
        owners: Iterable[Hashable] | None = None,
        out: str | Path | None = None,
        progress: bool = False,
        wait: float = 0.0,
        **options: Any,
    ) -> Index:
        """An index over all documents of a model, as they are now.

        Args:
            model: whose documents.
            engine: "exact" scores every document: for up to about 200,000. Above that, "ivf" searches a few lists of
                documents, "ivf-sq8" does in a quarter of the memory, "hnsw" searches a graph for the k best. These need
                `pip install 'rootward[index]'`.
            pairs: approximate engines are tuned to a recall, against exact search at each query's own |S(q)|, on some
                of these queries; and "ivf" makes lists around queries, where that needs fewer comparisons.
            k: without pairs, engines are tuned at so many documents.
            recall: to reach; `tuned` says what was reached.
            hierarchy: of the documents, as a graph or as its pairs, so that a `Filter` needs none later.
            vectors: m x dim, in place of the model's own document vectors, where documents have several, such as one of
                each name. A document scores as much as its best vector, and is found once.
            owners: m document ids: whose vectors these are. Ids repeat, and every document of the model has a vector.
            out: a folder to save to. A build that was cut off continues when it is called again.
            progress: show a bar, or lines where standard error is no terminal.
            wait: seconds to wait for another process that writes `out`.
            options: of the engine, such as lists= of "ivf". With uri="http://host:19530" and collection="name" the
                documents go to a Milvus server ("exact", "ivf" or "ivf-sq8"; needs `pip install 'rootward[cluster]'`).

        Raises:
            InputError: an unknown engine or option, vectors that are NaN or infinite, a recall outside 0..1; vectors
                without owners, or a document without a vector.
            UnknownIdError: an owner that is no document of the model.
            MissingExtraError: the engine's package is not installed.
            InUseError: another process writes `out`.
            RunFolderError: `out` holds something else than an index.
        """
        k = whole_number(k, "k is how many documents to tune at and at least 1", 1)
        if out is not None:
            storage.existing_config(Path(out))
            with writing_to(Path(out), "Index.build", wait=wait):
                return cls._build(
                    model, engine, pairs, k, recall, hierarchy, vectors, owners, Path(out), progress, **options
                )
        return cls._build(model, engine, pairs, k, recall, hierarchy, vectors, owners, None, progress, **options)

    @classmethod
    def _build(
        cls,
        model: DualEncoder,
        engine: str,
        pairs: Pairs | None,
        k: int,
        recall: float,
        hierarchy: Hierarchy | Pairs | None,
        vectors: Tensor | npt.ArrayLike | None,
        owners: Iterable[Hashable] | None,
        folder: Path | None,
        progress: bool,
        **options: Any,
    ) -> Index:
        """As `build`; the folder is locked."""
        if "uri" in options and engine != "milvus":
            engine, options = "milvus", {"kind": engine, **options}
        if (vectors is None) != (owners is None):
            raise InputError("vectors= and owners= go together: an owner, the id of a document, for each vector.")
        ancestors = None if hierarchy is None else Ancestors.of(hierarchy, model.document_ids)
        fingerprint = loaded_as = model.fingerprint()
        if owners is None:
            owner_rows, documents, above = None, model.document_vectors().detach(), ancestors
        else:
            found, documents = _owner_rows(model, owners), as_matrix(vectors).float()
            check_lengths(documents, model.document_ids, found)
            as_documents(np.arange(len(found)), documents, model.dim)
            order = np.argsort(found, kind="stable")
            owner_rows, documents = found[order], documents[torch.from_numpy(order).to(documents.device)]
            above = None if ancestors is None else ancestors.take(owner_rows)
            # a load that was cut off continues with the same vectors only
            digest = sha256_of([owner_rows.data, documents.numpy(force=True).data])[:16]
            loaded_as = f"{fingerprint}+{digest}"
        check_lengths(documents, model.document_ids, owner_rows)
        catalogue = Catalogue.of(model, ancestors, owner_rows)

        def queries_to_tune_with() -> Sample:
            matrix = documents.cpu().float()
            sample = Sample.of(model, matrix, pairs, k)
            if owner_rows is None:
                return sample
            return sample.of_documents(Merged(Exact.over(matrix, np.arange(len(matrix))), catalogue))

        sample = relevance = None
        if pairs is not None and uses_relevance(engine):
            sample = queries_to_tune_with()
            relevance = Relevance.of(model, pairs, sample, check_recall(recall))
            if owner_rows is not None:
                relevance = relevance.with_several(documents.cpu().float(), owner_rows)
        filled = load_documents(engine, documents, above, options, relevance, loaded_as, folder, progress)
        index = cls(filled, catalogue, fingerprint)
        if isinstance(filled, Tunable):
            index.tuned = tune(filled, sample or queries_to_tune_with(), recall, index.finder)
        if folder is not None:
            index.save(folder)
            storage.end_loading(folder)
        return index

    @classmethod
    def connect(
        cls,
        model: DualEncoder,
        uri: str,
        collection: str,
        hierarchy: Hierarchy | Pairs | None = None,
        owners: Iterable[Hashable] | None = None,
        **options: Any,
    ) -> Index:
        """The index that `build(model, uri=..., collection=...)` put on a Milvus server, also from another machine.

        Other arguments are as for `build`; effort= is how many lists are probed.

        Raises:
            InputError: no server, no such collection, one that is half loaded, or not of this model's documents alone.
            MissingExtraError: pymilvus is not installed.
        """
        engine: Engine = engine_class("milvus").load(Path(), (), {"uri": uri, "collection": collection, **options})
        assert isinstance(engine, Shared)
        owner_rows = None if owners is None else np.sort(_owner_rows(model, owners))
        engine.check_complete(model.fingerprint(), len(model.document_ids) if owner_rows is None else len(owner_rows))
        ancestors = None if hierarchy is None else Ancestors.of(hierarchy, model.document_ids)
        engine.use_ancestors(ancestors if ancestors is None or owner_rows is None else ancestors.take(owner_rows))
        catalogue = Catalogue.of(model, ancestors, owner_rows)
        return cls(engine, catalogue, model.fingerprint())

    def calibrated(self, calibration: Calibration | None) -> Index:
        """The same index with a calibration, for queries without a threshold; `save` and `commit` write it, too.

        Raises:
            InputError: the calibration of another model, or from before this one was changed.
        """
        if calibration is not None and calibration.fingerprint != self.fingerprint:
            raise InputError(
                f"This calibration is of another model, or from before it was changed (fingerprint "
                f"{calibration.fingerprint}, the index has {self.fingerprint}). Calibrate again: "
                f"rootward.calibrate(model, pairs)."
            )
        return replace(self, calibration=calibration)

    def __len__(self) -> int:
        return self.engine.count() if self.catalogue.owners is None else int((~self.catalogue.gone).sum())

    def __repr__(self) -> str:
        vectors = "" if self.catalogue.owners is None else f"{self.engine.count():,} vectors, "
        return f"Index({len(self):,} documents, {vectors}{self.engine.name})"

    @property
    def finder(self) -> Engine | Merged:
        """Finds rows of documents: the engine, or `Merged` over it where documents may have several vectors."""
        return self.engine if self.catalogue.owners is None else Merged(self.engine, self.catalogue)

    @property
    def document_ids(self) -> Ids:
        """Document ids, row by row; deleted documents included."""
        return self.catalogue.ids

    @property
    def document_texts(self) -> Texts | None:
        """Names, where the model has them."""
        return self.catalogue.texts

    @property
    def heights(self) -> npt.NDArray[np.float32]:
        """float32, one a row; accepted documents are shown by ascending height."""
        return self.catalogue.heights

    # -- searching ---------------------------------------------------------------------------------------------

    def search(
        self,
        queries: Queries | Tensor | npt.ArrayLike,
        k: int = 10,
        *,
        where: Filter | None = None,
        nearest_first: bool = True,
    ) -> Hits:
        """k documents of each query: the nearest of those it accepts, then the best of the others; see also `answers`.

        Args:
            queries: from `model.queries([...])`; or vectors, n x dim, which have no thresholds. A zero vector finds
                nothing.
            k: how many to return at most.
            where: return only documents that match: `Filter.below("footwear")`.
            nearest_first: accepted documents, at or above their query's threshold, come first, by ascending height: the
                exact match leads, the root comes last. Others follow by descending score. Where more than k are
                accepted, the nearest k are returned, though others may score higher. False returns the k best by score.

        Raises:
            InputError: another model's queries, vectors that cannot be scored, k below 1.
            UnknownIdError: a filter names a node that is not there.
        """
        k = whole_number(k, "k is how many documents to return and at least 1", 1)
        batch, allowed = self._encoded(queries), self._where(where)
        _, vectors, thresholds = batch
        if not nearest_first or np.isnan(thresholds).all():
            return self._hits(batch, self.finder.search(vectors, k, allowed), allowed, False)
        wide = max(k, WIDE)
        while True:  # until no accepted document of any query is cut off
            found = self.finder.search(vectors, wide, allowed)
            full = np.flatnonzero(np.diff(found.offsets) >= wide)
            if not (found.scores[found.offsets[full + 1] - 1] >= thresholds[full]).any():
                return self._hits(batch, found, allowed, True).first(k)
            wide *= 4

    def answers(
        self,
        queries: Queries | Tensor | npt.ArrayLike,
        *,
        threshold: float | str = "auto",
        where: Filter | None = None,
        cap: int | None = None,
        nearest_first: bool = True,
    ) -> Hits:
        """The answer set of each query: the documents that score at least its threshold, however many.

        Args:
            queries: as for `search`.
            threshold: "auto" takes each query's own, from training, or else from the calibration (see `calibrated`); a
                number holds for all queries.
            where: as for `search`.
            cap: at most so many documents a query, the best; `Hits.truncated` says where there were more.
            nearest_first: as for `search`.

        Raises:
            InputError: another model's queries, vectors that cannot be scored, "auto" for a query without threshold
                where there is no calibration.
        """
        ids, vectors, thresholds = self._encoded(queries)
        if isinstance(threshold, str) and threshold == "auto":
            unknown = np.flatnonzero(np.isnan(thresholds))
            if len(unknown):
                raise InputError(
                    f"{len(unknown):,} of {len(ids):,} queries have no threshold, the first is "
                    f"{ids[unknown[0]]!r}: training finds them, for queries with pairs. For others, calibrate: "
                    f"index.calibrated(rootward.calibrate(model, pairs)). Or give one number: threshold=0.5."
                )
        else:
            lowest = number(threshold, "threshold is a score or 'auto'")
            with np.errstate(over="ignore"):
                thresholds = np.full(len(ids), lowest, np.float32)
        if cap is not None:
            cap = whole_number(cap, "cap is how many documents to return at most and at least 1", 1)
        allowed = self._where(where)
        found = self.finder.range(vectors, thresholds, allowed, cap)
        return self._hits((ids, vectors, thresholds), found, allowed, nearest_first)

    def _encoded(self, queries: Queries | Tensor | npt.ArrayLike) -> _Encoded:
        """(ids, vectors, thresholds) of queries, or of vectors; calibrated thresholds where theirs are unknown."""
        if isinstance(queries, Queries):
            if queries.fingerprint != self.fingerprint:
                raise InputError(
                    f"These queries were made by another model, or before it was trained further (fingerprint "
                    f"{queries.fingerprint}, the index has {self.fingerprint}). Make them with the model that the "
                    f"index was built from, or build the index again."
                )
            ids, vectors, thresholds = queries.ids, queries.vectors, queries.thresholds.numpy(force=True)
        else:
            try:
                vectors = as_matrix(queries)
            except InputError:
                raise InputError(
                    "search takes encoded queries, model.queries(['an id', ...]), or a matrix of vectors; got "
                    f"{type(queries).__name__} that is neither."
                ) from None
            if vectors.ndim != 2:
                raise InputError(f"Query vectors form a matrix, a row a query; got shape {tuple(vectors.shape)}.")
            ids, thresholds = _numbers(len(vectors)), np.full(len(vectors), np.nan, np.float32)
        unknown = np.isnan(thresholds)
        if self.calibration is None or not unknown.any():
            return ids, vectors, thresholds

        def best(vectors: Tensor, k: int) -> tuple[Ints, Floats]:
            found = self.finder.search(vectors, k)
            return found.offsets, found.scores

        some = vectors[torch.from_numpy(unknown).to(vectors.device)]
        as_queries(some, self.engine.dim)  # checks them before the calibration reads them
        thresholds = thresholds.astype(np.float32)
        thresholds[unknown] = self.calibration.thresholds(some, best)
        return ids, vectors, thresholds

    def _where(self, where: Filter | None) -> Where | None:
        check_filter(where)
        return None if where is None else where.where(self.document_ids, self.catalogue.ancestors)

    def _hits(self, queries: _Encoded, found: Found, where: Where | None, nearest_first: bool) -> Hits:
        ids, vectors, thresholds = queries
        nonzero = (vectors != 0).any(dim=1).numpy(force=True)  # a zero vector scores 0 with all documents
        found = found if nonzero.all() else found.only(nonzero[found.place])
        if nearest_first:
            accepted = found.scores >= thresholds[found.place]
            if accepted.any():  # otherwise they are in order of score already
                found = found.take(display_order(found, accepted, self.heights))
        allowed = None if where is None else where.rows
        return Hits(tuple(ids), found, thresholds, self.document_ids, self.document_texts, allowed)

    # -- changing ----------------------------------------------------------------------------------------------

    def upsert(
        self,
        ids: Iterable[Hashable],
        vectors: Tensor | npt.ArrayLike,
        *,
        heights: npt.ArrayLike | None = None,
        names: Mapping[str, str] | None = None,
        hierarchy: Hierarchy | None = None,
        fingerprint: str | None = None,
    ) -> None:
        """Add documents, or replace those of the same ids. `commit` makes changes permanent.

        With lists around queries, new documents are always scanned; once they are many, `commit` puts most of them into
        lists. When searches get slow or recall falls, build the index again with new pairs.

        Args:
            ids: n different ids, known or new. In an index built with `owners=` an id may repeat: its n vectors replace
                all that it had.
            vectors: n x dim.
            heights: one for each different id, in their order; by default known documents keep theirs, and new ones get
                the lowest, as of a leaf.
            names: id to name, of some or all of them.
            hierarchy: of these documents, for filters; other documents keep their ancestors.
            fingerprint: of the model that the vectors are from, where it has changed. From then on only its queries are
                accepted, and a calibration of another model is dropped.

        Raises:
            InputError: another width, entries that are NaN or infinite, an id twice, one text in place of a list of
                ids. Nothing is changed then.
        """
        several = self.catalogue.owners is not None
        refuse_text(ids)
        labels = list(map(id_text, ids)) if several else list(Ids(ids))
        matrix = as_matrix(vectors)
        if len(matrix) == len(labels):
            check_lengths(matrix, labels)
        as_documents(np.arange(len(labels)), matrix, self.engine.dim)
        catalogue, documents = self.catalogue.put(list(dict.fromkeys(labels)), heights, names, hierarchy)
        rows, unused = documents, documents[:0]
        if several:
            documents = catalogue.ids.rows(labels)
            catalogue, rows, unused = catalogue.place_vectors(documents)
        above = None if catalogue.ancestors is None else catalogue.ancestors.take(documents)
        if self.engine.durable and self.folder is not None:  # a server must hold no row without an id
            self._write(catalogue)
        self.engine.upsert(rows, matrix, above)
        if len(unused):
            self.engine.delete(unused)
        self.catalogue, self.fingerprint = catalogue, fingerprint or self.fingerprint
        if self.calibration is not None and self.calibration.fingerprint != self.fingerprint:
            self.calibration = None

    def delete(self, ids: Iterable[Hashable]) -> None:
        """Remove documents. `commit` makes changes permanent.

        Raises:
            UnknownIdError: an id that is not there. Nothing is changed then.
            InputError: one text in place of a list.
        """
        catalogue, rows = self.catalogue.without(ids)
        self.engine.delete(rows if catalogue.owners is None else catalogue.vectors_of(rows))
        self.catalogue = catalogue

    def commit(self, *, wait: float = 0.0) -> None:
        """Make all changes visible to every search, and write them to the index's folder, if it has one.

        Args:
            wait: seconds to wait for another process that writes the folder.

        Raises:
            InUseError: another process writes the folder.
            ChangedError: the folder was changed by another process since this index was loaded or last committed.
                Nothing was written: load it again and repeat the changes, or `save` this one to another folder.
            WriteError: no room, or no permission.
        """
        self.engine.commit()
        if isinstance(self.engine, Shared):
            self.engine.set_model(self.fingerprint)
        if self.folder is not None:
            self._write(self.catalogue, wait)

    # -- on disk -----------------------------------------------------------------------------------------------

    def save(self, folder: str | Path) -> Path:
        """Write the index as a folder and return it; from then on `commit` writes there.

        An index that another folder holds is replaced. Its own folder is written as by `commit`.

        Raises:
            InUseError, ChangedError, WriteError: as `commit`.
            RunFolderError: the folder holds something else than an index.
        """
        self.engine.commit()
        folder = Path(folder)
        if self.folder is None or folder.absolute() != self.folder.absolute():
            self.folder, self.opened = folder, None
        self._write(self.catalogue)
        return self.folder

    def _write(self, catalogue: Catalogue, wait: float = 0.0) -> None:
        assert self.folder is not None
        about = {"fingerprint": self.fingerprint, "tuned": None if self.tuned is None else self.tuned.to_dict()}
        self.opened = storage.write_index(
            self.folder, self.engine, catalogue, about, self.calibration, opened=self.opened, wait=wait
        )

    @classmethod
    def load(cls, folder: str | Path, **settings: Any) -> Index:
        """Read an index that `save` or `build(out=...)` wrote; every file's checksum is checked.

        Args:
            folder: where it stands.
            settings: of the engine, in place of stored ones, such as the uri= of a server that has moved.

        Raises:
            RunFolderError: the folder is missing, damaged, half built, or from a newer version.
        """
        engine, catalogue, calibration, about, opened = storage.read_index(Path(folder), **settings)
        return cls(engine, catalogue, about.fingerprint, about.tuned, Path(folder), calibration, opened)

    def close(self) -> None:
        """Close the engine, such as its connection. The index is not used afterwards."""
        self.engine.close()


def _owner_rows(model: DualEncoder, owners: Iterable[Hashable]) -> Ints:
    """The document row of each owner.

    Raises:
        UnknownIdError: an owner that is no document of the model.
        InputError: a document that owns nothing.
    """
    rows = model.document_ids.rows(owners)
    if len(lacking := np.setdiff1d(np.arange(len(model.document_ids)), rows)):
        raise InputError(
            f"{len(lacking):,} of {len(model.document_ids):,} documents own no vector, the first is "
            f"{model.document_ids[int(lacking[0])]!r}. Give every document one, such as the model's own: "
            f"model.document_vectors()."
        )
    return rows


@lru_cache(maxsize=4)
def _numbers(n: int) -> tuple[str, ...]:
    """Ids of n vectors without ids: their rows."""
    return tuple(map(str, range(n)))
