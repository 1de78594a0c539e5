"""What a frozen encoder makes of texts, worked out once and kept on disk."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.progress import track

from rootward.encoders.pretrained import Encoder, Outputs, readable
from rootward.files import atomic_write
from rootward.pairs.normal import normal_form

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


def read_texts(encoder: Encoder, texts: Sequence[str], cache: Path | None = None, progress: bool = False) -> Read:
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
    starts = range(0, len(distinct), BLOCK)
    shown = track(
        starts, f"encoding {len(distinct):,} texts", console=Console(stderr=True), disable=not progress, transient=True
    )
    blocks = [_block(encoder, distinct[start : start + BLOCK], folder) for start in shown]
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
