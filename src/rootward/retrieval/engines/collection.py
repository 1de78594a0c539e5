"""One collection of a Milvus server, as pymilvus sees it: made, noted upon, filled, indexed, loaded, dropped."""

from __future__ import annotations

import hashlib
import logging
import os
import re
import time
from collections.abc import Callable, Mapping
from typing import Any

from rootward.errors import InputError, MissingExtraError, RootwardError
from rootward.retrieval.catalogue import Ancestors

MOST_ANCESTORS = 4_096
"""The longest list that a field of the server holds."""
TIMEOUT = 60.0
"""Seconds after which a call that the server does not answer is given up."""
_MARK = "rootward."


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
                f"No Milvus server answers at {uri!r} ({_said(error)}). Start one, or give its address: "
                f"uri='http://host:19530'."
            ) from None

    def ask(self, call: str, **arguments: Any) -> Any:
        """What the server answers to this method of pymilvus.MilvusClient about the collection.

        Raises:
            RootwardError: it refuses, or does not answer in time.
        """
        try:
            return getattr(self._client, call)(collection_name=self.name, timeout=self.timeout, **arguments)
        except self._refusal as error:
            raise RootwardError(f"Milvus at {self.uri}, collection {self.name!r}, {call}: {_said(error)}") from error

    def close(self) -> None:
        """Give the connection back; the collection stays."""
        self._client.close()

    # -- made and noted upon -----------------------------------------------------------------------------------

    def exists(self) -> bool:
        """Whether the server has it."""
        return bool(self.ask("has_collection"))

    def create(self, dim: int, facts: bool, notes: Mapping[str, str]) -> None:
        """Make it, empty: fields `row` (key), `vector`, and with `facts` also `depth` and `ancestors`."""
        from pymilvus import DataType  # noqa: PLC0415

        schema = self._client.create_schema(auto_id=False, enable_dynamic_field=False)
        schema.add_field("row", DataType.INT64, is_primary=True)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=dim)
        if facts:
            schema.add_field("depth", DataType.INT64)
            schema.add_field("ancestors", DataType.ARRAY, element_type=DataType.INT64, max_capacity=MOST_ANCESTORS)
        self.ask("create_collection", schema=schema, properties=_marked(notes))

    def fields(self) -> dict[str, dict[str, Any]]:
        """Its fields by name."""
        return {field["name"]: field for field in self.ask("describe_collection")["fields"]}

    def notes(self) -> dict[str, str]:
        """What rootward noted beside it on the server."""
        properties: Mapping[str, str] = self.ask("describe_collection")["properties"]
        return {key.removeprefix(_MARK): properties[key] for key in properties if key.startswith(_MARK)}

    def note(self, notes: Mapping[str, str]) -> None:
        """Note something beside it; outlives the server's process once this returns."""
        self.ask("alter_collection_properties", properties=_marked(notes))

    # -- filled and searched -----------------------------------------------------------------------------------

    def count(self, condition: str = "", consistency: str = "Strong") -> int:
        """How many entities meet the condition; the collection is loaded."""
        counted = self.ask("query", filter=condition, output_fields=["count(*)"], consistency_level=consistency)
        return int(counted[0]["count(*)"])

    def index(self, kind: str, parameters: Mapping[str, Any]) -> None:
        """Build the index over what is there, and wait for its `state`; what comes later joins it.

        Its count of pending rows would not do: it stays above zero after an upsert.
        """
        wanted = self._client.prepare_index_params()
        wanted.add_index("vector", index_type=kind, metric_type="IP", params=dict(parameters))
        self.ask("create_index", index_params=wanted, sync=False)
        _wait(lambda: (self.indexed() or {}).get("state") in ("Finished", "Failed"))
        if (made := self.indexed() or {})["state"] == "Failed":
            raise RootwardError(f"Milvus at {self.uri} could not index {self.name!r}: {made}")

    def indexed(self) -> dict[str, Any] | None:
        """The index over the vectors, None before there is one."""
        return self.ask("describe_index", index_name="vector") if self.ask("list_indexes") else None

    def loaded(self) -> bool:
        """Whether it can be searched."""
        return bool(self.ask("get_load_state")["state"].name == "Loaded")

    def load(self) -> None:
        """Have it searchable."""
        self.ask("load_collection", _async=True)
        _wait(self.loaded)

    def hand_over(self) -> None:
        """Wait until all that is flushed is searched by its index, and not by the coarse one of fresh documents."""
        _wait(lambda: self._segments("list_persistent_segments") <= self._segments("list_loaded_segments"))

    def _segments(self, call: str) -> set[int]:
        return {segment.segment_id for segment in self.ask(call)}


def _marked(notes: Mapping[str, str]) -> dict[str, str]:
    return {f"{_MARK}{key}": notes[key] for key in notes}


def _wait(there: Callable[[], bool], pause: float = 0.02) -> None:
    """Until it is there. An index may take long, so nothing ends this but a server that stops answering."""
    while not there():
        time.sleep(pause)
        pause = min(1.0, 1.2 * pause)


def _said(error: Exception) -> str:
    """The server's words, first line only."""
    return str(getattr(error, "message", "") or error).strip().split("\n")[0][:300]


class Ledger:
    """Notes that outlive the server's process and are seen from every machine.

    A load goes on where the last acknowledged batch ended. That an acknowledged batch is there is not taken on trust:
    the server is asked at the end (`lacking`). Putting a document in again changes nothing, so a batch of which it is
    not known whether it arrived is sent again.
    """

    def __init__(self, collection: Collection) -> None:
        self.collection = collection

    @property
    def fingerprint(self) -> str:
        """Of the model whose documents these are; "" before the first load."""
        return self.collection.notes().get("fingerprint", "")

    @fingerprint.setter
    def fingerprint(self, fingerprint: str) -> None:
        self.collection.note({"fingerprint": fingerprint})

    def check(self, fingerprint: str, of: int | None = None) -> None:
        """Check that these are all documents of the model; and, where `of` is given, none beside rows 0 to of - 1.

        Raises:
            InputError: they are another model's, their load was cut off, or there are others.
        """
        notes = self.collection.notes()
        where = f"The collection {self.collection.name!r} at {self.collection.uri}"
        if notes.get("fingerprint") != fingerprint:
            raise InputError(
                f"{where} holds the documents of another model, or of this one before it was trained further "
                f"(fingerprint {notes.get('fingerprint')}, asked for {fingerprint}). Build the index again under "
                f"another name."
            )
        if notes["loaded"] != notes["documents"]:
            raise InputError(
                f"{where} is half loaded: {int(notes['loaded']):,} of {int(notes['documents']):,} documents. Call "
                f"Index.build(model, uri=..., collection=...) again; it goes on from there."
            )
        if of is not None and (more := self.collection.count(f"row >= {of}")):
            raise InputError(
                f"{where} has grown by {more:,} documents since it was built, whose ids only the index's folder has: "
                f"Index.load(FOLDER)."
            )

    def begin(self, fingerprint: str, n: int, ancestors: Ancestors | None) -> int:
        """Start loading n documents, or go on: how many of the first ones were acknowledged before.

        Raises:
            InputError: the collection holds something else.
        """
        notes = self.collection.notes()
        if "fingerprint" not in notes:
            facts = {"ancestors": _digest(ancestors), "documents": str(n), "loaded": "0"}
            self.collection.note({**facts, "fingerprint": fingerprint})
            return 0
        if (notes["fingerprint"], notes["documents"]) != (fingerprint, str(n)):
            raise InputError(
                f"The collection {self.collection.name!r} at {self.collection.uri} holds {int(notes['documents']):,} "
                f"documents of another model (fingerprint {notes['fingerprint']}, this one has {fingerprint}). Choose "
                f"another name."
            )
        return int(notes["loaded"])

    def knows(self, ancestors: Ancestors | None) -> bool:
        """Whether the documents were loaded with this ancestors, so that its conditions mean the same there."""
        return ancestors is not None and self.collection.notes().get("ancestors") == _digest(ancestors)

    def acknowledge(self, done: int) -> None:
        """The first `done` documents were acknowledged by the server."""
        self.collection.note({"loaded": str(done)})

    def lacking(self, n: int, batch: int) -> list[range]:
        """Those batches of rows 0 to n - 1 that the server does not hold whole; it has committed.

        Raises:
            RootwardError: it holds a row twice, or rows that are not among them.
        """
        held = self.collection.count()
        if held == n:
            return []
        parts = [range(start, min(start + batch, n)) for start in range(0, n, batch)]
        counts = [self.collection.count(f"row >= {part.start} and row < {part.stop}") for part in parts]
        if sum(counts) != held or any(count > len(part) for count, part in zip(counts, parts, strict=True)):
            raise RootwardError(
                f"The collection {self.collection.name!r} at {self.collection.uri} holds {held:,} documents where "
                f"{n:,} were loaded, others or some twice. Load them under another name."
            )
        return [part for count, part in zip(counts, parts, strict=True) if count < len(part)]


def _digest(ancestors: Ancestors | None) -> str:
    """Recognises a ancestors again; "none" where there is none."""
    if ancestors is None:
        return "none"
    parts = (ancestors.depth, ancestors.offsets, ancestors.rows)
    return hashlib.sha256(b"".join(part.astype("<i8").tobytes() for part in parts)).hexdigest()[:16]
