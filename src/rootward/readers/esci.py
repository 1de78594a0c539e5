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
from rootward.readers.drafts import Parts
from rootward.readers.labels import Origin
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

_ASKED = ("query", "query_id", "product_id", "product_locale", "esci_label", "split")
_SOLD = ("product_id", "product_title", "product_locale")


def read_esci(
    folder: str | os.PathLike[str], *, part: Part, locale: Locale, version: Version, levels: Mapping[str, int] | None
) -> Parts:
    """The parts of `Pairs` out of ESCI; `Pairs.from_esci` says what is read and refused."""
    for name, value, known in (("locale", locale, Locale), ("version", version, Version), ("part", part, Part)):
        if value not in get_args(known):
            there = ", ".join(map(repr, get_args(known)))
            raise InputError(f"{name}={value!r} is not known; it must be one of {there}.")
    hops_of = _levels(levels)
    examples = _read(Path(folder) / EXAMPLES, (*_ASKED, f"{version}_version"), locale)
    examples = examples.filter(pc.equal(examples[f"{version}_version"], 1))
    products = _read(Path(folder) / PRODUCTS, _SOLD, locale)
    if not examples.num_rows or not products.num_rows:
        raise TableError(f"{folder} holds no products or no examples of locale {locale!r}, {version} version.")
    document_ids = Ids(_texts(products["product_id"]), what="product id")
    titles = tuple(_texts(products["product_title"]))
    query_ids, names, asked = _queries(examples)
    parts, hops = _texts(examples["split"]), _hops(examples["esci_label"], hops_of)
    in_train, in_test = (np.array([each == name for each in parts]) for name in get_args(Part))
    seen = _seen(names, asked[in_train])
    wanted = in_train if part == "train" else in_test & ~seen[asked]
    wanted &= hops >= 0
    left_out = len(np.unique(asked[in_test & seen[asked]])) if part == "test" else 0
    notes = (f"Left out {left_out:,} test queries whose text is that of a training query.",) if left_out else ()
    return Parts(
        query_ids,
        document_ids,
        asked[wanted],
        _sold(document_ids, examples["product_id"], wanted),
        hops[wanted],
        _named(names),
        _named(titles),
        notes,
    )


def origin_in(folder: str | os.PathLike[str]) -> Origin:
    """Where its queries stand."""
    return Origin(Path(folder) / EXAMPLES, "query_id")


def _levels(levels: Mapping[str, int] | None) -> dict[str, int]:
    """The distance of each label, by its letter; labels may be given as letters or as words."""
    letter_of = {name.lower(): letter for letter, word in LABELS.items() for name in (letter, word)}
    hops_of: dict[str, int] = {}
    for label, hops in (LEVELS if levels is None else levels).items():
        letter = letter_of.get(str(label).lower())
        if letter is None:
            raise InputError(f"ESCI has no label {label!r}; it has {', '.join(LABELS.values())}.")
        if isinstance(hops, bool) or not isinstance(hops, (int, np.integer)) or hops < 0:
            raise InputError(f"levels gives {label!r} the distance {hops!r}; a whole number from 0 is needed.")
        hops_of[letter] = int(hops)
    if not hops_of:
        raise InputError('levels is empty; give each label that counts its distance, such as {"E": 0, "S": 1}.')
    return hops_of


def _read(path: Path, columns: tuple[str, ...], locale: str) -> Any:
    """These columns of the rows of a locale."""
    if not path.is_file():
        raise TableError(f"There is no file {path}. {HOW}")
    try:
        there = pq.read_schema(path).names
        missing = [name for name in columns if name not in there]
        if missing:
            raise TableError(
                f"{path.name} has no column {missing[0]!r}; it has {', '.join(there)}.{did_you_mean(missing[0], there)}"
            )
        return pq.read_table(path, columns=list(columns), filters=[("product_locale", "=", locale)])
    except pa.ArrowInvalid as error:
        pointer = path.stat().st_size < 1_000 and path.read_bytes().startswith(b"version https://git-lfs")
        told = (
            "is a pointer of Git LFS: run git lfs pull in that folder" if pointer else f"is no Parquet file ({error})"
        )
        raise TableError(f"{path} {told}.") from error


def _texts(column: Any) -> list[str]:
    """A column as text, "" for a missing value."""
    found: list[str] = pc.fill_null(column.cast(pa.large_string()), "").to_pylist()
    return found


def _queries(examples: Any) -> tuple[Ids, tuple[str, ...], Rows]:
    """Ids and texts of the queries in order of first appearance, and the query of each row.

    Raises:
        TableError: one query id with two texts.
    """
    labels, texts = _texts(examples["query_id"]), _texts(examples["query"])
    text_of: dict[str, str] = {}
    for label, text in zip(labels, texts, strict=True):
        if text_of.setdefault(label, text) != text:
            raise TableError(f"{EXAMPLES}: the query id {label!r} has the texts {text_of[label]!r} and {text!r}.")
    ids = Ids(text_of, what="query id")
    return ids, tuple(text_of.values()), ids.rows(labels)


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


def _seen(names: tuple[str, ...], trained: Rows) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Of each query: whether a training query has its text, in whatever spelling (bool)."""
    forms = [normal_form(name) for name in names]
    known = {forms[row] for row in np.unique(trained).tolist()}
    return np.array([form in known for form in forms], np.bool_)


def _sold(ids: Ids, column: Any, wanted: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Rows:
    """The product row of each wanted row.

    Raises:
        TableError: a product that the file of products lacks.
    """
    labels = [label for label, kept in zip(_texts(column), wanted.tolist(), strict=True) if kept]
    missing = next((label for label in labels if label not in ids), None)
    if missing is not None:
        raise TableError(f"{EXAMPLES} names the product {missing!r}, which {PRODUCTS} does not have for this locale.")
    return ids.rows(labels)


def _named(names: tuple[str, ...]) -> Texts:
    return Texts(names, ((),) * len(names), ("",) * len(names))
