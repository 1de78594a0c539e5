"""What is noted beside a collection on its server: whose documents they are, and how far a bulk load has come."""

from __future__ import annotations

import hashlib

from rootward.errors import InputError, RootwardError
from rootward.retrieval.collection import Collection
from rootward.retrieval.lineage import Lineage


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

    def begin(self, fingerprint: str, n: int, lineage: Lineage | None) -> int:
        """Start loading n documents, or go on: how many of the first ones were acknowledged before.

        Raises:
            InputError: the collection holds something else.
        """
        notes = self.collection.notes()
        if "fingerprint" not in notes:
            facts = {"lineage": _digest(lineage), "documents": str(n), "loaded": "0"}
            self.collection.note({**facts, "fingerprint": fingerprint})
            return 0
        if (notes["fingerprint"], notes["documents"]) != (fingerprint, str(n)):
            raise InputError(
                f"The collection {self.collection.name!r} at {self.collection.uri} holds {int(notes['documents']):,} "
                f"documents of another model (fingerprint {notes['fingerprint']}, this one has {fingerprint}). Choose "
                f"another name."
            )
        return int(notes["loaded"])

    def knows(self, lineage: Lineage | None) -> bool:
        """Whether the documents were loaded with this lineage, so that its conditions mean the same there."""
        return lineage is not None and self.collection.notes().get("lineage") == _digest(lineage)

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


def _digest(lineage: Lineage | None) -> str:
    """Recognises a lineage again; "none" where there is none."""
    if lineage is None:
        return "none"
    parts = (lineage.depth, lineage.offsets, lineage.ancestors)
    return hashlib.sha256(b"".join(part.astype("<i8").tobytes() for part in parts)).hexdigest()[:16]
