"""Query towers as ONNX graphs."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from rootward.encoders import Tower
from rootward.encoders.static import StaticTower
from rootward.errors import MissingExtraError
from rootward.exporting.modules import modules_of

QUERY = "query.onnx"
_OPSET = 17


def write_graph(tower: Tower, folder: Path) -> None:
    """Write `query.onnx`; of an encoder with a tokeniser also `tokenizer.json`.

    Raises:
        InputError: a tower or an encoder that has no graph.
        MissingExtraError: onnx, or for an encoder sentence-transformers, is not installed.
    """
    try:
        import onnx  # noqa: PLC0415
    except ImportError as error:
        raise MissingExtraError("Exporting to ONNX", "onnx") from error
    if isinstance(tower, StaticTower):
        onnx.save(_static_graph(tower), str(folder / QUERY))
    else:
        _encoder_graph(modules_of(tower), folder)


def features_of(tower: StaticTower, texts: Iterable[str]) -> dict[str, npt.NDArray[Any]]:
    """What the graph of a static tower takes: features and weights in a row, which text each is of, how many texts."""
    bags = tower.vocabulary.bags(texts)
    rows = np.repeat(np.arange(len(bags)), np.diff(bags.offsets))
    return {"features": bags.features, "weights": bags.weights, "texts": rows, "n_texts": np.array([len(bags)])}


def _static_graph(tower: StaticTower) -> Any:
    """Gather, weigh, add up by text, put on the sphere; a text without features has the zero vector."""
    from onnx import TensorProto, checker, helper, numpy_helper  # noqa: PLC0415

    def constant(name: str, values: Any, kind: Any = np.float32) -> Any:
        return numpy_helper.from_array(np.asarray(values, kind), name)

    node = helper.make_node
    nodes = [
        node("Gather", ["tokens", "features"], ["rows"], axis=0),
        node("Unsqueeze", ["weights", "last"], ["column"]),
        node("Mul", ["rows", "column"], ["weighed"]),
        node("Concat", ["n_texts", "dim"], ["shape"], axis=0),
        node("ConstantOfShape", ["shape"], ["zeros"], value=helper.make_tensor("zero", TensorProto.FLOAT, [1], [0.0])),
        node("Unsqueeze", ["texts", "last"], ["places"]),
        node("ScatterND", ["zeros", "places", "weighed"], ["sums"], reduction="add"),
        node("ReduceL2", ["sums"], ["measured"], axes=[1], keepdims=1),
        node("Max", ["measured", "tiny"], ["lengths"]),
        node("Div", ["sums", "lengths"], ["vectors"]),
    ]
    inputs = [
        helper.make_tensor_value_info("features", TensorProto.INT64, ["entries"]),
        helper.make_tensor_value_info("weights", TensorProto.FLOAT, ["entries"]),
        helper.make_tensor_value_info("texts", TensorProto.INT64, ["entries"]),
        helper.make_tensor_value_info("n_texts", TensorProto.INT64, [1]),
    ]
    outputs = [helper.make_tensor_value_info("vectors", TensorProto.FLOAT, ["n", tower.dim])]
    constants = [
        constant("tokens", tower.tokens.detach().cpu().numpy()),
        constant("last", [1], np.int64),
        constant("dim", [tower.dim], np.int64),
        constant("tiny", 1e-12),
    ]
    graph = helper.make_graph(nodes, "static_query", inputs, outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=8)
    checker.check_model(model)
    return model


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


def _encoder_graph(modules: list[Any], folder: Path) -> None:
    given = modules[0].preprocess(["a text", "another, longer text"])
    names = [name for name, value in given.items() if isinstance(value, torch.Tensor)]
    chain = _Chain(modules, names).cpu().eval()
    sizes: dict[str, dict[int, str]] = {name: {0: "n", 1: "tokens"} for name in names}
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of tracing, and of the exporter that needs no package more
        torch.onnx.export(
            chain,
            tuple(given[name] for name in names),
            str(folder / QUERY),
            input_names=names,
            output_names=["vectors"],
            dynamic_axes={**sizes, "vectors": {0: "n"}},
            opset_version=_OPSET,
            dynamo=False,
        )
    modules[0].tokenizer.backend_tokenizer.save(str(folder / "tokenizer.json"))
