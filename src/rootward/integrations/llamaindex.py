"""A retriever for LlamaIndex over a run."""

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

try:
    from llama_index.core.base.base_retriever import BaseRetriever
    from llama_index.core.callbacks.base import CallbackManager
    from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode
except ImportError as error:
    raise MissingExtraError("A retriever for LlamaIndex", "llamaindex") from error


class RootwardRetriever(BaseRetriever):
    """Finds the right node of a taxonomy for a text, and everything above it, as LlamaIndex nodes with scores.

        retriever = RootwardRetriever("runs/shoes", threshold="auto")
        retriever.retrieve("flip-flops")[0].metadata["path"]

    A node's text is the document's name, and its definition where it has one. Its metadata are id, name, score,
    accepted (whether it belongs to the answer set), hops (from the query, where known), path (ids from the root to it),
    ancestors (ids) and probability (of being right, where the run is calibrated). Only the name and the path are shown
    to language models and embeddings. A text of which the run knows no part has no nodes.

    `to_dict` and `from_dict` save its settings: the folder of the run, not the model; so does pickle.

    Args:
        run: folder of the run.
        k: how many documents at most; None for 10, or all of the answer set.
        threshold: None for the k best; "auto" for the answer set of each text; a number for all that score as much.
        below, above: only this document and what stands below, or above, it.
        levels: (first, last): only documents so many hops from their root; None as last is open.
        hops: with below or above: at most so far away.
        index: folder of an index of the run; None searches every document.
        encoder: path of the encoder, if the saved one is missing.
        callback_manager: LlamaIndex's own.

    Raises:
        RunFolderError: a folder that is missing, damaged, or from a newer version.
        InputError, UnknownIdError: settings that cannot be used; a search raises what `Searcher.search` does.
    """

    def __init__(
        self,
        run: str | Path,
        *,
        k: int | None = None,
        threshold: Threshold = None,
        below: str | None = None,
        above: str | None = None,
        levels: Levels = None,
        hops: int | None = None,
        index: str | Path | None = None,
        encoder: str | Path | None = None,
        callback_manager: CallbackManager | None = None,
    ) -> None:
        filter_of(below, above, levels, hops)
        self.run, self.k, self.threshold = str(run), k, threshold
        self.below, self.above, self.levels, self.hops = below, above, levels, hops
        self.index, self.encoder = (None if each is None else str(each) for each in (index, encoder))
        self._searcher = opened(self.run, index=self.index, encoder=self.encoder)
        super().__init__(callback_manager=callback_manager)

    def to_dict(self) -> dict[str, Any]:
        """Its settings as JSON values."""
        return {"run": self.run, **as_values(fields_of(self)), "index": self.index, "encoder": self.encoder}

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> RootwardRetriever:
        """The retriever of such settings; opens the run."""
        return cls(**as_fields(fields))

    def __reduce__(self) -> Any:
        return type(self).from_dict, (self.to_dict(),)

    def retrieve_batch(self, queries: Sequence[str]) -> list[list[NodeWithScore]]:
        """The nodes of each text, found by one search; without LlamaIndex's callbacks."""
        return [[_node(each) for each in found] for found in search(self._searcher, queries, **fields_of(self))]

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return self.retrieve_batch([query_bundle.query_str])[0]

    async def _aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return await asyncio.to_thread(self._retrieve, query_bundle)


def _node(found: Found) -> NodeWithScore:
    hidden = [name for name in found.metadata if name not in ("name", "path")]
    node = TextNode(
        id_=found.id,
        text=found.text,
        metadata=found.metadata,
        excluded_embed_metadata_keys=hidden,
        excluded_llm_metadata_keys=hidden,
    )
    return NodeWithScore(node=node, score=found.score)
