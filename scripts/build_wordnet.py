"""Build the WordNet nouns that ship with rootward from the Princeton files.

    python scripts/build_wordnet.py /usr/share/wordnet src/rootward/readers/data

The folder is Debian's `wordnet-base` or the `dict` folder of any WordNet 3.0 download; `data.noun`
and `index.noun` are read. One row a synset, in the order of the file:

    id          cat.n.01: lowercased first lemma, part of speech, sense number of that lemma in index.noun
    lemmas      list of strings, underscores turned into spaces
    gloss       the definition and its examples
    hypernyms   list of int32 rows, pointer @
    instances   list of int32 rows, pointer @i (the synset is an instance of those)
"""

from __future__ import annotations

import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

N_SYNSETS = 82_115


def senses(index_file: Path) -> dict[str, list[str]]:
    """Lemma (lowercase, underscores) to its synset offsets, most frequent sense first."""
    table = {}
    for line in index_file.read_text(encoding="ascii").splitlines():
        if line.startswith(" "):  # the licence text at the top
            continue
        fields = line.split()
        table[fields[0]] = fields[-int(fields[2]) :]
    return table


def synsets(data_file: Path) -> list[tuple[str, list[str], str, list[str], list[str]]]:
    """(offset, lemmas, gloss, hypernym offsets, instance hypernym offsets) of every noun synset."""
    rows = []
    for line in data_file.read_text(encoding="ascii").splitlines():
        if line.startswith(" "):
            continue
        head, gloss = line.split(" | ", 1)
        fields = head.split()
        n_lemmas = int(fields[3], 16)
        lemmas = fields[4 : 4 + 2 * n_lemmas : 2]
        pointers = fields[5 + 2 * n_lemmas :]
        above = {"@": [], "@i": []}
        for symbol, offset in zip(pointers[::4], pointers[1::4], strict=True):
            if symbol in above:
                above[symbol].append(offset)
        rows.append((fields[0], lemmas, gloss.strip(), above["@"], above["@i"]))
    return rows


def build(source: Path, out: Path) -> None:
    index = senses(source / "index.noun")
    rows = synsets(source / "data.noun")
    if len(rows) != N_SYNSETS:
        raise SystemExit(f"{source} holds {len(rows)} noun synsets; WordNet 3.0 has {N_SYNSETS}.")
    row_of = {offset: row for row, (offset, *_) in enumerate(rows)}
    ids = []
    for offset, lemmas, *_ in rows:
        lemma = lemmas[0].lower()
        ids.append(f"{lemma}.n.{index[lemma].index(offset) + 1:02d}")
    if len(set(ids)) != len(ids):
        raise SystemExit("two synsets share an id")
    table = pa.table(
        {
            "id": pa.array(ids, pa.string()),
            "lemmas": pa.array([[x.replace("_", " ") for x in r[1]] for r in rows], pa.list_(pa.string())),
            "gloss": pa.array([r[2] for r in rows], pa.string()),
            "hypernyms": pa.array([[row_of[o] for o in r[3]] for r in rows], pa.list_(pa.int32())),
            "instances": pa.array([[row_of[o] for o in r[4]] for r in rows], pa.list_(pa.int32())),
        }
    )
    pq.write_table(table, out / "wordnet-nouns.parquet", compression="zstd", compression_level=19)
    print(
        f"{len(ids):,} synsets, {sum(len(r[3]) for r in rows):,} hypernym and "
        f"{sum(len(r[4]) for r in rows):,} instance edges"
    )


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    build(Path(sys.argv[1]), Path(sys.argv[2]))
