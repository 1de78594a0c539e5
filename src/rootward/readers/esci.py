"""ESCI, the shopping queries data set: its two official Parquet files to pairs (arXiv 2206.06588, Apache-2.0)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from rootward.errors import InputError, TableError, did_you_mean
from rootward.ids import Ids, Rows
from rootward.readers.labels import LabelledPairs, Origin, check_levels
from rootward.readers.limits import BROKEN, check_parquet, reading_arrow, reason_of
from rootward.texts import Texts, normal_form

Locale = Literal["us", "es", "jp"]
Version = Literal["large", "small"]
Part = Literal["train", "test"]

EXAMPLES, PRODUCTS = "shopping_queries_dataset_examples.parquet", "shopping_queries_dataset_products.parquet"
HOW = (
    "The data set is Amazon's, under Apache-2.0: git clone https://github.com/amazon-science/esci-data with Git LFS "
    "installed, and give its folder shopping_queries_dataset (2 GB), which holds both files."
)
LABELS = {"E": "Exact", "S": "Substitute", "C": "Complement", "I": "Irrelevant"}
LEVELS = {"E": 0, "S": 1}
"""Distances of the labels that count; the others are no pairs."""

_EXAMPLE_COLUMNS = ("query", "query_id", "product_id", "product_locale", "esci_label", "split")
_PRODUCT_COLUMNS = ("product_id", "product_title", "product_locale")


def read_esci(
    folder: str | os.PathLike[str], *, part: Part, locale: Locale, version: Version, levels: Mapping[str, int] | None
) -> LabelledPairs:
    """The pairs of one part of ESCI; `Pairs.from_esci` says what is read and refused."""
    for name, value, known in (("locale", locale, Locale), ("version", version, Version), ("part", part, Part)):
        if value not in get_args(known):
            there = ", ".join(map(repr, get_args(known)))
            raise InputError(f"{name}={value!r} is not known; it must be one of {there}.")
    hops_of = _levels(levels)
    with reading_arrow(str(folder), "the tables of ESCI", " Are these the official files?"):
        return _pairs_of(folder, part, locale, version, hops_of)


def _pairs_of(
    folder: str | os.PathLike[str], part: Part, locale: Locale, version: Version, hops_of: Mapping[str, int]
) -> LabelledPairs:
    examples = _read(Path(folder) / EXAMPLES, (*_EXAMPLE_COLUMNS, f"{version}_version"), locale)
    examples = examples.filter(pc.equal(examples[f"{version}_version"], 1))
    products = _read(Path(folder) / PRODUCTS, _PRODUCT_COLUMNS, locale)
    if not examples.num_rows or not products.num_rows:
        raise TableError(f"{folder} holds no products or no examples of locale {locale!r}, {version} version.")
    document_ids = Ids(_texts(products["product_id"]), what="product id")
    titles = tuple(_texts(products["product_title"]))
    labels, text_of = _texts(examples["query_id"]), dict[str, str]()
    for label, text in zip(labels, _texts(examples["query"]), strict=True):
        if text_of.setdefault(label, text) != text:
            raise TableError(f"{EXAMPLES}: the query id {label!r} has the texts {text_of[label]!r} and {text!r}.")
    query_ids, names = Ids(text_of, what="query id"), tuple(text_of.values())
    queries, hops = query_ids.rows(labels), _hops(examples["esci_label"], hops_of)
    split = np.array(_texts(examples["split"]))
    forms = [normal_form(name) for name in names]
    in_training = {forms[row] for row in np.unique(queries[split == "train"]).tolist()}
    repeated = np.array([form in in_training for form in forms], np.bool_)  # of each query: a training text, too
    wanted = split == "train" if part == "train" else (split == "test") & ~repeated[queries]
    wanted &= hops >= 0
    left_out = len(np.unique(queries[(split == "test") & repeated[queries]])) if part == "test" else 0
    notes = (f"Left out {left_out:,} test queries whose text is that of a training query.",) if left_out else ()
    products_of = [label for label, kept in zip(_texts(examples["product_id"]), wanted.tolist(), strict=True) if kept]
    missing = next((label for label in products_of if label not in document_ids), None)
    if missing is not None:
        raise TableError(f"{EXAMPLES} names the product {missing!r}, which {PRODUCTS} does not have for this locale.")
    query_texts, document_texts = (Texts(each, ((),) * len(each), ("",) * len(each)) for each in (names, titles))
    documents = document_ids.rows(products_of)
    pairs = (queries[wanted], documents, hops[wanted])
    return LabelledPairs(query_ids, document_ids, *pairs, query_texts, document_texts, notes)


def origin_in(folder: str | os.PathLike[str]) -> Origin:
    """Where the query ids are from."""
    return Origin(Path(folder) / EXAMPLES, "query_id")


def _levels(levels: Mapping[str, int] | None) -> dict[str, int]:
    """The distance of each label, by its letter; labels may be given as letters or as words."""
    letter_of = {name.lower(): letter for letter, word in LABELS.items() for name in (letter, word)}
    hops_of = check_levels(LEVELS if levels is None else levels) or {}
    unknown = next((label for label in hops_of if label.lower() not in letter_of), None)
    if unknown is not None:
        raise InputError(f"ESCI has no label {unknown!r}; it has {', '.join(LABELS.values())}.")
    return {letter_of[label.lower()]: hops for label, hops in hops_of.items()}


def _read(path: Path, columns: tuple[str, ...], locale: str) -> Any:
    """These columns of the rows of a locale."""
    if not path.is_file():
        raise TableError(f"There is no file {path}. {HOW}")
    try:
        with pq.ParquetFile(path) as parquet:
            check_parquet(parquet.metadata, path.stat().st_size, path.name)
            there = parquet.schema_arrow.names
        missing = [name for name in columns if name not in there]
        if missing:
            raise TableError(
                f"{path.name} has no column {missing[0]!r}; it has {', '.join(there)}.{did_you_mean(missing[0], there)}"
            )
        table = pq.read_table(path, columns=list(columns), filters=[("product_locale", "=", locale)])
        table.validate(full=True)
        return table
    except BROKEN as error:
        if isinstance(error, InputError):
            raise
        pointer = path.stat().st_size < 1_000 and path.read_bytes().startswith(b"version https://git-lfs")
        what = (
            "is a pointer of Git LFS: run git lfs pull in that folder"
            if pointer
            else f"is no Parquet file ({reason_of(error)})"
        )
        raise TableError(f"{path} {what}.") from error


def _texts(column: Any) -> list[str]:
    """A column as text, "" for a missing value."""
    found: list[str] = pc.fill_null(column.cast(pa.large_string()), "").to_pylist()
    return found


def _hops(column: Any, hops_of: Mapping[str, int]) -> Rows:
    """The distance of each row's label, -1 for labels that do not count.

    Raises:
        TableError: a label that ESCI does not have.
    """
    coded = column.combine_chunks().dictionary_encode()
    if isinstance(coded, pa.ChunkedArray):
        coded = coded.combine_chunks()
    words = {word: letter for letter, word in LABELS.items()}
    letters = [words.get(label, label) for label in coded.dictionary.to_pylist()]
    unknown = next((label for label in letters if label not in LABELS), None)
    if unknown is not None:
        raise TableError(f"{EXAMPLES}: esci_label holds {unknown!r}; needed {', '.join(LABELS)}.")
    distances = np.array([hops_of.get(letter, -1) for letter in letters], np.int64)
    hops: Rows = distances[coded.indices.to_numpy(zero_copy_only=False)]
    return hops
