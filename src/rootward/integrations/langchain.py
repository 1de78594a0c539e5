"""A retriever for LangChain over a run."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from pydantic import Field, PrivateAttr

from rootward.errors import InputError, MissingExtraError
from rootward.integrations.documents import Found, Levels, Threshold, checked, fields_of, opened, search
from rootward.retrieval import Searcher

try:
    from langchain_core.callbacks import AsyncCallbackManagerForRetrieverRun, CallbackManagerForRetrieverRun
    from langchain_core.documents import Document
    from langchain_core.retrievers import BaseRetriever
except ImportError as error:
    raise MissingExtraError("A retriever for LangChain", "langchain") from error


class RootwardRetriever(BaseRetriever):
    """Finds the right node of a taxonomy for a text, and everything above it, as LangChain documents.

        retriever = RootwardRetriever(run="runs/shoes", threshold="auto")
        retriever.invoke("flip-flops")[0].metadata["path"]
        retriever.invoke("flip-flops", k=3, below="shoes")     # other settings for one call

    A document's text is its name, and its definition where it has one. Its metadata are id, name, score, accepted
    (whether it belongs to the answer set), hops (from the query, where known), path (ids from the root to it),
    ancestors (ids) and probability (of being right, where the run is calibrated). A text of which the run knows no part
    has no documents.

    `langchain_core.load.dumps` saves its settings: the folder of the run, not the model. `loads` is told to trust it:
    `loads(text, allowed_objects=[RootwardRetriever], valid_namespaces=["rootward"])`.

    Attributes:
        run: folder of the run.
        k: how many documents at most; None for 10, or all of the answer set.
        threshold: None for the k best; "auto" for the answer set of each text; a number for all that score as much.
        below, above: only this document and what stands below, or above, it.
        levels: (first, last): only documents so many hops from their root; None as last is open.
        hops: with below or above: at most so far away.
        index: folder of an index of the run; None searches every document.
        encoder: path of the encoder, if the saved one is missing.

    Raises:
        RunFolderError: a folder that is missing, damaged, or from a newer version.
        InputError, UnknownIdError: raised by a search, as `Searcher.search` does.
    """

    run: str
    k: int | None = Field(default=None, ge=1)
    threshold: Threshold = None
    below: str | None = None
    above: str | None = None
    levels: Levels = None
    hops: int | None = Field(default=None, ge=0)
    index: str | None = None
    encoder: str | None = None
    _searcher: Searcher = PrivateAttr()

    def __init__(self, run: str | Path | None = None, **fields: Any) -> None:
        if run is None:
            raise InputError("RootwardRetriever needs the folder of a run: RootwardRetriever(run='runs/shoes').")
        fields["run"] = run
        texts: dict[str, Any] = {name: str(each) if isinstance(each, Path) else each for name, each in fields.items()}
        super().__init__(**texts)
        self._searcher = opened(self.run, index=self.index, encoder=self.encoder)

    @classmethod
    def is_lc_serializable(cls) -> bool:
        """It can be saved."""
        return True

    @classmethod
    def get_lc_namespace(cls) -> list[str]:
        """Where LangChain finds it again."""
        return cls.__module__.split(".")

    def __reduce__(self) -> Any:
        return _again, (type(self), {name: getattr(self, name) for name in type(self).model_fields})

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun, **changes: Any
    ) -> list[Document]:
        (found,) = search(self._searcher, [query], **(fields_of(self) | checked(changes)))
        return [_document(each) for each in found]

    async def _aget_relevant_documents(
        self, query: str, *, run_manager: AsyncCallbackManagerForRetrieverRun, **changes: Any
    ) -> list[Document]:
        return await asyncio.to_thread(
            self._get_relevant_documents, query, run_manager=run_manager.get_sync(), **changes
        )


def _document(found: Found) -> Document:
    return Document(id=found.id, page_content=found.text, metadata=found.metadata)


def _again(cls: type[RootwardRetriever], fields: dict[str, Any]) -> RootwardRetriever:
    return cls(**fields)
