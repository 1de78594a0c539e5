"""`Hierarchy`: an immutable directed acyclic graph, with a constructor for each format, and those that ship."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order

from rootward.csr import expand, offsets_of
from rootward.errors import HierarchyError, InputError
from rootward.hierarchy import closure, generate
from rootward.hierarchy.closure import Closure
from rootward.hierarchy.node_names import NodeNames
from rootward.hierarchy.validate import checked_edges, circle_error, find_circles, one_form
from rootward.ids import Ids
from rootward.pairs import Labels, Pairs
from rootward.pairs.labels import Unknown, label_queries, with_labels
from rootward.readers import edges, nested, networkx, obo, paths, rdf, wordnet
from rootward.readers.edges import EdgeList
from rootward.readers.networkx import write_networkx
from rootward.readers.nodes import NodeSource
from rootward.readers.tables import Format
from rootward.readers.text_files import FilePath
from rootward.readers.thesaurus import Groups, ThesaurusSource, new_synonyms, read_groups
from rootward.texts import Texts

Rows = npt.NDArray[np.int64]
Rows32 = npt.NDArray[np.int32]
Number = TypeVar("Number", bound=np.generic)


@dataclass(frozen=True, eq=False, repr=False)
class Hierarchy:
    """An immutable DAG with edges child -> parent, as CSR: row i's parents are parents[offsets[i]:offsets[i + 1]].

    Make one with a classmethod: `from_edges`, `from_obo`, `wordnet` and so on. Anything hashable may be an id; it is
    kept as text. The arrays are read-only.

    Attributes:
        ids: the nodes' labels; row i is the i-th.
        parent_offsets: int64, n_nodes + 1.
        parents: int32 rows, ascending within each child.
        texts: names, synonyms and definitions where the source has them, else None.
        notes: what was left out when reading, for people to read.

    Raises:
        HierarchyError: arrays that do not fit each other.
        CycleError: the edges run in a circle.
    """

    ids: Ids
    parent_offsets: Rows
    parents: Rows32
    texts: Texts | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "parent_offsets", _frozen(np.asarray(self.parent_offsets, np.int64)))
        object.__setattr__(self, "parents", _frozen(np.asarray(self.parents, np.int32)))
        offsets, parents, n = self.parent_offsets, self.parents, len(self.ids)
        if len(offsets) != n + 1 or offsets[0] != 0 or offsets[-1] != len(parents) or (np.diff(offsets) < 0).any():
            raise HierarchyError(f"parent_offsets must rise from 0 to {len(parents)} with {n + 1} entries.")
        if len(parents) and not (parents.min() >= 0 and parents.max() < n):
            raise HierarchyError(f"parents must be rows 0..{n - 1}, got {parents.min()}..{parents.max()}.")
        keys = np.repeat(np.arange(n), np.diff(offsets)) * n + parents
        if (np.diff(keys) <= 0).any():
            raise HierarchyError("parents must ascend within each child, none of them twice.")
        if self.texts is not None and len(self.texts) != n:
            raise HierarchyError(f"{n} nodes need as many rows of texts, got {len(self.texts)}.")
        if circles := find_circles(offsets, parents):
            raise circle_error(circles, self.ids)

    # -- constructors ----------------------------------------------------------------------------------------------

    @classmethod
    def _of(cls, found: EdgeList) -> Self:
        """The hierarchy of an edge list, checked."""
        found = one_form(found)
        offsets, parents, notes = checked_edges(found)
        return cls(found.ids, offsets, parents, found.texts, notes)

    @classmethod
    def from_edges(
        cls,
        source: edges.EdgeSource,
        *,
        child: str = "child",
        parent: str = "parent",
        nodes: NodeSource | None = None,
        add_missing: bool = False,
        format: Format | None = None,
        delimiter: str | None = None,
    ) -> Self:
        """A hierarchy from one edge a row. A row with an empty parent declares a root.

        Args:
            source: a .csv, .tsv or .parquet file, a pyarrow Table, or an iterable of (child, parent).
            child, parent: names of the two columns; others are not read.
            nodes: which nodes there are, in their order: a file or Table with the column `id` and, where there are
                any, `name`, `synonyms` (a list, or separated by "|", line breaks, or ";") and `definition`, or
                columns of other usual names, such as preferredLabel, told in a note; or an iterable of ids. Edges may
                name nodes by id or, all of them, by name. None takes every id of the edges.
            add_missing: keep ids that `nodes` lacks instead of raising an error.
            format: how the files are written, "csv", "tsv" or "parquet"; None goes by each file's suffix. CSV and TSV
                may be packed by gzip, with a second suffix .gz.
            delimiter: between two fields of the files, such as ";" or "tab"; None goes by the format.

        Raises:
            TableError: a file that is missing, empty or unreadable, with the row; a column that is not there.
            UnknownIdError: an id that `nodes` lacks.
            HierarchyError: an empty child, a node that is its own parent.
            CycleError: the edges run in a circle.
        """
        options: Any = {"nodes": nodes, "add_missing": add_missing, "format": format, "delimiter": delimiter}
        return cls._of(edges.read_edges(source, child=child, parent=parent, **options))

    @classmethod
    def from_paths(
        cls,
        source: FilePath | pa.Table | Iterable[str | Sequence[str]],
        *,
        separator: str | None = None,
        layout: paths.PathLayout | None = None,
        columns: Sequence[str] | None = None,
        ids: paths.PathIds = "path",
    ) -> Self:
        """A hierarchy from category paths, one a line; a node's name is the last category of its path.

        Args:
            source: a text file, or an iterable of lines or of lists of categories; or a table with a column for each
                level: a .csv, .tsv or .parquet file, a pyarrow Table or DataFrame.
            separator: what stands between two categories; None is " > ", also where blanks around it are missing.
            layout: None goes by what most lines look like, leaves out comments, a header and quotes around lines, and
                says so in notes. "plain" and "google": the path is the id. "google-with-ids" and "shopify": the id
                stands before it. "shopify-json": the en.json of the npm package. "indented": an outline, a category
                a line. Lines with # in front are comments, but in "plain".
            columns: of a table, the levels from the top, or the one column of paths. None finds columns such as
                "Tier 1" and "Tier 2". Empty cells end a path; in front they are those of the row before.
            ids: what a node's id is: its "path", or its "name", and then a name in several places is one node with
                several parents.

        Raises:
            TableError: a file or row that is not of this layout; no line holds the separator, and most hold another;
                a column that is not there; a file that holds something else.
            UnknownIdError: a row with an id whose category above has no row.
            HierarchyError: an empty category, an id or path twice where each must have a row of its own.
        """
        return cls._of(paths.read_paths(source, separator=separator, layout=layout, columns=columns, ids=ids))

    @classmethod
    def from_obo(
        cls,
        source: FilePath,
        *,
        relations: Sequence[str] = obo.RELATIONS,
        scopes: Sequence[str] = obo.SCOPES,
        namespace: str | None = None,
    ) -> Self:
        """A hierarchy from an OBO file. Obsolete terms are left out.

        Args:
            source: the file.
            relations: which ones lead from child to parent, such as ("is_a", "part_of"); by default "is_a". With it
                go the genus of a definition (intersection_of) where no nearer parent stands below it, and union_of.
            scopes: which synonyms are other names of the same thing; by default "EXACT", also "RELATED", "NARROW",
                "BROAD".
            namespace: keep only the terms of this namespace.

        Raises:
            TableError: a row that is no OBO, with its number; no term at all; a relation or scope that was named and
                that no term has.
            InputError: has_part as a relation, which leads from a whole to its part.
            CycleError: the relations run in a circle.
        """
        return cls._of(obo.read_obo(source, relations=relations, scopes=scopes, namespace=namespace))

    @classmethod
    def from_skos(cls, source: FilePath, *, language: str = "en", format: str | None = None) -> Self:
        """A hierarchy from a SKOS thesaurus: broader and narrower, prefLabel, altLabel, definition. Ids are IRIs.

        Kinds of broader and narrower count too: those of ISO 25964 and Getty, and those that the file declares.
        broaderTransitive gives the edges that no broader tells. Labels may be SKOS-XL; a concept without prefLabel
        goes by rdfs:label, schema:name or dct:title. `notes` counts what is left out.

        Args:
            source: the file, plain or packed by gzip.
            language: of the texts. A name that is not in it (en-GB is "en") is one without a language, else one in the
                language that most names of the file have. Synonyms are in this language, in none, or in the name's.
            format: "turtle", "xml", "nt" or "json-ld"; None goes by the content and the suffix.

        Raises:
            MissingExtraError: rdflib is not installed.
            TableError: a file that cannot be read, or has no concept; OWL that is no RDF, such as functional syntax.
            InputError: a language that no text of the file has.
        """
        return cls._of(rdf.read_skos(source, language=language, format=format))

    @classmethod
    def from_owl(cls, source: FilePath, *, language: str = "en", format: str | None = None) -> Self:
        """A hierarchy from the named classes of an OWL ontology or an RDFS vocabulary. Deprecated ones are left out.

        Parents are those of rdfs:subClassOf, and the named classes of an intersection that a class is defined as or
        is a subclass of, where no nearer parent stands below them. Equivalent classes stay two nodes, with a note.

        Arguments and errors as in `from_skos`; names are labels, synonyms the exact ones, ids IRIs.
        """
        return cls._of(rdf.read_owl(source, language=language, format=format))

    @classmethod
    def from_nested(
        cls,
        source: Any,
        *,
        layout: nested.NestedLayout = "children",
        ids: nested.NestedIds = "path",
        separator: str = " > ",
    ) -> Self:
        """A hierarchy from nested JSON, or a flat list of records: a file, or the lists and dicts it would give.

        Args:
            source: the path of a file, or the content.
            layout: "children": {"name": ..., "children": [...]}, with "id", "synonyms" and "definition" where there
                are any, or usual other keys, told in a note. "mapping": {"shoes": {"sandals": {}}}. "records": a list
                of {"id": ..., "name": ..., "parent": ...}; known by its look.
            ids: what a node's id is: its "path" of names from the top; its "name", or its "id", and then a node that
                stands in several places is one node with several parents.
            separator: what joins the names of a path.

        Raises:
            TableError: a file that is not JSON, with the row.
            HierarchyError: a node without a name or id, or of the wrong shape; a path twice.
        """
        return cls._of(nested.read_nested(source, layout=layout, ids=ids, separator=separator))

    @classmethod
    def from_networkx(
        cls,
        graph: Any,
        *,
        direction: networkx.Direction = "child_to_parent",
        relations: Sequence[str] = obo.RELATIONS,
        scopes: Sequence[str] = obo.SCOPES,
    ) -> Self:
        """A hierarchy from a networkx DiGraph; node attributes name, synonyms and definition become texts.

        Graphs of obonet, too: their attributes `synonym` and `def` are read as in an OBO file.

        Args:
            graph: a directed graph.
            direction: "child_to_parent" or "parent_to_child".
            relations: keys of a MultiDiGraph whose edges are read, by default "is_a". Edges whose key is no text
                are always read; a note counts those of other keys.
            scopes: of obonet's synonyms, as in `from_obo`.

        Raises:
            HierarchyError: an undirected graph, one without nodes, two nodes of the same text.
            TableError: a relation that was named and that no edge has.
            InputError: has_part as a relation, which leads from a whole to its part.
        """
        return cls._of(networkx.read_networkx(graph, direction=direction, relations=relations, scopes=scopes))

    @classmethod
    def wordnet(cls, *, instances: bool = False) -> Self:
        """The 82,115 noun synsets of WordNet 3.0 with 75,850 hypernym edges, or 84,427 with instance hypernyms.

        Ids are as in NLTK (`cat.n.01`); the name is the first lemma, the synonyms are the others.
        """
        return cls._of(wordnet.read_wordnet(instances=instances))

    @classmethod
    def perfect_tree(cls, height: int, width: int, *, root: bool = True) -> Self:
        """The tree of `height` levels, the root's counted, where every node above the last has `width` children.

        root=False leaves the root out: (4, 5) has 156 nodes with it and 155 without. Ids: "root", "3", "3.0", "3.0.4".
        """
        return cls._of(generate.perfect_tree(height, width, root=root))

    @classmethod
    def random_dag(
        cls,
        n_nodes: int,
        *,
        seed: int = 0,
        n_roots: int = 1,
        branching: float = 3.0,
        irregularity: float = 1.0,
        max_depth: int = 8,
        multi_parent_share: float = 0.2,
        max_parents: int = 3,
    ) -> Self:
        """A random DAG as irregular as real ones. The same arguments give the same DAG.

        Args:
            n_nodes: exactly as many.
            seed: of all randomness.
            n_roots: nodes without parents.
            branching: how many times larger each level is than the one above.
            irregularity: spread of the numbers of children, as sigma of a log-normal; 0 draws parents uniformly.
            max_depth: the longest way to a root, reached where there are nodes enough.
            multi_parent_share: of the nodes with two or more nodes in higher levels, the share with several parents.
            max_parents: the most parents of a node.

        Raises:
            InputError: a number outside its range.
        """
        levels: Any = {"n_roots": n_roots, "branching": branching, "max_depth": max_depth}
        parents: Any = {"multi_parent_share": multi_parent_share, "max_parents": max_parents}
        return cls._of(generate.random_dag(n_nodes, seed=seed, irregularity=irregularity, **levels, **parents))

    # -- sizes and shape -------------------------------------------------------------------------------------------

    @property
    def n_nodes(self) -> int:
        """How many nodes there are."""
        return len(self.ids)

    @property
    def n_edges(self) -> int:
        """How many child -> parent edges there are."""
        return len(self.parents)

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        deepest = int(self.depth.max(initial=0))
        return (
            f"Hierarchy({self.n_nodes:,} nodes, {self.n_edges:,} edges, {len(self.root_rows):,} roots, "
            f"{len(self.leaf_rows):,} leaves, depth {deepest})"
        )

    @cached_property
    def _downward(self) -> tuple[Rows, Rows32]:
        child_of_edge = np.repeat(np.arange(len(self), dtype=np.int32), np.diff(self.parent_offsets))
        offsets = offsets_of(np.bincount(self.parents, minlength=len(self)))
        return _frozen(offsets), _frozen(child_of_edge[np.argsort(self.parents, kind="stable")])

    def _sparse(self) -> csr_array[np.int8, tuple[int, int]]:
        """Parent -> child as a sparse matrix, for scipy's walks."""
        n = len(self)
        return csr_array((np.ones(self.n_edges, np.int8), self.children, self.child_offsets), shape=(n, n))

    @property
    def child_offsets(self) -> Rows:
        """Row i's children are children[child_offsets[i]:child_offsets[i + 1]] (int64, n_nodes + 1)."""
        offsets, _ = self._downward
        return offsets

    @property
    def children(self) -> Rows32:
        """The rows of all nodes' children, ascending within each parent (int32, n_edges)."""
        _, rows = self._downward
        return rows

    @cached_property
    def depth(self) -> Rows32:
        """Hops from the nearest root, 0 for roots (int32, n_nodes)."""
        return _frozen(closure.depth_of(self.parent_offsets, self.parents, self.child_offsets, self.children))

    @cached_property
    def root_rows(self) -> Rows:
        """Rows of the nodes without parents (int64)."""
        return _frozen(np.flatnonzero(np.diff(self.parent_offsets) == 0))

    @cached_property
    def leaf_rows(self) -> Rows:
        """Rows of the nodes without children (int64)."""
        return _frozen(np.flatnonzero(np.diff(self.child_offsets) == 0))

    @property
    def roots(self) -> list[str]:
        """Ids of the nodes without parents."""
        return self._labels(self.root_rows)

    @property
    def leaves(self) -> list[str]:
        """Ids of the nodes without children."""
        return self._labels(self.leaf_rows)

    def parents_of(self, node: Hashable) -> list[str]:
        """Ids one hop above a node. Raises UnknownIdError."""
        row = self.ids.row(node)
        return self._labels(self.parents[self.parent_offsets[row] : self.parent_offsets[row + 1]])

    def children_of(self, node: Hashable) -> list[str]:
        """Ids one hop below a node. Raises UnknownIdError."""
        row = self.ids.row(node)
        return self._labels(self.children[self.child_offsets[row] : self.child_offsets[row + 1]])

    def edges(self) -> list[tuple[str, str]]:
        """Every edge as (child id, parent id), in the order of the child's row."""
        children = np.repeat(np.arange(len(self)), np.diff(self.parent_offsets))
        return list(zip(self._labels(children), self._labels(self.parents), strict=True))

    def _labels(self, rows: npt.NDArray[np.integer]) -> list[str]:
        return [self.ids[row] for row in rows.tolist()]

    # -- ancestors -------------------------------------------------------------------------------------------------

    def ancestors(
        self, nodes: Iterable[Hashable] | None = None, *, max_distance: int | None = None, block: int | None = None
    ) -> Closure:
        """The ancestors of these node ids (None: of all nodes) with their distance, each node its own at 0.

        Args:
            nodes: ids, in the order of the answer.
            max_distance: leave out ancestors more hops away; None keeps all.
            block: how many nodes are worked on at a time; None takes what fits in about 100 MB.

        Raises:
            UnknownIdError: an id that is not there.
            InputError: there would be more than a billion pairs; the message says how many.
        """
        return closure.whole_closure(
            self.parent_offsets, self.parents, self.depth, self._rows(nodes), max_distance=max_distance, block=block
        )

    def iter_ancestors(
        self, nodes: Iterable[Hashable] | None = None, *, max_distance: int | None = None, block: int | None = None
    ) -> Iterator[Closure]:
        """The same in blocks of at most `block` nodes, so that any size can be streamed."""
        return closure.iter_closure(
            self.parent_offsets, self.parents, self.depth, self._rows(nodes), max_distance=max_distance, block=block
        )

    def _rows(self, nodes: Iterable[Hashable] | None) -> Rows:
        if isinstance(nodes, str):
            raise InputError(f"Needed a list of ids, got the text {nodes!r}. Write [{nodes!r}].")
        return np.arange(len(self)) if nodes is None else self.ids.rows(nodes)

    # -- subsets --------------------------------------------------------------------------------------------------

    def induced(self, nodes: Iterable[Hashable]) -> Hierarchy:
        """The hierarchy on these nodes alone, with the edges between them. Nodes keep their order, not their rows.

        Raises:
            UnknownIdError: an id that is not there.
        """
        return self._subset(np.unique(self._rows(nodes)))

    def below(self, node: Hashable) -> Hierarchy:
        """The hierarchy of a node and everything below it.

        Raises:
            UnknownIdError: no such node.
        """
        reached = breadth_first_order(self._sparse(), self.ids.row(node), directed=True, return_predecessors=False)
        return self._subset(np.sort(reached).astype(np.int64))

    def _subset(self, rows: Rows) -> Hierarchy:
        """The hierarchy on these ascending rows."""
        new_row = np.full(len(self), -1, np.int32)
        new_row[rows] = np.arange(len(rows), dtype=np.int32)
        place, edge = expand(self.parent_offsets, rows)
        parents = new_row[self.parents[edge]]
        kept = parents >= 0
        return Hierarchy(
            self.ids.take(rows),
            offsets_of(np.bincount(place[kept], minlength=len(rows))),
            parents[kept],
            None if self.texts is None else self.texts.take(rows),
            self.notes,
        )

    def with_synonyms(self, thesaurus: ThesaurusSource | Hierarchy, *, language: str = "en") -> Hierarchy:
        """This hierarchy with the synonyms that a thesaurus has for its nodes.

        A thesaurus may be the synonyms of a search engine, or another ontology of the same field. Where a group of
        texts that mean one thing holds the name or a synonym of one node, its other texts become synonyms of that
        node. Names are matched by normal form (case, punctuation). What is unclear is left out, and a note counts it:
        groups that may be several nodes, texts in several groups, texts that several nodes would have.

        Args:
            thesaurus: groups of texts, as an iterable; another hierarchy, whose nodes' names and synonyms are the
                groups; or a file. A .txt has a group a line, as search engines read them ("tv, television"; "=>"
                parts texts as a comma does, a backslash keeps a comma, a line that starts with "#" is a comment, lines
                with one first text are one group). A .csv, .tsv or .parquet has the columns `id` or `name`, by which
                its rows are joined to the nodes, and `synonyms` (a list, or as in `from_edges`), or columns of other
                usual names; a DataFrame or records likewise. Also .obo, SKOS (.ttl, .rdf, .nt, .jsonld) and .owl.
            language: of the texts of SKOS and OWL, as in `from_skos`.

        Raises:
            TableError: a file that is missing or unreadable, with the row; a table whose columns are not clear.
            InputError: a file of another kind, a group that is no list of texts, nothing that was added.
        """
        names = self.names()
        if isinstance(thesaurus, Hierarchy):
            groups = Groups(thesaurus.names())
        else:
            groups = read_groups(thesaurus, self.ids, names, language)
        found = new_synonyms(names, groups)
        if not found.met:
            raise InputError(
                f"{found.note(thesaurus)} None of its groups holds the name or a synonym of a node, such as "
                f"{names[0][0]!r}. Is it a thesaurus of this field and language, with the names themselves?"
            )
        if not any(found.by_node):
            raise InputError(f"{found.note(thesaurus)} All other texts are names or synonyms of nodes already.")
        texts = self.texts or Texts(tuple(self.ids), ((),) * len(self), ("",) * len(self))
        synonyms = tuple(old + new for old, new in zip(texts.synonyms, found.by_node, strict=True))
        return replace(self, texts=replace(texts, synonyms=synonyms), notes=(*self.notes, found.note(thesaurus)))

    def names(self) -> list[tuple[str, ...]]:
        """The name and synonyms of every node, row by row; its id where it has neither."""
        if self.texts is None:
            return [(node,) for node in self.ids]
        return [self.texts.all_names(row) or (node,) for row, node in enumerate(self.ids)]

    # -- conversion ------------------------------------------------------------------------------------------------

    def pairs(
        self,
        *,
        max_distance: int | None = None,
        keep_roots: bool = True,
        leave_out: Iterable[Hashable] = (),
        labels: Labels | None = None,
        unknown: Unknown = "error",
    ) -> Pairs:
        """Every node as a query, with itself and its ancestors as relevant documents; then every labelled text.

        Documents that are left out of every S(q) stay in both id tables and still compete. With `labels` one query for
        each of their texts follows the nodes, its id and its name the text as first spelled. Its answers are the
        labelled nodes, at distance 0, and everything above these at the least number of hops.

        Args:
            max_distance: leave out ancestors more hops away; None keeps all.
            keep_roots: False leaves out every root that has something below it. A node joined to nothing keeps its
                exact match.
            leave_out: ids of further documents to leave out, such as a top that holds for everything.
            labels: texts that people labelled with nodes: by id, else by name, synonym or path of names
                ("Shoes > Sandals"), whatever the case and punctuation of names.
            unknown: what to do with a label that names no node, or several, and with a text without a letter or
                digit: "error", or "skip" to leave the row out; a note counts them.

        Raises:
            UnknownIdError: an id in `leave_out` that is not there; a label that names no node.
            PairsError: a label that names several nodes.
            TableError: a label without a text or node.
            InputError: there would be more than a billion pairs; no label is left.
        """
        absent = np.zeros(len(self), np.bool_)
        absent[self._rows(leave_out)] = True
        if not keep_roots:
            absent[self.root_rows] |= np.diff(self.child_offsets)[self.root_rows] > 0
        found = self.ancestors(max_distance=max_distance)
        offsets, documents, distances = found.offsets, found.ancestors, found.distances
        if absent.any():
            kept = ~absent[documents]
            offsets = offsets_of(kept)[offsets]
            documents, distances = documents[kept], distances[kept]
        pairs = Pairs(self.ids, self.ids, offsets, documents, distances, self.texts, self.texts, self.notes)
        if labels is None:
            return pairs
        names = NodeNames(self.ids, self.texts, self.parent_offsets, self.parents)
        return with_labels(pairs, label_queries(labels, names.find, names.explain, unknown=unknown))

    def to_networkx(self) -> Any:
        """A networkx DiGraph with edges child -> parent, texts as attributes of the nodes.

        Raises:
            MissingExtraError: networkx is not installed.
        """
        return write_networkx(self.ids, self.edges(), self.texts)


def _frozen(array: npt.NDArray[Number]) -> npt.NDArray[Number]:
    """A view that cannot be written to; the array itself stays as it was."""
    view = array.view()
    view.setflags(write=False)
    return view


@dataclass(frozen=True)
class NamedSource:
    """A hierarchy that ships with the package, and the settings of its pairs: `rootward train wordnet` needs no file.

    Attributes:
        load: reads the hierarchy.
        description: one line for listings.
        max_distance, keep_roots, leave_out: for `Hierarchy.pairs`.
    """

    load: Callable[[], Hierarchy]
    description: str
    max_distance: int | None = None
    keep_roots: bool = True
    leave_out: tuple[str, ...] = ()

    def pairs(self, *, labels: Labels | None = None, unknown: Unknown = "error") -> Pairs:
        """Read the hierarchy and make its pairs, with a query for each labelled text as `Hierarchy.pairs`."""
        return self.load().pairs(**self.settings, labels=labels, unknown=unknown)

    @property
    def settings(self) -> dict[str, Any]:
        """The settings of its pairs."""
        return {"max_distance": self.max_distance, "keep_roots": self.keep_roots, "leave_out": self.leave_out}


NAMED: dict[str, NamedSource] = {
    "wordnet": NamedSource(
        Hierarchy.wordnet,
        "WordNet 3.0 nouns as in the paper: hypernyms only, at most 8 hops, 'entity' left out",
        max_distance=8,
        leave_out=("entity.n.01",),  # the other 7,725 roots are instances whose edges up are not read; they stay
    ),
    "wordnet-instances": NamedSource(
        lambda: Hierarchy.wordnet(instances=True),
        "WordNet 3.0 nouns with instance hypernyms, every ancestor, the root kept",
    ),
}
