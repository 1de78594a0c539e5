"""`import rootward as rw`: everything a user learns is one name away, and costs nothing until used."""

import subprocess
import sys

import pytest

import rootward as rw


def test_every_name_of_the_face_is_there():
    for name in rw.__all__:
        assert getattr(rw, name) is not None
        assert name in dir(rw)


def test_the_five_lines_of_the_readme_work():
    tree = rw.Hierarchy.from_edges([("sandals", "shoes"), ("boots", "shoes")])
    pairs = tree.pairs(max_distance=8)
    model = rw.DualEncoder.lookup(pairs, dim=4)
    run = rw.train(model, pairs, rw.recipes.decoupled(steps=40), seed=0, settings=rw.Settings(progress=False))
    assert "overall" in str(rw.evaluate(model, pairs))
    assert run.report is not None
    hits = rw.Index.build(model).search(model.queries(["sandals"]), k=9)
    assert hits.ids[0][:2] == ["sandals", "shoes"]


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        rw.trian  # noqa: B018


def test_importing_loads_nothing_heavy():
    code = "import sys, rootward; print(sorted({'torch', 'numpy', 'pyarrow', 'pydantic'} & set(sys.modules)))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_the_errors_are_those_that_are_raised():
    with pytest.raises(rw.HierarchyError):
        rw.Hierarchy.from_edges([("a", "a")])
    assert issubclass(rw.CycleError, rw.RootwardError)
