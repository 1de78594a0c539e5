"""Names, synonyms and definitions of nodes, the normal form of a text, and glosses."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from rootward.errors import InputError, UnknownIdError, did_you_mean, quoted
from rootward.ids import Ids


@dataclass(frozen=True)
class Texts:
    """Texts of n nodes; row i belongs to the id with row i.

    Attributes:
        names: the preferred name, "" where there is none.
        synonyms: other names of the same thing, the preferred one left out.
        definitions: a gloss or description, "" where there is none.
    """

    names: tuple[str, ...]
    synonyms: tuple[tuple[str, ...], ...]
    definitions: tuple[str, ...]

    def __post_init__(self) -> None:
        if not len(self.names) == len(self.synonyms) == len(self.definitions):
            raise InputError(
                f"Texts need one row per node in each column, got {len(self.names)} names, "
                f"{len(self.synonyms)} lists of synonyms and {len(self.definitions)} definitions."
            )

    @classmethod
    def from_table(cls, table: pa.Table) -> Texts:
        """From the columns that `columns` gives."""
        names, synonyms, definitions = (table[name].to_pylist() for name in ("name", "synonyms", "definition"))
        return cls(tuple(names), tuple(map(tuple, synonyms)), tuple(definitions))

    def columns(self) -> dict[str, pa.Array]:
        """Columns of a table by name: `name` and `definition` of strings, `synonyms` of lists of them."""
        return {
            "name": pa.array(self.names, pa.string()),
            "synonyms": pa.array(self.synonyms, pa.list_(pa.string())),
            "definition": pa.array(self.definitions, pa.string()),
        }

    def __len__(self) -> int:
        return len(self.names)

    def take(self, rows: npt.ArrayLike) -> Texts:
        """The texts of these rows, in their order."""
        wanted = np.asarray(rows, np.int64).tolist()
        return Texts(
            tuple(self.names[row] for row in wanted),
            tuple(self.synonyms[row] for row in wanted),
            tuple(self.definitions[row] for row in wanted),
        )

    def all_names(self, row: int) -> tuple[str, ...]:
        """The preferred name, if there is one, and the synonyms."""
        return ((self.names[row],) if self.names[row] else ()) + self.synonyms[row]


def what_is_read(ids: Ids, texts: Texts | None) -> Sequence[str]:
    """The text of each row that towers read: its name; its id where it has none, as in labelled tables."""
    if texts is None:
        return ids
    return [name or label for name, label in zip(texts.names, ids, strict=True)]


LONGEST = 2_000
"""Characters of a text that are read; the rest is ignored."""


class _Characters(dict[int, "int | str | None"]):
    """Code of a character -> what replaces it: letters, marks and numbers stay, invisible ones go, others are spaces.

    For `str.translate`; filled as it is used.
    """

    def __missing__(self, code: int) -> int | str | None:
        kind = unicodedata.category(chr(code))
        kept: int | str | None = code if kind[0] in "LMN" else None if kind == "Cf" else " "
        self[code] = kept
        return kept


_CHARACTERS = _Characters()


def normal_form(text: str) -> str:
    """The words of a text in lower case, a space between them: "Broad (nasal)\\tBridge" is "broad nasal bridge".

    Compatibility forms are one (NFKC: full-width letters, ligatures, superscripts), case is folded ("ß" is "ss"),
    letters, marks and digits of every script stay, invisible format characters (soft hyphen, joiners) vanish, and
    everything else, such as punctuation and control characters, separates words. Of a text longer than `LONGEST`
    characters only these count. A text without a letter or digit has the normal form "".
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text[:LONGEST]).casefold())
    return " ".join(folded.translate(_CHARACTERS).split())


_EXAMPLES = re.compile(r";\s*(?=\")")  # 'a small cat; "the kitten slept"'
_QUOTED = re.compile(r'"([^"]+)"?')


class Gloss(NamedTuple):
    """A definition and sentences that use the name.

    Attributes:
        definition: "" where there is none.
        examples: without their quotes, in order.
    """

    definition: str
    examples: tuple[str, ...]


def gloss_of(text: str) -> Gloss:
    """Parse a gloss as WordNet writes it: 'shoes with straps; "she wore sandals"'.

    Examples begin behind a semicolon with a double quote; what stands between two examples, such as a source, is
    left out. Quotes within a definition stay there.
    """
    definition, *examples = _EXAMPLES.split(text.strip(), maxsplit=1)
    found = _QUOTED.findall(examples[0]) if examples else []
    return Gloss(definition.strip(), tuple(example.strip() for example in found if normal_form(example)))


@dataclass(frozen=True, eq=False)
class NameLookup:
    """Looks ids up by name; the table of names is built at the first look-up that needs it.

    Attributes:
        ids: of the nodes.
        texts: their names and synonyms, None where the source had none.
    """

    ids: Ids
    texts: Texts | None

    def meanings(self, text: str) -> list[str]:
        """As `find`; [] where nothing is called so, which takes no time to say."""
        if text in self.ids or text in self.ids.old:
            return [self.ids.old.get(text, text)]
        return [self.ids[row] for row in self._meanings.get(text.strip().casefold(), ())]

    def find(self, text: str) -> list[str]:
        """The ids that `text` can mean: the id itself or its successor, else every node named so, in any case.

        Nodes that have it as their preferred name come before those that have it as a synonym, ids in alphabetical
        order within each: "cat" gives cat.n.01 first, then the gossip and the tractor.

        Raises:
            UnknownIdError: nothing is called so; the message names what is close, ids and names.
        """
        found = self.meanings(text)
        if not found:
            texts, rows = self.texts, range(len(self.ids))
            known = (
                self.ids.like(text.strip())
                if texts is None
                else [*(name for row in rows for name in texts.all_names(row)), *self.ids]
            )
            nothing, what = ("No query", "") if self.texts is None else ("Nothing is called", " queries")
            close = did_you_mean(text.strip(), known)
            raise UnknownIdError(f"{nothing} {quoted(text)} among {len(self.ids):,}{what}.{close}")
        return found

    @cached_property
    def _meanings(self) -> dict[str, list[int]]:
        """Casefolded name to rows, best first."""
        if self.texts is None:
            return {}
        preferred: defaultdict[str, dict[int, bool]] = defaultdict(dict)  # name -> row -> it is the preferred name
        for row, (name, synonyms) in enumerate(zip(self.texts.names, self.texts.synonyms, strict=True)):
            for synonym in synonyms:
                preferred[synonym.casefold()][row] = False
            preferred[name.casefold()][row] = True
        preferred.pop("", None)
        return {name: sorted(rows, key=lambda row: (not rows[row], self.ids[row])) for name, rows in preferred.items()}
