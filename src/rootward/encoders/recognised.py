"""What an encoder is recognised by: its weights, and how it reads texts with them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

_DIGITS = 16  # of each part of a fingerprint


def fingerprint_of(encoder: Any) -> str | None:
    """What an encoder is recognised by: its own `fingerprint` if it has one; None without that and without weights.

    Of a module of torch sixteen hex digits of its weights: names, shapes, types and bytes. Of a sentence-transformers
    model as many more behind a dash, of how it reads: its modules and their configs, its prompt, how much of a text it
    reads and of a vector it gives, and its tokenizer. The folder that it was loaded from is not in it.
    """
    own = getattr(encoder, "fingerprint", None)
    if isinstance(own, str):
        return own
    weights: Callable[[], Any] | None = getattr(encoder, "state_dict", None)
    if not callable(weights):
        return None
    digits = _digits(_parts(weights()))
    if not hasattr(encoder, "default_prompt_name"):  # that is what makes a sentence-transformers model
        return digits
    return f"{digits}-{_digits([json.dumps(_plain(_reading(encoder))).encode()])}"


def same_encoder(found: str, expected: str) -> bool:
    """Whether it is the expected one; models of earlier versions know the weights of theirs alone."""
    return found == expected or (_is_whole(found) and found[:_DIGITS] == expected)


def weights_alone(found: str, expected: str) -> str:
    """A sentence for the error about another encoder: of one with the same weights, what else may differ."""
    if not (_is_whole(found) and _is_whole(expected) and found[:_DIGITS] == expected[:_DIGITS]):
        return ""
    return (
        " Its weights are the right ones, but it reads otherwise: with another prompt, pooling, length or tokenizer, "
        "or in another version of sentence-transformers."
    )


def _is_whole(fingerprint: str) -> bool:
    return len(fingerprint) == 2 * _DIGITS + 1 and fingerprint[_DIGITS] == "-"


def _digits(parts: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()[:_DIGITS]


def _parts(weights: Any) -> Iterator[bytes]:
    import torch  # noqa: PLC0415

    for name, tensor in sorted(weights.items()):
        yield f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode()
        yield tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()


def _reading(model: Any) -> dict[str, Any]:
    """What else than weights says what a sentence-transformers model gives for a text."""
    return {
        "modules": [
            (name, type(module).__name__, module.get_config_dict() if hasattr(module, "get_config_dict") else {})
            for name, module in model.named_modules()
            if name and ("." not in name or hasattr(module, "get_config_dict"))
        ],
        "longest": getattr(model, "max_seq_length", None),
        "prompt": prompt_of(model),
        "width": getattr(model, "truncate_dim", None),
        "tokens": _tokens(getattr(model, "tokenizer", None)),
    }


def _tokens(tokenizer: Any) -> Any:
    """How texts become tokens; without truncation and padding, which reading changes: `_reading` has the length."""
    backend = getattr(tokenizer, "backend_tokenizer", tokenizer)
    if hasattr(backend, "to_str"):
        told = json.loads(backend.to_str())
        return {name: part for name, part in told.items() if name not in ("truncation", "padding")}
    return tokenizer.get_vocab() if hasattr(tokenizer, "get_vocab") else None


def _plain(value: Any) -> Any:
    """As JSON that is the same in every process: sorted, and of an object, whose text may hold its place, its class."""
    if isinstance(value, Mapping):
        return [[str(key), _plain(each)] for key, each in sorted(value.items(), key=lambda item: str(item[0]))]
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value if value is None or isinstance(value, str | int | float) else type(value).__name__


def prompt_of(model: Any) -> str:
    """What a sentence-transformers model sets before every text that comes without a prompt of its own; mostly ""."""
    name = getattr(model, "default_prompt_name", None)
    return "" if name is None else model.prompts.get(name) or ""
