"""What an encoder is recognised by: everything that its outputs depend on, and nothing else."""

from __future__ import annotations

import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch

from rootward.encoders import DualEncoder, new_encoder
from rootward.encoders.pretrained import Encoder, encode_cached, fingerprint_of
from rootward.errors import InputError
from shoes import shoes

TEXTS = ["sandals for hiking in the rain", "Wet Boots"]


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    """The folder of a tiny encoder that nobody has trained."""
    sizes = {"layers": 1, "width": 16, "heads": 2, "mlp": 32, "vocabulary": 60, "longest": 16}
    return new_encoder(shoes().ids, tmp_path_factory.mktemp("encoders") / "tiny", **sizes)


def opened(folder, **options):
    from sentence_transformers import SentenceTransformer  # noqa: PLC0415

    return SentenceTransformer(str(folder), device="cpu", **options)


def with_prompt(folder):
    return opened(folder, prompts={"short": "shoes: "}, default_prompt_name="short")


def with_first_token(folder):
    model = opened(folder)
    model[1].pooling_mode = "cls"
    return model


def with_three_tokens(folder):
    model = opened(folder)
    model.max_seq_length = 3
    return model


def with_case(folder):
    from tokenizers import normalizers  # noqa: PLC0415

    model = opened(folder)
    model.tokenizer.backend_tokenizer.normalizer = normalizers.NFKC()
    return model


def of_unit_length(folder):
    from sentence_transformers.sentence_transformer.modules import Normalize  # noqa: PLC0415

    model = opened(folder)
    model.append(Normalize())
    return model


OTHERWISE = [
    with_prompt,
    with_first_token,
    with_three_tokens,
    with_case,
    of_unit_length,
    lambda folder: opened(folder, truncate_dim=8),
    lambda folder: opened(folder).bfloat16(),
]


@pytest.mark.parametrize("other", OTHERWISE)
def test_rows_of_an_encoder_that_reads_otherwise_are_not_served(other, scratch, tmp_path):
    encode_cached(Encoder.of(opened(scratch)), TEXTS, tmp_path)
    model = other(scratch)
    read = encode_cached(Encoder.of(model), TEXTS, tmp_path)[np.arange(2)]
    expected = encode_cached(Encoder.of(model), TEXTS)[np.arange(2)]
    assert np.array_equal(read, expected)
    assert not np.array_equal(expected, encode_cached(Encoder.of(opened(scratch)), TEXTS)[np.arange(2)])


def test_a_model_is_not_given_an_encoder_that_reads_otherwise(scratch, tmp_path):
    model = DualEncoder.text(shoes().pairs(), "frozen", dim=8, encoder=str(scratch), cache=tmp_path / "cache")
    folder = model.save(tmp_path / "model")
    with pytest.raises(InputError, match=r"weights are the right ones, but it reads otherwise: with another prompt"):
        DualEncoder.load(folder, encoder=with_prompt(scratch))


def test_a_copy_elsewhere_is_the_same_encoder_before_and_after_reading_and_in_another_process(scratch, tmp_path):
    copy, model = shutil.copytree(scratch, tmp_path / "copy"), opened(scratch)
    before = fingerprint_of(model)
    model.encode(TEXTS)
    code = f"""
from sentence_transformers import SentenceTransformer
from rootward.encoders.pretrained import fingerprint_of
print(fingerprint_of(SentenceTransformer({str(copy)!r}, device="cpu")))
"""
    elsewhere = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    assert before == fingerprint_of(model) == fingerprint_of(opened(copy)) == elsewhere


def test_weights_make_the_fingerprint():
    one, other = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
    other.load_state_dict(one.state_dict())
    assert fingerprint_of(one) == fingerprint_of(other)
    with torch.no_grad():
        other.bias[0] += 1
    assert fingerprint_of(one) != fingerprint_of(other)
