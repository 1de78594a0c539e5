"""The nouns of WordNet 3.0, which ship with the package; `scripts/build_wordnet.py` tells the columns."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from rootward.ids import Ids
from rootward.readers.edges import EdgeList
from rootward.texts import Texts


def read_wordnet(*, instances: bool) -> EdgeList:
    """The noun synsets and their edges; see `Hierarchy.wordnet`."""
    with files("rootward.readers").joinpath("data/wordnet-nouns.parquet").open("rb") as file:
        table = pq.read_table(file).combine_chunks()
    lemmas = [tuple(words) for words in table["lemmas"].to_pylist()]
    texts = Texts(
        tuple(words[0] for words in lemmas),
        tuple(words[1:] for words in lemmas),
        tuple(table["gloss"].to_pylist()),
    )
    edges = [_edges(table[column]) for column in (["hypernyms", "instances"] if instances else ["hypernyms"])]
    children, parents = (np.concatenate(ends) for ends in zip(*edges, strict=True))
    return EdgeList(Ids(table["id"].to_pylist()), children, parents, texts)


def _edges(column: Any) -> tuple[Any, Any]:
    """(children, parents) of a column of lists of rows."""
    above = column.combine_chunks()
    sizes = np.diff(above.offsets.to_numpy())
    return np.repeat(np.arange(len(sizes)), sizes), above.flatten().to_numpy().astype(np.int64)
