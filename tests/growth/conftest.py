"""One trained shop, for all to grow."""

import pytest
import torch

from rootward.growth import add_nodes
from rootward.training import recipes
from shoes import shoes
from training.runs import fitted


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def shop():
    """The shop, trained at dim 8: its model and pairs."""
    pairs = shoes().pairs()
    return fitted(pairs, recipes.decoupled(steps=300)).model, pairs


@pytest.fixture(scope="session")
def dogs(shop):
    """The shop with sandals for dogs."""
    return add_nodes(*shop, {"sandals for dogs": ["sandals"]})
