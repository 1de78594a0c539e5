"""Towers as modules of sentence-transformers, which imports this file when it loads such a folder."""
# ruff: noqa: D102 (methods without a docstring are those of a module of sentence-transformers)

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import InputModule, Module
from torch import Tensor

from rootward.encoders.features import Grams, Vocabulary
from rootward.encoders.pretrained import prompt_of, readable
from rootward.errors import RunFolderError
from rootward.texts import normal_form

WEIGHTS, ENCODER = "model.safetensors", "encoder"
OWN = ("features", "weights", "texts", "has_text")


def _write(module: Module, folder: str, **tensors: Tensor) -> None:
    """Write a module's tensors and its config."""
    save_file({name: each.detach().cpu().contiguous() for name, each in tensors.items()}, Path(folder) / WEIGHTS)
    module.save_config(folder)


def _read(module: type[Module], model: str, subfolder: str, where: Mapping[str, Any]) -> dict[str, Tensor]:
    """The tensors of a module that was written.

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


def _where(options: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the options of a `load` that say where a folder is fetched from."""
    names = ("token", "cache_folder", "revision", "local_files_only")
    return {name: options[name] for name in names if name in options}


class _Features(InputModule):  # type: ignore[misc]  # a class of an optional library
    config_keys: list[str] = ["shortest", "longest", "pairs"]  # noqa: RUF012 (as the library declares it)

    def __init__(self, vocabulary: Vocabulary) -> None:
        super().__init__()
        self.vocabulary, grams = vocabulary, vocabulary.grams
        self.shortest, self.longest, self.pairs = grams.shortest, grams.longest, grams.pairs

    @classmethod
    def _stored(cls, model: str, subfolder: str, where: Mapping[str, Any]) -> tuple[Vocabulary, dict[str, Tensor]]:
        """The vocabulary and the tensors that `save` wrote."""
        tensors = _read(cls, model, subfolder, where)
        config = cls.load_config(model_name_or_path=model, subfolder=subfolder, **where)
        return Vocabulary(Grams(**config), tensors["hashes"], tensors["idf"]), tensors


class StaticText(_Features):
    """A text to the sum of its features' vectors, weighted by idf; not yet on the sphere.

    Attributes:
        vocabulary: the features.
        tokens: float32, features x dim.
    """

    def __init__(self, vocabulary: Vocabulary, tokens: Tensor) -> None:
        super().__init__(vocabulary)
        self.tokens = torch.nn.Parameter(tokens)

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
        ids, offsets, weights = (features[name] for name in ("input_ids", "offsets", "weights"))
        sums = torch.nn.functional.embedding_bag(ids, self.tokens, offsets, mode="sum", per_sample_weights=weights)
        return {**features, "sentence_embedding": sums}

    @property
    def max_seq_length(self) -> float:
        """No limit in tokens."""
        return float("inf")

    def get_embedding_dimension(self) -> int:
        return self.tokens.shape[1]

    def save(self, output_path: str, *_: Any, **__: Any) -> None:
        _write(self, output_path, tokens=self.tokens, hashes=self.vocabulary.hashes, idf=self.vocabulary.idf)

    @classmethod
    def load(cls, model_name_or_path: str, subfolder: str = "", **options: Any) -> StaticText:
        vocabulary, tensors = cls._stored(model_name_or_path, subfolder, _where(options))
        return cls(vocabulary, tensors["tokens"])


class JointText(_Features):
    """The inputs of both halves of a joint tower: an encoder's outputs, and beside them a text's features.

    Texts are read as rootward reads them; one without a letter or digit has outputs of zero.

    Attributes:
        vocabulary: the features.
        encoder: a sentence-transformers model, which also says with which prompt it reads.
    """

    def __init__(self, vocabulary: Vocabulary, encoder: SentenceTransformer) -> None:
        super().__init__(vocabulary)
        self.encoder = encoder

    def preprocess(self, inputs: list[str], prompt: str | None = None, **_: Any) -> dict[str, Any]:
        """What the encoder takes; the features of all texts in a row, their weights, and which text each is of."""
        texts = [f"{prompt or ''}{text}" for text in inputs]
        bags = self.vocabulary.bags(texts)
        read = [readable(text) or "." for text in texts]
        return {
            **self.encoder.preprocess(read, prompt=prompt_of(self.encoder) or None),
            "features": torch.from_numpy(bags.features),
            "weights": torch.from_numpy(bags.weights),
            "texts": torch.from_numpy(bags.texts),
            "has_text": torch.tensor([float(bool(normal_form(text))) for text in texts]),
        }

    def forward(self, features: dict[str, Any], **_: Any) -> dict[str, Any]:
        """The encoder's outputs, as "sentence_embedding"."""
        # The encoder gets neither our features nor the name of the route.
        theirs = {name: each for name, each in features.items() if name not in (*OWN, "task")}
        found = self.encoder(theirs)
        return {**features, **found, "sentence_embedding": found["sentence_embedding"] * features["has_text"][:, None]}

    @property
    def max_seq_length(self) -> int | None:
        """The encoder's; the features have no limit in tokens."""
        return self.encoder.max_seq_length  # type: ignore[no-any-return]

    @max_seq_length.setter
    def max_seq_length(self, value: int | None) -> None:
        self.encoder.max_seq_length = value

    def get_embedding_dimension(self) -> int | None:
        return self.encoder.get_embedding_dimension()  # type: ignore[no-any-return]

    def save(self, output_path: str, *_: Any, **__: Any) -> None:
        """Write the features, the config, and the encoder as a folder of its own."""
        _write(self, output_path, hashes=self.vocabulary.hashes, idf=self.vocabulary.idf)
        self.encoder.save(str(Path(output_path) / ENCODER), create_model_card=False)

    @classmethod
    def load(cls, model_name_or_path: str, subfolder: str = "", **options: Any) -> JointText:
        where = _where(options)
        vocabulary, _ = cls._stored(model_name_or_path, subfolder, where)
        at = cls.load_dir_path(model_name_or_path, subfolder=f"{subfolder}/{ENCODER}".lstrip("/"), **where)
        if at is None:
            raise RunFolderError(f"{model_name_or_path} has no {subfolder}/{ENCODER}; export the model again.")
        encoder = SentenceTransformer(at, device="cpu", trust_remote_code=options.get("trust_remote_code", False))
        return cls(vocabulary, encoder)


class AddFeatures(Module):  # type: ignore[misc]  # a class of an optional library
    """Adds the static half to the frozen one: the unit sum of a text's features to the unit vector that is there.

    Attributes:
        tokens: float32, features x dim.
    """

    def __init__(self, tokens: Tensor) -> None:
        super().__init__()
        self.tokens = torch.nn.Parameter(tokens)

    def forward(self, features: dict[str, Any], **_: Any) -> dict[str, Any]:
        """The sum of both halves, as "sentence_embedding"; not yet on the sphere."""
        frozen = features["sentence_embedding"]
        weighed = self.tokens[features["features"]] * features["weights"][:, None]
        # Of torch's ways to add up by text the one that ONNX graphs add up by, too: others keep a text's last feature.
        sums = torch.zeros_like(frozen).scatter_add(0, features["texts"][:, None].expand_as(weighed), weighed)
        features["sentence_embedding"] = frozen + torch.nn.functional.normalize(sums)
        return features

    def get_embedding_dimension(self) -> int:
        return self.tokens.shape[1]

    def save(self, output_path: str, *_: Any, **__: Any) -> None:
        _write(self, output_path, tokens=self.tokens)

    @classmethod
    def load(cls, model_name_or_path: str, subfolder: str = "", **options: Any) -> AddFeatures:
        return cls(_read(cls, model_name_or_path, subfolder, _where(options))["tokens"])
