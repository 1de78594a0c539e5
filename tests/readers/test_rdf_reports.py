"""RDF files as users brought them: what is read, and what a note or an error says of the rest."""

import gzip

import pytest

from rootward.errors import InputError, TableError
from rootward.hierarchy import Hierarchy

pytest.importorskip("rdflib")

PREFIXES = """@prefix : <http://ex.org/t/> .
@prefix skos: <http://www.w3.org/2004/02/skos/core#> .
@prefix skosxl: <http://www.w3.org/2008/05/skos-xl#> .
@prefix iso-thes: <http://purl.org/iso25964/skos-thes#> .
@prefix owl: <http://www.w3.org/2002/07/owl#> .
@prefix rdf: <http://www.w3.org/1999/02/22-rdf-syntax-ns#> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
@prefix schema: <http://schema.org/> .
@prefix dct: <http://purl.org/dc/terms/> .
"""


@pytest.fixture
def read(tmp_path):
    def read(text, reader=Hierarchy.from_skos, name="file.ttl", **options):
        (tmp_path / name).write_text(PREFIXES + text if name.endswith(".ttl") else text)
        return reader(tmp_path / name, **options)

    return read


def named_edges(tree):
    name = dict(zip(tree.ids, tree.texts.names, strict=True))
    return sorted((name[low], name[up]) for low, up in tree.edges())


def local_edges(tree):
    return sorted(tuple(end.rsplit("/", 1)[-1] for end in edge) for edge in tree.edges())


LANGUAGES = """
:c1 a skos:Concept ; skos:prefLabel "ship"@en , "Schiff"@de , "navire"@fr ;
    skos:altLabel "Dampfer"@de , "bateau"@fr , "nave"@it .
:c2 a skos:Concept ; skos:broader :c1 ; skos:prefLabel "Segelschiff"@de , "voilier"@fr ;
    skos:altLabel "sailboat"@en ; skos:definition "Schiff mit Segeln"@de .
:c3 a skos:Concept ; skos:broader :c1 ; skos:prefLabel "gift"@en-GB , "Gift"@de ; skos:hiddenLabel "gifft"@en .
"""


def test_an_english_thesaurus_got_german_synonyms(read):
    tree = read(LANGUAGES)
    assert tree.texts.names == ("ship", "Segelschiff", "gift")
    assert tree.texts.synonyms == ((), ("sailboat",), ())
    assert "1 name is not in 'en': 'Segelschiff' (de)." in tree.notes
    assert "Left out 7 texts in other languages: 'Schiff' (de), 'navire' (fr) and 5 more." in tree.notes
    assert "Left out 1 hidden label: gifft." in tree.notes


def test_a_language_that_no_text_has_gave_names_in_any(read):
    with pytest.raises(InputError, match=r"language='xx' is not in file.ttl; its languages are de, en, en-GB, fr, it"):
        read(LANGUAGES, language="xx")
    assert read(LANGUAGES, language="fr").texts.names == ("navire", "voilier", "Gift")
    with pytest.raises(InputError, match=r"language='en' is not in file.ttl; its languages are de"):
        read(':a a skos:Concept ; skos:prefLabel "Haus"@de .')


def test_a_file_without_languages_is_read_in_any(read):
    assert read(':a a skos:Concept ; skos:prefLabel "Haus" .', language="de").texts.names == ("Haus",)


def test_skos_xl_labels_were_not_read(read):
    tree = read(
        """:c1 a skos:Concept ; skosxl:prefLabel :l1 . :l1 a skosxl:Label ; skosxl:literalForm "animals"@en .
        :c2 a skos:Concept ; skos:broader :c1 ; skosxl:prefLabel :l2 ; skosxl:altLabel :l3 .
        :l2 a skosxl:Label ; skosxl:literalForm "dogs"@en . :l3 a skosxl:Label ; skosxl:literalForm "hounds"@en ."""
    )
    assert tree.texts.names == ("animals", "dogs")
    assert tree.texts.synonyms == ((), ("hounds",))
    assert tree.notes == ()


def test_concepts_named_by_other_vocabularies_had_no_name(read):
    tree = read(
        """:a a skos:Concept ; rdfs:label "a label" . :b a skos:Concept ; schema:name "a name" ; skos:broader :a .
        :c a skos:Concept ; dct:title "a title" . :d a skos:Concept . :e a skos:Concept .
        :f a skos:Concept ; skos:prefLabel "own" ; rdfs:label "other" ; skos:definition [ rdf:value "What it is." ] ."""
    )
    assert tree.texts.names == ("a label", "a name", "a title", "", "", "own")
    assert tree.texts.definitions[5] == "What it is."
    assert "2 of the concepts have no name: http://ex.org/t/d, http://ex.org/t/e." in tree.notes


def test_iso_thesauri_lost_the_edges_of_broader_generic(read):
    tree = read(
        """:c1 a skos:Concept ; skos:prefLabel "furniture"@en .
        :c2 a skos:Concept ; skos:prefLabel "chairs"@en ; skos:broader :c1 .
        :c3 a skos:Concept ; skos:prefLabel "armchairs"@en ; iso-thes:broaderGeneric :c2 .
        :within rdfs:subPropertyOf :inside . :inside rdfs:subPropertyOf skos:broader .
        :c4 a skos:Concept ; skos:prefLabel "thrones"@en ; :within :c3 .
        :c2 iso-thes:narrowerInstantial :c5 . :c5 skos:prefLabel "my chair"@en ; skos:broadMatch :c1 ."""
    )
    under = [("armchairs", "chairs"), ("chairs", "furniture"), ("my chair", "chairs"), ("thrones", "armchairs")]
    assert named_edges(tree) == under
    assert tree.notes == (
        "Left out 1 relation that is no skos:broader or narrower: http://ex.org/t/c5 broadMatch http://ex.org/t/c1.",
    )


def test_broader_transitive_alone_gave_no_edges(read):
    tree = read(
        ":a skos:broader :b . :b skos:broaderTransitive :c , :d . :c skos:broaderTransitive :d . "
        ":a skos:broaderTransitive :b , :c , :d ."
    )
    assert local_edges(tree) == [("a", "b"), ("b", "c"), ("c", "d")]


DEFINED = """
:neuron a owl:Class ; rdfs:label "neuron" . :interneuron a owl:Class ; rdfs:subClassOf :neuron .
:soma a owl:ObjectProperty .
:lamp a owl:Class ; rdfs:subClassOf [ a owl:Class ; owl:intersectionOf ( :interneuron
    [ a owl:Restriction ; owl:onProperty :soma ; owl:someValuesFrom :neuron ] ) ] .
:cortical a owl:Class ; owl:equivalentClass [ a owl:Class ; owl:intersectionOf ( :neuron
    [ a owl:Restriction ; owl:onProperty :soma ; owl:someValuesFrom :lamp ] ) ] .
"""


def test_named_members_of_an_intersection_are_parents(read):
    tree = read(DEFINED, Hierarchy.from_owl)
    assert local_edges(tree) == [("cortical", "neuron"), ("interneuron", "neuron"), ("lamp", "interneuron")]
    assert any(note.startswith("Read 2 edges from definitions") for note in tree.notes)


def test_the_genus_of_a_class_that_has_a_nearer_parent_adds_no_short_cut(read):
    tree = read(f"{DEFINED} :cortical rdfs:subClassOf :interneuron .", Hierarchy.from_owl)
    assert ("cortical", "neuron") not in local_edges(tree)


def test_a_definition_that_closes_a_circle_is_left_out_and_told(read):
    tree = read(
        ":a a owl:Class ; rdfs:subClassOf :b . :b a owl:Class ; owl:intersectionOf ( :a [ a owl:Restriction ] ) .",
        Hierarchy.from_owl,
    )
    assert local_edges(tree) == [("a", "b")]
    assert any("1 edge that would close a circle: http://ex.org/t/b under" in note for note in tree.notes)


def test_members_of_a_union_are_below_it(read):
    tree = read(
        ":a a owl:Class . :b a owl:Class . :u a owl:Class ; owl:equivalentClass [ owl:unionOf ( :a :b ) ] .",
        Hierarchy.from_owl,
    )
    assert local_edges(tree) == [("a", "u"), ("b", "u")]


def test_equivalent_classes_imports_and_deprecated_ones_are_told(read):
    tree = read(
        """:o a owl:Ontology ; owl:imports <http://ex.org/other.owl> .
        :a a owl:Class ; rdfs:label "a" . :b a owl:Class ; rdfs:label "b" ; owl:equivalentClass :a .
        :c a owl:Class ; rdfs:label "c" ; owl:deprecated true .""",
        Hierarchy.from_owl,
    )
    pair = "1 pair of classes is equivalent and kept as two nodes: http://ex.org/t/a and http://ex.org/t/b."
    assert pair in tree.notes
    assert "Left out 1 ontology that the file imports: http://ex.org/other.owl." in tree.notes
    assert "Left out 1 deprecated class: http://ex.org/t/c." in tree.notes


@pytest.mark.parametrize("kind", ["a rdfs:Class ;", ""])
def test_an_rdfs_vocabulary_had_no_classes(read, kind):
    tree = read(
        f':Thing {kind} rdfs:label "Thing" . :Place {kind} rdfs:label "Place" ; rdfs:subClassOf :Thing . '
        f':Hotel {kind} rdfs:label "Hotel" ; rdfs:subClassOf :Place .',
        Hierarchy.from_owl,
    )
    assert named_edges(tree) == [("Hotel", "Place"), ("Place", "Thing")]


@pytest.mark.parametrize(
    ("text", "syntax"),
    [
        ("# made by hand\nPrefix(:=<http://ex.org/>)\nOntology(<http://ex.org/>)", "OWL functional syntax"),
        ("Prefix: : <http://ex.org/>\nOntology: <http://ex.org/>\nClass: :a", "OWL Manchester syntax"),
        ('<?xml version="1.0"?>\n<Ontology xmlns="http://www.w3.org/2002/07/owl#"></Ontology>', "OWL/XML"),
    ],
)
@pytest.mark.parametrize("name", ["go.owl", "go.ofn"])
def test_another_syntax_of_owl_is_named_with_the_way_to_convert_it(read, text, syntax, name):
    with pytest.raises(TableError, match=rf"is in {syntax}, which is not read.*robot convert --input {name}"):
        read(text, Hierarchy.from_owl, name)


def test_turtle_under_an_owl_suffix_and_packed_files_are_read(read, tmp_path):
    assert local_edges(read(PREFIXES + DEFINED, Hierarchy.from_owl, "neurons.owl"))
    (tmp_path / "packed.ttl.gz").write_bytes(gzip.compress((PREFIXES + LANGUAGES).encode()))
    assert len(Hierarchy.from_skos(tmp_path / "packed.ttl.gz")) == 3
    (tmp_path / "broken.ttl.gz").write_text("no gzip")
    with pytest.raises(TableError, match=r"broken.ttl.gz cannot be unpacked as gzip"):
        Hierarchy.from_skos(tmp_path / "broken.ttl.gz")


def test_an_obo_file_read_as_owl_names_the_reader(read):
    with pytest.raises(TableError, match=r"go.owl is an OBO file; read it by Hierarchy.from_obo"):
        read("format-version: 1.2\n", Hierarchy.from_owl, "go.owl")


def test_a_thesaurus_read_as_owl_names_the_reader(read):
    with pytest.raises(TableError, match=r"holds no owl:Class.*read it by Hierarchy.from_skos"):
        read(":a a skos:Concept .", Hierarchy.from_owl)


def test_old_ids_of_an_ontology_lead_to_the_class_that_replaced_them(read):
    tree = read(
        """@prefix obo: <http://purl.obolibrary.org/obo/> .
        @prefix oio: <http://www.geneontology.org/formats/oboInOwl#> .
        :a a owl:Class ; rdfs:label "a" ; oio:hasAlternativeId "T:9" .
        :b a owl:Class ; owl:deprecated true ; obo:IAO_0100001 :a .""",
        Hierarchy.from_owl,
    )
    assert list(tree.ids) == ["http://ex.org/t/a"]
    assert tree.ids.row("http://ex.org/t/b") == tree.ids.row("T:9") == 0
    assert any(note.startswith("2 old ids lead to nodes that replaced them") for note in tree.notes)


def test_a_date_that_is_none_logs_no_traceback(read, caplog):
    text = ':a a skos:Concept ; skos:prefLabel "A" ; dct:date "2020-13-41"^^<http://www.w3.org/2001/XMLSchema#date> .'
    assert read(text).texts.names == ("A",)
    assert not caplog.records


@pytest.mark.parametrize("language", ["de", "en", "en-GB", "fr", "it"])
def test_every_language_that_the_error_lists_can_be_chosen(read, language):
    assert len(read(LANGUAGES, language=language)) == 3
