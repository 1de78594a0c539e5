"""The paper's own numbers, and its row beside a report of ours."""

from __future__ import annotations

import pytest
import torch

from evaluation.naive import case
from rootward import DualEncoder, evaluate
from rootward_paper.published import published_row, published_rows, with_published


def test_published_rows_are_those_of_table_1() -> None:
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


def test_the_best_published_row_is_that_of_the_source_and_width() -> None:
    assert published_row("wordnet", 64).method == "pretrain-finetune"
    assert published_row("wordnet", 16).overall == 60.1
    assert published_row("wordnet", 8) is None
    assert published_row("hpo", 64) is None
    assert published_row(None, 64) is None


def test_the_published_row_is_beside_wordnet_at_distance_8_only() -> None:
    queries, documents, pairs = case(1, n_queries=30, n_documents=50, dim=16, spread=3, fill=0.2, deepest=8)
    model = DualEncoder.from_vectors(pairs, torch.from_numpy(queries), torch.from_numpy(documents))
    report = with_published(evaluate(model, pairs, source="wordnet", bootstrap=0))
    lines = str(report).splitlines()
    assert lines[1].endswith("published %")
    assert [line.split()[-1] for line in lines[2:13]] == [
        *("100.0", "57.1", "46.4", "47.9", "50.2", "53.6", "53.1", "47.3", "32.0", "32.0", "60.1")
    ]
    assert "published: pretrain-finetune, dim 16, Table 1 of arXiv 2509.16411" in lines
    assert with_published(evaluate(model, pairs, bootstrap=0)).beside == ()
    assert with_published(evaluate(model, pairs.near(5), source="wordnet", bootstrap=0)).beside == ()
