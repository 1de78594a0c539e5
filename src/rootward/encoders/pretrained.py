"""Sentence encoders that somebody else trained: opened by name or path, and recognised again."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from rootward.encoders.recognised import fingerprint_of, same_encoder, weights_alone
from rootward.errors import InputError, MissingExtraError
from rootward.pairs.normal import LONGEST

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
