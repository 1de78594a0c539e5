"""Milvus: documents in a collection on a server, for more than one machine.

Peculiarities of the server, and how they are handled:

- Its range search over lists stops early (44 % of the answers on random vectors, though all lists are probed), so a
  range is a top-k that grows until it reaches below the threshold.
- It searches fresh documents, above some 5,000 of them, by a coarse index of its own (46 % there) until they are
  flushed, indexed and handed over, so `commit` waits for that.
- Which of several documents with the same score it returns is undefined; the exact kind fetches ties again.
- Scores of quantised vectors are off by half a percent, so they are computed again from the vectors.
- k is at most 16,384; `truncated` says where that cut documents off.
- HNSW is not offered: a collection has one index, and HNSW answers range and filtered queries wrong.
"""
# ruff: noqa: D102 (methods without a docstring are those of `Engine` and `Shared`)

from __future__ import annotations

import builtins
import logging
import math
import os
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rootward.errors import InputError, MissingExtraError, RootwardError
from rootward.files import sha256_of
from rootward.retrieval.catalogue import Ancestors
from rootward.retrieval.engines.engine import (
    Condition,
    Engine,
    Found,
    Settings,
    Shared,
    Tunable,
    Where,
    as_documents,
    as_queries,
    best_first,
)
from rootward.scoring import Ints

KINDS = {"exact": "FLAT", "ivf": "IVF_FLAT", "ivf-sq8": "IVF_SQ8"}
LIMIT = 16_384
"""The most that the server returns for a query."""
WIDE = 64
"""How many documents a range looks at first; four times as many where that was not enough."""
MESSAGE_BYTES = 8 * 2**20
"""Size of a batch of documents, and of one of hits; the server refuses messages above 64 MB."""
FRESH = 4_000
"""So many new documents are searched one by one; above, the server makes its coarse index."""
MAX_ANCESTORS = 4_096
"""The longest list that a field of the server holds."""
TIMEOUT = 60.0
"""Seconds after which a call that the server does not answer is given up."""
_PREFIX = "rootward."
_NOTHING = (np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32))  # queries, rows, scores
Consistency = Literal["Bounded", "Strong"]


class Collection:
    """A collection by server and name, there or not yet there.

    Args:
        uri: where the server listens, "http://host:19530".
        name: letters, digits and underscores.
        timeout: seconds after which a call that the server does not answer is given up; until then it is tried again.
        token: "user:password" where the server asks for it; by default the environment variable MILVUS_TOKEN.

    Raises:
        MissingExtraError: pymilvus is not installed.
        InputError: no server answers at `uri`, or a name that cannot be one.
    """

    def __init__(self, uri: str, name: str, timeout: float = TIMEOUT, token: str | None = None) -> None:
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,254}", name):
            raise InputError(
                f"A collection's name has letters, digits and underscores, got {name!r}: collection='wordnet'."
            )
        self.uri, self.name, self.timeout = uri, name, timeout
        try:
            from pymilvus import MilvusClient, MilvusException  # noqa: PLC0415
        except ImportError:
            raise MissingExtraError("Searching on a Milvus server", "cluster") from None
        logging.getLogger("pymilvus").setLevel(logging.CRITICAL)  # it logs what it raises, and we say it once
        self._refusal: type[Exception] = MilvusException
        try:
            self._client = MilvusClient(uri=uri, token=token or os.environ.get("MILVUS_TOKEN", ""), timeout=timeout)
        except (MilvusException, ValueError) as error:
            raise InputError(
                f"No Milvus server answers at {uri!r} ({_first_line(error)}). Start one, or give its address: "
                f"uri='http://host:19530'."
            ) from None

    def call(self, method: str, **arguments: Any) -> Any:
        """Call a method of pymilvus.MilvusClient for this collection.

        Raises:
            RootwardError: the server refuses, or does not answer in time.
        """
        try:
            return getattr(self._client, method)(collection_name=self.name, timeout=self.timeout, **arguments)
        except self._refusal as error:
            raise RootwardError(
                f"Milvus at {self.uri}, collection {self.name!r}, {method}: {_first_line(error)}"
            ) from error

    def __str__(self) -> str:
        return f"The collection {self.name!r} at {self.uri}"

    def close(self) -> None:
        """Close the connection; the collection stays."""
        self._client.close()

    def exists(self) -> bool:
        """Whether the server has it."""
        return bool(self.call("has_collection"))

    def create(self, dim: int, facts: bool, notes: Mapping[str, str]) -> None:
        """Create it, empty, with fields `row` (key), `vector`, with `facts` also `depth` and `ancestors`."""
        from pymilvus import DataType  # noqa: PLC0415

        schema = self._client.create_schema(auto_id=False, enable_dynamic_field=False)
        schema.add_field("row", DataType.INT64, is_primary=True)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=dim)
        if facts:
            schema.add_field("depth", DataType.INT64)
            schema.add_field("ancestors", DataType.ARRAY, element_type=DataType.INT64, max_capacity=MAX_ANCESTORS)
        self.call(
            "create_collection", schema=schema, properties={f"{_PREFIX}{key}": value for key, value in notes.items()}
        )

    def fields(self) -> dict[str, dict[str, Any]]:
        """Its fields by name."""
        return {field["name"]: field for field in self.call("describe_collection")["fields"]}

    def notes(self) -> dict[str, str]:
        """rootward's own properties of the collection: server-side, of all processes."""
        properties: Mapping[str, str] = self.call("describe_collection")["properties"]
        return {key.removeprefix(_PREFIX): properties[key] for key in properties if key.startswith(_PREFIX)}

    def note(self, notes: Mapping[str, str]) -> None:
        """Set properties; they outlive the server's process once this returns."""
        self.call("alter_collection_properties", properties={f"{_PREFIX}{key}": value for key, value in notes.items()})

    def count(self, condition: str = "", consistency: str = "Strong") -> int:
        """How many entities meet the condition; the collection is loaded."""
        counted = self.call("query", filter=condition, output_fields=["count(*)"], consistency_level=consistency)
        return int(counted[0]["count(*)"])

    def index(self, kind: str, parameters: Mapping[str, Any]) -> None:
        """Build the index over what is there, and wait for its `state`; later documents join it.

        Its count of pending rows does not tell: it stays above zero after an upsert.
        """
        wanted = self._client.prepare_index_params()
        wanted.add_index("vector", index_type=kind, metric_type="IP", params=dict(parameters))
        self.call("create_index", index_params=wanted, sync=False)
        _wait(lambda: (self.indexed() or {}).get("state") in ("Finished", "Failed"))
        if (made := self.indexed() or {})["state"] == "Failed":
            raise RootwardError(f"Milvus at {self.uri} could not index {self.name!r}: {made}")

    def indexed(self) -> dict[str, Any] | None:
        """The index over the vectors, None before there is one."""
        return self.call("describe_index", index_name="vector") if self.call("list_indexes") else None

    def loaded(self) -> bool:
        """Whether it can be searched."""
        return bool(self.call("get_load_state")["state"].name == "Loaded")

    def load(self) -> None:
        """Make it searchable."""
        self.call("load_collection", _async=True)
        _wait(self.loaded)

    def wait_for_index(self) -> None:
        """Wait until flushed documents are searched by the index, not by the coarse one of fresh documents."""
        _wait(lambda: self._segments("list_persistent_segments") <= self._segments("list_loaded_segments"))

    def _segments(self, call: str) -> set[int]:
        return {segment.segment_id for segment in self.call(call)}


def _wait(there: Callable[[], bool], pause: float = 0.02) -> None:
    """Wait until `there()` is true. Only a server that stops answering ends this: an index may take long."""
    while not there():
        time.sleep(pause)
        pause = min(1.0, 1.2 * pause)


def _first_line(error: Exception) -> str:
    """First line of the server's message."""
    return str(getattr(error, "message", "") or error).strip().split("\n")[0][:300]


class Milvus(Engine, Shared):
    """Documents in a collection, searched exactly; `MilvusLists` is approximate. `prepared` and `opened` make one.

    Changes are safe once their call returns, and visible to all once `commit` returns. Rows are the collection's keys;
    document ids stay in the `Index`.

    Args:
        collection: made by `prepared`.
        consistency: how far uncommitted changes of *other* processes are visible: "Bounded", all but those of the last
            5 seconds; "Strong", all, and each search waits some 0.2 s for it. Changes of this engine are always
            visible. Use "Strong" where the collection is loaded in several replicas.
    """

    name = "milvus"
    exact = True
    durable = True

    def __init__(self, collection: Collection, consistency: Consistency = "Bounded") -> None:
        self.collection, self.consistency = collection, consistency
        self.kind = collection.notes()["kind"]
        fields = collection.fields()
        self.dim = int(fields["vector"]["params"]["dim"])
        self._has_facts = "ancestors" in fields
        self.facts = collection.notes().get("ancestors") != "none"
        self._changed, self._fresh = False, 0
        if not collection.loaded() and collection.indexed():
            collection.load()
        self._loaded = collection.loaded()

    @staticmethod
    def prepared(
        documents: Tensor,
        *,
        uri: str = "http://localhost:19530",
        collection: str = "",
        kind: str = "ivf",
        facts: bool = True,
        consistency: Consistency = "Bounded",
        timeout: float = TIMEOUT,
        token: str | None = None,
    ) -> Milvus:
        """A new collection for vectors like these, empty; or the one of this name, if rootward made it like this.

        Args:
            documents: n x dim, of which only the width counts.
            uri, collection, timeout, token: as for `Collection`, whose `name` is `collection` here.
            kind: "exact", "ivf" or "ivf-sq8".
            facts: keep each document's ancestors, so that filters by the hierarchy are short expressions.
            consistency: see `Milvus`.

        Raises:
            MissingExtraError: pymilvus is not installed.
            InputError: no server, no name, a kind that is not there, a collection of this name with something else.
        """
        if kind not in KINDS:
            raise InputError(
                f"On Milvus there is {', '.join(map(repr, KINDS))}, got {kind!r}. HNSW is left out: a collection has "
                f"one index, and HNSW answers range and filtered queries wrong."
            )
        there, dim = Collection(uri, collection, timeout, token), documents.shape[1]
        if not there.exists():
            there.create(dim, facts, {"kind": kind})
        engine = Milvus._over(there, consistency)
        wanted, found = (kind, dim, facts), (engine.kind, engine.dim, engine._has_facts)
        if wanted != found:
            raise InputError(f"{there} has kind, width and facts {found}, not {wanted}. Choose another name.")
        return engine

    @staticmethod
    def opened(
        uri: str,
        collection: str,
        *,
        consistency: Consistency = "Bounded",
        timeout: float = TIMEOUT,
        token: str | None = None,
    ) -> Milvus:
        """The engine over a collection that is there. Arguments as for `prepared`.

        Raises:
            MissingExtraError: pymilvus is not installed.
            InputError: no server, no such collection, or one that is not rootward's.
        """
        there = Collection(uri, collection, timeout, token)
        if not there.exists():
            raise InputError(f"The server at {uri} has no collection {collection!r}.")
        return Milvus._over(there, consistency)

    @staticmethod
    def _over(there: Collection, consistency: Consistency) -> Milvus:
        """The engine of the kind that the collection was made for.

        Raises:
            InputError: rootward did not make it.
        """
        kind = there.notes().get("kind")
        if kind not in KINDS:
            raise InputError(f"{there} was not made by rootward; it stays as it is.")
        return (Milvus if kind == "exact" else MilvusLists)(there, consistency)

    @property
    def settings(self) -> dict[str, Any]:
        """Where the collection is, and how it is read."""
        at = self.collection
        return {"uri": at.uri, "collection": at.name, "timeout": at.timeout, "consistency": self.consistency}

    def count(self) -> int:
        return self.collection.count(consistency=self._level) if self._loaded else 0

    @property
    def _level(self) -> str:
        """Consistency level: after an uncommitted change, reads wait until they see it."""
        return "Strong" if self._changed else self.consistency

    # -- loading, and whose documents these are ------------------------------------------------------------------

    def set_model(self, fingerprint: str) -> None:
        if self.collection.notes().get("fingerprint") != fingerprint:
            self.collection.note({"fingerprint": fingerprint})

    def check_complete(self, fingerprint: str, n: int | None = None) -> None:
        notes, where = self.collection.notes(), str(self.collection)
        if notes.get("fingerprint", "").partition("+")[0] != fingerprint:  # a digest of the vectors may follow
            raise InputError(
                f"{where} holds the documents of another model, or of this one before it was trained further "
                f"(fingerprint {notes.get('fingerprint')}, expected {fingerprint}). Build the index again under "
                f"another name."
            )
        if notes["loaded"] != notes["documents"]:
            raise InputError(
                f"{where} is half loaded: {int(notes['loaded']):,} of {int(notes['documents']):,} documents. Call "
                f"Index.build(model, uri=..., collection=...) again; it goes on from there."
            )
        if n is not None and (more := self.collection.count(f"row >= {n}")):
            raise InputError(
                f"{where} has grown by {more:,} documents since it was built, whose ids only the index's folder has: "
                f"Index.load(FOLDER)."
            )

    def begin_load(self, fingerprint: str, n: int, ancestors: Ancestors | None) -> int:
        notes = self.collection.notes()
        if "fingerprint" not in notes:
            about = {"ancestors": _digest(ancestors), "documents": str(n), "loaded": "0", "fingerprint": fingerprint}
            self.collection.note(about)
            notes = about
        if (notes["fingerprint"], notes["documents"]) != (fingerprint, str(n)):
            raise InputError(
                f"{self.collection} holds {int(notes['documents']):,} documents of another model (fingerprint "
                f"{notes['fingerprint']}, this one has {fingerprint}). Choose another name."
            )
        self.use_ancestors(ancestors)
        return int(notes["loaded"])

    def use_ancestors(self, ancestors: Ancestors | None) -> None:
        self.facts = ancestors is not None and self.collection.notes().get("ancestors") == _digest(ancestors)

    def acknowledge(self, done: int) -> None:
        self.collection.note({"loaded": str(done)})

    def missing(self, n: int, batch: int) -> list[range]:
        """As in `Shared`. Documents are counted, not taken on trust."""
        held = self.collection.count()
        if held == n:
            return []
        batches = [builtins.range(start, min(start + batch, n)) for start in builtins.range(0, n, batch)]
        counts = [self.collection.count(f"row >= {rows.start} and row < {rows.stop}") for rows in batches]
        if sum(counts) != held or any(count > len(rows) for count, rows in zip(counts, batches, strict=True)):
            raise RootwardError(
                f"{self.collection} holds {held:,} documents where {n:,} were loaded, others or some twice. Load them "
                f"under another name."
            )
        return [rows for count, rows in zip(counts, batches, strict=True) if count < len(rows)]

    def search(self, queries: Tensor, k: int, where: Where | None = None) -> Found:
        vectors = torch.from_numpy(as_queries(queries, self.dim))
        found = self._nearest(vectors, min(k + self.exact, LIMIT), where)
        if self.exact:
            found = self._with_all_ties(vectors, found, k, where)
        return found.first(k) if k <= LIMIT else self._with_truncated(found, where)

    def range(
        self, queries: Tensor, thresholds: npt.NDArray[np.float32], where: Where | None = None, cap: int | None = None
    ) -> Found:
        vectors = torch.from_numpy(as_queries(queries, self.dim))
        k = min(WIDE if cap is None else cap + 1, LIMIT)
        found = self._until_below(vectors, thresholds, k, where, cap)
        reached = found.only(found.scores >= thresholds[found.place])
        return self._with_truncated(reached, where).capped(cap)

    def _until_below(
        self, vectors: Tensor, floors: npt.NDArray[np.float32], k: int, where: Where | None, cap: int | None = None
    ) -> Found:
        """The best documents of each query, k at first, then more, until the last one scores below its floor.

        Or until there are no more, the server returns no more, or more than `cap` are found.
        """
        parts = [_NOTHING]
        left = np.arange(len(vectors))
        while len(left):
            found = self._nearest(vectors[left], k, where)
            goes_on = np.zeros(len(left), np.bool_)
            if k < LIMIT and (cap is None or k <= cap):
                full = np.flatnonzero(np.diff(found.offsets) == k)
                goes_on[full] = found.scores[found.offsets[full + 1] - 1] >= floors[left[full]]
            done = ~goes_on[found.place]
            parts.append((left[found.place[done]], found.rows[done], found.scores[done]))
            left, k = left[goes_on], min(4 * k, LIMIT)
        return best_first(parts, len(vectors), exact=self.exact)

    def _with_all_ties(self, vectors: Tensor, found: Found, k: int, where: Where | None) -> Found:
        """The same, with all documents of the k-th score where there are several, so that the lowest rows are kept."""
        several = np.flatnonzero(np.diff(found.offsets) > k)
        last = found.scores[found.offsets[several] + k - 1]
        tied = several[found.scores[found.offsets[several] + k] == last]
        if not len(tied):
            return found
        again = self._until_below(vectors[tied], found.scores[found.offsets[tied] + k - 1], min(4 * k, LIMIT), where)
        kept = ~np.isin(found.place, tied)
        others = (found.place[kept], found.rows[kept], found.scores[kept])
        return best_first([others, (tied[again.place], again.rows, again.scores)], len(found), exact=True)

    def _with_truncated(self, found: Found, where: Where | None) -> Found:
        """The same, with `truncated` set where the server's limit may have cut documents off."""
        full = np.diff(found.offsets) >= LIMIT
        if not full.any() or (self.count() if where is None else len(where.rows)) <= LIMIT:
            return found
        return replace(found, truncated=full)

    def _nearest(self, vectors: Tensor, k: int, where: Where | None) -> Found:
        """The server's k nearest of each query, in blocks whose answers fit a message."""
        if not self._loaded or not k or (where is not None and not len(where.rows)):
            return Found.empty(len(vectors), exact=self.exact)
        quantised = self.kind == "ivf-sq8"  # its scores are computed from the vectors, which come along
        step = max(1, min(LIMIT, MESSAGE_BYTES // (k * (16 + 4 * self.dim * quantised))))
        blocks = [_NOTHING]
        for start in builtins.range(0, len(vectors), step):
            block = vectors[start : start + step].numpy()
            answer = self.collection.call(
                "search",
                data=list(block),
                anns_field="vector",
                limit=k,
                filter=expression(where, self.facts and self._has_facts),
                search_params={"metric_type": "IP", "params": self._probing(where)},
                consistency_level=self._level,
                **({"output_fields": ["vector"]} if quantised else {}),
            )
            place = np.repeat(np.arange(len(block)), [len(hits.ids) for hits in answer])
            rows = np.array([row for hits in answer for row in hits.ids], np.int64)
            if quantised:
                found = np.array([hit["entity"]["vector"] for hits in answer for hit in hits], np.float32)
                scores = np.einsum("ij,ij->i", found.reshape(len(rows), self.dim), block[place])
            else:
                scores = np.array([score for hits in answer for score in hits.distances], np.float32)
            blocks.append((start + place, rows, scores))
        return best_first(blocks, len(vectors), exact=self.exact)

    def _probing(self, where: Where | None) -> dict[str, Any]:
        return {}

    def upsert(self, rows: npt.ArrayLike, vectors: Tensor, ancestors: Ancestors | None = None) -> None:
        numbers, ordered = as_documents(rows, vectors, self.dim)
        columns: dict[str, Any] = {"row": numbers.tolist(), "vector": ordered.float().numpy()}
        if self._has_facts:
            order = np.argsort(np.asarray(rows, np.int64), kind="stable")
            known = Ancestors.unknown(len(numbers)) if ancestors is None else ancestors.take(order)
            longest = int(np.diff(known.offsets).max(initial=0))
            if longest > MAX_ANCESTORS:
                raise InputError(
                    f"A document has {longest:,} ancestors; Milvus holds at most {MAX_ANCESTORS:,} in a list. Make the "
                    f"collection with facts=False; filters then send rows."
                )
            lists = np.split(known.rows, known.offsets[1:-1]) if len(numbers) else []
            columns |= {"depth": known.depth.tolist(), "ancestors": [ancestor.tolist() for ancestor in lists]}
        step = max(1, MESSAGE_BYTES // (4 * self.dim + 256 * self._has_facts + 16))
        for start in builtins.range(0, len(numbers), step):
            values = zip(*(column[start : start + step] for column in columns.values()), strict=True)
            data = [dict(zip(columns, entity, strict=True)) for entity in values]
            self.collection.call("upsert", data=data)
            self._changed, self._fresh = True, self._fresh + len(data)

    def delete(self, rows: npt.ArrayLike) -> None:
        gone = np.unique(np.asarray(rows, np.int64)).tolist()
        for start in builtins.range(0, len(gone), LIMIT):
            self.collection.call("delete", ids=gone[start : start + LIMIT])
            self._changed = True

    def commit(self) -> None:
        """Flush, index, load, and read once strongly; only then do "Bounded" searches see all changes."""
        if self._loaded and not self._changed:
            return
        self.collection.call("flush")
        if not self._loaded:
            self.collection.index(KINDS[self.kind], self._index_parameters())
            self.collection.load()
            self._loaded = True
        elif self._fresh > FRESH:
            self.collection.wait_for_index()
        self.collection.count(consistency="Strong")
        self._changed, self._fresh = False, 0

    def _index_parameters(self) -> dict[str, Any]:
        return {}

    def save(self, folder: Path, mark: str) -> tuple[str, ...]:
        """Write nothing: the server has the documents."""
        return ()

    @classmethod
    def load(cls, folder: Path, files: tuple[str, ...], settings: Settings) -> Milvus:
        """The engine over the same collection."""
        known = ("uri", "collection", "consistency", "timeout", "token")
        engine = Milvus.opened(**{name: settings[name] for name in known if name in settings})
        if "effort" in settings and isinstance(engine, Tunable):
            engine.effort = settings["effort"]
        return engine

    def drop(self) -> None:
        """Delete the collection from the server; the engine is not used afterwards."""
        self.collection.call("drop_collection")
        self.close()

    def close(self) -> None:
        """Close the connection; the collection stays."""
        self.collection.close()


class MilvusLists(Milvus):
    """Documents in inverted lists, of which a search probes `effort`; "ivf-sq8" has 8-bit codes."""

    exact = False
    effort_name = "probes"

    def __init__(self, collection: Collection, consistency: Consistency = "Bounded") -> None:
        super().__init__(collection, consistency)
        self.effort, self._lists_made = 1, 0
        self._measure()

    @property
    def settings(self) -> dict[str, Any]:
        return {**super().settings, "effort": self.effort}

    def _measure(self) -> None:
        """Read the numbers of documents and lists. An untuned search probes a sixteenth of the lists."""
        index = self.collection.indexed()
        before, self._lists_made = self._lists_made, int(index["nlist"]) if index else 0
        self._count = self.count()
        if self._lists_made != before:
            self.effort = max(1, self._lists_made // 16)

    def efforts(self) -> list[int]:
        """1, 2, 4, ... lists, and all of them."""
        lists = max(1, self._lists_made)
        return [2**i for i in range(math.ceil(math.log2(lists)))] + [lists]

    def commit(self) -> None:
        super().commit()
        self._measure()

    def _index_parameters(self) -> dict[str, Any]:
        """4 sqrt(n) lists, as many as a quarter of a list has documents."""
        return {"nlist": max(1, min(65_536, round(4 * math.sqrt(self._fresh))))}

    def _probing(self, where: Where | None) -> dict[str, Any]:
        """Probes in proportion to the documents that a filter leaves out."""
        share = 1.0 if where is None else len(where.rows) / max(1, self._count)
        return {"nprobe": max(1, min(self._lists_made, math.ceil(self.effort / max(share, 1e-9))))}


MAX_RUNS = 32
"""Rows in at most so many unbroken runs are sent as bounds, others one by one."""


def expression(where: Where | None, facts: bool) -> str:
    """A filter expression for the server; "" for no filter.

    Made of conditions where the server has their fields (`facts`), otherwise of the rows: it reads 1,000 of these in
    10 ms, 10,000 in 200 ms. "Below document 17" is `array_contains(ancestors, 17)`, and rows 3, 4, 5, 9 are
    `(row >= 3 and row <= 5) or row == 9`.
    """
    if where is None:
        return ""
    conditions = where.conditions
    if conditions and all(facts or condition.field == "row" for condition in conditions):
        return " and ".join(f"({_condition(condition)})" for condition in conditions)
    return _rows(where.rows)


def _condition(condition: Condition) -> str:
    values = condition.values
    if condition.field == "row":
        return _rows(np.unique(np.asarray(values, np.int64)))
    if condition.field == "depth":
        if isinstance(values, range) and values.step == 1:
            return f"depth >= {values.start} and depth < {values.stop}"
        return f"depth in {list(values)}"
    if len(values) == 1:
        return f"array_contains(ancestors, {values[0]})"
    return f"array_contains_any(ancestors, {list(values)})"


def _rows(rows: Ints) -> str:
    breaks = np.flatnonzero(np.diff(rows) > 1) + 1
    if len(breaks) >= MAX_RUNS:
        return f"row in {rows.tolist()}"
    runs = [(int(run[0]), int(run[-1])) for run in np.split(rows, breaks) if len(run)]
    bounds = [f"row == {first}" if first == last else f"(row >= {first} and row <= {last})" for first, last in runs]
    return " or ".join(bounds) or "row in []"


def _digest(ancestors: Ancestors | None) -> str:
    """Tells ancestors apart; "none" for None."""
    if ancestors is None:
        return "none"
    arrays = (ancestors.depth, ancestors.offsets, ancestors.rows)
    return sha256_of(array.astype("<i8").tobytes() for array in arrays)[:16]
