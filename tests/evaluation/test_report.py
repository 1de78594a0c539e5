import io
import sys

import pytest
import torch
from rich.console import Console

from evaluation.naive import case
from rootward.errors import InputError, MissingExtraError
from rootward.evaluation import BesideRow, Report, compare, plot_recall, rank_pairs, recall
from rootward.evaluation.ranks import Ranks

THEIRS = BesideRow(
    label="theirs",
    by_distance=(1.0, 0.908, 0.916, 0.927, 0.926, 0.918, 0.909, 0.873, 0.757),
    overall=0.923,
    note="pretrain-finetune, dim 64, Table 1",
)


def ranks(seed: int = 0) -> Ranks:
    queries, documents, pairs = case(seed, n_queries=80, n_documents=60, dim=5, spread=4, fill=0.1, deepest=8)
    return rank_pairs(torch.from_numpy(queries), torch.from_numpy(documents), pairs)


@pytest.fixture
def report() -> Report:
    return Report.from_ranks(
        ranks(),
        dim=64,
        label="ours",
        source="wordnet",
        bootstrap_draws=100,
        seed=3,
        wall_seconds=1.25,
        extras={"recipe": "decoupled", "epochs": 20},
    ).with_beside(THEIRS)


def test_the_figures_are_those_of_the_metrics(report):
    exact = recall(report.ranks)
    assert [each.recall.value for each in report.slices] == exact.by_distance.tolist()
    assert report.overall.value == exact.overall
    assert report.minimum.value == exact.minimum
    assert report.overall.low < report.overall.value < report.overall.high
    assert report.n_pairs == sum(each.n_pairs for each in report.slices) == len(report.ranks)
    assert sum(each.share for each in report.slices) == pytest.approx(1)


def test_it_prints_a_row_a_distance_then_min_and_overall_with_the_row_beside(report):
    lines = str(report).splitlines()
    assert lines[0].startswith("ours, dim 64: 80 queries, 60 documents")
    assert " ".join(lines[1].split()) == "distance pairs share % recall % 95 % interval theirs %"
    assert [line.split()[0] for line in lines[2:13]] == [*"012345678", "min", "overall"]
    assert [line.split()[-1] for line in lines[2:13]] == [
        f"{value:.1f}" for value in (100.0, 90.8, 91.6, 92.7, 92.6, 91.8, 90.9, 87.3, 75.7, 75.7, 92.3)
    ]
    assert f"{100 * report.overall.value:.2f}" in lines[12]
    assert "theirs: pretrain-finetune, dim 64, Table 1" in lines
    assert "recipe decoupled, epochs 20" in lines


def test_without_draws_or_rows_beside_their_columns_are_gone():
    plain = Report.from_ranks(ranks(), dim=8, bootstrap_draws=0)
    assert " ".join(str(plain).splitlines()[1].split()) == "distance pairs share % recall %"
    assert plain.overall.low is None
    assert plain.beside == ()


def test_only_everything_is_shown_as_100_percent(report):
    almost = report.overall.model_copy(update={"value": 0.999999, "low": 1e-9, "high": 1.0})
    row = report.model_copy(update={"overall": almost}).cells()[1][-1]
    assert row[3:5] == ["99.99", "0.01 to 100.00"]


def test_json_comes_back_the_same(report, tmp_path):
    again = Report.load(report.save(tmp_path / "report.json"))
    assert again == report
    assert again.ranks is None
    assert str(again) == str(report)
    assert again.extras == {"recipe": "decoupled", "epochs": 20}


def test_markdown_is_a_table(report, tmp_path):
    text = report.save(tmp_path / "report.md").read_text("utf-8")
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len(rows) == 2 + 9 + 2
    assert {row.count("|") for row in rows} == {7}
    assert "- theirs: pretrain-finetune, dim 64" in text


def test_a_terminal_gets_the_same_table(report):
    out = Console(file=io.StringIO(), width=120, force_terminal=False)
    out.print(report)
    text = out.file.getvalue()
    assert "overall" in text
    assert "92.3" in text


def test_several_rows_beside_have_a_column_each_and_what_they_do_not_know_is_empty(report):
    other = BesideRow(label="other", by_distance=(0.5, None, 0.25), overall=0.4)
    both = report.with_beside(other)
    header, rows = both.cells()
    assert header[-2:] == ["theirs %", "other %"]
    assert [row[-1] for row in rows] == ["50.0", "", "25.0", *[""] * 6, "25.0", "40.0"]
    assert not [line for line in both.remarks() if line.startswith("other")]
    assert report.beside == (THEIRS,)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"format": 99}', "newer rootward"),
        ('{"format": 1, "label": "x"}', "is not a report"),
        ("[]", "is not a report"),
        ("half a fi", "is not a report"),
    ],
)
def test_files_that_are_no_reports_are_refused(text, message, tmp_path):
    path = tmp_path / "report.json"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        Report.load(path)


def test_missing_files_and_other_suffixes_are_refused(report, tmp_path):
    with pytest.raises(InputError, match="no file"):
        Report.load(tmp_path / "nowhere.json")
    with pytest.raises(InputError, match=r"\.json or \.md"):
        report.save(tmp_path / "report.pdf")
    with pytest.raises(InputError, match="0 for no intervals"):
        Report.from_ranks(report.ranks, dim=1, bootstrap_draws=-1)


def test_reports_compare_by_their_ranks(report, tmp_path):
    found = compare(report, report.ranks, bootstrap=50)
    assert found.overall.value == 0
    assert (found.label_a, found.label_b) == ("ours", "b")
    loaded = Report.load(report.save(tmp_path / "report.json"))
    with pytest.raises(InputError, match=r"report\.ranks\.save"):
        compare(report, loaded)
    kept = Ranks.load(report.ranks.save(tmp_path / "ranks.safetensors"))
    assert compare(report, kept, bootstrap=50).overall.p == 1.0


# -- plots -------------------------------------------------------------------------------------------------------


def test_a_plot_is_drawn_as_png_or_svg(report, tmp_path):
    assert report.plot(tmp_path / "recall.png").read_bytes().startswith(b"\x89PNG")
    other = Report.from_ranks(ranks(1), dim=8, label="theirs", bootstrap_draws=0)
    text = plot_recall([report, other], tmp_path / "recall.svg").read_text("utf-8")
    assert "<svg" in text


def test_rows_beside_are_drawn_once_and_dashed(report, tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr("matplotlib.axes.Axes.plot", recorded(drawn))
    plot_recall([report, report.model_copy(update={"label": "again"})], tmp_path / "recall.svg")
    (dashed,) = [line for line in drawn if line.get_linestyle() == "--"]
    assert dashed.get_label() == "theirs"
    assert list(dashed.get_ydata()) == pytest.approx([100, 90.8, 91.6, 92.7, 92.6, 91.8, 90.9, 87.3, 75.7])


def recorded(lines):
    from matplotlib.axes import Axes  # noqa: PLC0415

    plot = Axes.plot

    def recording(axes, *args, **options):
        made = plot(axes, *args, **options)
        lines.extend(made)
        return made

    return recording


def test_a_plot_needs_matplotlib_a_report_and_a_suffix(report, tmp_path, monkeypatch):
    with pytest.raises(InputError, match="at least one"):
        plot_recall([], tmp_path / "recall.png")
    with pytest.raises(InputError, match=r"\.png or \.svg"):
        plot_recall(report, tmp_path / "recall.gif")
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=r"rootward\[plots\]"):
        plot_recall(report, tmp_path / "recall.png")


def test_what_training_leaves_in_the_extras_is_told_in_words(report):
    def last(**extras):
        return report.model_copy(update={"extras": extras, "wall_seconds": None}).remarks()[-1]

    whole = last(recipe="decoupled", train_seconds=432.4, sampled_queries=False)
    assert whole == "recipe decoupled, trained for 432.4 s"
    assert last(train_seconds=2, sampled_queries=True) == "trained for 2 s, measured on some of the queries"
