"""Small runs for the integrations; no library reports its use to anybody."""

import os
from dataclasses import replace

import pytest

import rootward as rw
from rootward.texts import Texts
from shoes import DEFINITIONS, SYNONYMS, shoes
from training.runs import QUIET

os.environ["HAYSTACK_TELEMETRY_ENABLED"] = "False"  # before haystack is imported
os.environ["LANGSMITH_TRACING"] = "false"


def named_shoes() -> rw.Pairs:
    """The shoe shop with names, synonyms and a definition; queries are all names."""
    pairs = shoes().pairs()
    ids = pairs.query_ids
    texts = Texts(
        tuple(name.title() for name in ids),
        tuple(SYNONYMS.get(name, ()) for name in ids),
        tuple(DEFINITIONS.get(name, "") for name in ids),
    )
    return replace(pairs, query_texts=texts, document_texts=texts).by_name()


@pytest.fixture(scope="session")
def shoe_run(tmp_path_factory):
    """The folder of a static run that answers every name of the shop without a mistake."""
    folder, pairs = tmp_path_factory.mktemp("runs") / "shoes", named_shoes()
    model = rw.DualEncoder.text(pairs, "static", dim=16)
    run = rw.train(model, pairs, rw.recipes.decoupled(steps=300), out=folder, settings=QUIET)
    assert run.report is not None
    return folder
