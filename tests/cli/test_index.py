"""`rootward index`, and what `rootward search` does with it and with filters."""

import json
import shutil

import pytest

from rootward.calibration.calibrate import Calibration
from rootward.encoders import DualEncoder
from rootward.retrieval import Index


def found(result):
    assert result.exit_code == 0, result.output
    return [document["id"] for document in json.loads(result.stdout)["documents"]]


@pytest.mark.parametrize("engine", ["exact", "ivf", "hnsw"])
def test_an_index_of_a_run_answers_as_the_run_does(rootward, run, engine):
    built = rootward("index", run, "--engine", engine, "--out", "shop.index", "--json", "--quiet")
    told = json.loads(built.stdout)
    assert (built.exit_code, built.stderr) == (0, "")
    assert (told["documents"], told["engine"]) == (12, engine)
    assert told["tuned"] is None if engine == "exact" else told["tuned"]["at"] == "|S(q)|"
    for flags in (["-k", "4"], ["--threshold", "auto"], ["--below", "shoes"]):
        plain = found(rootward("search", run, "trainers", "--json", *flags))
        assert plain == found(rootward("search", run, "trainers", "--json", "--index", "shop.index", *flags))


def test_an_index_takes_the_calibration_of_its_run_along(rootward, plain_run, tmp_path):
    run = shutil.copytree(plain_run, tmp_path / "run")
    assert rootward("calibrate", run, "--quiet").exit_code == 0
    told = json.loads(rootward("index", run, "--out", "shop.index", "--json", "--quiet").stdout)
    assert told["calibrated"]
    assert Index.load("shop.index").calibration == Calibration.load(run)


def test_what_was_built_is_told_on_standard_error(rootward, plain_run):
    result = rootward("index", plain_run, "--engine", "ivf", "--recall", "0.9", "--out", "shop.index")
    assert (result.exit_code, result.stdout) == (0, "")
    lines = result.stderr.splitlines()
    assert lines[0] == "ivf: documents 12/12"
    assert lines[1].startswith("Index(12 documents, ivf), ")
    assert lines[2] == "1 probe of lists around queries: 100.00 % of exact search at |S(q)|"
    assert lines[3] == f"Search it: rootward search {plain_run} --index shop.index TEXT"


def test_options_of_the_engine_and_k_are_passed_on(rootward, plain_run):
    flags = ["--engine", "ivf", "--set", "lists=4", "-k", "2", "--json", "--quiet"]
    told = json.loads(rootward("index", plain_run, *flags, "--out", "shop.index").stdout)
    assert told["tuned"]["at"] == "k=2"
    assert Index.load("shop.index").engine.lists == 4


@pytest.mark.parametrize(
    ("flags", "allowed"),
    [
        (["--below", "sandals"], {"sandals", "flip-flops", "hiking sandals"}),
        (["--below", "shoes", "--within", "1"], {"shoes", "sneakers", "sandals", "kids' shoes"}),
        (["--above", "flip-flops"], {"flip-flops", "sandals", "shoes", "footwear"}),
        (["--levels", "..1"], {"footwear", "shoes", "boots"}),
        (["--levels", "1"], {"shoes", "boots"}),
        (["--below", "boots", "--levels", "2.."], {"rain boots", "hiking boots"}),
    ],
)
def test_filters_need_no_index(rootward, plain_run, flags, allowed):
    assert set(found(rootward("search", plain_run, "flip-flops", "--json", *flags))) == allowed


def test_right_answers_that_were_filtered_out_are_not_missing(rootward, plain_run):
    text = rootward("search", plain_run, "flip-flops", "--below", "shoes", "-k", "9").stdout
    assert text.splitlines()[-1] == "3 of 3 right answers"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["search", "RUN", "boots", "--within", "2"], "give --below ID or --above ID with it"),
        (["search", "RUN", "boots", "--levels", "a..b"], "A..B, such as 2..4, 2.. or ..3"),
        (["search", "RUN", "boots", "--levels", "3..1"], "got 3 to 1"),
        (["search", "RUN", "boots", "--below", "boot"], "Did you mean 'boots'"),
        (["search", "RUN", "boots", "--index", "nowhere"], "no index of rootward"),
        (["search", "RUN", "boots", "--index", "RUN"], "holds a trained model and no index"),
        (["index", "RUN", "--out", "RUN"], "an index needs a folder of its own"),
        (["index", "RUN", "--out", "x", "--engine", "ivv"], "Did you mean 'ivf'"),
        (["index", "RUN", "--out", "x", "--set", "lists=3"], "The engine 'exact' takes no options; got lists="),
        (["index", "RUN", "--out", "x", "--set", "lists"], "NAME=VALUE, such as lists=4096"),
        (["index", "RUN", "--out", "x", "--engine", "ivf", "--recall", "99"], "recall is a share"),
        (["index", "RUN"], "Where shall the index be?"),
        (
            ["index", "RUN", "--out", "x", "--engine", "exact", "--recall", "0.9"],
            "exact finds everything; leave out --recall",
        ),
        (["index", "RUN", "--out", "x", "-k", "5"], "exact finds everything; leave out -k"),
        (["index", "RUN", "--out", "x", "--engine", "ivff"], "there are 'exact', 'ivf', 'ivf-sq8', 'hnsw'. Did you"),
    ],
)
def test_what_the_user_got_wrong_ends_with_2(rootward, plain_run, arguments, message):
    result = rootward(*(plain_run if each == "RUN" else each for each in arguments))
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr


def test_an_index_that_is_whole_is_kept_unless_told(rootward, run, plain_run, tmp_path):
    assert rootward("index", run, "--out", "shop.index", "--quiet").exit_code == 0
    before = (tmp_path / "shop.index" / "config.json").read_bytes()
    again = rootward("index", plain_run, "--out", "shop.index")
    assert (again.exit_code, "holds an index already" in again.stderr) == (2, True)
    assert (tmp_path / "shop.index" / "config.json").read_bytes() == before
    assert rootward("index", plain_run, "--out", "shop.index", "--replace", "--quiet").exit_code == 0
    assert rootward("search", plain_run, "boots", "--index", "shop.index").exit_code == 0
    (tmp_path / "shop.index" / "config.json").write_text("{}")
    assert "config.json that is of no index" in rootward("index", run, "--out", "shop.index").stderr


def test_an_index_of_another_run_is_refused(rootward, run, plain_run):
    rootward("index", run, "--out", "shop.index", "--quiet")
    result = rootward("search", plain_run, "boots", "--index", "shop.index")
    assert result.exit_code == 2
    assert "another model" in result.stderr


def test_a_grown_index_is_searched_without_marks_for_documents_that_pairs_do_not_know(rootward, plain_run):
    rootward("index", plain_run, "--out", "shop.index", "--quiet")
    index, model = Index.load("shop.index"), DualEncoder.load(plain_run)
    index.upsert(["clogs"], model.document_vectors([3]))
    index.commit()
    result = rootward("search", plain_run, model.query_ids[3], "--index", "shop.index", "-k", "12", "--threshold", "-9")
    assert "clogs" in result.stdout
    assert "right answers" not in result.stdout


def test_a_model_without_pairs_is_indexed_and_says_why_it_is_not_filtered(rootward, plain_run):
    DualEncoder.load(plain_run).save("bare")
    result = rootward("index", "bare", "--out", "bare.index", "--engine", "ivf")
    assert result.exit_code == 0
    assert "cannot be filtered" in result.stderr
    assert "at k=10" in result.stderr
    result = rootward("search", "bare", "boots", "--index", "bare.index", "--below", "shoes")
    assert result.exit_code == 2
    assert "saved without pairs" in result.stderr


def test_an_index_on_a_server_answers_as_the_run_does(rootward, run, milvus):
    at = ["--uri", milvus.uri, "--collection", "cli_shop"]
    built = rootward("index", run, *at, "--out", "shop.index", "--json", "--quiet")
    told = json.loads(built.stdout)
    assert (built.exit_code, built.stderr) == (0, "")
    assert (told["documents"], told["engine"], told["collection"]) == (12, "milvus", "cli_shop")
    for flags in (["-k", "4"], ["--threshold", "auto"], ["--below", "shoes"]):
        plain = found(rootward("search", run, "trainers", "--json", *flags))
        assert plain == found(rootward("search", run, "trainers", "--json", "--index", "shop.index", *flags))
