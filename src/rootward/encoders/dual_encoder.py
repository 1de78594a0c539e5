"""`DualEncoder`: a query tower, a document tower, and what their rows are called."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rootward.encoders.full import CHUNK, PACE
from rootward.encoders.queries import Names, Queries, leaning, read_queries, usual_lean
from rootward.encoders.start import (
    Documents,
    Reading,
    TextTowers,
    construct_start,
    free_start,
    random_start,
    reader_start,
    text_start,
)
from rootward.encoders.storage import Again, Stored, read_model, tables_of, tensors_of, towers_from, write_model
from rootward.encoders.towers import LookupTower, Table, TextTower, Tower
from rootward.errors import InputError, quoted
from rootward.ids import Ids
from rootward.pairs import Pairs
from rootward.texts import Texts

Start = Literal["constructed", "random", "free"]


@dataclass(eq=False)
class DualEncoder:
    """Queries and documents as vectors in one space; the score of a pair is their inner product.

    Attributes:
        query_tower, document_tower: row to vector, one table or network a side.
        query_ids, document_ids: the users' labels, row by row.
        generality: int64, n_documents; how many training queries each document is relevant to.
        heights: float32, n_documents; how high each document stands (`Pairs.heights`). Answer sets are found by score
            and *shown* by ascending height, nearest first.
        thresholds: float32, n_queries; where a query's answer set ends, NaN while unknown. `train` sets them.
        query_texts, document_texts: names, where the source had them.
        notes: what `text` found in the texts that its user should know, a sentence each; `train` tells them.
    """

    query_tower: Tower
    document_tower: Tower
    query_ids: Ids
    document_ids: Ids
    generality: npt.NDArray[np.int64]
    heights: npt.NDArray[np.float32]
    thresholds: Tensor = field(default_factory=lambda: torch.empty(0))
    query_texts: Texts | None = None
    document_texts: Texts | None = None
    notes: tuple[str, ...] = ()
    _fingerprinted: tuple[Seen, str] | None = field(default=None, init=False, repr=False)
    _names: Names | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.query_tower.dim != self.document_tower.dim:
            raise InputError(
                f"Both towers need one width, got {self.query_tower.dim} for queries and "
                f"{self.document_tower.dim} for documents."
            )
        if not len(self.thresholds):
            self.thresholds = torch.full((len(self.query_ids),), torch.nan)

    @classmethod
    def lookup(cls, pairs: Pairs, dim: int, *, seed: int = 0, start: Start = "constructed") -> DualEncoder:
        """A vector for every query and every document of `pairs`: untrained lookup tables.

        Args:
            pairs: their ids, texts and relevant sets are taken over.
            dim: width of the vectors, at least 1.
            seed: of the random start.
            start: "constructed": random documents, each query the normalised sum of its relevant documents
                (the paper's Algorithm 1, arXiv 2509.16411 section 3), which saves the first epochs of training;
                "random": independent unit vectors on both sides. Both stay on the unit sphere.
                "free": independent normal entries of variance 1/dim, and rows that training may give any length: the
                reading under which the paper's recipes give its figures (docs/lab-log.md).

        Raises:
            InputError: dim below 1, or arguments that are something else.
        """
        check_pairs(pairs, "DualEncoder.lookup")
        check_dim(dim)
        begin = {"constructed": construct_start, "random": random_start, "free": free_start}.get(start)
        if begin is None:
            raise InputError(f"start must be 'constructed', 'random' or 'free', got {start!r}.")
        queries, documents = (LookupTower(vectors, unit=start != "free") for vectors in begin(pairs, dim, seed))
        return cls.from_towers(pairs, queries, documents)

    @classmethod
    def from_vectors(
        cls, pairs: Pairs, queries: npt.ArrayLike | Tensor, documents: npt.ArrayLike | Tensor
    ) -> DualEncoder:
        """A lookup encoder of given vectors (n_queries x dim and n_documents x dim), rows in the order of `pairs`.

        They are copied, so that training changes neither what was given nor, where both are one, two tables at once.

        Raises:
            InputError: no matrices, the number of rows is not that of the ids, or an entry is not finite.
        """
        check_pairs(pairs, "DualEncoder.from_vectors")
        towers = [LookupTower(as_table(given, side)) for given, side in ((queries, "query"), (documents, "document"))]
        return cls.from_towers(pairs, *towers)

    @classmethod
    def from_towers(cls, pairs: Pairs, query_tower: Tower, document_tower: Tower) -> DualEncoder:
        """An encoder of given towers, those of one's own too (see `Tower`), rows in the order of `pairs`.

        Raises:
            InputError: a tower with another number of rows than there are ids, or two widths.
        """
        check_pairs(pairs, "DualEncoder.from_towers")
        for tower, ids, side in (
            (query_tower, pairs.query_ids, "query"),
            (document_tower, pairs.document_ids, "document"),
        ):
            if len(tower) != len(ids):
                raise InputError(f"{len(ids):,} {side} ids need as many vectors, got {len(tower):,}.")
        return cls(
            query_tower,
            document_tower,
            pairs.query_ids,
            pairs.document_ids,
            pairs.generality,
            pairs.heights,
            query_texts=pairs.query_texts,
            document_texts=pairs.document_texts,
        )

    @classmethod
    def text(
        cls,
        pairs: Pairs,
        tower: TextTowers = "static",
        *,
        dim: int = 128,
        documents: Documents = "tied",
        drop: float = 0.1,
        word_pairs: bool = False,
        seed: int = 0,
        encoder: Any = None,
        hidden: int | None = None,
        cache: str | Path | None = None,
        progress: bool = False,
        chunk: int = CHUNK,
        pace: float = PACE,
    ) -> DualEncoder:
        """Query texts to vectors, so that words which training never saw have one too; untrained.

        What is read is each query's name, its id where it has none; `Pairs.by_name` makes every name and synonym a
        query of its own. The features that count, and how rare they are, are taken from the queries that have pairs.
        Texts of several queries with different answers, and those too long to be read whole, are counted in `notes`.

        Args:
            pairs: their ids, texts and relevant sets are taken over.
            tower: "static": trainable vectors of words and character n-grams (3 to 5), summed by idf: trains in
                minutes on two cores. "frozen": a pretrained sentence encoder that stays as it is, and a head that is
                learnt: what it knows of words that no training text has; after one reading trains as quickly.
                "joint": both in equal shares, trained as one: each finds words that the other does not.
                "full": the encoder is trained too; `rootward.encoders.new_encoder` makes one from scratch.
            dim: width of the vectors, at least 1.
            documents: "tied": the vector of a document's own name by the query tower, plus a vector of its own that
                starts at zero, so that the nearest name is found before anything is learnt; "text": a tower of their
                own that starts as the query tower and learns the difference, for documents that go by their texts
                alone (of a full tower a head of their own, on a shared encoder); "lookup": a table.
            drop: share of a text's features, or of an encoder's outputs, that each step of training leaves out at
                random.
            word_pairs: of a static or joint tower: every two words that follow each other have a vector too. Finds a
                little more where names are phrases, as in medicine; takes longer, and memory where texts are sentences.
            seed: of the random start.
            encoder: of a frozen, joint or full tower: the name or the folder of a sentence-transformers model. A frozen
                one may be any object with `encode(texts) -> array`; outputs are kept on disk of one that has weights
                (`state_dict`) or a `fingerprint` to be recognised by.
            hidden: width of a hidden layer in the head on an encoder; None for one matrix.
            cache: folder of the outputs; None for $ROOTWARD_CACHE, else the user's cache folder.
            progress: show how far a frozen encoder has read.
            chunk: texts that go through a full tower at a time; memory is that of so many, whatever the batch.
            pace: of a full tower: the step of an encoder's weight as a share of the learning rate.

        Raises:
            InputError: dim or hidden below 1, drop outside 0..1, an unknown tower, a query with pairs whose text has no
                letter or digit, or an encoder that cannot be used.
            MissingExtraError: sentence-transformers is needed and not installed.
        """
        check_pairs(pairs, "DualEncoder.text")
        check_dim(dim)
        how = Reading(dim, drop, seed, word_pairs, encoder, hidden, cache, progress, chunk, pace)
        begin = reader_start(tower, how)
        queries, of_documents, notes = text_start(pairs, begin, documents, dim, seed)
        return replace(cls.from_towers(pairs, queries, of_documents), notes=notes)

    @property
    def dim(self) -> int:
        """Width of the vectors."""
        return self.query_tower.dim

    def __repr__(self) -> str:
        return f"DualEncoder({len(self.query_ids):,} queries, {len(self.document_ids):,} documents, dim {self.dim})"

    # -- encoding --------------------------------------------------------------------------------------------

    def query_vectors(self, rows: npt.ArrayLike | None = None) -> Tensor:
        """Query vectors of these rows, or of all (float32, n x dim)."""
        return self.query_tower.encode(rows)

    def document_vectors(self, rows: npt.ArrayLike | None = None) -> Tensor:
        """Document vectors of these rows, or of all (float32, n x dim)."""
        return self.document_tower.encode(rows)

    def queries(self, ids: Iterable[Hashable] | None = None) -> Queries:
        """Queries by id, encoded and with the thresholds of their answer sets; all of them when none are named.

        Those that are `unseen` are encoded as `encode_queries` encodes their texts.

        Raises:
            UnknownIdError: an id that is no query of this model.
            InputError: one string in place of a list.
        """
        rows = np.arange(len(self.query_ids)) if ids is None else self.query_ids.rows(as_list(ids, "model.queries"))
        return Queries([self.query_ids[row] for row in rows.tolist()], *self.as_searched(rows), self.fingerprint())

    def as_searched(self, rows: npt.NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """Vectors and thresholds of these query rows as a search takes them: those that are `unseen` lean on others."""
        vectors, thresholds = self.query_vectors(rows), self.thresholds[torch.from_numpy(rows)]
        if isinstance(self.query_tower, TextTower) and (unseen := self.unseen(rows)).any():
            where, vectors = torch.from_numpy(unseen), vectors.clone()
            lean = usual_lean(self.generality)
            vectors[where], thresholds[where] = leaning(self.query_tower, vectors[where], self.thresholds, lean)
        return vectors, thresholds

    def unseen(self, rows: npt.ArrayLike | None = None) -> npt.NDArray[np.bool_]:
        """Which of these query rows, of all when none are named, are read though training did not know their answers.

        Those of a text tower that are none of its anchors, such as names that were held out; none of a lookup table.
        """
        unseen = np.full(len(self.query_ids), self.reads_texts)
        if isinstance(self.query_tower, TextTower):
            unseen[self.query_tower.anchors.numpy(force=True)] = False
        return unseen if rows is None else unseen[np.asarray(rows, np.int64)]

    @property
    def reads_texts(self) -> bool:
        """Whether it encodes texts that are no query of its own, with `encode_queries`."""
        return isinstance(self.query_tower, TextTower)

    def encode_queries(self, texts: Iterable[str], *, lean: float | None = None, neighbours: int = 1) -> Queries:
        """Any texts as queries, words that training never saw among them; only of a model with a text tower.

        Each goes by its text, leans on the nearest of the queries that training knew, and takes that one's threshold.
        A text that says nothing to the tower (an empty one, punctuation; to a static tower also one of unseen features
        alone) has the zero vector, no threshold, no answers. Only `rootward.texts.LONGEST` characters are read.

        Args:
            texts: a list of one or more.
            lean: how far, from 0 to 1: at 0 the text's own vector, at 1 that of the nearest known query, whose answers
                training has seen. None is 0.5 where most pairs are with documents that several queries want, else 0.
            neighbours: how many it leans on, the nearer the more; four find a little more far up (docs/lab-log.md).

        Raises:
            InputError: the model looks its queries up, one string in place of a list, something that is no text, lean
                outside 0..1, neighbours below 1.
        """
        if not isinstance(self.query_tower, TextTower):
            raise InputError("This model looks its queries up; only one from DualEncoder.text encodes other texts.")
        asked = as_list(texts, "encode_queries")
        lean = usual_lean(self.generality) if lean is None else lean
        found = read_queries(self.query_tower, asked, self.thresholds, lean, neighbours)
        return Queries(asked, *found, self.fingerprint())

    def encode_documents(self, texts: Iterable[str]) -> Tensor:
        """Vectors of any texts as documents (float32, n x dim); only where documents are read, `documents="text"`.

        Raises:
            InputError: documents of this model have vectors of their own.
        """
        if not isinstance(self.document_tower, TextTower):
            raise InputError(
                "Documents of this model have vectors of their own, so others cannot be read. Make it with "
                "DualEncoder.text(..., documents='text')."
            )
        return self.document_tower.encode_texts(as_list(texts, "encode_documents"))

    def find(self, text: str) -> list[str]:
        """The query ids that `text` can mean: that id itself, else every query so named, best match first.

        Raises:
            UnknownIdError: nothing is called so; the message names what is close.
        """
        if self._names is None or not self._names.of(self.query_ids, self.query_texts):
            self._names = Names(self.query_ids, self.query_texts)
        return self._names.find(text)

    def fingerprint(self) -> str:
        """Sixteen hex digits that change whenever a vector or an id does.

        Hashing takes 40 ms for WordNet, so the digits are kept until torch counts a change of a tensor. What it cannot
        count is a change made through a NumPy array that shares the memory.
        """
        tensors, ids = self.tensors(), [self.query_ids, self.document_ids]
        seen = Seen.of(list(tensors.values()), ids)
        if seen is not None and self._fingerprinted is not None and self._fingerprinted[0].same(seen):
            return self._fingerprinted[1]
        digest = hashlib.sha256()
        for name, tensor in sorted(tensors.items()):
            digest.update(name.encode())
            digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
        for labels in ids:
            labels.hash_into(digest)
        digits = digest.hexdigest()[:16]
        self._fingerprinted = None if seen is None else (seen, digits)
        return digits

    # -- what it is made of ----------------------------------------------------------------------------------

    def tensors(self) -> dict[str, Tensor]:
        """Every tensor of both towers by the name it is saved under; the very ones, not copies."""
        return tensors_of(self.query_tower, self.document_tower)

    def tables(self) -> dict[str, Table]:
        """Those of the tensors that training changes."""
        return tables_of(self.query_tower, self.document_tower)

    def mapped(self, change: Callable[[Tensor], Tensor]) -> DualEncoder:
        """The same encoder on other tensors, each put through `change` once, also where both towers share it."""
        changed: dict[int, Tensor] = {}

        def once(tensor: Tensor) -> Tensor:
            if id(tensor) not in changed:
                changed[id(tensor)] = change(tensor)
            return changed[id(tensor)]

        return replace(self, query_tower=self.query_tower.mapped(once), document_tower=self.document_tower.mapped(once))

    def settings(self) -> dict[str, Any]:
        """What else has to be known to put both towers together again, as `config.json` keeps it."""
        return {"query": self.query_tower.settings(), "document": self.document_tower.settings()}

    # -- on disk ---------------------------------------------------------------------------------------------

    def save(
        self, folder: str | Path, *, config: Mapping[str, Any] | None = None, more_files: tuple[str, ...] = ()
    ) -> Path:
        """Write the encoder as a folder (see `rootward.encoders.storage` for its files) and return it.

        Args:
            folder: made if it is not there; files of the same names are replaced, each in one step.
            config: further sections for `config.json`, JSON values only.
            more_files: names of files already in the folder whose checksums `config.json` shall hold.
        """
        folder = Path(folder)
        tensors = {
            **{name: tensor.detach().cpu().contiguous() for name, tensor in self.tensors().items()},
            "generality": torch.from_numpy(np.ascontiguousarray(self.generality)),
            "heights": torch.from_numpy(np.ascontiguousarray(self.heights)),
            "thresholds": self.thresholds,
        }
        ids = {"query": self.query_ids, "document": self.document_ids}
        texts = {"query": self.query_texts, "document": self.document_texts}
        write_model(folder, Stored(tensors, ids, texts, self.settings()), config or {}, more_files)
        return folder

    @classmethod
    def load(
        cls, folder: str | Path, *, encoder: Any = None, cache: str | Path | None = None, progress: bool = False
    ) -> DualEncoder:
        """Read an encoder that `save` or `train` wrote; every file's checksum is checked.

        Args:
            folder: of the model.
            encoder: of a tower on one, where it is no longer found by its name: as `DualEncoder.text` takes it.
            cache: folder of a frozen encoder's outputs; None for the model's own, or where that is gone, as for `text`.
            progress: show how far a frozen encoder has read, where outputs are not kept.

        Raises:
            RunFolderError: the folder is missing, damaged, or from a newer version.
            InputError, MissingExtraError: an encoder that is needed and cannot be opened, or is another one.
        """
        stored = read_model(Path(folder))
        return cls(
            *towers_from(stored.towers, stored.tensors, stored.ids, stored.texts, Again(encoder, cache, progress)),
            stored.ids["query"],
            stored.ids["document"],
            stored.tensors["generality"].numpy(),
            stored.tensors["heights"].numpy(),
            stored.tensors["thresholds"],
            stored.texts["query"],
            stored.texts["document"],
        )


def check_pairs(pairs: Any, call: str) -> None:
    """Refuse what are no pairs; `call` is how it is written.

    Raises:
        InputError: something else, such as a hierarchy or arguments in another order.
    """
    if not isinstance(pairs, Pairs):
        hint = " A hierarchy's are hierarchy.pairs()." if type(pairs).__name__ == "Hierarchy" else ""
        raise InputError(f"{call} takes pairs first; got a {type(pairs).__name__}.{hint}")


def check_dim(dim: Any) -> None:
    """Refuse a width that is none.

    Raises:
        InputError: no integer, or below 1.
    """
    if isinstance(dim, bool) or not isinstance(dim, int | np.integer):
        raise InputError(f"dim is a whole number, such as 64; got {dim!r}, a {type(dim).__name__}.")
    if dim < 1:
        raise InputError(f"dim must be at least 1, got {dim}.")


def as_table(given: Any, side: str) -> Tensor:
    """A copy of a side's vectors as a float32 matrix.

    Raises:
        InputError: something that is no matrix of numbers.
    """
    needed = f"The {side} vectors must be a matrix of numbers, a row for each {side} id"
    try:
        table = torch.as_tensor(given).detach().to(torch.float32, copy=True).contiguous()
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"{needed}; got a {type(given).__name__} that is none ({error}).") from None
    if table.ndim != 2:
        raise InputError(f"{needed}; got shape {tuple(table.shape)}.")
    return table


def as_list(given: Iterable[Any], call: str) -> list[Any]:
    """Several ids or texts as a list; `call` is where they go.

    Raises:
        InputError: one string, which Python would take apart into letters, or nothing to go through.
    """
    if isinstance(given, str | bytes):
        shown = quoted(given) if isinstance(given, str) else "..."
        raise InputError(f"{call} takes a list, also of one: {call}([{shown}]); got a {type(given).__name__}.")
    try:
        return list(given)
    except TypeError:
        raise InputError(f"{call} takes a list; got {given!r}, a {type(given).__name__}.") from None


@dataclass(frozen=True, eq=False)
class Seen:
    """Which tensors and ids a fingerprint was taken of, and torch's count of the changes each tensor had seen.

    Holding the tensors keeps their memory from being given to others, so that the same address means the same one.
    """

    tensors: list[Tensor]
    versions: list[int]
    ids: list[Ids]

    @classmethod
    def of(cls, tensors: list[Tensor], ids: list[Ids]) -> Seen | None:
        """None where changes are not counted: tensors made in inference mode."""
        if any(tensor.is_inference() for tensor in tensors):
            return None
        return cls(tensors, [tensor._version for tensor in tensors], ids)

    def same(self, other: Seen) -> bool:
        """Whether nothing has changed in between."""
        return (
            self.versions == other.versions
            and all(a is b for a, b in zip(self.ids, other.ids, strict=True))
            and [(each.data_ptr(), each.shape) for each in self.tensors]
            == [(each.data_ptr(), each.shape) for each in other.tensors]
        )
