"""A retriever for Haystack over a run."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rootward.errors import MissingExtraError
from rootward.integrations.documents import (
    Found,
    Levels,
    Threshold,
    as_fields,
    as_values,
    fields_of,
    filter_of,
    opened,
    search,
)
from rootward.retrieval import Searcher

try:
    from haystack import Document, component, default_from_dict, default_to_dict
except ImportError as error:
    raise MissingExtraError("A retriever for Haystack", "haystack") from error


@component
class RootwardRetriever:
    """Finds the right node of a taxonomy for a text, and everything above it, as Haystack documents.

        retriever = RootwardRetriever("runs/shoes", threshold="auto")
        retriever.run("flip-flops")["documents"][0].meta["path"]

    A document's content is its name, and its definition where it has one. Its meta are id, name, score, accepted
    (whether it belongs to the answer set), hops (from the query, where known), path (ids from the root to it),
    ancestors (ids) and probability (of being right, where the run is calibrated). A text of which the run knows no part
    has no documents. The run is opened by `warm_up`, which pipelines call, or by the first search.

    Pipelines are saved with its settings: the folder of the run, not the model. Newer versions of Haystack load only
    modules that they are told to trust: `Pipeline.loads(text, allowed_modules=["rootward.integrations.haystack"])`.

    Args:
        run: folder of the run.
        k: how many documents at most; None for 10, or all of the answer set.
        threshold: None for the k best; "auto" for the answer set of each text; a number for all that score as much.
        below, above: only this document and what stands below, or above, it.
        levels: (first, last): only documents so many hops from their root; None as last is open.
        hops: with below or above: at most so far away.
        index: folder of an index of the run; None searches every document.
        encoder: path of the encoder, if the saved one is missing.

    Raises:
        InputError: hops without below or above, levels that end before they begin.
    """

    def __init__(
        self,
        run: str | Path,
        k: int | None = None,
        threshold: Threshold = None,
        below: str | None = None,
        above: str | None = None,
        levels: Levels = None,
        hops: int | None = None,
        index: str | Path | None = None,
        encoder: str | Path | None = None,
    ) -> None:
        filter_of(below, above, levels, hops)
        self.folder, self.k, self.threshold = str(run), k, threshold
        self.below, self.above, self.levels, self.hops = below, above, levels, hops
        self.index, self.encoder = (None if each is None else str(each) for each in (index, encoder))
        self._searcher: Searcher | None = None

    def warm_up(self) -> None:
        """Open the run.

        Raises:
            RunFolderError: a folder that is missing, damaged, or from a newer version.
            InputError: an index of another model.
        """
        if self._searcher is None:
            self._searcher = opened(self.folder, index=self.index, encoder=self.encoder)

    def to_dict(self) -> dict[str, Any]:
        """Its settings as JSON values."""
        fields = as_values(fields_of(self))
        saved: dict[str, Any] = default_to_dict(self, run=self.folder, **fields, index=self.index, encoder=self.encoder)
        return saved

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> RootwardRetriever:
        """The retriever of such settings."""
        fields = as_fields(data.get("init_parameters", {}))
        made: RootwardRetriever = default_from_dict(cls, {**data, "init_parameters": fields})
        return made

    @component.output_types(documents=list[Document])
    def run(
        self, query: str, k: int | None = None, threshold: Threshold = None, below: str | None = None
    ) -> dict[str, list[Document]]:
        """The documents of a text.

        Args:
            query: an id, a name, or any words where the run reads texts.
            k, threshold, below: in place of the retriever's own, for this call.

        Raises:
            UnknownIdError: a text that names nothing, where the run looks its queries up; or a filter does.
            InputError: settings that cannot be used; "auto" for a text without threshold or calibration.
        """
        self.warm_up()
        assert self._searcher is not None
        changes = {"k": k, "threshold": threshold, "below": below}
        changes = {name: value for name, value in changes.items() if value is not None}
        (found,) = search(self._searcher, [query], **(fields_of(self) | changes))
        return {"documents": [_document(each) for each in found]}

    def run_batch(self, queries: Sequence[str]) -> list[list[Document]]:
        """The documents of each text, found by one search; for use without a pipeline, whose `run` takes one text.

        Raises:
            UnknownIdError, InputError: as `run`.
        """
        self.warm_up()
        assert self._searcher is not None
        return [[_document(each) for each in found] for found in search(self._searcher, queries, **fields_of(self))]

    @component.output_types(documents=list[Document])
    async def run_async(
        self, query: str, k: int | None = None, threshold: Threshold = None, below: str | None = None
    ) -> dict[str, list[Document]]:
        """As `run`, without blocking the event loop."""
        return await asyncio.to_thread(self.run, query, k, threshold, below)


def _document(found: Found) -> Document:
    return Document(id=found.id, content=found.text, meta=found.metadata, score=found.score)
