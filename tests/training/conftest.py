"""Small things to train on, and a training that says nothing."""

import os
import signal

import pytest
import torch

from rootward.hierarchy import Hierarchy
from rootward.pairs import Pairs
from rootward.training.session import Display
from shoes import shoes as shop
from training.stopping import PowerCut


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def shoes() -> Pairs:
    return shop().pairs()


@pytest.fixture(scope="session")
def tree() -> Pairs:
    """The paper's (4, 5)-tree without its root: 155 nodes, 430 pairs."""
    return Hierarchy.perfect_tree(4, 5, root=False).pairs()


@pytest.fixture
def at_step(monkeypatch):
    """Does something after a step, counted over all stages of the run in this process."""

    def after(step, act):
        done = 0

        def stepped(self, stage, number, loss):
            nonlocal done
            done += 1
            if done == step:
                act()

        monkeypatch.setattr(Display, "stepped", stepped)

    return after


@pytest.fixture
def ctrl_c(at_step):
    """Presses Ctrl-C after a step; None for never."""
    return lambda step: at_step(step, lambda: os.kill(os.getpid(), signal.SIGINT))


@pytest.fixture
def power_cut(at_step):
    def cut():
        raise PowerCut

    return lambda step: at_step(step, cut)
