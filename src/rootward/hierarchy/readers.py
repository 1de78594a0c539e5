"""The doors into a hierarchy: one classmethod a format, each as thin as its module is thorough."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Self

from rootward.hierarchy import edges, exchange, generate, nested, obo, paths, skos, wordnet
from rootward.hierarchy.draft import Draft
from rootward.hierarchy.tables import FilePath, Format


class Readers:
    """The classmethods that read or make a `Hierarchy`; it is their only heir."""

    @classmethod
    def _of(cls, draft: Draft) -> Self:
        """The checked hierarchy of a draft."""
        raise NotImplementedError

    @classmethod
    def from_edges(
        cls,
        source: edges.EdgeSource,
        *,
        child: str = "child",
        parent: str = "parent",
        nodes: edges.NodeSource | None = None,
        add_missing: bool = False,
        format: Format | None = None,
        delimiter: str | None = None,
    ) -> Self:
        """A hierarchy from one edge a row. A row with an empty parent declares a root.

        Args:
            source: a .csv, .tsv or .parquet file, a pyarrow Table, or an iterable of (child, parent).
            child, parent: names of the two columns; others are not read.
            nodes: which nodes there are, in their order: a file or Table with the column `id` and, where there are
                any, `name`, `synonyms` (separated by "|", or a list) and `definition`; or an iterable of ids.
                None takes every id of the edges.
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
        draft = edges.read_edges(
            source,
            child=child,
            parent=parent,
            nodes=nodes,
            add_missing=add_missing,
            format=format,
            delimiter=delimiter,
        )
        return cls._of(draft)

    @classmethod
    def from_paths(
        cls, source: FilePath | Iterable[str], *, separator: str = " > ", layout: paths.PathLayout = "plain"
    ) -> Self:
        """A hierarchy from category paths, one a line; a node's name is the last category of its path.

        Args:
            source: a text file, or an iterable of lines.
            separator: what stands between two categories.
            layout: "plain" and "google": the path is the id. "google-with-ids" and "shopify": the id stands before
                it. "shopify-json": the en.json of the npm package. Lines with # in front are comments, but in "plain".

        Raises:
            TableError: a file or row that is not of this layout; no line holds the separator, and most hold another.
            UnknownIdError: a row with an id whose category above has no row.
            HierarchyError: an empty category, an id or path twice where each must have a row of its own.
        """
        return cls._of(paths.read_paths(source, separator=separator, layout=layout))

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
            relations: which ones lead from child to parent, such as ("is_a", "part_of"); by default "is_a".
            scopes: which synonyms are other names of the same thing; by default "EXACT", also "RELATED", "NARROW",
                "BROAD".
            namespace: keep only the terms of this namespace.

        Raises:
            TableError: a row that is no OBO, with its number; no term at all; a relation or scope that was named and
                that no term has.
            CycleError: the relations run in a circle.
        """
        return cls._of(obo.read_obo(source, relations=relations, scopes=scopes, namespace=namespace))

    @classmethod
    def from_skos(cls, source: FilePath, *, language: str = "en", format: str | None = None) -> Self:
        """A hierarchy from a SKOS thesaurus: broader and narrower, prefLabel, altLabel, definition. Ids are IRIs.

        Args:
            source: the file.
            language: of the texts; where a concept has none in it, those without a language, then any.
            format: "turtle", "xml", "nt" or "json-ld"; None goes by the suffix.

        Raises:
            MissingExtraError: rdflib is not installed.
            TableError: a file that cannot be read, or has no concept.
        """
        return cls._of(skos.read_skos(source, language=language, format=format))

    @classmethod
    def from_owl(cls, source: FilePath, *, language: str = "en", format: str | None = None) -> Self:
        """A hierarchy from the named classes of an OWL ontology (rdfs:subClassOf). Deprecated ones are left out.

        Arguments and errors as in `from_skos`; names are labels, synonyms the exact ones, ids IRIs.
        """
        return cls._of(skos.read_owl(source, language=language, format=format))

    @classmethod
    def from_nested(
        cls,
        source: Any,
        *,
        layout: nested.NestedLayout = "children",
        ids: nested.NestedIds = "path",
        separator: str = " > ",
    ) -> Self:
        """A hierarchy from nested JSON: a file, or the lists and dicts it would give.

        Args:
            source: the path of a file, or the content.
            layout: "children": {"name": ..., "children": [...]}, with "id", "synonyms" and "definition" where there
                are any. "mapping": {"shoes": {"sandals": {}}}.
            ids: what a node's id is: its "path" of names from the top; its "name", or its "id", and then a node that
                stands in several places is one node with several parents.
            separator: what joins the names of a path.

        Raises:
            TableError: a file that is not JSON, with the row.
            HierarchyError: a node without a name or id, or of the wrong shape; a path twice.
        """
        return cls._of(nested.read_nested(source, layout=layout, ids=ids, separator=separator))

    @classmethod
    def from_networkx(cls, graph: Any, *, direction: exchange.Direction = "child_to_parent") -> Self:
        """A hierarchy from a networkx DiGraph; node attributes name, synonyms and definition become texts.

        Raises:
            HierarchyError: an undirected graph, one without nodes, two nodes of the same text.
        """
        return cls._of(exchange.read_networkx(graph, direction=direction))

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
        return cls._of(
            generate.random_dag(
                n_nodes,
                seed=seed,
                n_roots=n_roots,
                branching=branching,
                irregularity=irregularity,
                max_depth=max_depth,
                multi_parent_share=multi_parent_share,
                max_parents=max_parents,
            )
        )
