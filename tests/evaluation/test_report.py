import io
import sys

import pytest
import torch
from rich.console import Console

from evaluation.naive import case
from rootward.errors import InputError, MissingExtraError
from rootward.evaluation import Report, compare, plot_recall, published_row, published_rows, rank_pairs, recall
from rootward.evaluation.ranks import Ranks


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
        published=published_row("wordnet", 64),
    )


def test_the_figures_are_those_of_the_metrics(report):
    exact = recall(report.ranks)
    assert [each.recall.value for each in report.slices] == exact.by_distance.tolist()
    assert report.overall.value == exact.overall
    assert report.minimum.value == exact.minimum
    assert report.overall.low < report.overall.value < report.overall.high
    assert report.n_pairs == sum(each.n_pairs for each in report.slices) == len(report.ranks)
    assert sum(each.share for each in report.slices) == pytest.approx(1)


def test_it_prints_a_row_a_distance_then_min_and_overall_with_the_published_row_beside(report):
    lines = str(report).splitlines()
    assert lines[0].startswith("ours, dim 64: 80 queries, 60 documents")
    assert " ".join(lines[1].split()) == "distance pairs share % recall % 95 % interval published %"
    assert [line.split()[0] for line in lines[2:13]] == [*"012345678", "min", "overall"]
    assert [line.split()[-1] for line in lines[2:13]] == [
        f"{value:.1f}" for value in (100.0, 90.8, 91.6, 92.7, 92.6, 91.8, 90.9, 87.3, 75.7, 75.7, 92.3)
    ]
    assert f"{100 * report.overall.value:.2f}" in lines[12]
    assert "published: pretrain-finetune, dim 64, Table 1 of arXiv 2509.16411" in lines
    assert "recipe decoupled, epochs 20" in lines


def test_without_draws_or_published_row_their_columns_are_gone():
    plain = Report.from_ranks(ranks(), dim=8, bootstrap_draws=0)
    assert " ".join(str(plain).splitlines()[1].split()) == "distance pairs share % recall %"
    assert plain.overall.low is None
    assert "published" not in str(plain)


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
    assert "- published: pretrain-finetune, dim 64" in text


def test_a_terminal_gets_the_same_table(report):
    out = Console(file=io.StringIO(), width=120, force_terminal=False)
    out.print(report)
    text = out.file.getvalue()
    assert "overall" in text
    assert "92.3" in text


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


# -- what was published ------------------------------------------------------------------------------------------


def test_published_rows_are_those_of_table_1():
    assert len(published_rows()) == 8
    shares = [21.1, 11.8, 12.1, 12.3, 12.1, 11.1, 9.2, 6.3, 4.0]
    for row in published_rows():
        assert row.minimum == min(row.by_distance)
        average = sum(s * r for s, r in zip(shares, row.by_distance, strict=True)) / 100
        if row.note:
            assert (row.dim, row.overall) == (32, 87.3)
            assert average == pytest.approx(84.3, abs=0.2)
        else:
            assert average == pytest.approx(row.overall, abs=1.0)  # the noise of a sample of 10,000 pairs


def test_the_best_published_row_stands_beside_ours():
    assert published_row("wordnet", 64).method == "pretrain-finetune"
    assert published_row("wordnet", 16).overall == 60.1
    assert published_row("wordnet", 8) is None
    assert published_row("hpo", 64) is None
    assert published_row(None, 64) is None


# -- plots -------------------------------------------------------------------------------------------------------


def test_a_plot_is_drawn_as_png_or_svg(report, tmp_path):
    assert report.plot(tmp_path / "recall.png").read_bytes().startswith(b"\x89PNG")
    other = Report.from_ranks(ranks(1), dim=8, label="theirs", bootstrap_draws=0)
    text = plot_recall([report, other], tmp_path / "recall.svg").read_text("utf-8")
    assert "<svg" in text


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
