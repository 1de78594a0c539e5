"""The static tower as a module of sentence-transformers; imported by that library when it loads such a folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from sentence_transformers.sentence_transformer.modules import InputModule, Module
from torch import Tensor

from rootward.encoders.features import Grams, Vocabulary
from rootward.encoders.static import StaticTower
from rootward.errors import RunFolderError

WEIGHTS = "model.safetensors"
_WHERE = ("token", "cache_folder", "revision", "local_files_only")


class StaticText(InputModule):  # type: ignore[misc]  # a class of an optional library
    """A text to the sum of its features' vectors, weighted by idf; not yet on the sphere.

    Attributes:
        vocabulary: the features.
        tokens: float32, features x dim.
    """

    config_keys: list[str] = ["shortest", "longest", "pairs"]  # noqa: RUF012 (as the library declares it)

    def __init__(self, vocabulary: Vocabulary, tokens: Tensor) -> None:
        super().__init__()
        self.vocabulary = vocabulary
        grams = vocabulary.grams
        self.shortest, self.longest, self.pairs = grams.shortest, grams.longest, grams.pairs
        self.tokens = torch.nn.Parameter(tokens)

    @classmethod
    def of(cls, tower: StaticTower) -> StaticText:
        """The module of a tower."""
        return cls(tower.vocabulary, tower.tokens.detach().cpu().clone())

    def preprocess(self, inputs: list[str], prompt: str | None = None, **_: Any) -> dict[str, Tensor]:
        """The features of some texts: rows of the table, their weights, and where each text begins."""
        bags = self.vocabulary.bags([f"{prompt or ''}{text}" for text in inputs])
        return {
            "input_ids": torch.from_numpy(bags.features),
            "weights": torch.from_numpy(bags.weights),
            "offsets": torch.from_numpy(bags.offsets[:-1].copy()),
        }

    def forward(self, features: dict[str, Any], **_: Any) -> dict[str, Any]:
        """The weighted sums, as "sentence_embedding"."""
        features["sentence_embedding"] = torch.nn.functional.embedding_bag(
            features["input_ids"],
            self.tokens,
            features["offsets"],
            mode="sum",
            per_sample_weights=features["weights"],
        )
        return features

    @property
    def max_seq_length(self) -> float:
        """No limit in tokens."""
        return float("inf")

    def get_embedding_dimension(self) -> int:
        """Width of the vectors."""
        return self.tokens.shape[1]

    def save(self, output_path: str, *_: Any, **__: Any) -> None:
        """Write the weights and the config."""
        tensors = {"tokens": self.tokens, "hashes": self.vocabulary.hashes, "idf": self.vocabulary.idf}
        found = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        save_file(found, Path(output_path) / WEIGHTS)
        self.save_config(output_path)

    @classmethod
    def load(cls, model_name_or_path: str, subfolder: str = "", **options: Any) -> StaticText:
        """Read what `save` wrote."""
        where = where_in(options)
        config = cls.load_config(model_name_or_path=model_name_or_path, subfolder=subfolder, **where)
        tensors = tensors_in(cls, model_name_or_path, subfolder, where)
        return cls(Vocabulary(Grams(**config), tensors["hashes"], tensors["idf"]), tensors["tokens"])


def where_in(options: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the options of a `load` that say where a folder is fetched from."""
    return {
        name: options[name] for name in ("token", "cache_folder", "revision", "local_files_only") if name in options
    }


def tensors_in(module: type[Module], model: str, subfolder: str, where: Mapping[str, Any]) -> dict[str, Tensor]:
    """The tensors that a module was saved with.

    Raises:
        RunFolderError: the file is missing or damaged.
    """
    path = module.load_file_path(model, filename=WEIGHTS, subfolder=subfolder, **where)
    try:
        if path is not None:
            return load_file(path)
    except (OSError, SafetensorError) as error:
        raise RunFolderError(f"{path} cannot be read ({error}); export the model again.") from error
    raise RunFolderError(f"{model} has no {subfolder}/{WEIGHTS}; export the model again.")
