"""Exported folders: the same vectors in sentence-transformers and in ONNX, and a card that shows what was measured."""

from __future__ import annotations

import json
import sys
from dataclasses import replace

import numpy as np
import onnxruntime
import pytest
import torch
from safetensors.torch import load_file
from torch.testing import assert_close

import rootward as rw
from letters import Letters
from rootward.encoders import new_encoder
from rootward.errors import InputError, MissingExtraError, RunFolderError
from rootward.exporting.graph import features_of
from rootward.exporting.modules import asked_by
from rootward.pairs import Pairs, Texts
from shoes import SYNONYMS, shoes
from training.runs import QUIET

ASKED = ["sandals for hiking", "Wellingtons", "flip-flops", "flip-flops", "обувь", "a " * 300]


@pytest.fixture(scope="module")
def named() -> Pairs:
    pairs = shoes().pairs()
    names = tuple(name.title() for name in pairs.query_ids)
    texts = Texts(names, tuple(SYNONYMS.get(name, ()) for name in pairs.query_ids), ("",) * len(names))
    return replace(pairs, query_texts=texts, document_texts=texts).by_name()


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    """A tiny encoder that nobody has trained."""
    sizes = {"layers": 1, "width": 16, "heads": 2, "mlp": 32, "vocabulary": 60, "longest": 16}
    return new_encoder(shoes().ids, tmp_path_factory.mktemp("encoders") / "tiny", **sizes)


@pytest.fixture(scope="module")
def runs(named, minilm, scratch, tmp_path_factory):
    """A little trained run of every kind, made when it is asked for."""
    made: dict[tuple[str, ...], rw.Run] = {}

    def run(tower: str, documents: str) -> rw.Run:
        if (tower, documents) not in made:
            options = {
                "static": {},
                "frozen": {"encoder": minilm, "hidden": 24, "cache": tmp_path_factory.mktemp("cache")},
                "full": {"encoder": scratch, "pace": 5e-3},
            }
            model = rw.DualEncoder.text(named, tower, dim=16, documents=documents, **options[tower])
            made[tower, documents] = rw.train(model, named, rw.recipes.decoupled(steps=20), settings=QUIET)
        return made[tower, documents]

    return run


@pytest.mark.parametrize(
    ("tower", "documents"),
    [
        *(("static", documents) for documents in ("tied", "text", "lookup")),
        *((tower, documents) for tower in ("frozen", "full") for documents in ("tied", "text")),
    ],
)
def test_sentence_transformers_gives_the_same_vectors(tower, documents, runs, tmp_path):
    from sentence_transformers import SentenceTransformer  # noqa: PLC0415

    run = runs(tower, documents)
    folder = rw.export(run, tmp_path / "out" / "model")
    there = SentenceTransformer(str(folder), device="cpu", trust_remote_code=tower == "static")
    ours = run.model.encode_queries(ASKED, lean=0.0).vectors
    assert_close(torch.from_numpy(there.encode_query(ASKED)), ours, rtol=0, atol=2e-6)
    assert_close(torch.from_numpy(there.encode(ASKED)), ours, rtol=0, atol=2e-6)
    names = list(run.model.document_texts.names)
    for asked in (names, names if documents == "text" else list(run.model.document_ids)):
        found = torch.from_numpy(there.encode_document(asked))
        assert_close(found, run.model.document_vectors(), rtol=0, atol=2e-6)
    assert [path.name for path in folder.parent.iterdir()] == ["model"]


def test_a_static_tower_with_word_pairs_reads_them_there_too(named, tmp_path):
    from sentence_transformers import SentenceTransformer  # noqa: PLC0415

    model = rw.DualEncoder.text(named, dim=16, word_pairs=True)
    plain = rw.DualEncoder.text(named, dim=16)
    assert len(model.query_tower.vocabulary) > len(plain.query_tower.vocabulary)
    there = SentenceTransformer(str(rw.export(model, tmp_path / "model")), device="cpu", trust_remote_code=True)
    ours = model.encode_queries(["rain boots", "hiking sandals"], lean=0.0).vectors
    assert_close(torch.from_numpy(there.encode_query(["rain boots", "hiking sandals"])), ours, rtol=0, atol=2e-6)


def test_a_static_folder_is_not_loaded_without_trust(runs, tmp_path):
    from sentence_transformers import SentenceTransformer  # noqa: PLC0415

    folder = rw.export(runs("static", "tied"), tmp_path / "model")
    assert "trust_remote_code=True" in (folder / "README.md").read_text()
    with pytest.raises(ValueError, match="trust_remote_code"):
        SentenceTransformer(str(folder), device="cpu")


def test_onnx_gives_the_same_vectors_of_a_static_tower(runs, tmp_path):
    run = runs("static", "tied")
    folder = rw.export(run, tmp_path / "model", "onnx")
    session = onnxruntime.InferenceSession(folder / "query.onnx")
    for asked in (ASKED, ["", "sandals", "?!"], [""]):
        (found,) = session.run(None, features_of(run.model.query_tower, asked))
        expected = run.model.encode_queries(asked, lean=0.0).vectors
        assert_close(torch.from_numpy(found), expected, rtol=0, atol=2e-6)
    documents = load_file(folder / "documents.safetensors")["documents"]
    assert_close(documents, run.model.document_vectors())
    assert json.loads((folder / "documents.json").read_text()) == list(run.model.document_ids)


def test_onnx_gives_the_same_vectors_of_a_frozen_encoder(runs, tmp_path):
    from tokenizers import Tokenizer  # noqa: PLC0415

    run = runs("frozen", "text")
    folder = rw.export(run, tmp_path / "model", "onnx")
    session = onnxruntime.InferenceSession(folder / "query.onnx")
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.enable_padding()
    tokens = tokenizer.encode_batch(ASKED[:5])
    columns = {"input_ids": "ids", "attention_mask": "attention_mask", "token_type_ids": "type_ids"}
    given = {name: np.array([getattr(each, column) for each in tokens]) for name, column in columns.items()}
    (found,) = session.run(None, {each.name: given[each.name] for each in session.get_inputs()})
    expected = run.model.encode_queries(ASKED[:5], lean=0.0).vectors
    assert_close(torch.from_numpy(found), expected, rtol=0, atol=2e-6)


def test_the_card_shows_what_was_measured_and_nothing_else(runs, tmp_path):
    run = runs("static", "lookup")
    card = (rw.export(run, tmp_path / "one") / "README.md").read_text()
    assert run.report.to_markdown().strip() in card
    assert "encode_document(['footwear'])" in card
    card = (rw.export(run.model, tmp_path / "two", "onnx") / "README.md").read_text()
    assert "Not measured." in card


def test_a_name_that_two_documents_have_is_asked_for_by_id(named):
    names = ("Shoe", "Shoe", *named.document_texts.names[2:])
    model = rw.DualEncoder.text(replace(named, document_texts=replace(named.document_texts, names=names)), dim=4)
    rows = asked_by(model)
    assert "Shoe" not in rows
    assert (rows["footwear"], rows["shoes"], rows["Boots"], rows["boots"]) == (0, 1, 2, 2)


# -- refusals ------------------------------------------------------------------------------------------------------


def test_what_cannot_be_exported_says_why_and_leaves_nothing(named, runs, tmp_path):
    static = runs("static", "tied")
    with pytest.raises(InputError, match="looks its queries up"):
        rw.export(rw.DualEncoder.lookup(named, 4), tmp_path / "model")
    with pytest.raises(InputError, match="one of 'sentence-transformers', 'onnx', got 'onxx'"):
        rw.export(static, tmp_path / "model", "onxx")
    letters = rw.DualEncoder.text(named, "frozen", dim=8, encoder=Letters(), cache=tmp_path / "cache")
    for format in ("sentence-transformers", "onnx"):
        with pytest.raises(InputError, match="'Letters' is an object of its own"):
            rw.export(letters, tmp_path / "out" / "model", format)
    joint = rw.DualEncoder.text(named, "joint", dim=8, encoder=Letters(), cache=tmp_path / "cache")
    for format in ("sentence-transformers", "onnx"):
        with pytest.raises(InputError, match=r"'joint' has no modules .* no graph; static, frozen and full towers"):
            rw.export(joint, tmp_path / "out" / "model", format)
    assert list((tmp_path / "out").iterdir()) == []
    with pytest.raises(RunFolderError, match="is there already"):
        rw.export(static, tmp_path)


@pytest.mark.parametrize(
    ("package", "format", "extra"),
    [("sentence_transformers", "sentence-transformers", "text"), ("onnx", "onnx", "onnx")],
)
def test_a_missing_package_is_named_with_its_install_line(package, format, extra, runs, tmp_path, monkeypatch):
    run = runs("static", "tied")
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=rf"rootward\[{extra}\]"):
        rw.export(run, tmp_path / "model", format)
