"""Towers as modules of sentence-transformers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rootward.encoders import DualEncoder, TextTower, Tower
from rootward.encoders.pretrained import ENCODER_HINT, Encoder, prompt_of, readable, without_bars
from rootward.encoders.registry import TEXT_TOWERS
from rootward.encoders.towers import BaseTextTower, EncoderPart, Head
from rootward.errors import InputError, MissingExtraError
from rootward.texts import normal_form, what_is_read

UNKNOWN = "[unknown]"
"""The token that other texts are in a table of documents; longer where a document is called so."""
AGREE = 1e-4
"""How far an entry of a vector may be from ours; rounding by another batch size or processor is less."""

_TRIED = 4  # texts
_DIFFERS = (
    "This model's encoder does more than its modules do one after the other (such as truncation to fewer dimensions, "
    "half precision or routes), so other vectors would come out of the folder. Needed is an encoder whose modules "
    f"alone are what it does: {ENCODER_HINT}."
)

Modules = dict[tuple[int, ...], Any]
"""Modules by the ids of what they are made of, so that what two towers share is written once."""


def write_modules(model: DualEncoder, folder: Path) -> None:
    """Write a model as a sentence-transformers folder with a route for queries and one for documents.

    Raises:
        InputError: a tower or an encoder that has no modules, or one whose modules give other vectors than it gives.
        MissingExtraError: sentence-transformers is not installed.
    """
    need_library("Exporting to sentence-transformers")
    from sentence_transformers import SentenceTransformer  # noqa: PLC0415
    from sentence_transformers.sentence_transformer.modules import Router  # noqa: PLC0415

    made: Modules = {}
    query = modules_of(model.query_tower, made)
    document = modules_of(model.document_tower, made) if reads_documents(model) else _table_modules(model)
    router = Router.for_query_document(query, document, default_route="query")
    prompts = {"query": prompt_before(model.query_tower), "document": prompt_before(model.document_tower)}
    options = {"prompts": prompts, "default_prompt_name": "query"} if any(prompts.values()) else {}
    whole = SentenceTransformer(modules=[router], similarity_fn_name="dot", device="cpu", **options)
    check_vectors(model.query_tower, what_is_read(model.query_ids, model.query_texts), whole.encode_query)
    if reads_documents(model):
        texts = what_is_read(model.document_ids, model.document_texts)
        check_vectors(model.document_tower, texts, whole.encode_document)
    with without_bars():
        whole.save(str(folder), create_model_card=False)


def need_library(what: str) -> None:
    """Raise MissingExtraError where sentence-transformers, which `what` needs, is not installed."""
    try:
        import sentence_transformers  # noqa: F401, PLC0415
    except ImportError as error:
        raise MissingExtraError(what, "text") from error


def reads_documents(model: DualEncoder) -> bool:
    """Whether documents are read by a tower that has modules; others are written as a table."""
    return isinstance(model.document_tower, BaseTextTower)


def modules_of(tower: Tower, made: Modules) -> list[Any]:
    """What turns a text into its vector, step by step; modules in `made` are reused, new ones are added there.

    Raises:
        InputError: a tower or an encoder that has no modules.
    """
    if not isinstance(tower, BaseTextTower):
        kinds = list(TEXT_TOWERS)
        raise InputError(
            f"A tower of kind {tower.settings()['kind']!r} has no modules in sentence-transformers and no graph; "
            f"{', '.join(kinds[:-1])} and {kinds[-1]} towers of DualEncoder.text have. Others are used with rootward: "
            "DualEncoder.load(folder)."
        )
    from sentence_transformers.sentence_transformer.modules import Normalize  # noqa: PLC0415

    from rootward.integrations.text_modules import AddFeatures, JointText, StaticText  # noqa: PLC0415

    table, part = tower.token_table, tower.encoder_part
    if part is None:
        assert table is not None
        return [StaticText(table.vocabulary, table.tokens.detach().cpu().clone()), Normalize()]
    encoder, head = _encoder_with_weights(part, made), [*_head_modules(part.head), Normalize()]
    if table is None:
        return [*encoder, *head]  # the modules that it is a list of
    key = (id(table.vocabulary), id(encoder))
    if key not in made:
        made[key] = JointText(table.vocabulary, encoder)
    return [made[key], *head, AddFeatures(table.tokens.detach().cpu().clone()), Normalize()]


def prompt_before(tower: Tower) -> str:
    """What has to stand before a text that a tower's encoder reads; joint modules put it there themselves."""
    if not isinstance(tower, BaseTextTower) or tower.encoder_part is None or tower.token_table is not None:
        return ""
    return "" if tower.encoder_part.weights else prompt_of(opened(tower.encoder_part.encoder))


def opened(encoder: Encoder) -> Any:
    """The sentence-transformers model that reads.

    Raises:
        InputError: it is something else.
    """
    from sentence_transformers import SentenceTransformer  # noqa: PLC0415

    model = encoder.model
    if not isinstance(model, SentenceTransformer):
        raise InputError(
            f"The encoder {encoder.name!r} is an object of its own and no sentence-transformers model, so it cannot be "
            "written down for others."
        )
    return model


def _encoder_with_weights(part: EncoderPart, made: Modules) -> Any:
    """A copy of a tower's encoder with the weights that training gave it."""
    original = opened(part.encoder)
    key = (id(original), *(id(weight) for weight in part.weights.values()))
    if key not in made:
        made[key] = copied = deepcopy(original).cpu().eval()
        with torch.no_grad():
            for name, weight in part.weights.items():
                parameter = copied.get_parameter(name)
                parameter.copy_(weight.reshape(parameter.shape))
    return made[key]


def check_vectors(tower: Tower, texts: Sequence[str], encode: Callable[[list[str]], Any]) -> None:
    """Let a few of a tower's texts through its modules: an encoder may do more, or other things, than its modules do.

    Raises:
        InputError: `encode`, from texts to vectors (n x dim), gives other vectors than the tower, or none.
    """
    tried = [text for text in texts[:_TRIED] if normal_form(text) and readable(text) == text]
    if not tried or not isinstance(tower, TextTower):
        return
    try:
        found = torch.from_numpy(np.asarray(encode(tried), np.float32))
    except RuntimeError as error:  # of torch, where sizes or types of two modules do not fit
        raise InputError(f"{_DIFFERS} They stop at: {str(error).strip().partition(chr(10))[0]}") from error
    apart = (found - tower.encode_texts(tried).cpu()).abs().max().item()
    if not apart <= AGREE:
        raise InputError(f"{_DIFFERS} Entries of vectors are {apart:.2g} apart.")


def _head_modules(head: Head) -> list[Any]:
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


def _table_modules(model: DualEncoder) -> list[Any]:
    """A table of documents as an embedding whose tokens are whole texts: ids, and names that only one has."""
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding  # noqa: PLC0415
    from tokenizers import Tokenizer  # noqa: PLC0415
    from tokenizers.models import WordLevel  # noqa: PLC0415

    rows, unknown = document_keys(model), UNKNOWN
    while unknown in rows:
        unknown += "]"
    vectors = model.document_vectors().detach().to("cpu", torch.float32)
    table = torch.cat([torch.zeros(1, model.dim), vectors[torch.tensor(list(rows.values()))]])
    tokens = {unknown: 0, **{text: place for place, text in enumerate(rows, 1)}}
    return [StaticEmbedding(Tokenizer(WordLevel(tokens, unk_token=unknown)), embedding_weights=table)]


def document_keys(model: DualEncoder) -> dict[str, int]:
    """What finds a document in a table, and its row: its id, and its name where no other has it."""
    rows = {label: row for row, label in enumerate(model.document_ids)}
    if model.document_texts is None:
        return rows
    names = model.document_texts.names
    times = Counter(names)
    alone = {name: row for row, name in enumerate(names) if name and times[name] == 1}
    return {**alone, **rows}
