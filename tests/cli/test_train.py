"""`rootward train`: sources, recipes, the folder, and what it says on the way."""

import json
import shutil
import signal
import sys
from contextlib import contextmanager
from inspect import signature

import pytest
import torch

from rootward import training
from rootward.evaluation import Report, evaluate
from rootward.hierarchy import NAMED, Hierarchy, NamedSource
from rootward.retrieval import Index
from rootward.training import Run, Stage, recipes
from shoes import shoes

QUICK = ["--dim", "8", "--steps", "60", "--threads", "1"]


def test_training_prints_the_report_and_leaves_a_run(rootward, shop):
    result = rootward("train", f"edges:{shop}", *QUICK)
    assert result.exit_code == 0
    assert "overall" in result.stdout
    assert "Next:" not in result.stdout
    for remark in ("37 pairs, 12 queries", "60 steps of 32 queries", "rootward search runs/shop"):
        assert remark in result.stderr
    run = Run.load("runs/shop")
    assert run.finished
    assert run.report.overall.value == 1
    assert run.model.dim == 8


def test_a_folder_that_holds_a_run_is_refused_before_anything_is_computed(rootward, run, monkeypatch):
    monkeypatch.setattr("rootward.cli.train.read_source", lambda *_: pytest.fail("the source was read"))
    result = rootward("train", "edges:nowhere.csv", "--out", run)
    assert result.exit_code == 2
    assert f"{run} holds a run already" in result.stderr
    assert f"--out {run}-2" in result.stderr


def test_out_that_is_a_file_is_refused(rootward, shop):
    result = rootward("train", f"edges:{shop}", "--out", shop)
    assert (result.exit_code, "a file stands there" in result.stderr) == (2, True)


def test_quiet_says_nothing_but_the_report(rootward, shop):
    result = rootward("train", f"edges:{shop}", *QUICK, "--quiet")
    assert (result.exit_code, result.stderr) == (0, "")
    assert "overall" in result.stdout


def test_json_takes_the_place_of_the_table_on_standard_output(rootward, shop):
    result = rootward("train", f"edges:{shop}", *QUICK, "--json", "-")
    assert json.loads(result.stdout)["n_pairs"] == 37
    rootward("train", f"edges:{shop}", *QUICK, "--out", "other", "--json", "deep/report.json")
    assert Report.load("deep/report.json").n_pairs == 37


def test_notes_of_the_source_are_told(rootward, tmp_path):
    (tmp_path / "edges.csv").write_text("child,parent\na,b\na,b\n")
    assert "Left out 1 duplicate edge." in rootward("train", "edges:edges.csv", *QUICK).stderr


def test_a_named_source_takes_its_own_settings(rootward, monkeypatch):
    monkeypatch.setitem(NAMED, "shop", NamedSource(shoes, "a shop", max_distance=2, leave_out=("footwear",)))
    result = rootward("train", "shop", *QUICK)
    assert result.exit_code == 0
    run = Run.load("runs/shop")
    assert run.pairs.relevant("flip-flops") == [("flip-flops", 0), ("sandals", 1), ("shoes", 2)]
    assert json.loads((run.folder / "config.json").read_text())["run"]["source"] == "shop"
    assert run.report.source == "shop"
    refused = rootward("train", "shop", "--read", "max_distance=3", "--out", "x")
    assert (refused.exit_code, "own settings" in refused.stderr) == (2, True)


# -- sources -----------------------------------------------------------------------------------------------------


def sources(tmp_path):
    """Flags for a file of every format that needs no extra, and how many pairs it holds."""
    (tmp_path / "edges.tsv").write_text("kind\tunder\nsandals\tshoes\nboots\tshoes\n")
    (tmp_path / "edges.txt").write_text("child;parent\nsandals;shoes\nboots;shoes\n")
    (tmp_path / "edges.bar").write_text("child\tparent\nsandals\tshoes\nboots\tshoes\n")
    (tmp_path / "clicks.csv").write_text("q,d,label\nsandal,sandals,exact\nsandal,shoes,broad\n")
    (tmp_path / "terms.obo").write_text(
        "[Term]\nid: X:1\nname: shoes\n\n[Term]\nid: X:2\nname: strap\nrelationship: part_of X:1\n"
    )
    (tmp_path / "paths.txt").write_text("Shoes/Sandals\nShoes/Boots\n")
    (tmp_path / "nested.json").write_text('{"shoes": {"sandals": {}, "boots": {}}}')
    shoes().pairs().save(tmp_path / "saved.parquet")
    columns = ["--read", "query=q", "--read", "document=d", "--read", "distance=label"]
    return [
        (["edges:edges.tsv", "--read", "child=kind", "--read", "parent=under"], 5),
        (["edges:edges.tsv", "--read", "child=kind", "--read", "parent=under", "--read", "keep_roots=false"], 2),
        (["edges:edges.tsv", "--read", "child=kind", "--read", "parent=under", "--read", "leave_out=boots"], 4),
        (["pairs:clicks.csv", *columns, "--read", "levels=exact=0, broad=1"], 2),
        (["pairs:clicks.csv", *columns, "--read", "levels=exact=0", "--read", "drop_others=true"], 1),
        (["edges:edges.txt", "--read", "delimiter=;"], 5),
        (["edges:edges.bar", "--read", r"delimiter=\t"], 5),
        (["obo:terms.obo", "--read", "relations=is_a,part_of"], 3),
        (["obo:terms.obo"], 2),
        (["paths:paths.txt", "--read", "separator=/"], 5),
        (["nested:nested.json", "--read", "layout=mapping", "--read", "ids=name", "--read", "max_distance=0"], 3),
        (["pairs:saved.parquet"], 37),
        (["pairs:saved.parquet", "--read", "max_distance=1"], 24),
    ]


def test_every_format_with_its_options(rootward, tmp_path):
    for i, (flags, n_pairs) in enumerate(sources(tmp_path)):
        result = rootward("train", *flags, "--dim", "4", "--steps", "2", "--out", f"out{i}")
        assert result.exit_code == 0, (flags, result.stderr)
        assert len(Run.load(f"out{i}").pairs) == n_pairs, flags


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "A source is needed: a named one (wordnet, wordnet-instances), a file such as hp.obo, or KIND:FILE"),
        (["wordnet", "obo:x.obo"], "unexpected extra argument"),
        (["wordnett"], "Did you mean 'wordnet'?"),
        (["edge:shop.csv"], "There is no file and no named source 'edge:shop.csv'. Did you mean 'edges'"),
        (["edges:"], "edges: names no file"),
        (["tree:4"], "tree:4 needs 2 whole number(s), such as tree:4,5."),
        (["."], "is a folder, and no source"),
        (["nowhere.csv"], "There is no file and no named source 'nowhere.csv'"),
        (["shop.csv"], "rootward train edges:shop.csv"),
        (["edges:shop.csv", "--read", "separator=/"], "edges: has no setting 'separator'. It takes child, parent,"),
        (["edges:shop.csv", "--read", "chld=x"], "Did you mean 'child'?"),
        (["edges:shop.csv", "--read", "child"], "needed NAME=VALUE, such as --read child=child"),
        (["edges:shop.csv", "--read", "add_missing=maybe"], "add_missing is true or false, got 'maybe'"),
        (["edges:shop.csv", "--read", "child=a", "--read", "child=b"], "child is set twice"),
        (["edges:nowhere.csv"], "nowhere.csv does not exist"),
        (["edges:shop.csv", "--read", "child=kid"], "Name the columns with --read child= and --read parent=."),
        (
            ["edges:shop.csv", "--read", "nodes=nodes.csv"],
            "child 'footwear' is not a node. Use --read add_missing=true to keep",
        ),
        (["edges:shop.csv", "--read", "format=xls"], "format is csv, tsv or parquet, got 'xls'"),
        (
            ["pairs:words.csv"],
            "'far'; a whole number of hops from 0 is needed. If the column holds labels, give --read levels=exact=0,",
        ),
        (["edges:shop.csv", "--read", "max_distance=-1"], "max_distance"),
        (["shop"], "There is no file and no named source 'shop'"),
        (
            ["edges:shop.csv", "--out", "/dev/null/x"],
            "x cannot be written: /dev/null is no folder",
        ),
        (["edges:shop.csv", "--read", "leave_out=sandal"], "Did you mean 'sandals'"),
        (
            ["pairs:shop.csv", "--read", "levels=exact"],
            "levels is LABEL=N,..., such as exact=0,substitute=1; got 'exact'",
        ),
        (["edges:shop.csv", "--read", "format=xlsx"], "format is csv, tsv or parquet"),
        (["edges:shop.csv", "--recipe", "decopled"], "Did you mean 'decoupled'"),
        (["edges:shop.csv", "--recipe", "rebalanced"], "--set regular_share=0.03"),
        (["edges:shop.csv", "--epochs", "-1"], "epochs: Input should be greater than 0, got -1"),
        (
            ["edges:shop.csv", "--set", "loss=sofmax"],
            "loss: Input should be 'softmax', 'decoupled', 'listwise', a function",
        ),
        (["edges:shop.csv", "--set", "scal=3"], "a training has no setting 'scal'. Did you mean 'scale'"),
        (["edges:shop.csv", "--set", "scale"], "needed NAME=VALUE, such as --set scale="),
        (["edges:shop.csv", "--set", "scale=3", "--set", "scale=4"], "scale is set twice"),
        (["edges:shop.csv", "--epochs", "3", "--steps", "4"], "give one of them"),
        (["edges:shop.csv", "--epochs", "3", "--set", "epochs=4"], "epochs is given twice"),
        (["edges:shop.csv", "--minutes", "1", "--steps", "4"], "give one of them"),
        (["edges:shop.csv", "--recipe", "pretrain_finetune", "--set", "keep=last"], "keeps the best vectors"),
        (["edges:shop.csv", "--minutes", "0"], "--minutes must be above 0"),
        (["edges:shop.csv", "--set", "precision=float8"], "precision is auto, float32 or bfloat16, got"),
        (["edges:shop.csv", "--device", "gpu"], "Device 'gpu' cannot be used here; there are auto, cpu"),
        (["edges:shop.csv", "--dim", "0"], "Invalid value for '--dim'"),
        (["--resume", "nowhere", "--dim", "4"], "leave out --dim"),
        (["--resume", "nowhere"], "nowhere does not exist"),
        (["obo:shop.obo", "--read", "relations=is_b"], "--read relations= names 'is_b', which no term of shop.obo has"),
        (
            ["paths:paths.txt"],
            "1 of 1 hold '/'. If it is part of names, say --read layout='plain'. Say so with --read separator='/'.",
        ),
        (["edges:excel.csv"], "It looks separated by ';': say so with --read delimiter=';'."),
        (
            ["pairs:clicks.csv", "--read", "levels=exact=0"],
            "with --read query=, --read document= and --read distance=.",
        ),
        (["pairs:clicks.csv", "--read", "levels=exact=0,exact=1"], "one distance for each label; 'exact' has two"),
        (
            ["pairs:clicks.csv", "--read", "distance=label", "--read", "levels=exact=0"],
            "other labels by --read drop_others=true.",
        ),
        (["pairs:.", "--read", "levels=exact=0"], " is a folder; a file is needed."),
        (["--no-such-flag"], "No such option"),
    ],
)
def test_what_the_user_got_wrong_is_told_in_one_message_with_status_2(rootward, shop, arguments, message, tmp_path):
    (tmp_path / "shop.csv").write_bytes(shop.read_bytes())
    (tmp_path / "nodes.csv").write_text("id,name\nhat,Hat\n")
    (tmp_path / "words.csv").write_text("query,document,distance\na,b,far\n")
    (tmp_path / "excel.csv").write_bytes(b"\xef\xbb\xbfchild;parent\r\na;b\r\n")
    (tmp_path / "clicks.csv").write_text("query,document,label\na,b,exact\na,c,Exact\n")
    (tmp_path / "shop.obo").write_text("[Term]\nid: a\nname: A\n[Term]\nid: b\nname: B\nis_a: a\n")
    (tmp_path / "paths.txt").write_text("Shoes/Sandals\n")
    result = rootward("train", *arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""
    assert not (tmp_path / "runs").exists()


# -- recipes -----------------------------------------------------------------------------------------------------


def test_fields_of_a_stage_can_be_set(rootward, shop):
    result = rootward(
        *("train", f"edges:{shop}", "--dim", "4", "--steps", "3", "--out", "a"),
        *("--set", "scale=30", "--set", "log_q=false", "--set", "optimizer=sgd", "--set", "batch_size=5"),
    )
    assert result.exit_code == 0
    (stage,) = Run.load("a").recipe.stages
    assert (stage.scale, stage.log_q, stage.optimizer, stage.batch_size, stage.steps) == (30, False, "sgd", 5, 3)


def test_what_is_set_reaches_the_recipe_and_the_machine(rootward, shop):
    sets = [
        "--set",
        "start=random",
        "--set",
        "measure=false",
        "--set",
        "precision=float32",
        "--set",
        "block_bytes=4096",
    ]
    result = rootward("train", f"edges:{shop}", "--dim", "4", "--steps", "3", *sets, "--out", "a")
    assert (result.exit_code, result.stdout) == (0, "")
    run = Run.load("a")
    assert (run.recipe.start, run.finished, run.report) == ("random", True, None)
    machine = json.loads((run.folder / "config.json").read_text())["run"]["machine"]
    assert machine["block_bytes"] == 4096
    resumed = rootward("train", "--resume", "a", "--set", "scale=3")
    assert "a run that is resumed has no setting 'scale'. It takes precision, block_bytes, measure." in resumed.stderr


def test_the_papers_recipe_has_two_stages(rootward, shop):
    result = rootward(
        *("train", f"edges:{shop}", "--dim", "4", "--out", "a", "--recipe", "pretrain_finetune", "--steps", "3"),
        *("--set", "finetune_steps=2", "--set", "batch_size=16"),
    )
    assert result.exit_code == 0
    assert [(stage.name, stage.steps) for stage in Run.load("a").recipe.stages] == [("pretrain", 3), ("finetune", 2)]


def test_rebalanced_takes_its_share_from_set(rootward, shop):
    flags = ["--recipe", "rebalanced", "--set", "regular_share=0.5", "--steps", "2", "--dim", "4"]
    assert rootward("train", f"edges:{shop}", *flags, "--out", "a").exit_code == 0
    assert Run.load("a").recipe.stages[0].regular_share == 0.5


def test_minutes_set_the_steps_also_of_a_recipe_that_has_a_number_of_its_own(rootward, shop):
    settings = ["--set", "batch_size=16", "--set", "learning_rate=0.01"]  # 1 is for thousands of queries
    flags = ["--recipe", "regular", "--minutes", "0.002", "--dim", "4", *settings]
    result = rootward("train", f"edges:{shop}", *flags, "--out", "a")
    assert result.exit_code == 0
    assert "as many steps as 0.002 minutes allow" in result.stderr
    assert Run.load("a").recipe.stages[0].steps < 50_000


def test_epochs_take_the_place_of_the_steps_a_recipe_brings_along(rootward, shop):
    flags = ["--recipe", "regular", "--epochs", "3", "--dim", "4", "--set", "batch_size=16", "--out", "a"]
    assert rootward("train", f"edges:{shop}", *flags).exit_code == 0
    assert Run.load("a").recipe.stages[0].steps == 9  # 37 pairs, 16 at a time


def test_defaults_that_the_help_tells_in_words_are_the_ones_taken(rootward):
    def default(function, name):
        return signature(function).parameters[name].default

    def told(verb):
        return " ".join(rootward(verb, "--help").stdout.replace("│", " ").split())

    assert f"Default: {default(training.train, 'seed')}." in told("train")
    assert f"Default: {default(evaluate, 'seed')}." in told("evaluate")
    assert f"Default: {default(evaluate, 'bootstrap'):,}." in told("evaluate")
    assert f"Default: {default(Index.search, 'k')}." in told("search")
    assert next(iter(recipes.RECIPES)) == recipes.decoupled.__name__, "the first is the default"


def test_the_help_lists_every_field_and_recipe_from_where_they_are_defined(rootward):
    text = rootward("train", "--help").stdout
    for word in ("decoupled", "pretrain_finetune", "--read", "--resume"):
        assert word in text
    assert "rootward train wordnet --dim 64 --out runs/wordnet" in text
    listed = rootward("settings").stdout
    for word in (*(set(Stage.model_fields) - {"name"}), "start", "finetune_steps", "precision", "measure"):
        assert f"  {word} " in listed


# -- interrupted -------------------------------------------------------------------------------------------------


def test_an_interrupted_run_ends_with_130_and_goes_on(rootward, shop, monkeypatch):
    calls = iter(range(10_000))

    @contextmanager
    def stop_after_20():
        yield lambda: next(calls) > 20

    with monkeypatch.context() as patched:
        patched.setattr(sys.modules["rootward.training.session"], "stoppable", stop_after_20)
        stopped = rootward("train", f"edges:{shop}", *QUICK, "--out", "a")
    assert (stopped.exit_code, stopped.stdout) == (130, "")
    assert "rootward train --resume a" in stopped.stderr
    threads = torch.get_num_threads()
    torch.set_num_threads(threads + 1)
    finished = rootward("train", "--resume", "a")
    torch.set_num_threads(threads)
    assert "differ" not in finished.stderr, "as many threads as at the start, unless told"
    assert finished.exit_code == 0
    assert "overall" in finished.stdout
    again = rootward("train", "--resume", "a")
    assert (again.exit_code, "is finished" in again.stderr) == (2, True)


def test_ctrl_c_while_measuring_ends_with_130_and_the_next_time_it_is_only_measured(rootward, shop, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr("rootward.training.session.evaluate", lambda *_, **__: signal.raise_signal(signal.SIGINT))
        stopped = rootward("train", f"edges:{shop}", *QUICK, "--out", "a")
    assert (stopped.exit_code, stopped.stdout) == (130, "")
    assert "Training is done, measuring was stopped. Measure with: rootward train --resume a" in stopped.stderr
    assert rootward("search", "a", "boots").exit_code == 0
    measured = rootward("train", "--resume", "a")
    assert (measured.exit_code, "overall" in measured.stdout) == (0, True)


def test_a_fault_of_ours_ends_with_1_and_asks_for_a_report(rootward, shop, monkeypatch):
    monkeypatch.setattr(Hierarchy, "from_edges", lambda *_: [][1])
    result = rootward("train", f"edges:{shop}", *QUICK)
    assert result.exit_code == 1
    assert "IndexError: list index out of range" in result.stderr
    assert "ROOTWARD_TRACEBACK=1" in result.stderr


def test_pairs_on_disk_train_as_those_in_memory(rootward, tmp_path):
    (tmp_path / "clicks.csv").write_text("query,document,distance\nred shoe,shoe,0\nboot,boot,0\nboot,shoe,1\n")
    options = ["--dim", "4", "--steps", "3", "--threads", "1", "--quiet"]
    for out, source in (
        ("memory", ["pairs:clicks.csv"]),
        ("disk", ["pairs:clicks.csv", "--read", "on_disk=pairs"]),
        ("again", ["pairs:clicks.csv", "--read", "on_disk=pairs"]),
        ("folder", ["pairs:pairs"]),
    ):
        result = rootward("train", *source, *options, "--out", out)
        assert result.exit_code == 0, result.stderr
        assert Run.load(out).model.fingerprint() == Run.load("memory").model.fingerprint()
    assert rootward("evaluate", "disk").exit_code == 0
    assert rootward("search", "disk", "boot").exit_code == 0


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--read", "max_distance=1"], "--read max_distance= makes a copy in memory"),
        (["--read", "levels=a=0"], "holds the pairs of another table, or of another state of it: levels differ"),
    ],
)
def test_what_pairs_on_disk_cannot_be_made_with(rootward, tmp_path, more, said):
    (tmp_path / "clicks.csv").write_text("query,document,distance\nred shoe,shoe,0\n")
    rootward("train", "pairs:clicks.csv", "--read", "on_disk=pairs", "--steps", "1", "--dim", "2", "--quiet")
    result = rootward("train", "pairs:clicks.csv", "--read", "on_disk=pairs", *more, "--out", "other")
    assert result.exit_code == 2
    assert said in result.stderr.replace("\n", " ")


def test_a_folder_with_files_of_others_is_refused_and_left_alone(rootward, shop, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "pairs.parquet").write_text("mine")
    result = rootward("train", f"edges:{shop}", *QUICK, "--out", "data")
    assert result.exit_code == 2
    assert "data holds other files (pairs.parquet); choose an empty or new folder, --out data-2" in result.stderr
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["pairs.parquet"]
    (tmp_path / "data" / "pairs.parquet").rename(tmp_path / "data" / "config.json")
    result = rootward("train", f"edges:{shop}", *QUICK, "--out", "data")
    assert "data holds a config.json that rootward has not written" in result.stderr
    assert "run already" not in result.stderr


def test_what_a_start_that_was_cut_off_left_is_trained_into(rootward, shop, run, tmp_path):
    shutil.copytree(run, tmp_path / "cut")
    (tmp_path / "cut" / "config.json").unlink()
    (tmp_path / "cut" / ".0123456789ab.model.safetensors").write_bytes(b"half")
    assert rootward("train", f"edges:{shop}", *QUICK, "--out", "cut").exit_code == 0
    assert Run.load("cut").finished
    (tmp_path / "cut" / "config.json").unlink()
    (tmp_path / "cut" / "thesis.tex").write_text("mine")
    assert "cut holds other files (thesis.tex)" in rootward("train", f"edges:{shop}", "--out", "cut").stderr
    (tmp_path / "empty").mkdir()
    assert rootward("train", f"edges:{shop}", *QUICK, "--out", "empty").exit_code == 0
