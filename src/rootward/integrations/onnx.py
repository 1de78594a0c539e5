"""Query towers as ONNX graphs."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rootward.encoders import Tower
from rootward.encoders.pretrained import prompt_of
from rootward.encoders.towers import BaseTextTower
from rootward.errors import InputError, MissingExtraError
from rootward.integrations.sentence_transformers import check_vectors, modules_of, need_library, opened, prompt_before

QUERY = "query.onnx"
_OPSET = 17
_LARGEST = 2**31 - 2**20  # bytes: what a file of ONNX holds, less a little for its nodes


def write_graph(tower: Tower, texts: Sequence[str], folder: Path) -> None:
    """Write a query tower as `query.onnx`, with an encoder also `tokenizer.json`; a few of its texts are tried.

    Raises:
        InputError: a tower or an encoder that has no graph, or one whose modules give other vectors than it gives.
        MissingExtraError: onnx, or for an encoder sentence-transformers, is not installed.
    """
    try:
        import onnx  # noqa: F401, PLC0415
    except ImportError as error:
        raise MissingExtraError("Exporting to ONNX", "onnx") from error
    if isinstance(tower, BaseTextTower) and tower.token_table is not None:
        tokens = tower.token_table.tokens
        if tokens.nbytes > _LARGEST:
            raise InputError(
                f"The vectors of {len(tokens):,} features take {tokens.nbytes:,} bytes, and a graph in one file holds "
                f"{_LARGEST:,}. Export to sentence-transformers, or train with a smaller dim."
            )
        if tower.encoder_part is None:
            inputs = {name: torch.from_numpy(each) for name, each in features_of(tower, ["a text"]).items()}
            _export(_StaticGraph(tokens), inputs, folder)
            return
    need_library("Exporting a tower on an encoder to ONNX")
    modules = modules_of(tower, {})
    tokenizer = _tokenizer(tower, modules[0])
    inputs = _tensors(modules[0].preprocess(["a text", "another, longer text"]))
    chain = _Chain(modules, list(inputs)).cpu().eval()

    def encode(some: list[str]) -> Any:
        with torch.no_grad():
            return chain(*_tensors(modules[0].preprocess(some)).values())

    check_vectors(tower, texts, encode)
    _export(chain, inputs, folder)
    tokenizer.save(str(folder / "tokenizer.json"))


def features_of(tower: BaseTextTower, texts: Iterable[str]) -> dict[str, npt.NDArray[Any]]:
    """The inputs of the graph of a static or joint tower for some texts, by name.

    Both take features and their weights in a row, and which text each is of ("texts"); of a static tower also how many
    texts there are ("n_texts"), of a joint one the tokens and masks of its encoder, which is opened for its tokeniser,
    and which texts have a letter or digit ("has_text").

    Raises:
        InputError: a tower that reads no features, no text for a joint tower, or an encoder that has no graph.
        MissingExtraError: sentence-transformers is needed and not installed.
    """
    listed, table, part = list(texts), tower.token_table, tower.encoder_part
    if table is None:
        raise InputError(f"The graph of a {tower.kind} tower takes tokens, as its tokenizer.json makes them.")
    if part is None:
        bags = table.vocabulary.bags(listed)
        n_texts = np.array([len(bags)])
        return {"features": bags.features, "weights": bags.weights, "texts": bags.texts, "n_texts": n_texts}
    need_library("Reading texts for a joint tower's graph")
    from rootward.integrations.text_modules import JointText  # noqa: PLC0415

    if not listed:
        raise InputError("A graph on an encoder needs a text at least, got none.")
    reader = JointText(table.vocabulary, opened(part.encoder))
    return {name: each.numpy() for name, each in _tensors(reader.preprocess(listed)).items()}


def _tensors(inputs: Mapping[str, Any]) -> dict[str, Tensor]:
    return {name: each for name, each in inputs.items() if isinstance(each, Tensor)}


class _StaticGraph(torch.nn.Module):
    """Gather, weigh, add up by text, put on the sphere; a text without features has the zero vector."""

    def __init__(self, tokens: Tensor) -> None:
        super().__init__()
        self.tokens = torch.nn.Parameter(tokens.detach().cpu())

    def forward(self, features: Tensor, weights: Tensor, texts: Tensor, n_texts: Tensor) -> Tensor:
        weighed = self.tokens[features] * weights[:, None]
        sums = torch.zeros(n_texts[0], weighed.shape[1])  # type: ignore[call-overload]  # traced, so that n may change
        return torch.nn.functional.normalize(sums.scatter_add(0, texts[:, None].expand_as(weighed), weighed))


class _Chain(torch.nn.Module):
    """Modules of sentence-transformers as one that takes tensors by place."""

    def __init__(self, modules: list[Any], names: list[str]) -> None:
        super().__init__()
        self.chain, self.names = torch.nn.ModuleList(modules), names

    def forward(self, *tensors: Any) -> Any:
        features = dict(zip(self.names, tensors, strict=True))
        for module in self.chain:
            features = module(features)
        return features["sentence_embedding"]


def _export(module: torch.nn.Module, inputs: Mapping[str, Tensor], folder: Path) -> None:
    """Write a graph in which the sizes change that change from call to call."""
    axes = {name: {0: "n", 1: "tokens"} if each.ndim == 2 else {0: "n"} for name, each in inputs.items()}
    axes |= {name: {0: "entries"} for name in ("features", "weights", "texts") if name in inputs}
    axes |= {"n_texts": {}} if "n_texts" in inputs else {}
    torch._C._jit_set_onnx_log_output_stream("stderr")  # where there is no graph it prints what there is
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of tracing, and of the exporter that needs no package more
            torch.onnx.export(
                module,
                tuple(inputs.values()),
                str(folder / QUERY),
                input_names=list(inputs),
                output_names=["vectors"],
                dynamic_axes={**axes, "vectors": {0: "n"}},
                opset_version=_OPSET,
                dynamo=False,
            )
    except (RuntimeError, torch.onnx.errors.OnnxExporterError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise InputError(f"This model's encoder has no graph: {reason}. Export to sentence-transformers.") from error


def _tokenizer(tower: Tower, first: Any) -> Any:
    """The encoder's tokenizer, as the tokenizers library saves it.

    Raises:
        InputError: an encoder of other ways, or one that sets a prompt before each text.
    """
    from sentence_transformers.sentence_transformer.modules import Transformer  # noqa: PLC0415

    from rootward.integrations.text_modules import JointText  # noqa: PLC0415

    if isinstance(first, JointText):
        first, prompt = first.encoder[0], prompt_of(first.encoder)
    else:
        prompt = prompt_before(tower)
    tokenizer = first.tokenizer if isinstance(first, Transformer) else None
    found = getattr(tokenizer, "backend_tokenizer", None)
    if found is None or prompt:
        slow = "" if tokenizer is None else f" with a {type(tokenizer).__name__}"
        got = f"reads with the prompt {prompt!r}" if prompt else f"begins with a {type(first).__name__}{slow}"
        raise InputError(
            "A graph needs an encoder that begins with a Transformer with a fast tokenizer and sets no prompt before "
            f"texts; this one {got}. Export to sentence-transformers."
        )
    return found
