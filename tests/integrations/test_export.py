"""Exported folders: the same vectors in sentence-transformers and in ONNX, and a card that shows what was measured."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import onnxruntime
import pytest
import torch
from safetensors.torch import load_file
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Normalize
from torch.testing import assert_close

import rootward as rw
from letters import Letters
from rootward.encoders import new_encoder
from rootward.errors import InputError, MissingExtraError, RunFolderError
from rootward.folders import SEAL, SUMS
from rootward.integrations import check_export
from rootward.integrations.onnx import features_of
from rootward.integrations.sentence_transformers import document_keys
from rootward.pairs import Pairs
from rootward.texts import Texts
from shoes import SYNONYMS, shoes
from training.runs import QUIET

ASKED = ["sandals for hiking", "Wellingtons", "flip-flops", "flip-flops", "обувь", "漢字", "a " * 300]
OURS = ["", "?!", "rain\x00boots \t high", "sandals " * 400]
"""What rootward reads otherwise than an encoder's own tokeniser does."""


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
                "joint": {"encoder": scratch, "word_pairs": True, "cache": tmp_path_factory.mktemp("cache")},
                "full": {"encoder": scratch, "pace": 5e-3},
            }
            model = rw.DualEncoder.text(named, tower, dim=16, documents=documents, **options[tower])
            made[tower, documents] = rw.train(model, named, rw.recipes.decoupled(steps=20), settings=QUIET)
        return made[tower, documents]

    return run


@pytest.mark.parametrize(
    ("tower", "documents"),
    [
        *((tower, documents) for tower in ("static", "joint") for documents in ("tied", "text", "lookup")),
        *((tower, documents) for tower in ("frozen", "full") for documents in ("tied", "text")),
    ],
)
def test_sentence_transformers_gives_the_same_vectors(tower, documents, runs, tmp_path):
    run = runs(tower, documents)
    folder = rw.export(run, tmp_path / "out" / "model")
    hashes = tower in ("static", "joint")
    there = SentenceTransformer(str(folder), device="cpu", trust_remote_code=hashes)
    queries = [*ASKED, *OURS] if hashes else ASKED
    ours = run.model.encode_queries(queries, lean=0.0).vectors
    assert_close(torch.from_numpy(there.encode_query(queries)), ours, rtol=0, atol=2e-6)
    assert_close(torch.from_numpy(there.encode(queries)), ours, rtol=0, atol=2e-6)
    names = list(run.model.document_texts.names)
    for asked in (names, names if documents == "text" else list(run.model.document_ids)):
        found = torch.from_numpy(there.encode_document(asked))
        assert_close(found, run.model.document_vectors(), rtol=0, atol=2e-6)
    assert [path.name for path in folder.parent.iterdir()] == ["model"]


def test_a_static_tower_with_word_pairs_reads_them_there_too(named, tmp_path):
    model = rw.DualEncoder.text(named, dim=16, word_pairs=True)
    plain = rw.DualEncoder.text(named, dim=16)
    assert len(model.query_tower.vocabulary) > len(plain.query_tower.vocabulary)
    there = SentenceTransformer(str(rw.export(model, tmp_path / "model")), device="cpu", trust_remote_code=True)
    ours = model.encode_queries(["rain boots", "hiking sandals"], lean=0.0).vectors
    assert_close(torch.from_numpy(there.encode_query(["rain boots", "hiking sandals"])), ours, rtol=0, atol=2e-6)


def test_an_encoder_that_both_sides_read_with_is_written_once(runs, tmp_path):
    folder = rw.export(runs("joint", "text"), tmp_path / "model")
    assert [path.parent.name for path in folder.rglob("tokenizer.json")] == ["encoder"]


def test_two_sides_with_encoders_of_their_own_keep_them(named, minilm, scratch, tmp_path):
    one, other = (
        rw.DualEncoder.text(named, "frozen", dim=8, documents="text", encoder=encoder, cache=tmp_path / "cache")
        for encoder in (minilm, scratch)
    )
    model = replace(one, document_tower=other.document_tower)
    there = SentenceTransformer(str(rw.export(model, tmp_path / "model")), device="cpu")
    names = list(model.document_texts.names)
    assert_close(torch.from_numpy(there.encode_query(names)), one.encode_queries(names, lean=0.0).vectors)
    assert_close(torch.from_numpy(there.encode_document(names)), other.document_vectors())


@pytest.mark.parametrize("tower", ["frozen", "joint"])
def test_a_prompt_that_the_encoder_reads_with_is_read_there_too(tower, named, scratch, tmp_path):
    prompts = {"prompts": {"short": "shoes: "}, "default_prompt_name": "short"}
    model, plain = (
        rw.DualEncoder.text(named, tower, dim=8, documents="text", encoder=encoder, cache=tmp_path / "cache")
        for encoder in (SentenceTransformer(str(scratch), **prompts), scratch)
    )
    ours, otherwise = (each.encode_queries(ASKED, lean=0.0).vectors for each in (model, plain))
    assert (ours - otherwise).abs().max() > 1e-3
    known, unprompted = (each.document_vectors() for each in (model, plain))
    assert (known - unprompted).abs().max() > 1e-3, "both keep what they have read in one folder"
    folder = rw.export(model, tmp_path / "model")
    there = SentenceTransformer(str(folder), device="cpu", trust_remote_code=tower == "joint")
    for encode in (there.encode_query, there.encode, there.encode_document):
        assert_close(torch.from_numpy(encode(ASKED)), ours, rtol=0, atol=2e-6)
    assert_close(torch.from_numpy(there.encode_document(list(named.document_texts.names))), known, rtol=0, atol=2e-6)
    with pytest.raises(InputError, match="sets no prompt before texts; this one reads with the prompt 'shoes: '"):
        rw.export(model, tmp_path / "graph", "onnx")


@pytest.mark.parametrize("tower", ["static", "joint"])
def test_a_folder_that_hashes_is_not_loaded_without_trust(tower, runs, tmp_path):
    folder = rw.export(runs(tower, "tied"), tmp_path / "model")
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


def test_onnx_gives_the_same_vectors_of_a_joint_tower(runs, tmp_path):
    run = runs("joint", "tied")
    folder = rw.export(run, tmp_path / "model", "onnx")
    session = onnxruntime.InferenceSession(folder / "query.onnx")
    for asked in ([*ASKED, *OURS], ["", "sandals", "?!"], [""], ["漢字"]):
        given = features_of(run.model.query_tower, asked)
        assert {each.name for each in session.get_inputs()} == set(given)
        (found,) = session.run(None, given)
        expected = run.model.encode_queries(asked, lean=0.0).vectors
        assert_close(torch.from_numpy(found), expected, rtol=0, atol=2e-6)
    assert (folder / "tokenizer.json").exists()
    assert_close(load_file(folder / "documents.safetensors")["documents"], run.model.document_vectors())
    with pytest.raises(InputError, match="needs a text at least"):
        features_of(run.model.query_tower, [])


def test_the_card_shows_what_was_measured_and_nothing_else(runs, tmp_path):
    run = runs("static", "lookup")
    card = (rw.export(run, tmp_path / "one") / "README.md").read_text()
    assert run.report.to_markdown().strip() in card
    assert "encode_document(['footwear'])" in card
    card = (rw.export(run.model, tmp_path / "two", "onnx") / "README.md").read_text()
    assert "Not measured." in card


def test_the_card_says_on_which_queries_and_shows_a_report_that_is_given(runs, tmp_path):
    run = runs("static", "tied")
    card = (rw.export(run, tmp_path / "own") / "README.md").read_text()
    assert f"distance, of {run.report.n_queries} training queries\n" in card
    assert "measured leaning" not in card
    asked = Pairs.from_table([("sandals to hike in", "hiking sandals", 0), ("boots", "boots", 0)])
    report = rw.evaluate(run.model, asked, label="held out")
    card = (rw.export(run, tmp_path / "given", "onnx", report=report) / "README.md").read_text()
    assert "distance, of 1 training queries and 1 queries that training did not see\n\n**held out, dim 16" in card
    assert "measured leaning" in card


def test_the_card_of_a_joint_tower_says_what_it_is_made_of_and_how_it_is_fed(runs, tmp_path):
    run = runs("joint", "text")
    card = " ".join((rw.export(run, tmp_path / "one") / "README.md").read_text().split())
    assert "character n-grams, summed, and the encoder `tiny`, frozen, and a trained head, in equal shares" in card
    assert "trust_remote_code=True" in card
    assert "Documents: a tower of their own" in card
    assert "(here `lean=0.5`); that is not in this folder" in card
    assert "gives zeros for a text" not in card
    card = " ".join((rw.export(run, tmp_path / "two", "onnx") / "README.md").read_text().split())
    assert "tokens and masks beside `features`, `weights`, `texts` and `has_text`" in card


def test_documents_of_any_length_keep_it_and_labels_alone_are_enough(tmp_path):
    pairs = shoes().pairs()
    tables = rw.DualEncoder.lookup(pairs, 8, start="free")
    model = replace(rw.DualEncoder.text(pairs, dim=8), document_tower=tables.document_tower)
    there = SentenceTransformer(str(rw.export(model, tmp_path / "model")), device="cpu", trust_remote_code=True)
    found = torch.from_numpy(there.encode_document(list(model.document_ids)))
    assert_close(found, tables.document_vectors())


def test_a_name_that_two_documents_have_is_asked_for_by_id(named):
    names = ("Shoe", "Shoe", *named.document_texts.names[2:])
    model = rw.DualEncoder.text(replace(named, document_texts=replace(named.document_texts, names=names)), dim=4)
    rows = document_keys(model)
    assert "Shoe" not in rows
    assert (rows["footwear"], rows["shoes"], rows["Boots"], rows["boots"]) == (0, 1, 2, 2)


# -- refusals ------------------------------------------------------------------------------------------------------


OWN = r"'mirrored' has no modules .* no graph; static, frozen, joint and full towers"


class Mirrored:
    """A text tower of one's own: another one's vectors, turned around."""

    def __init__(self, tower):
        self.tower, self.dim = tower, tower.dim

    def __getattr__(self, name):
        return getattr(self.tower, name)

    def __len__(self):
        return len(self.tower)

    def encode_texts(self, texts):
        return -self.tower.encode_texts(texts)

    def settings(self):
        return {"kind": "mirrored"}


def test_a_report_of_another_model_is_refused(runs, named, tmp_path):
    other = rw.evaluate(rw.DualEncoder.lookup(named, dim=4), named, bootstrap=0)
    for report, message in ((other, "at dim 4, the model has 12 at dim 16"), ("r.json", "rw.Report.load reads")):
        with pytest.raises(InputError, match=message):
            rw.export(runs("static", "tied"), tmp_path / "one", report=report)
    assert not (tmp_path / "one").exists()


def test_what_cannot_be_exported_says_why_and_leaves_nothing(named, runs, tmp_path):
    static = runs("static", "tied")
    with pytest.raises(InputError, match="looks its queries up"):
        rw.export(rw.DualEncoder.lookup(named, 4), tmp_path / "model")
    with pytest.raises(InputError, match="one of 'sentence-transformers', 'onnx', 'vectors', got 'onxx'"):
        rw.export(static, tmp_path / "model", "onxx")
    letters = rw.DualEncoder.text(named, "frozen", dim=8, encoder=Letters(), cache=tmp_path / "cache")
    joint = rw.DualEncoder.text(named, "joint", dim=8, encoder=Letters(), cache=tmp_path / "cache")
    own = replace(static.model, query_tower=Mirrored(static.model.query_tower))
    for model, refused in ((letters, r"'Letters' is an object"), (joint, r"'Letters' is an object"), (own, OWN)):
        for format in ("sentence-transformers", "onnx"):
            with pytest.raises(InputError, match=refused):
                rw.export(model, tmp_path / "out" / "model", format)
    assert list((tmp_path / "out").iterdir()) == []
    with pytest.raises(RunFolderError, match="is there already"):
        rw.export(static, tmp_path)
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RunFolderError, match="model cannot be made"):
        rw.export(static, tmp_path / "file" / "model")
    with pytest.raises(InputError, match=r"takes a run or a model, got 'runs/words'; rw\.Run\.load"):
        rw.export("runs/words", tmp_path / "model")


@pytest.mark.parametrize(
    ("package", "format", "extra"),
    [("sentence_transformers", "sentence-transformers", "text"), ("onnx", "onnx", "onnx")],
)
def test_a_missing_package_is_named_with_its_install_line(package, format, extra, runs, tmp_path, monkeypatch):
    run = runs("static", "tied")
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=rf"rootward\[{extra}\]"):
        rw.export(run, tmp_path / "model", format)


@pytest.mark.parametrize("tower", ["frozen", "joint"])
@pytest.mark.parametrize("format", ["sentence-transformers", "onnx"])
def test_a_tower_on_an_encoder_needs_its_library_for_both_formats(tower, format, runs, tmp_path, monkeypatch):
    run = runs(tower, "tied")
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(MissingExtraError, match=r"rootward\[text\]"):
        rw.export(run, tmp_path / "model", format)
    if tower == "joint":
        with pytest.raises(MissingExtraError, match=r"rootward\[text\]"):
            features_of(run.model.query_tower, ["sandals"])


class Waves(Normalize):
    """What no graph has a word for."""

    def forward(self, features):
        return {**features, "sentence_embedding": torch.special.bessel_j1(features["sentence_embedding"])}


def test_a_module_that_no_graph_has_a_word_for_is_told(named, scratch, tmp_path, capfd):
    encoder = SentenceTransformer(modules=[*SentenceTransformer(str(scratch)), Waves()], device="cpu")
    model = rw.DualEncoder.text(named, "frozen", dim=8, encoder=encoder, cache=tmp_path / "cache")
    with pytest.raises(InputError, match=r"encoder has no graph: .* Export to sentence-transformers"):
        rw.export(model, tmp_path / "model", "onnx")
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize("tower", ["frozen", "joint"])
def test_an_encoder_that_does_more_than_its_modules_is_not_exported_as_if_it_did_not(tower, named, scratch, tmp_path):
    short = SentenceTransformer(str(scratch), truncate_dim=8)
    model = rw.DualEncoder.text(named, tower, dim=8, encoder=short, cache=tmp_path / "cache")
    for format in ("sentence-transformers", "onnx"):
        with pytest.raises(InputError, match=r"more than its modules do .* They stop at"):
            rw.export(model, tmp_path / "out" / "model", format)
    assert list((tmp_path / "out").iterdir()) == []


class Turned(SentenceTransformer):
    """An encoder whose modules are one thing and whose answers another."""

    def encode(self, *texts, **options):
        return -super().encode(*texts, **options)


def test_an_encoder_with_an_encode_of_its_own_is_noticed(named, scratch, tmp_path):
    model = rw.DualEncoder.text(named, "frozen", dim=8, encoder=Turned(str(scratch)), cache=tmp_path / "cache")
    for format in ("sentence-transformers", "onnx"):
        with pytest.raises(InputError, match=r"Entries of vectors are [\d.]+ apart"):
            rw.export(model, tmp_path / "out" / "model", format)


def test_a_graph_that_no_file_holds_is_refused(runs, tmp_path, monkeypatch):
    monkeypatch.setattr("rootward.integrations.onnx._LARGEST", 100)
    for tower in ("static", "joint"):
        with pytest.raises(InputError, match=r"features take .* bytes, and a graph in one file holds 100"):
            rw.export(runs(tower, "tied"), tmp_path / "model", "onnx")


def test_a_graph_needs_an_encoder_that_begins_with_a_transformer(named, tmp_path):
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding  # noqa: PLC0415
    from tokenizers import Tokenizer  # noqa: PLC0415
    from tokenizers.models import WordLevel  # noqa: PLC0415

    words = Tokenizer(WordLevel({"?": 0, "sandals": 1}, unk_token="?"))
    encoder = SentenceTransformer(modules=[StaticEmbedding(words, embedding_dim=6)], device="cpu")
    model = rw.DualEncoder.text(named, "joint", dim=4, encoder=encoder, cache=tmp_path / "cache")
    with pytest.raises(InputError, match="this one begins with a StaticEmbedding"):
        rw.export(model, tmp_path / "graph", "onnx")
    there = SentenceTransformer(str(rw.export(model, tmp_path / "model")), device="cpu", trust_remote_code=True)
    ours = model.encode_queries([*ASKED, *OURS], lean=0.0).vectors
    assert_close(torch.from_numpy(there.encode_query([*ASKED, *OURS])), ours, rtol=0, atol=2e-6)


def test_a_folder_that_lost_a_file_says_so(runs, tmp_path):
    folder = rw.export(runs("static", "lookup"), tmp_path / "model")
    (folder / "query_0_StaticText" / "model.safetensors").write_bytes(b"cut")
    with pytest.raises(RunFolderError, match="cannot be read"):
        SentenceTransformer(str(folder), device="cpu", trust_remote_code=True)
    (folder / "query_0_StaticText" / "model.safetensors").unlink()
    with pytest.raises(RunFolderError, match=r"has no query_0_StaticText/model\.safetensors; export the model again"):
        SentenceTransformer(str(folder), device="cpu", trust_remote_code=True)


def test_a_document_called_like_nothing_is_not_what_unknown_texts_are(named, tmp_path):
    names = ("[unknown]", *named.document_texts.names[1:])
    model = rw.DualEncoder.text(replace(named, document_texts=replace(named.document_texts, names=names)), dim=4)
    there = SentenceTransformer(str(rw.export(model, tmp_path / "model")), device="cpu", trust_remote_code=True)
    found = torch.from_numpy(there.encode_document(["[unknown]", "nothing of the kind"]))
    assert_close(found, torch.stack([model.document_vectors()[0], torch.zeros(4)]), rtol=0, atol=2e-6)


@pytest.fixture(scope="module")
def exported(runs, tmp_path_factory):
    return rw.export(runs("static", "lookup"), tmp_path_factory.mktemp("exported") / "onnx", "onnx")


def sha256sum_says(folder):
    command = ["sha256sum", "--check", "--strict", SEAL, SUMS]
    return subprocess.run(command, cwd=folder, capture_output=True, check=False).returncode == 0


def test_a_whole_export_is_called_whole(exported):
    files = ("README.md", "documents.json", "documents.safetensors", "query.onnx")
    assert check_export(exported) == files
    assert [line.split("  ")[1] for line in (exported / SUMS).read_text().splitlines()] == list(files)
    assert sha256sum_says(exported)


def test_an_export_whose_list_of_checksums_is_cut_short_is_not_called_whole(exported, tmp_path):
    folder = shutil.copytree(exported, tmp_path / "copy")
    whole = (folder / SUMS).read_bytes()
    assert whole.count(b"\n") == 4
    lines = whole.splitlines(keepends=True)
    for cut in (*(b"".join(lines[:n]) for n in range(4)), whole[:-1]):
        (folder / SUMS).write_bytes(cut)
        assert not sha256sum_says(folder)
        with pytest.raises(RunFolderError, match=r"SHA256SUMS is not the list that SHA256SUMS\.sha256"):
            check_export(folder)


@pytest.mark.parametrize("lost", [SUMS, SEAL])
def test_an_export_that_lost_a_list_of_checksums_is_not_called_whole(lost, exported, tmp_path):
    folder = shutil.copytree(exported, tmp_path / "copy")
    (folder / lost).unlink()
    assert not sha256sum_says(folder)
    with pytest.raises(RunFolderError, match=f"{lost} is missing"):
        check_export(folder)
    (folder / lost).write_bytes(b"")
    assert not sha256sum_says(folder)
    with pytest.raises(RunFolderError, match="is not the list"):
        check_export(folder)


def test_an_export_with_a_changed_lost_or_added_file_says_which(exported, tmp_path):
    folder = shutil.copytree(exported, tmp_path / "copy")
    graph = bytearray((folder / "query.onnx").read_bytes())
    graph[len(graph) // 2] ^= 1
    (folder / "query.onnx").write_bytes(graph)
    with pytest.raises(RunFolderError, match=r"query\.onnx is damaged"):
        check_export(folder)
    (folder / "query.onnx").unlink()
    with pytest.raises(RunFolderError, match=r"query\.onnx is missing"):
        check_export(folder)
    shutil.copy(exported / "query.onnx", folder)
    (folder / "more").mkdir()
    (folder / "more" / "documents.json").write_text("[]")
    with pytest.raises(RunFolderError, match=r"more/documents\.json was added"):
        check_export(folder)
    with pytest.raises(RunFolderError, match="has no SHA256SUMS"):
        check_export(tmp_path)
