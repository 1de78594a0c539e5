"""Sentence encoders that somebody else trained: opened by name or path, and recognised again."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from rootward.errors import InputError, MissingExtraError, RunFolderError
from rootward.files import atomic_write
from rootward.progress import bar
from rootward.rng import stream
from rootward.texts import LONGEST, normal_form

Outputs = npt.NDArray[np.float32]

AGAIN = "DualEncoder.load(folder, encoder=...), or --encoder on the command line"
"""How another place of a model's encoder is told, for messages."""


@dataclass(eq=False)
class Encoder:
    """A sentence encoder that is opened when its first text is to be encoded, not before.

    Attributes:
        name: what sentence-transformers loads it by, a name on a hub or the absolute path of a folder; of an object its
            class.
        given: that object, anything with `encode(list of str) -> n x width`; None for one that goes by its name.
        expected: the fingerprint of the encoder that it has to be, None for any; once it is open, the one that it has.
        folder: whether the name is known to be that of a folder, so that no hub is asked for it.
    """

    name: str
    given: Any = None
    expected: str | None = None
    folder: bool = False

    @classmethod
    def of(cls, encoder: Any, expected: str | None = None) -> Encoder:
        """By name, by path or as an object.

        Raises:
            InputError: neither a text, a path nor an object that encodes.
        """
        if isinstance(encoder, Encoder):
            return encoder
        if isinstance(encoder, str | os.PathLike):
            name, is_path = os.fspath(encoder), not isinstance(encoder, str)
            if os.path.isdir(name):
                name, is_path = os.path.abspath(name), True
            return cls(name, None, expected, is_path)
        if not callable(getattr(encoder, "encode", None)):
            raise InputError(
                "encoder is the name or the folder of a sentence-transformers model, or an object with "
                f"encode(texts) -> array; got {encoder!r}."
            )
        return cls(type(encoder).__qualname__, encoder, expected)

    def settings(self) -> dict[str, Any]:
        """How it is found again."""
        found = {"encoder": self.name, "by_name": self.given is None, "fingerprint": self.fingerprint}
        return {**found, "folder": True} if self.folder else found

    @classmethod
    def again(cls, settings: Mapping[str, Any], encoder: Any = None) -> Encoder:
        """The encoder of these settings, by its name or as it is given.

        Raises:
            InputError: the one that is given is another one, or it was an object and none is given.
        """
        if encoder is None and not settings["by_name"]:
            raise InputError(
                f"This model reads with an encoder that was given as an object ({settings['encoder']}), which no file "
                f"holds. Give it again: {AGAIN}."
            )
        if encoder is None:
            named = cls.of(settings["encoder"], settings["fingerprint"])
            return replace(named, folder=named.folder or settings.get("folder", False))
        found = cls.of(encoder, settings["fingerprint"])
        _ = found.model
        return found

    @cached_property
    def model(self) -> Any:
        """What encodes, opened and found to be the one that was expected.

        Raises:
            MissingExtraError: sentence-transformers is not installed.
            InputError: it cannot be opened, or is another one.
        """
        opened = opened_by_name(self.name, self.folder) if self.given is None else self.given
        found = fingerprint_of(opened)
        if found is None:
            return opened
        if self.expected is not None and not same_encoder(found, self.expected):
            raise InputError(
                f"The encoder {self.name!r} is not the one that this model was trained with: its fingerprint is "
                f"{found}, needed is {self.expected}.{weights_alone(found, self.expected)} Give the right one: "
                f"{AGAIN}."
            )
        self.expected = found
        return opened

    @cached_property
    def fingerprint(self) -> str | None:
        """As `fingerprint_of`; None for an object that cannot be recognised again. Opens it where it is not known."""
        if self.expected is None:
            _ = self.model  # which finds it, where there is one
        return self.expected

    def encode(self, texts: Sequence[str]) -> Outputs:
        """Its outputs (float32, n x width) for texts as `readable` makes them.

        Raises:
            InputError: it gives no finite matrix with a row for each text.
        """
        quiet: dict[str, Any] = {} if self.given is not None else {"show_progress_bar": False}
        found = np.asarray(self.model.encode(list(texts), **quiet), np.float32)
        if found.ndim != 2 or len(found) != len(texts) or not np.isfinite(found).all():
            raise InputError(
                f"The encoder {self.name!r} must give a finite matrix with a row for each of {len(texts):,} texts, "
                f"got the shape {found.shape}{'' if np.isfinite(found).all() else ' with NaN or infinity in it'}."
            )
        return found


def opened_by_name(name: str, folder: bool = False) -> Any:
    """A sentence-transformers model, by its name on a hub or by its folder.

    Args:
        name: of the model.
        folder: whether it is known to be a folder. Then, or where the name reads as the path of one, no hub is asked.

    Raises:
        MissingExtraError: sentence-transformers is not installed.
        InputError: it cannot be loaded.
    """
    if (folder or _is_path(name)) and not os.path.isdir(name):
        raise _not_loaded(name, "there is no such folder.")
    try:
        from sentence_transformers import SentenceTransformer  # noqa: PLC0415
    except ImportError as error:
        raise MissingExtraError("A pretrained text encoder", "text") from error
    try:
        with without_bars():
            return SentenceTransformer(name)
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise _not_loaded(name, str(error).strip().partition("\n")[0]) from error


@contextmanager
def without_bars() -> Iterator[None]:
    """Without the bars of transformers for loading and saving, which no flag of ours turns off; then as they were."""
    from huggingface_hub.utils.tqdm import are_progress_bars_disabled, disable_progress_bars  # noqa: PLC0415
    from transformers.utils import logging  # noqa: PLC0415

    shown, fetching = logging.is_progress_bar_enabled(), not are_progress_bars_disabled()
    if shown:
        logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()  # those of huggingface_hub with them
        if shown and not fetching:
            disable_progress_bars()


def _is_path(name: str) -> bool:
    """Whether a name can only be a path: a hub's are `name` or `owner/name`."""
    parts = name.replace(os.sep, "/").split("/")
    return name.startswith((".", "~")) or os.path.isabs(name) or len(parts) > 2 or _stands_in_folder(parts)


def _stands_in_folder(parts: Sequence[str]) -> bool:
    return len(parts) == 2 and os.path.isdir(parts[0])


def _not_loaded(name: str, reason: str) -> InputError:
    return InputError(
        f"The encoder {name!r} cannot be loaded: {reason} Needed is a folder, or a name that sentence-transformers "
        f"finds; where the encoder of a model was moved, give the new place: {AGAIN}."
    )


def readable(text: str) -> str:
    """A text as an encoder reads it: of its first `LONGEST` characters, control characters and runs of space as one."""
    return " ".join("".join(each if each.isprintable() else " " for each in text[:LONGEST]).split())


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


BLOCK = 4_096
"""Texts a file: what a crash costs at most."""


@dataclass(frozen=True, eq=False)
class Read:
    """The outputs of some texts, row by row; equal texts are encoded once.

    Attributes:
        blocks: float32 matrices, mapped from disk where they are kept there; the outputs of the distinct texts.
        places: int64, which of the distinct texts each row is; -1 for a text without a letter or digit.
        width: of the outputs.
    """

    blocks: Sequence[Outputs]
    places: npt.NDArray[np.int64]
    width: int

    def __len__(self) -> int:
        return len(self.places)

    @cached_property
    def known(self) -> npt.NDArray[np.bool_]:
        """Whether there is anything to read in a row's text."""
        return self.places >= 0

    def __getitem__(self, rows: npt.NDArray[np.int64]) -> Outputs:
        """The outputs of these rows (float32, n x width), zeros where a text says nothing."""
        places = self.places[rows]
        out = np.zeros((len(places), self.width), np.float32)
        which = places // BLOCK
        for block in np.unique(which[places >= 0]).tolist():
            here = (which == block) & (places >= 0)
            out[here] = self.blocks[block][places[here] % BLOCK]
        return out


def cache_folder(given: str | os.PathLike[str] | None = None) -> Path:
    """Where outputs are kept: as given, else $ROOTWARD_CACHE, else `rootward` in the user's cache folder; absolute."""
    if given is not None:
        return Path(given).absolute()
    set_ = os.environ.get("ROOTWARD_CACHE")
    if set_:
        return Path(set_).absolute()
    home = os.environ.get("XDG_CACHE_HOME") or (
        os.environ.get("LOCALAPPDATA") if os.name == "nt" else str(Path.home() / ".cache")
    )
    return Path(home or Path.home() / ".cache") / "rootward"


def kept_before(folder: str | None) -> Path:
    """The folder that a model kept its outputs in, where it is still there and may be used; else `cache_folder()`."""
    usable = folder is not None and os.access(folder, os.R_OK | os.W_OK | os.X_OK)
    return cache_folder(folder if usable else None)


def outputs_of(encoder: Encoder, texts: Sequence[str], cache: Path | None = None, progress: bool = False) -> Read:
    """The outputs of these texts: from the cache what is there, the rest encoded and kept; without a cache all encoded.

    The key is the encoder's fingerprint and the texts of a block, so that texts which are added at the end cost only
    themselves. A block is written whole or not at all. An object without a fingerprint is asked every time.

    Raises:
        InputError, MissingExtraError: an encoder that cannot be used, see `Encoder`; it is opened only where something
            has to be encoded or its fingerprint is not known.
    """
    rows: dict[str, int] = {}
    places = np.array([rows.setdefault(readable(text), len(rows)) if normal_form(text) else -1 for text in texts])
    distinct = list(rows)
    kept = cache is not None and encoder.fingerprint is not None
    folder = cache / "outputs" / str(encoder.fingerprint) if kept and cache is not None else None
    blocks = []
    with bar(f"encoding {len(distinct):,} texts", len(distinct), progress) as encoded:
        for start in range(0, len(distinct), BLOCK):
            some = distinct[start : start + BLOCK]
            blocks.append(_block(encoder, some, folder))
            encoded(len(some))
    width = blocks[0].shape[1] if blocks else encoder.encode(["nothing"]).shape[1]
    return Read(blocks, places.astype(np.int64), width)


def _block(encoder: Encoder, texts: list[str], folder: Path | None) -> Outputs:
    if folder is None:
        return encoder.encode(texts)
    path = folder / f"{_digest(texts)}.npy"
    kept = _mapped(path, len(texts))
    if kept is not None:
        return kept
    outputs = encoder.encode(texts)
    atomic_write(path, lambda to: np.save(to, outputs))
    return _mapped(path, len(texts)) if len(outputs) else outputs  # type: ignore[return-value]


def _mapped(path: Path, rows: int) -> Outputs | None:
    """The matrix in a file, None where there is none or it is not one of ours, and has to be made again."""
    try:
        found = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return found if found.ndim == 2 and len(found) == rows and found.dtype == np.float32 else None


def _digest(texts: Sequence[str]) -> str:
    digest = hashlib.sha256()
    for text in texts:
        written = text.encode("utf-8", "surrogatepass")
        digest.update(len(written).to_bytes(8, "little") + written)
    return digest.hexdigest()[:32]


_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")


def new_encoder(
    texts: Iterable[str],
    folder: str | Path,
    *,
    layers: int = 8,
    width: int = 512,
    heads: int = 8,
    mlp: int = 4_096,
    vocabulary: int = 32_000,
    longest: int = 128,
    seed: int = 0,
) -> Path:
    """Write an untrained encoder as a sentence-transformers folder, for `DualEncoder.text(pairs, "full", encoder=...)`.

    The defaults are the paper's product-search tower (arXiv 2509.16411, appendix B): 8 layers, width 512, 8 heads, GELU
    between, mean pooling; `DualEncoder.text` adds the projection and the unit sphere. Tokens are merged from pairs
    (BPE) and learnt from the texts: SentencePiece's unigrams, as the tokenizers library learns them, differ from run to
    run.

    Args:
        texts: to learn tokens from.
        folder: to be made.
        layers, width, heads, mlp: of the transformer; heads divide the width.
        vocabulary: tokens at most.
        longest: tokens of a text that are read.
        seed: of the weights.

    Returns:
        The folder.

    Raises:
        InputError: sizes that do not fit, or texts without a letter.
        RunFolderError: the folder is there already.
        MissingExtraError: sentence-transformers is not installed.
    """
    if min(layers, width, heads, mlp, longest) < 1 or width % heads:
        raise InputError(
            f"layers, width, heads, mlp and longest must be at least 1 and heads divide width; got {layers}, {width}, "
            f"{heads}, {mlp} and {longest}."
        )
    folder = Path(folder)
    if folder.exists():
        raise RunFolderError(f"{folder} is there already; choose another folder for the new encoder.")
    try:
        from sentence_transformers import SentenceTransformer  # noqa: PLC0415
        from sentence_transformers.sentence_transformer.modules import Pooling, Transformer  # noqa: PLC0415
        from transformers import BertConfig, BertModel, PreTrainedTokenizerFast  # noqa: PLC0415
    except ImportError as error:
        raise MissingExtraError("A text encoder from scratch", "text") from error
    tokens = _trained_tokenizer([text for text in map(readable, texts) if text], vocabulary)
    names = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token"), _SPECIAL, strict=True))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=tokens, model_max_length=longest, **names)
    config = BertConfig(
        vocab_size=tokens.get_vocab_size(),
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=mlp,
        max_position_embeddings=longest,
        type_vocab_size=1,
        pad_token_id=0,
    )
    with TemporaryDirectory() as there, torch.random.fork_rng(devices=[]), without_bars():
        torch.manual_seed(int(stream(seed, "new encoder").integers(1 << 62)))
        BertModel(config).save_pretrained(there)
        tokenizer.save_pretrained(there)
        modules = [Transformer(there, max_seq_length=longest), Pooling(width)]
        SentenceTransformer(modules=modules, device="cpu").save(str(folder), create_model_card=False)
    return folder


def _trained_tokenizer(texts: list[str], vocabulary: int) -> Any:
    """A tokeniser of pairs merged within words, a mark in place of a space."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers  # noqa: PLC0415

    if not texts:
        raise InputError("A new encoder learns its tokens from texts; none of those given has anything to read.")
    tokens = Tokenizer(models.BPE(unk_token="[UNK]"))
    tokens.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokens.pre_tokenizer, tokens.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
    trainer = trainers.BpeTrainer(vocab_size=vocabulary, special_tokens=list(_SPECIAL), show_progress=False)
    tokens.train_from_iterator(texts, trainer)
    ends = [(each, tokens.token_to_id(each)) for each in ("[CLS]", "[SEP]")]
    tokens.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ends)
    return tokens
