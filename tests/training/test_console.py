"""What a person sees of a training, on a terminal and elsewhere."""

import re
import sys

import pytest
from rich.progress import Progress as Bar

from rootward import progress as shown
from rootward.training import Settings, recipes, resume, session
from training.runs import fitted
from training.stopping import RECIPES, begun

TOLD = Settings(device="cpu")


@pytest.fixture
def clock(monkeypatch):
    """A clock of its own for the lines of progress: a step takes half a second."""

    class Clock:
        now = 100.0

        def monotonic(self):
            return self.now

    told = Clock()
    plain = session.Display.stepped

    def stepped(self, stage, step, loss):
        told.now += 0.5
        plain(self, stage, step, loss)

    monkeypatch.setattr(shown, "time", told)
    monkeypatch.setattr(session.Display, "stepped", stepped)
    return told


def progress(capsys) -> list[str]:
    return [line for line in capsys.readouterr().err.splitlines() if "/" in line]


def test_a_short_training_without_a_terminal_says_one_line(shoes, capsys):
    fitted(shoes, recipes.decoupled(steps=20, validate_every=1), settings=TOLD)
    (line,) = progress(capsys)
    assert re.match(r"decoupled 20/20  loss \d\.\d+  recall \d+\.\d %  [\d,]+ pairs/s$", line)


def test_a_longer_one_says_a_line_every_two_seconds_and_the_last(shoes, capsys, clock):
    fitted(shoes, recipes.decoupled(steps=10, validate_every=1), settings=TOLD)
    lines = progress(capsys)
    assert [line.split()[1] for line in lines] == ["4/10", "8/10", "10/10"]
    assert [line.partition("about ")[2] for line in lines] == ["3 s left", "1 s left", ""]


def test_the_time_left_of_a_resumed_run_is_reckoned_from_where_it_went_on(tmp_path, capsys, clock, monkeypatch):
    # 12 of 24 steps were done before; of those since, each takes half a second, whatever the earlier ones took.
    with monkeypatch.context() as patched:
        stops = iter(range(1000))
        patched.setattr("rootward.training.session.stoppable", lambda: Stopping(lambda: next(stops) >= 12))
        begun(RECIPES["lazy adam"], tmp_path / "run")
    clock.now += 5_000
    resume(tmp_path / "run", settings=TOLD)
    lines = progress(capsys)
    assert [line.split()[1] for line in lines] == ["20/24", "24/24"]
    assert lines[0].endswith("about 2 s left")


def test_where_validations_are_rare_steps_are_told_every_half_minute(shoes, capsys, clock):
    fitted(shoes, recipes.decoupled(steps=150, validate_every=100), settings=TOLD)  # 75 s, a validation after 50
    lines = progress(capsys)
    assert [line.split()[1] for line in lines] == ["60/150", "100/150", "150/150"]
    assert re.match(r"decoupled 60/150  loss \d\.\d+  about 45 s left$", lines[0])
    assert ["recall" in line for line in lines] == [False, True, True]


def test_the_bar_moves_with_every_slow_step_and_not_with_every_quick_one(monkeypatch):
    class Clock:
        now = 0.0

        def monotonic(self):
            return self.now

    told, moves = Clock(), []
    monkeypatch.setattr(shown, "time", told)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(Bar, "update", lambda self, task, **shown: moves.append(shown["completed"]))
    stage = recipes.decoupled(steps=2_000).stages[0]
    display = session.Display(True)
    display.began(stage, 0, None)
    for step in range(1, 2_001):
        told.now += 20 if step <= 3 else 0.001
        display.stepped(stage, step, 1.0)
    assert moves[:3] == [1, 2, 3]
    assert moves[-1] == 2_000
    assert 15 < len(moves) < 30  # two seconds of quick steps, ten moves each


class Stopping:
    def __init__(self, stop):
        self.stop = stop

    def __enter__(self):
        return self.stop

    def __exit__(self, *_):
        pass


def test_the_bar_of_a_resumed_run_starts_where_it_went_on(tmp_path, monkeypatch):
    with monkeypatch.context() as patched:
        stops = iter(range(1000))
        patched.setattr("rootward.training.session.stoppable", lambda: Stopping(lambda: next(stops) >= 12))
        begun(RECIPES["lazy adam"], tmp_path / "run")
    bars = []
    plain = Bar.add_task

    def add_task(self, *arguments, **options):
        bars.append((*arguments, options["completed"], options["total"], options["text"]))
        return plain(self, *arguments, **options)

    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(Bar, "add_task", add_task)
    run = resume(tmp_path / "run", settings=Settings(measure=False))
    last = next(record for record in run.history if record.step == 10)
    assert bars == [("decoupled", 12, 24, f"recall {100 * last.recall:.1f} %")]


def test_nothing_is_said_to_somebody_who_wants_quiet(shoes, capsys):
    fitted(shoes)
    assert capsys.readouterr() == ("", "")


def test_a_folder_in_brackets_is_told_as_it_is(monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with session.Display(True) as display:
        display.say("Go on with runs/[bold]x")
    assert "runs/[bold]x" in capsys.readouterr().err


def test_the_bar_of_training_has_ended_before_measuring_shows_one(shoes, monkeypatch):
    told, measure, stop = [], session.measure, session.Display.stop
    monkeypatch.setattr(session.Display, "stop", lambda self: (told.append("bar ends"), stop(self)))
    monkeypatch.setattr(session, "measure", lambda *given: (told.append("measuring"), measure(*given))[1])
    fitted(shoes, settings=TOLD)
    assert told[:2] == ["bar ends", "measuring"]
