"""A disk that is full from some write on: what the error says to do is what can be done."""

import errno

from rootward import files
from rootward.errors import WriteError
from rootward.training import resume
from training.runs import QUIET
from training.stopping import RECIPES, assert_same, begun, whole


def full_from(n):
    """Writes of which only the first n find room."""
    count, write = iter(range(10_000)), files._replace

    def replace(path, fill):
        if next(count) >= n:
            raise OSError(errno.ENOSPC, "full")
        write(path, fill)

    return replace


def test_wherever_the_disk_fills_up_the_run_goes_on_as_the_error_says(tmp_path, monkeypatch):
    said = set()
    for n in range(1_000):
        folder, text = tmp_path / str(n), None
        with monkeypatch.context() as patch:
            patch.setattr(files, "_replace", full_from(n))
            try:
                begun(RECIPES["best"], folder)
            except WriteError as error:
                text = str(error)
        if text is None:
            break
        assert str(folder) in text.split(" could not be written: ")[0]
        if f"go on with: rootward train --resume {folder}" in text:
            said.add("resume")
            resume(folder, settings=QUIET)
        else:
            assert n < 2 or "Nothing is trained yet; then start again" in text
            said.add("again")
            begun(RECIPES["best"], folder)
        assert_same(folder, whole("best"))
    assert said == {"resume", "again"}
