"""Towers as modules of sentence-transformers."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rootward.encoders import DualEncoder, Tower
from rootward.encoders.frozen import FrozenTower
from rootward.encoders.full import FullTower
from rootward.encoders.static import StaticTower
from rootward.errors import InputError, MissingExtraError

UNKNOWN = "[unknown]"


def write_modules(model: DualEncoder, folder: Path) -> None:
    """Write a model as a sentence-transformers folder with a route for queries and one for documents.

    Raises:
        InputError: a tower or an encoder that has no modules.
        MissingExtraError: sentence-transformers is not installed.
    """
    try:
        from sentence_transformers import SentenceTransformer  # noqa: PLC0415
        from sentence_transformers.sentence_transformer.modules import Router  # noqa: PLC0415
    except ImportError as error:
        raise MissingExtraError("Exporting to sentence-transformers", "text") from error
    query = modules_of(model.query_tower)
    reads = type(model.document_tower) is type(model.query_tower)
    document = modules_of(model.document_tower, query) if reads else _looked_up(model)
    router = Router.for_query_document(query, document, default_route="query")
    whole = SentenceTransformer(modules=[router], similarity_fn_name="dot", device="cpu")
    whole.save(str(folder), create_model_card=False)


def modules_of(tower: Tower, shared: list[Any] | None = None) -> list[Any]:
    """What turns a text into its vector, step by step; with the encoder of `shared`, another tower's, where it has one.

    Raises:
        InputError: a tower or an encoder that has no modules.
    """
    from sentence_transformers.sentence_transformer.modules import Normalize  # noqa: PLC0415

    if isinstance(tower, StaticTower):
        from rootward.exporting.static_text import StaticText  # noqa: PLC0415

        return [StaticText.of(tower), Normalize()]
    if isinstance(tower, FrozenTower | FullTower):
        head = [*_head_modules(tower.head), Normalize()]
        return [*(_encoder_modules(tower) if shared is None else shared[: -len(head)]), *head]
    raise InputError(
        f"A tower of kind {tower.settings()['kind']!r} has no modules in sentence-transformers and no graph; static, "
        "frozen and full towers of DualEncoder.text have. Others are used with rootward: DualEncoder.load(folder)."
    )


def _encoder_modules(tower: FrozenTower | FullTower) -> list[Any]:
    from sentence_transformers import SentenceTransformer  # noqa: PLC0415

    opened = tower.encoder.model
    if not isinstance(opened, SentenceTransformer):
        raise InputError(
            f"The encoder {tower.encoder.name!r} is an object of its own and no sentence-transformers model, so it "
            "cannot be written down for others."
        )
    if isinstance(tower, FrozenTower):
        return list(opened)
    trained = deepcopy(opened).cpu()
    with torch.no_grad():
        for name, weight in trained.named_parameters():
            weight.copy_(tower.weights[name].reshape(weight.shape))
    return list(trained)


def _head_modules(head: tuple[Tensor, ...]) -> list[Any]:
    from sentence_transformers.sentence_transformer.modules import Dense  # noqa: PLC0415

    return [
        Dense(
            *matrix.shape,
            bias=False,
            activation_function=torch.nn.GELU() if place + 1 < len(head) else torch.nn.Identity(),
            init_weight=matrix.detach().cpu().T.contiguous(),
        )
        for place, matrix in enumerate(head)
    ]


def _looked_up(model: DualEncoder) -> list[Any]:
    """A table of documents as an embedding whose tokens are whole texts: ids, and names that only one has."""
    from sentence_transformers.sentence_transformer.modules import Normalize, StaticEmbedding  # noqa: PLC0415
    from tokenizers import Tokenizer  # noqa: PLC0415
    from tokenizers.models import WordLevel  # noqa: PLC0415

    rows = asked_by(model)
    vectors = model.document_vectors().detach().to("cpu", torch.float32)
    table = torch.cat([torch.zeros(1, model.dim), vectors[torch.tensor(list(rows.values()))]])
    tokens = {UNKNOWN: 0, **{text: place for place, text in enumerate(rows, 1)}}
    return [StaticEmbedding(Tokenizer(WordLevel(tokens, unk_token=UNKNOWN)), embedding_weights=table), Normalize()]


def asked_by(model: DualEncoder) -> dict[str, int]:
    """What a document of a table can be asked for by, and its row: its id, and its name where it is its alone."""
    rows = {label: row for row, label in enumerate(model.document_ids)}
    if model.document_texts is None:
        return rows
    names = np.array(model.document_texts.names)
    found, first, counts = np.unique(names, return_index=True, return_counts=True)
    alone = {name: row for name, row, n in zip(found.tolist(), first.tolist(), counts.tolist(), strict=True) if n == 1}
    return {**{name: row for name, row in alone.items() if name}, **rows}
