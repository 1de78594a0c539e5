"""`rootward diagnose`: a run, or any vectors with pairs; the reason for their recall out."""

import json

import numpy as np
import pytest

from rootward.encoders import DualEncoder
from rootward.training.run import pairs_in


@pytest.fixture
def files(run, tmp_path):
    """A run's vectors, ids and pairs as somebody else would have them."""
    model, pairs = DualEncoder.load(run), pairs_in(run)
    np.save(tmp_path / "q.npy", model.query_vectors().numpy())
    np.save(tmp_path / "d.npy", model.document_vectors().numpy())
    (tmp_path / "ids.txt").write_text("\n".join(model.query_ids) + "\n")
    rows = [f"{q},{d},{hops}" for q in reversed(pairs.query_ids) for d, hops in pairs.relevant(q)]
    (tmp_path / "pairs.csv").write_text("\n".join(["query,document,distance", *rows]) + "\n")
    return tmp_path


def test_a_run_is_diagnosed(rootward, run):
    result = rootward("diagnose", run, "--quick")
    assert (result.exit_code, result.stderr) == (0, "")
    assert "Healthy" in result.stdout
    assert "37 pairs" in result.stdout


def test_files_say_what_the_run_says(rootward, run, files):
    flags = ["--queries", "q.npy", "--documents", "d.npy", "pairs:pairs.csv", "--json", "-"]
    named = rootward("diagnose", *flags, "--query-ids", "ids.txt", "--document-ids", "ids.txt")
    assert named.exit_code == 0, named.stderr
    told, own = json.loads(named.stdout), json.loads(rootward("diagnose", run, "--json", "-").stdout)
    assert told["facts"]["overall"] == own["facts"]["overall"] == 1
    assert told["facts"]["by_distance"] == own["facts"]["by_distance"]
    assert told["facts"]["known"] is None
    assert own["facts"]["known"]["recipe"] == "decoupled"


def test_a_tensor_is_named_behind_its_file(rootward, files):
    from safetensors.numpy import save_file  # noqa: PLC0415

    save_file({"q": np.load(files / "q.npy"), "d": np.load(files / "d.npy")}, files / "v.safetensors")
    ids = ["--query-ids", "ids.txt", "--document-ids", "ids.txt"]
    named = ["--queries", "v.safetensors:q", "--documents", "v.safetensors:d", "pairs:pairs.csv"]
    result = rootward("diagnose", *named, *ids, "--quick")
    assert "recall at |S(q)|: 100.0 %" in result.stdout, result.stderr


def test_rows_without_ids_are_those_of_the_pairs_and_shuffled_ones_show(rootward, files):
    """The table lists its queries backwards, so row i of q.npy is not its i-th query."""
    result = rootward("diagnose", "--queries", "q.npy", "--documents", "d.npy", "pairs:pairs.csv", "--quick")
    assert result.exit_code == 0
    assert "recall at |S(q)|: 100.0 %" not in result.stdout


def test_a_figure_is_drawn(rootward, run, tmp_path):
    pytest.importorskip("matplotlib")
    assert rootward("diagnose", run, "--quick", "--plot", "d.svg", "--quiet").exit_code == 0
    assert (tmp_path / "d.svg").read_text().lstrip().startswith("<?xml")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--queries", "q.npy", "pairs:pairs.csv"], "--queries and --documents"),
        (["--queries", "q.npy", "--documents", "d.npy"], "A source is needed"),
        (["--queries", "q.npy", "--documents", "gone.npy", "pairs:pairs.csv"], "gone.npy"),
        (["--encoder", "x", "--queries", "q.npy", "pairs:pairs.csv"], "--encoder makes the vectors"),
        (["--plot", "d.pdf"], ".png or .svg"),
        ([], "Give a run"),
    ],
)
def test_what_is_missing_is_said(rootward, files, flags, message):
    result = rootward("diagnose", *flags)
    assert result.exit_code == 2
    assert message in result.stderr


def test_vectors_beside_a_run_are_too_many(rootward, run, files):
    result = rootward("diagnose", run, "--queries", "q.npy", "pairs:pairs.csv")
    assert result.exit_code == 2
