"""`DualEncoder`: a query tower, a document tower, and what their rows are called."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rootward.encoders.full import CHUNK, PACE
from rootward.encoders.registry import DocumentKind, construct_start, text_start, towers_from
from rootward.encoders.storage import Stored, read_model, write_model
from rootward.encoders.towers import (
    LoadOptions,
    LookupTower,
    StartOptions,
    Table,
    TextTower,
    Tower,
    random_directions,
    random_normal,
    reads_texts,
    unit,
)
from rootward.errors import InputError, quoted
from rootward.ids import Ids
from rootward.pairs import Pairs
from rootward.texts import NameLookup, Texts

Start = Literal["constructed", "random", "free"]

LEAN = 0.5
"""How far a text that training never saw leans on the nearest training query, see `usual_lean`."""


@dataclass(frozen=True)
class Queries:
    """Encoded queries, ready for an index.

    Attributes:
        ids: the users' labels.
        vectors: float32, n x dim.
        thresholds: float32, n, NaN where unknown: documents that score at least this are the query's answer set.
        fingerprint: of the model that made them, so that an index can refuse another model's queries.
    """

    ids: Sequence[str]
    vectors: Tensor
    thresholds: Tensor
    fingerprint: str

    def __len__(self) -> int:
        return len(self.ids)


def usual_lean(generality: npt.NDArray[np.int64]) -> float:
    """`LEAN` where most pairs are with documents that other queries want as well, else 0.

    In a hierarchy the nearest known query wants most of what an unseen one does; where every query has documents of its
    own, as searches in a shop, it wants others, and leaning on it only finds these (docs/lab-log.md).

    Args:
        generality: of each document, how many training queries want it.
    """
    return LEAN if 2 * int(generality[generality > 1].sum()) >= int(generality.sum()) else 0.0


def lean_on_anchors(
    tower: TextTower, vectors: Tensor, thresholds: Tensor, lean: float, neighbours: int = 1
) -> tuple[Tensor, Tensor]:
    """Texts' own vectors, drawn towards the nearest queries that training knew (n x dim), and those ones' thresholds.

    Args:
        tower: that made the vectors.
        vectors: n x dim; a vector of zeros stays as it is and has no threshold.
        thresholds: one a row of the tower.
        lean: how far, from 0 to 1.
        neighbours: on how many, the nearer the more; the threshold is the nearest one's.
    """
    rows, nearest = tower.nearest_anchors(vectors, neighbours)
    return unit(torch.lerp(vectors, nearest, lean))[0], torch.where(rows >= 0, thresholds[rows], torch.nan)


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
    _fingerprinted: tuple[list[Any], list[Any], str] | None = field(default=None, init=False, repr=False)
    _names: NameLookup | None = field(default=None, init=False, repr=False)

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
            pairs: with the ids, texts and relevant sets of both sides.
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
        _check_pairs(pairs, "DualEncoder.lookup")
        _check_dim(dim)
        if start not in get_args(Start):
            raise InputError(f"start must be 'constructed', 'random' or 'free', got {start!r}.")
        if start == "constructed":
            vectors = construct_start(pairs, dim, seed)
        else:
            draw = random_directions if start == "random" else random_normal
            sizes = {"queries": pairs.n_queries, "documents": pairs.n_documents}
            queries, documents = (draw(seed, *side, dim) for side in sizes.items())
            vectors = (queries, documents) if start == "random" else (queries / dim**0.5, documents / dim**0.5)
        return cls.from_towers(pairs, *(LookupTower(each, unit=start != "free") for each in vectors))

    @classmethod
    def from_vectors(
        cls, pairs: Pairs, queries: npt.ArrayLike | Tensor, documents: npt.ArrayLike | Tensor
    ) -> DualEncoder:
        """A lookup encoder of these vectors (n_queries x dim and n_documents x dim), rows in the order of `pairs`.

        They are copied: training does not change the arguments, and both sides may be the same array.

        Raises:
            InputError: no matrices, the number of rows is not that of the ids, or an entry is not finite.
        """
        _check_pairs(pairs, "DualEncoder.from_vectors")
        towers = [LookupTower(_as_table(each, side)) for each, side in ((queries, "query"), (documents, "document"))]
        return cls.from_towers(pairs, *towers)

    @classmethod
    def from_towers(cls, pairs: Pairs, query_tower: Tower, document_tower: Tower) -> DualEncoder:
        """An encoder of these towers, also of your own (see `Tower`), rows in the order of `pairs`.

        Raises:
            InputError: a tower with another number of rows than there are ids, or two widths.
        """
        _check_pairs(pairs, "DualEncoder.from_towers")
        sides = (query_tower, pairs.query_ids, "query"), (document_tower, pairs.document_ids, "document")
        for tower, ids, side in sides:
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
        tower: str = "static",
        *,
        dim: int = 128,
        documents: DocumentKind = "tied",
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
        """An untrained text encoder: any text has a vector, also words that training never sees.

        What is read is each query's name, its id where it has none; `Pairs.by_name` makes every name and synonym a
        query of its own. The features that count, and how rare they are, are taken from the queries that have pairs.
        Texts of several queries with different answers, and those too long to be read whole, are counted in `notes`.

        Args:
            pairs: with the ids, texts and relevant sets of both sides.
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
        _check_pairs(pairs, "DualEncoder.text")
        _check_dim(dim)
        options = StartOptions(dim, drop, seed, word_pairs, encoder, hidden, cache, progress, chunk, pace)
        queries, of_documents, notes = text_start(pairs, tower, documents, options)
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
        rows = np.arange(len(self.query_ids)) if ids is None else self.query_ids.rows(_as_list(ids, "model.queries"))
        return Queries([self.query_ids[row] for row in rows.tolist()], *self.as_searched(rows), self.fingerprint())

    def as_searched(self, rows: npt.NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """Vectors and thresholds of these query rows for searching: those that are `unseen` lean on others."""
        vectors, thresholds = self.query_vectors(rows), self.thresholds[torch.from_numpy(rows)]
        if reads_texts(self.query_tower) and (unseen := self.unseen(rows)).any():
            where, vectors = torch.from_numpy(unseen), vectors.clone()
            lean = usual_lean(self.generality)
            vectors[where], thresholds[where] = lean_on_anchors(self.query_tower, vectors[where], self.thresholds, lean)
        return vectors, thresholds

    def unseen(self, rows: npt.ArrayLike | None = None) -> npt.NDArray[np.bool_]:
        """Which of these query rows (default: all) training did not know the answers of.

        Those of a text tower that are none of its anchors, such as names that were held out; none of a lookup table.
        """
        unseen = np.full(len(self.query_ids), self.reads_texts)
        if reads_texts(self.query_tower):
            unseen[self.query_tower.anchors.numpy(force=True)] = False
        return unseen if rows is None else unseen[np.asarray(rows, np.int64)]

    @property
    def reads_texts(self) -> bool:
        """Whether it encodes texts that are no query of its own, with `encode_queries`."""
        return reads_texts(self.query_tower)

    def encode_queries(self, texts: Iterable[str], *, lean: float | None = None, neighbours: int = 1) -> Queries:
        """Any texts as queries, words that training never saw among them; only of a model with a text tower.

        Each goes by its text, leans on the nearest of the queries that training knew, and takes that one's threshold.
        A text that the tower cannot read (an empty one, punctuation; for a static tower also one of unseen features
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
        if not reads_texts(self.query_tower):
            raise InputError("This model looks its queries up; only one from DualEncoder.text encodes other texts.")
        listed = _as_list(texts, "encode_queries")
        lean = usual_lean(self.generality) if lean is None else lean
        for row, text in enumerate(listed):
            if not isinstance(text, str):
                raise InputError(f"Query {row} is {text!r}, a {type(text).__name__}; needed a text.")
        if not 0 <= lean <= 1:
            raise InputError(f"lean is from 0 (the text's own vector) to 1 (the nearest known query's), got {lean}.")
        if neighbours < 1:
            raise InputError(f"neighbours is how many known queries a text leans on, at least 1; got {neighbours}.")
        vectors = self.query_tower.encode_texts(map(str, listed))
        found = lean_on_anchors(self.query_tower, vectors, self.thresholds, lean, neighbours)
        return Queries(listed, *found, self.fingerprint())

    def encode_documents(self, texts: Iterable[str]) -> Tensor:
        """Vectors of any texts as documents (float32, n x dim); only where documents are read, `documents="text"`.

        Raises:
            InputError: documents of this model have vectors of their own.
        """
        if not reads_texts(self.document_tower):
            raise InputError(
                "Documents of this model have vectors of their own, so others cannot be read. Make it with "
                "DualEncoder.text(..., documents='text')."
            )
        return self.document_tower.encode_texts(_as_list(texts, "encode_documents"))

    def find(self, text: str) -> list[str]:
        """The query ids that `text` can mean: that id itself, else every query so named, best match first.

        Raises:
            UnknownIdError: nothing is called so; the message names what is close.
        """
        return self._lookup().find(text)

    def meanings(self, text: str) -> list[str]:
        """As `find`; [] where nothing is called so, without a search for what is close."""
        return self._lookup().meanings(text)

    def _lookup(self) -> NameLookup:
        names = self._names
        if names is None or names.ids is not self.query_ids or names.texts is not self.query_texts:
            names = self._names = NameLookup(self.query_ids, self.query_texts)
        return names

    def fingerprint(self) -> str:
        """Sixteen hex digits that change whenever a vector or an id does.

        Hashing takes 40 ms for WordNet, so the digits are kept until torch counts a change of a tensor. What it cannot
        count is a change made through a NumPy array that shares the memory.
        """
        tensors, ids = self.tensors(), [self.query_ids, self.document_ids]
        values = list(tensors.values())
        state: list[Any] | None = None
        if not any(each.is_inference() for each in values):  # of which torch counts no changes
            state = [*((each.data_ptr(), each.shape, each._version) for each in values), *map(id, ids)]
        if state is not None and self._fingerprinted is not None and self._fingerprinted[0] == state:
            return self._fingerprinted[2]
        digest = hashlib.sha256()
        for name, tensor in sorted(tensors.items()):
            digest.update(name.encode())
            digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
        for labels in ids:
            labels.hash_into(digest)
        digits = digest.hexdigest()[:16]
        # Keeping the tensors and ids keeps their addresses from being used again.
        self._fingerprinted = None if state is None else (state, [*values, *ids], digits)
        return digits

    # -- what it is made of ----------------------------------------------------------------------------------

    def tensors(self) -> dict[str, Tensor]:
        """Every tensor of both towers by the name it is saved under; not copies.

        "queries" and "documents" are tables of vectors, exactly as scored. What both towers share is there once, under
        the query tower's name.
        """
        found: dict[str, Tensor] = {}
        for side, tower in (("queries", self.query_tower), ("documents", self.document_tower)):
            for name, tensor in tower.tensors().items():
                if not any(tensor is other for other in found.values()):
                    found[side if name == "vectors" else f"{side}.{name}"] = tensor
        return found

    def tables(self) -> dict[str, Table]:
        """The tensors that training changes, as tables."""
        tables = {id(table.rows): table for table in (*self.query_tower.tables(), *self.document_tower.tables())}
        return {name: tables[id(tensor)] for name, tensor in self.tensors().items() if id(tensor) in tables}

    def mapped(self, change: Callable[[Tensor], Tensor]) -> DualEncoder:
        """The same encoder on other tensors, each put through `change` once, also where both towers share it."""
        changed: dict[int, Tensor] = {}

        def once(tensor: Tensor) -> Tensor:
            if id(tensor) not in changed:
                changed[id(tensor)] = change(tensor)
            return changed[id(tensor)]

        return replace(self, query_tower=self.query_tower.mapped(once), document_tower=self.document_tower.mapped(once))

    def settings(self) -> dict[str, Any]:
        """Settings of both towers, which loading needs besides the tensors; `config.json` has them."""
        return {"query": self.query_tower.settings(), "document": self.document_tower.settings()}

    # -- on disk ---------------------------------------------------------------------------------------------

    def save(
        self,
        folder: str | Path,
        *,
        config: Mapping[str, Any] | None = None,
        more_files: Mapping[str, Callable[[Path], object] | None] | None = None,
    ) -> Path:
        """Write the encoder as a folder (see `rootward.encoders.storage` for its files) and return it.

        Args:
            folder: made if it is not there; files of the same names are replaced, all of them in one step.
            config: further sections for `config.json`, JSON values only.
            more_files: names of further files of the folder: what writes each at a path, or None for one that is in
                the folder already.

        Raises:
            InUseError: another process writes the folder.
            WriteError: no room, or no permission.
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
        write_model(folder, Stored(tensors, ids, texts, self.settings()), config or {}, more_files or {})
        return folder

    @classmethod
    def load(
        cls,
        folder: str | Path,
        *,
        encoder: Any = None,
        cache: str | Path | None = None,
        progress: bool = False,
        online: bool = False,
    ) -> DualEncoder:
        """Read an encoder that `save` or `train` wrote; every file's checksum is checked.

        Args:
            folder: of the model.
            encoder: of a tower on one, where it is no longer found by its name: as `DualEncoder.text` takes it.
            cache: folder of a frozen encoder's outputs; None for the model's own, or where that is gone, as for `text`.
            progress: show how far a frozen encoder has read, where outputs are not kept.
            online: ask a hub for the encoder that the folder names. Otherwise nothing is asked of the network: the
                encoder is a folder, in a package, or was fetched before.

        Raises:
            RunFolderError: the folder is missing, damaged, or from a newer version.
            InputError, MissingExtraError: an encoder that is needed and cannot be opened, or is another one.
        """
        stored, options = read_model(Path(folder)), LoadOptions(encoder, cache, progress, online)
        return cls(
            *towers_from(stored.towers, stored.tensors, stored.ids, stored.texts, options, Path(folder)),
            stored.ids["query"],
            stored.ids["document"],
            stored.tensors["generality"].numpy(),
            stored.tensors["heights"].numpy(),
            stored.tensors["thresholds"],
            stored.texts["query"],
            stored.texts["document"],
        )


def _check_pairs(pairs: Any, call: str) -> None:
    if not isinstance(pairs, Pairs):
        hint = " A hierarchy's are hierarchy.pairs()." if type(pairs).__name__ == "Hierarchy" else ""
        raise InputError(f"{call} takes pairs first; got a {type(pairs).__name__}.{hint}")


def _check_dim(dim: Any) -> None:
    if isinstance(dim, bool) or not isinstance(dim, int | np.integer):
        raise InputError(f"dim is a whole number, such as 64; got {dim!r}, a {type(dim).__name__}.")
    if dim < 1:
        raise InputError(f"dim must be at least 1, got {dim}.")


def _as_table(vectors: Any, side: str) -> Tensor:
    """A copy of a side's vectors as a float32 matrix."""
    needed = f"The {side} vectors must be a matrix of numbers, a row for each {side} id"
    try:
        table = torch.as_tensor(vectors).detach().to(torch.float32, copy=True).contiguous()
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"{needed}; got a {type(vectors).__name__} that is none ({error}).") from None
    if table.ndim != 2:
        raise InputError(f"{needed}; got shape {tuple(table.shape)}.")
    return table


def _as_list(several: Iterable[Any], call: str) -> list[Any]:
    """Several ids or texts as a list; one string, which Python would take apart into letters, is refused."""
    if isinstance(several, str | bytes):
        shown = quoted(several) if isinstance(several, str) else "..."
        raise InputError(f"{call} takes a list, also of one: {call}([{shown}]); got a {type(several).__name__}.")
    try:
        return list(several)
    except TypeError:
        raise InputError(f"{call} takes a list; got {several!r}, a {type(several).__name__}.") from None
