"""The report: everything from raw results, in one file that asks for no other."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rootward.errors import InputError, RunFolderError
from rootward_paper.page import how, report
from rootward_paper.registry import reproduce, study_table
from rootward_paper.study import Study

pytest.importorskip("matplotlib")


@pytest.fixture(scope="module")
def runs(tiny, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("reports")
    reproduce("figure3", "tiny", 2).save(folder / "figure3")
    tiny("noise")[0].save(folder / "noise")
    return folder


def test_a_page_has_every_table_and_figure_and_asks_for_no_other_file(runs: Path, tmp_path: Path) -> None:
    text = report([runs], tmp_path / "report.html").read_text()
    for name in ("figure3", "noise"):
        assert study_table(Study.load(runs / name)).splitlines()[0].split(":")[0] in text
    assert text.count("data:image/svg+xml;base64,") == 2
    assert not re.search(r'(src|href)="(?!data:|#)', text)
    assert text.index("figure3:") < text.index("noise:")
    assert "100.0, 90.8, 91.6, 92.7, 92.6, 91.8, 90.9, 87.3, 75.7" in text


def test_nothing_is_measured_again(runs: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("rootward_paper.registry.run_study", None)
    monkeypatch.setattr("rootward_paper.measuring.train", None)
    assert report([runs / "figure3"], tmp_path / "a.html").read_text().count("<h2 id=") == 1
    with pytest.raises(TypeError):
        reproduce("figure3", "tiny", 1)


def test_it_says_how_each_was_measured(runs: Path) -> None:
    told = how(Study.load(runs / "figure3"))
    assert "6 rows, 2 seeds" in told
    assert told.endswith("rootward-paper figure3 --scale tiny --seeds 2")


def test_folders_without_results_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match=r"holds no results\.json"):
        report([tmp_path], tmp_path / "r.html")
    (tmp_path / "measured.jsonl").write_text("{}\n")
    with pytest.raises(RunFolderError, match="half a study"):
        report([tmp_path], tmp_path / "r.html")
    with pytest.raises(InputError, match="nothing to report"):
        report([], tmp_path / "r.html")
