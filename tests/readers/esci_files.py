"""The official layout of ESCI, made of the real slice that lies beside the project, where it does."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rootward.readers.esci import EXAMPLES, LABELS, PRODUCTS

SLICE = Path(__file__).parents[3] / "shared" / "esci" / "esci_slice_200.csv"


def slice_rows() -> list[dict[str, str]]:
    """The 200 rows, each a query with one product; the test is skipped where the slice is not there."""
    if not SLICE.is_file():
        pytest.skip(f"the slice of ESCI is not at {SLICE.name} beside the project")
    with SLICE.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def write_files(folder: Path, rows: list[dict[str, str]], split: dict[str, str] | None = None, **columns: Any) -> Path:
    """Both Parquet files; every fifth query is a test query unless `split` (query id to part) says otherwise."""
    folder.mkdir(exist_ok=True)
    letter_of = {word: letter for letter, word in LABELS.items()}
    parts = split or {row["query_id"]: "test" if i % 5 == 4 else "train" for i, row in enumerate(rows)}
    examples: dict[str, Any] = {
        "example_id": pa.array([int(row["example_id"]) for row in rows], pa.int64()),
        "query": [row["query"] for row in rows],
        "query_id": pa.array([int(row["query_id"]) for row in rows], pa.int64()),
        "product_id": [row["product_id"] for row in rows],
        "product_locale": [row["product_locale"] for row in rows],
        "esci_label": [letter_of[row["esci_label"]] for row in rows],
        "small_version": pa.array([int(row["small_version"]) for row in rows], pa.int64()),
        "large_version": pa.array([int(row["large_version"]) for row in rows], pa.int64()),
        "split": [parts[row["query_id"]] for row in rows],
    }
    pq.write_table(pa.table({**examples, **columns}), folder / EXAMPLES)
    sold = {row["product_id"]: row for row in rows}.values()
    names = ("title", "description", "bullet_point", "brand", "color", "locale")
    products = {f"product_{name}": [row[f"product_{name}"] or None for row in sold] for name in names}
    pq.write_table(pa.table({"product_id": [row["product_id"] for row in sold], **products}), folder / PRODUCTS)
    return folder
