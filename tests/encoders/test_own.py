"""Towers of one's own: the worked example of docs/towers.md, and what the two methods have to give."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch

from rootward.encoders import DualEncoder, OwnTower
from rootward.errors import InputError, RunFolderError
from rootward.rng import stream

PAGE = Path(__file__).parents[2] / "docs" / "towers.md"


class Numbers(OwnTower):
    def __init__(self, values: torch.Tensor, weights: dict[str, torch.Tensor]) -> None:
        super().__init__(weights)
        self.values = values

    def __len__(self) -> int:
        return len(self.values)

    def vectors(self, rows, weights):
        return self.values[torch.from_numpy(rows)].to(weights["matrix"].dtype) @ weights["matrix"]


@pytest.fixture(scope="module")
def page() -> dict[str, object]:
    """The example, run as it stands there."""
    *_, code = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    names: dict[str, object] = {}
    torch.manual_seed(0)
    exec(compile(code, str(PAGE), "exec"), names)
    return names


def test_the_worked_example_finds_what_its_pictures_show(page):
    model, rng, picture = page["model"], np.random.default_rng(1), page["picture"]
    assert page["run"].report.overall.value > 0.97
    asked = [digit for digit in page["STROKES"] for _ in range(10)]
    tower = page["Pictures"](np.stack([picture(digit, rng) for digit in asked]), model.query_tower.weights)
    scores = tower.encode() @ model.document_vectors().T
    found = [{model.document_ids[row] for row in rows} for rows in scores.topk(3).indices.tolist()]
    parity = dict(zip(page["STROKES"], ["even", "odd"] * 5, strict=True))
    right = [each == {digit, parity[digit], "number"} for each, digit in zip(found, asked, strict=True)]
    assert np.mean(right) > 0.9


def test_it_saves_its_weights_and_says_who_can_load_it(page, tmp_path):
    folder = page["model"].save(tmp_path / "model")
    with pytest.raises(RunFolderError, match="kind 'Pictures' is not known here"):
        DualEncoder.load(folder)


def test_the_way_back_is_the_gradient_that_differences_give():
    rng = torch.Generator().manual_seed(0)
    values, matrix = torch.randn(6, 5, generator=rng), torch.randn(5, 3, generator=rng)
    tower = Numbers(values, {"matrix": matrix})
    assert tower.dim == 3
    assert torch.equal(tower.encode([4, 1]), tower.encode()[[4, 1]])
    rows, towards = torch.tensor([1, 4]), torch.randn(2, 3, generator=rng)
    _, pull = tower.forward(rows, stream(0, "noise"))
    (pulled,) = pull(towards)
    sides = []
    for step in (1e-2, -1e-2):
        matrix[2, 1] += step
        sides.append((tower.encode(rows) * towards).sum().item())
        matrix[2, 1] -= step
    assert pulled.table is matrix
    assert pulled.gradient[2, 1].item() == pytest.approx((sides[0] - sides[1]) / 2e-2, rel=1e-2)


@pytest.mark.parametrize("weights", [{}, {"vector": torch.zeros(3)}, {"matrix": torch.zeros(2, 2, dtype=torch.int64)}])
def test_weights_are_matrices(weights):
    with pytest.raises(InputError, match="float32 matrices by name"):
        Numbers(torch.zeros(2, 2), weights)
