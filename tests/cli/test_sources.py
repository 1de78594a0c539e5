"""One SOURCE argument: named, by suffix, by KIND:FILE; and what to type where a file may be of several kinds."""

import gzip
import shlex
from pathlib import Path

import pytest
from typer.main import get_command

from rootward.cli import app
from rootward.cli.settings import Setting, descriptions, parse_settings, settings_of
from rootward.cli.sources import KINDS, SourceFlags, read_source, stem_of
from rootward.errors import InputError
from rootward.hierarchy import Hierarchy
from rootward.training import Run
from shoes import shoes

TINY = ["--dim", "4", "--steps", "2", "--threads", "1", "--out", "run", "--quiet"]
TURTLE = """@prefix skos: <http://www.w3.org/2004/02/skos/core#> .
<urn:shoes> a skos:Concept ; skos:prefLabel "shoes"@en .
<urn:boots> a skos:Concept ; skos:prefLabel "boots"@en ; skos:broader <urn:shoes> .
"""
OWL = """@prefix owl: <http://www.w3.org/2002/07/owl#> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
<urn:shoes> a owl:Class . <urn:boots> a owl:Class ; rdfs:subClassOf <urn:shoes> .
"""
OBO = "[Term]\nid: X:1\nname: shoes\n\n[Term]\nid: X:2\nname: boots\nis_a: X:1\n"


# -- files whose suffix leaves no doubt ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text", "needs"),
    [
        ("a.obo", OBO, None),
        ("a.obo.gz", OBO, None),
        ("a.ttl", TURTLE, "rdflib"),
        ("a.ttl.gz", TURTLE, "rdflib"),
        ("b.ttl", OWL, "rdflib"),
    ],
)
def test_a_suffix_that_leaves_no_doubt_is_taken(tmp_path, name, text, needs):
    if needs:
        pytest.importorskip(needs)
    path = tmp_path / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    flags = SourceFlags(str(path))
    found = read_source(flags)
    assert (found.pairs.n_queries, len(found.pairs), stem_of(flags)) == (2, 3, name[0])


def test_saved_pairs_and_generated_hierarchies_are_sources(tmp_path):
    shoes().pairs().save(tmp_path / "saved.parquet")
    assert len(read_source(SourceFlags(str(tmp_path / "saved.parquet"))).pairs) == 37
    tree = SourceFlags("tree:3,2", ["root=false"])
    assert (read_source(tree).pairs.n_queries, stem_of(tree)) == (6, "tree-3-2")
    assert read_source(SourceFlags("dag:50", ["seed=7"])).pairs.n_queries == 50


def test_ids_with_commas_are_left_out_in_quotes_or_by_several_flags():
    known = settings_of(Hierarchy.pairs)
    one = parse_settings(['leave_out="shoes, all",boots', "leave_out=hats"], "--read", known, of="x", listed_by="y")
    assert one == {"leave_out": ["shoes, all", "boots", "hats"]}


# -- files that may be of several kinds ----------------------------------------------------------------------------

AMBIGUOUS = {
    "edges.csv": ("child,parent\nboots,shoes\n", 2),
    "named.csv": ("id,name,parent_id\nshoes,Shoes,\nboots,Boots,shoes\n", 2),
    "excel.csv": ("kind;parent\nboots;shoes\n", 2),
    "two.tsv": ("category\tunder\nboots\tshoes\n", 2),
    "pairs.csv": ("query,document,distance\nboot,boots,0\nboot,shoes,1\n", 1),
    "labels.csv": ("text,node\nboot,boots\nclog,shoes\n", 2),
    "clicks.csv": ("text,product,label\nboot,boots,exact\nboot,shoes,broad\n", 1),
    "hops.txt": ("text,product,hops\nboot,boots,0\nboot,shoes,1\n", 1),
    "paths.txt": ("Shoes > Boots\nShoes > Sandals\n", 3),
    "slashes.txt": ("Shoes/Boots\nShoes/Sandals\n", 3),
    "google.txt": ("# Google_Product_Taxonomy_Version: 2021-09-21\nShoes\nShoes > Boots\nShoes > Hats\n", 3),
    "numbers.txt": ("# Google_Product_Taxonomy_Version\n1 - Shoes\n2 - Shoes > Boots\n3 - Shoes > Hats\n", 3),
    "nested.json": ('{"name": "shoes", "children": [{"name": "boots"}]}', 2),
    "mapping.json": ('{"shoes": {"boots": {}}}', 2),
    "packed.csv.gz": ("child,parent\nboots,shoes\n", 2),
    "a file.csv": ("child,parent\nboots,shoes\n", 2),
    "table.parquet": (None, 2),
}


@pytest.mark.parametrize("name", AMBIGUOUS)
def test_the_command_that_an_error_proposes_works(rootward, tmp_path, name):
    text, n_queries = AMBIGUOUS[name]
    path = tmp_path / name
    if text is None:
        import pyarrow as pa  # noqa: PLC0415
        import pyarrow.parquet as pq  # noqa: PLC0415

        pq.write_table(pa.table({"child": ["boots"], "parent": ["shoes"]}), path)
    else:
        path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    refused = rootward("train", name, *TINY)
    assert refused.exit_code == 2
    assert f"{name} can be of several kinds, so say which." in refused.stderr
    (command,) = [line for line in refused.stderr.splitlines() if line.startswith("  rootward ")]
    words = shlex.split(command)
    assert words[-len(TINY) :] == TINY or set(TINY) <= set(words), "the other flags stay"
    followed = rootward(*words[1:])
    assert followed.exit_code == 0, (command, followed.stderr)
    assert Run.load("run").pairs.n_queries == n_queries


def test_what_the_user_has_said_already_stays_as_it_is(rootward, tmp_path):
    (tmp_path / "t.csv").write_text("name,id,parent_id\nBoots,b,s\n")
    refused = rootward("plan", "t.csv", "--read", "child=id")
    assert "rootward plan edges:t.csv --read child=id --read parent=parent_id" in refused.stderr


def test_a_file_that_holds_nothing_known_lists_the_kinds(rootward, tmp_path):
    (tmp_path / "notes.txt").write_text("Dear all\n")
    (tmp_path / "empty.csv").write_text("")
    told = rootward("plan", "notes.txt").stderr
    assert "It begins with 'Dear all'" in told
    for kind in ("edges:notes.txt", "pairs:notes.txt", "paths:notes.txt"):
        assert kind in told
    assert "empty.csv is empty" in rootward("plan", "empty.csv").stderr


def test_rdf_that_speaks_of_both_or_neither_is_asked_about(rootward, tmp_path):
    (tmp_path / "a.ttl").write_text("<urn:a> <urn:b> <urn:c> .\n")
    told = rootward("plan", "a.ttl").stderr
    assert "skos:a.ttl" in told
    assert "owl:a.ttl" in told


def test_a_run_is_no_source(rootward, run):
    assert "is the folder of a run or index, and no source" in rootward("plan", run).stderr


# -- listings ------------------------------------------------------------------------------------------------------


def test_sources_lists_every_kind_with_its_settings_and_examples_that_are_right(rootward):
    text = rootward("sources").stdout
    assert "wordnet: WordNet 3.0" in text
    for name, kind in KINDS.items():
        assert f"rootward train {kind.example}" in text
        source, *reads = shlex.split(kind.example)
        texts = [read for read in reads if read != "--read"]
        assert parse_settings(texts, "--read", kind.settings(), of=name, listed_by="")
        assert source.partition(":")[0] == name or Path(source).suffix in (".obo", ".owl", ".ttl")
        for setting in kind.settings().values():
            assert f"  {setting.name} " in text
    assert "default is_a" in text
    assert "exact=0,substitute=1" in text
    for word in ("None", "iterable", "Table", "`", "True", "False"):
        assert word not in text, "the reader is at a command line"


def test_descriptions_come_from_docstrings():
    found = descriptions(Hierarchy.from_edges.__doc__)
    assert found["child"].startswith("names of the two columns")
    assert found["nodes"].startswith("which nodes there are")
    assert "Raises" not in " ".join(found.values())


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (int | None, "8", 8),
        (int | None, "none", None),
        (float, "3", 3.0),
        (bool, "no", False),
        (str, "none", "none"),
    ],
)
def test_values_are_of_the_type_of_their_setting(kind, text, value):
    assert Setting("x", kind, None, "").parse(text) == value


def test_a_setting_of_another_type_is_refused():
    with pytest.raises(InputError, match=r"--read max_distance=far: max_distance is a whole number, got 'far'"):
        parse_settings(["max_distance=far"], "--read", settings_of(Hierarchy.pairs), of="x", listed_by="y")


# -- how much there is to learn ------------------------------------------------------------------------------------


def test_no_verb_has_more_flags_than_fit_in_a_head():
    for name, command in get_command(app).commands.items():
        flags = [parameter for parameter in command.params if parameter.param_type_name == "option"]
        assert len(flags) <= (25 if name == "train" else 15), name


def test_the_help_of_train_fits_on_a_page(rootward, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    assert len(rootward("train", "--help").stdout.splitlines()) <= 60


def test_every_verb_has_examples(rootward):
    for name in get_command(app).commands:
        assert f" rootward {name}" in rootward(name, "--help").stdout, name
