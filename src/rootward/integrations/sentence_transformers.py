"""Towers as modules of sentence-transformers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rootward.encoders import DualEncoder, TextTower, Tower
from rootward.encoders.frozen import FrozenTower
from rootward.encoders.full import FullTower
from rootward.encoders.joint import JointTower
from rootward.encoders.pretrained import AGAIN, Encoder, prompt_of, readable, without_bars
from rootward.encoders.static import StaticTower
from rootward.errors import InputError, MissingExtraError
from rootward.texts import normal_form, what_is_read

UNKNOWN = "[unknown]"
"""What other texts are to a table of documents; longer where a document is called so."""
AGREE = 1e-4
"""How far an entry of a vector may be from ours; what another batch, or another processor, rounds otherwise is less."""

_TRIED = 4  # texts
_OTHERWISE = (
    "This model's encoder does more than its modules do one after the other (such as truncation to fewer dimensions, "
    "half precision or routes), so other vectors would come out of the folder. Needed is an encoder whose modules "
    f"alone are what it does: {AGAIN}."
)

Made = dict[tuple[int, ...], Any]
"""Modules by what they were made of, so that what two towers share is written once."""


def write_modules(model: DualEncoder, folder: Path) -> None:
    """Write a model as a sentence-transformers folder with a route for queries and one for documents.

    Raises:
        InputError: a tower or an encoder that has no modules, or one whose modules give other vectors than it gives.
        MissingExtraError: sentence-transformers is not installed.
    """
    need_library("Exporting to sentence-transformers")
    from sentence_transformers import SentenceTransformer  # noqa: PLC0415
    from sentence_transformers.sentence_transformer.modules import Router  # noqa: PLC0415

    made: Made = {}
    query = modules_of(model.query_tower, made)
    document = modules_of(model.document_tower, made) if reads_documents(model) else _looked_up(model)
    router = Router.for_query_document(query, document, default_route="query")
    prompts = {"query": prompt_before(model.query_tower), "document": prompt_before(model.document_tower)}
    said = {"prompts": prompts, "default_prompt_name": "query"} if any(prompts.values()) else {}
    whole = SentenceTransformer(modules=[router], similarity_fn_name="dot", device="cpu", **said)
    check_vectors(model.query_tower, what_is_read(model.query_ids, model.query_texts), whole.encode_query)
    if reads_documents(model):
        read = what_is_read(model.document_ids, model.document_texts)
        check_vectors(model.document_tower, read, whole.encode_document)
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
    return isinstance(model.document_tower, StaticTower | FrozenTower | JointTower | FullTower)


def modules_of(tower: Tower, made: Made) -> list[Any]:
    """What turns a text into its vector, step by step.

    Args:
        tower: static, frozen, joint or full.
        made: of other towers; those that this one has too are taken over, new ones are put in.

    Raises:
        InputError: a tower or an encoder that has no modules.
    """
    from sentence_transformers.sentence_transformer.modules import Normalize  # noqa: PLC0415

    if isinstance(tower, StaticTower):
        from rootward.integrations.text_modules import StaticText  # noqa: PLC0415

        return [StaticText.of(tower), Normalize()]
    if isinstance(tower, FrozenTower | FullTower):
        return [*_encoder_of(tower, made), *_head_modules(tower.head), Normalize()]
    if isinstance(tower, JointTower):
        return _joint_modules(tower, made)
    raise InputError(
        f"A tower of kind {tower.settings()['kind']!r} has no modules in sentence-transformers and no graph; static, "
        "frozen, joint and full towers of DualEncoder.text have. Others are used with rootward: "
        "DualEncoder.load(folder)."
    )


def _joint_modules(tower: JointTower, made: Made) -> list[Any]:
    """What both halves read, the frozen half up to its unit vector, and the static one added to that."""
    from sentence_transformers.sentence_transformer.modules import Normalize  # noqa: PLC0415

    from rootward.integrations.text_modules import AddFeatures, JointText  # noqa: PLC0415

    encoder, vocabulary = _encoder_of(tower.frozen, made), tower.static.vocabulary
    key = (id(vocabulary), id(encoder))
    if key not in made:
        made[key] = JointText(vocabulary, encoder)
    add = AddFeatures(tower.static.tokens.detach().cpu().clone())
    return [made[key], *_head_modules(tower.frozen.head), Normalize(), add, Normalize()]


def prompt_before(tower: Tower) -> str:
    """What has to stand before a text that a tower's encoder reads; joint modules put it there themselves."""
    return prompt_of(opened(tower.encoder)) if isinstance(tower, FrozenTower) else ""


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


def _encoder_of(tower: FrozenTower | FullTower, made: Made) -> Any:
    """A copy of a tower's encoder, with the weights that training gave it; its modules are what it is a list of."""
    original = opened(tower.encoder)
    weights = {} if isinstance(tower, FrozenTower) else tower.weights
    key = (id(original), *(id(weight) for weight in weights.values()))
    if key not in made:
        made[key] = copied = deepcopy(original).cpu().eval()
        with torch.no_grad():
            for name, weight in weights.items():
                parameter = copied.get_parameter(name)
                parameter.copy_(weight.reshape(parameter.shape))
    return made[key]


def check_vectors(tower: Tower, texts: Sequence[str], encode: Callable[[list[str]], Any]) -> None:
    """Let a few of these texts through modules: an encoder may do more, or other things, than its modules do.

    Args:
        tower: whose vectors are the right ones.
        texts: that it reads.
        encode: what the modules make of texts (n x dim).

    Raises:
        InputError: other vectors, or none.
    """
    asked = [text for text in texts[:_TRIED] if normal_form(text) and readable(text) == text]
    if not asked or not isinstance(tower, TextTower):
        return
    try:
        found = torch.from_numpy(np.asarray(encode(asked), np.float32))
    except RuntimeError as error:  # of torch, where sizes or types of two modules do not fit
        raise InputError(f"{_OTHERWISE} They stop at: {str(error).strip().partition(chr(10))[0]}") from error
    apart = (found - tower.encode_texts(asked).cpu()).abs().max().item()
    if not apart <= AGREE:
        raise InputError(f"{_OTHERWISE} Entries of vectors are {apart:.2g} apart.")


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
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding  # noqa: PLC0415
    from tokenizers import Tokenizer  # noqa: PLC0415
    from tokenizers.models import WordLevel  # noqa: PLC0415

    rows, unknown = asked_by(model), UNKNOWN
    while unknown in rows:
        unknown += "]"
    vectors = model.document_vectors().detach().to("cpu", torch.float32)
    table = torch.cat([torch.zeros(1, model.dim), vectors[torch.tensor(list(rows.values()))]])
    tokens = {unknown: 0, **{text: place for place, text in enumerate(rows, 1)}}
    return [StaticEmbedding(Tokenizer(WordLevel(tokens, unk_token=unknown)), embedding_weights=table)]


def asked_by(model: DualEncoder) -> dict[str, int]:
    """What a document of a table can be asked for by, and its row: its id, and its name where it is its alone."""
    rows = {label: row for row, label in enumerate(model.document_ids)}
    if model.document_texts is None:
        return rows
    names = model.document_texts.names
    times = Counter(names)
    alone = {name: row for row, name in enumerate(names) if name and times[name] == 1}
    return {**alone, **rows}
