"""HyperLex: pairs of English words with people's answers to "to what degree is X a type of Y?".

The data set (Vulic et al. 2017) is not shipped, because it states no licence; its authors give it away at
https://people.ds.cam.ac.uk/iv250/hyperlex.html. Wanted is its file of nouns, or the whole one, whose other lines are
left out.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.stats import spearmanr

from rootward.errors import InputError, TableError
from rootward.hierarchy import Hierarchy

HOW_TO_GET = (
    "table2 needs the HyperLex file of noun pairs, which states no licence and so does not come with the package. "
    "Download hyperlex-data.zip from its authors (https://people.ds.cam.ac.uk/iv250/hyperlex.html) and name the file: "
    "rootward reproduce table2 --data hyperlex-data/Nouns-Verbs/HyperLex-Nouns.txt"
)
COLUMNS = ("WORD1", "WORD2", "POS", "AVG_SCORE")

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Rated:
    """Noun pairs with their rating.

    Attributes:
        pairs: (X, Y).
        ratings: float64, 0 (no type of it at all) to 6, one a pair.
    """

    pairs: tuple[tuple[str, str], ...]
    ratings: Floats


def read_hyperlex(path: str | os.PathLike[str] | None) -> Rated:
    """The noun pairs of a HyperLex file.

    Raises:
        InputError: no file was named; the message says how to get it.
        TableError: no such file, or one without the columns of HyperLex.
    """
    if path is None:
        raise InputError(HOW_TO_GET)
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise TableError(f"There is no file {os.fspath(path)}. {HOW_TO_GET}") from None
    except IsADirectoryError:
        raise TableError(
            f"{os.fspath(path)} is a folder; needed is the file of noun pairs in it. {HOW_TO_GET}"
        ) from None
    header = lines[0].split() if lines else []
    missing = [column for column in COLUMNS if column not in header]
    if missing:
        raise TableError(f"{os.fspath(path)} has no column {missing[0]!r} in its first row, so it is no HyperLex file.")
    word, other, kind, rating = (header.index(column) for column in COLUMNS)
    pairs, ratings = [], []
    for number, line in enumerate(lines[1:], start=2):
        cells = line.split()
        if not cells or cells[kind : kind + 1] not in ([], ["N"]):
            continue
        try:
            ratings.append(float(cells[rating]))
        except (IndexError, ValueError):
            raise TableError(
                f"Row {number} of {os.fspath(path)} has no rating in column AVG_SCORE: {line!r}."
            ) from None
        pairs.append((cells[word], cells[other]))
    if not pairs:
        raise TableError(f"{os.fspath(path)} has no noun pairs: no row with N in column POS.")
    return Rated(tuple(pairs), np.array(ratings))


class Senses:
    """The synsets that a word can mean, by row, in WordNet's own order of senses.

    A word that no synset is called by is tried once more without a plural ending, and with a space or hyphen taken for
    an underscore; one that is still unknown has no senses.
    """

    def __init__(self, hierarchy: Hierarchy) -> None:
        found: dict[str, list[tuple[int, int]]] = {}
        texts = hierarchy.texts
        assert texts is not None
        for row, node in enumerate(hierarchy.ids):
            number = int(node.rsplit(".", 1)[1])
            for place, name in enumerate((texts.names[row], *texts.synonyms[row])):
                # A lemma that does not name the synset has no number in the id; such senses follow, in row order.
                found.setdefault(_plain(name), []).append((number if place == 0 else 100 + number, row))
        self.rows = {name: [row for _, row in sorted(senses)] for name, senses in found.items()}

    def of(self, word: str) -> list[int]:
        """Rows of the synsets of this word, the commonest first as far as ids tell."""
        plain = _plain(word)
        for form in (plain, re.sub(r"s$", "", plain), re.sub(r"es$", "", plain), re.sub(r"ies$", "y", plain)):
            if form in self.rows:
                return self.rows[form]
        return []


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]+", " ", name.strip().casefold())


def correlation(scores: Floats, rated: Rated) -> float:
    """Spearman's rho of scores and ratings over all pairs; a pair without a score (NaN) has the lowest."""
    filled = np.where(np.isnan(scores), np.nanmin(scores, initial=0.0) - 1.0, scores)
    return float(spearmanr(filled, rated.ratings).statistic)


def information(hierarchy: Hierarchy) -> Floats:
    """Information content of every node from the shape alone (Seco et al. 2004).

    1 - log(nodes at or below) / log(all nodes): 1 for a leaf, 0 for a root of everything.
    """
    below = np.bincount(hierarchy.ancestors().ancestors, minlength=len(hierarchy))
    return np.asarray(1 - np.log(below) / np.log(len(hierarchy)), np.float64)


def oracle(hierarchy: Hierarchy, rated: Rated, senses: Senses) -> Floats:
    """What the hierarchy itself says, without any training: the information that X and Y share, for each pair.

    The most informative common ancestor of any sense of X and any of Y, its content taken as a share of Y's own: 1 when
    Y stands above X. NaN where a word has no sense.
    """
    content = information(hierarchy)
    rows = sorted({row for pair in rated.pairs for word in pair for row in senses.of(word)})
    found = hierarchy.ancestors([hierarchy.ids[row] for row in rows])
    stretches = zip(found.offsets[:-1].tolist(), found.offsets[1:].tolist(), strict=True)
    above = {row: set(found.ancestors[a:b].tolist()) for row, (a, b) in zip(rows, stretches, strict=True)}
    out = np.full(len(rated.pairs), np.nan)
    for place, (word, other) in enumerate(rated.pairs):
        best = [
            max((content[row] for row in above[x] & above[y]), default=0.0) / max(content[y], 1e-9)
            for x in senses.of(word)
            for y in senses.of(other)
        ]
        out[place] = max(best, default=np.nan)
    return out
