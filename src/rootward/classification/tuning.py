"""A sentence encoder is trained a little further, so that texts of one node lie closer together."""

from __future__ import annotations

import copy
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from rootward.encoders.full import alike
from rootward.encoders.pretrained import Encoder, readable
from rootward.errors import InputError
from rootward.files import atomic_write
from rootward.hierarchy.closure import Closure
from rootward.progress import bar
from rootward.rng import stream
from rootward.texts import normal_form

Ints = npt.NDArray[np.int64]

STEPS = 150
BATCH = 32  # nodes, two texts of each
NEAR = 12  # nodes that follow each other in the taxonomy, in half of a batch
RATE = 4e-5
SCALE = 20.0
MOST_WEIGHTS = 50_000_000
"""Larger encoders are left as they are: they would take many minutes on a processor."""
_FROZEN = 1 / 3  # of the layers, the lowest
_TRIED = 256  # nodes of which a held-out text is compared with another one


@dataclass(eq=False)
class TunedEncoder:
    """An encoder with other weights.

    Attributes:
        base: what it was before.
        weights: float16, by name; all others are those of `base`.
    """

    base: Encoder
    weights: dict[str, Tensor]

    @cached_property
    def encoder(self) -> Encoder:
        """The tuned encoder."""
        model = copy.deepcopy(self.base.model)
        own = dict(model.named_parameters())
        unknown = [name for name, each in self.weights.items() if name not in own or own[name].shape != each.shape]
        if unknown:
            raise InputError(f"The encoder {self.base.name!r} has no weight {unknown[0]} of the shape that was saved.")
        with torch.no_grad():
            for name, each in self.weights.items():
                own[name].copy_(each.float())
        return Encoder(self.base.name, model.eval())

    def save(self, path: Path) -> None:
        """Write the weights."""
        atomic_write(path, lambda to: save_file(self.weights, to))

    @classmethod
    def load(cls, path: Path, base: Encoder) -> TunedEncoder:
        """The weights as saved, over this encoder."""
        return cls(base, load_file(path))


def tune(
    base: Encoder,
    texts: Sequence[str],
    nodes: Ints,
    closure: Closure,
    held_out: tuple[Sequence[str], Ints],
    *,
    steps: int = STEPS,
    seed: int = 0,
    progress: bool = False,
) -> TunedEncoder | None:
    """Train the upper two thirds of an encoder's layers, so that two texts of a node are nearer than those of others.

    The loss is the softmax over the texts of a batch (van den Oord et al. 2018, arXiv 1807.03748), 32 nodes with two
    texts each; half of the nodes are neighbours in the taxonomy, which are hard to tell apart. A node that stands above
    another is not held against it.

    Args:
        base: the encoder.
        texts: what it learns from.
        nodes: the document row of each.
        closure: the ancestors of every document.
        held_out: (texts, document rows) that tell whether it helped.
        steps: of AdamW.
        seed: of the batches.
        progress: show a bar.

    Returns:
        The tuned encoder. None where it cannot be tuned (no model of sentence-transformers, more than 50 million
        weights, fewer than two nodes with two texts), or where held-out texts lose by it.
    """
    model = base.model
    if not (isinstance(model, torch.nn.Module) and callable(getattr(model, "preprocess", None))):
        return None
    if sum(each.numel() for each in model.parameters()) > MOST_WEIGHTS:
        return None
    model = copy.deepcopy(model)
    texts = [readable(text) if normal_form(text) else "" for text in texts]
    of: dict[int, list[int]] = {}
    for place, node in enumerate(nodes.tolist()):
        if texts[place]:
            of.setdefault(node, []).append(place)
    several = _in_tree_order([node for node, places in of.items() if len(places) > 1], closure)
    if len(several) < 2:
        return None
    trained = _trained(model)
    pairs = _held_out_pairs(of, texts, *held_out, seed)
    before = _nearest_right(model, *pairs)
    draws = stream(seed, "tuning")
    above = {
        node: set(closure.ancestors[closure.offsets[node] : closure.offsets[node + 1]].tolist()) for node in several
    }
    share = np.array([len(of[node]) for node in several], np.float64)
    share /= share.sum()
    optimizer = torch.optim.AdamW(trained.values(), lr=RATE, weight_decay=0.01)
    size = min(BATCH, len(several))
    with bar("tuning the sentence encoder", steps, progress) as done:
        for step in range(steps):
            chosen = _batch(several, share, size, draws)
            two = [draws.choice(of[node], 2, replace=False) for node in chosen]
            vectors = _vectors(model, [texts[place] for pair in two for place in pair])
            scores = SCALE * vectors[0::2] @ vectors[1::2].T
            related = [[a != b and (b in above[a] or a in above[b]) for b in chosen] for a in chosen]
            scores = scores.masked_fill(torch.tensor(related), -1e9)
            wanted = torch.arange(size)
            loss = torch.nn.functional.cross_entropy
            value = (loss(scores, wanted) + loss(scores.T, wanted)) / 2
            for group in optimizer.param_groups:
                group["lr"] = RATE * min(1, (step + 1) / (0.1 * steps)) * (1 - step / steps)
            optimizer.zero_grad()
            torch.autograd.backward(value)
            optimizer.step()
            done(1)
    tuned = TunedEncoder(base, {name: each.detach().half() for name, each in trained.items() if each.grad is not None})
    finite = all(bool(torch.isfinite(each).all()) for each in tuned.weights.values())
    return tuned if finite and _nearest_right(tuned.encoder.model, *pairs) >= before else None


def _batch(nodes: list[int], share: npt.NDArray[np.float64], size: int, draws: np.random.Generator) -> list[int]:
    """Different nodes: half of them stand around a drawn one in the taxonomy, the others are drawn alone."""
    found: dict[int, None] = {}
    for at in draws.choice(len(nodes), size, replace=False, p=share).tolist():
        start = max(0, min(at - NEAR // 2, len(nodes) - NEAR))
        near = nodes[start : start + NEAR] if len(found) < size // 2 else []
        found |= dict.fromkeys((nodes[at], *near))
    return list(found)[:size]


def _trained(model: torch.nn.Module) -> dict[str, torch.nn.Parameter]:
    """The parameters that may be trained, by name; the others are frozen: embeddings, and the lowest layers."""
    layer = {name: re.search(r"\.layers?\.(\d+)\.", name) for name, _ in model.named_parameters()}
    n_layers = 1 + max((int(found[1]) for found in layer.values() if found), default=-1)
    trained = {}
    for name, each in model.named_parameters():
        low = (found := layer[name]) is not None and int(found[1]) < _FROZEN * n_layers
        each.requires_grad_(not low and "embedding" not in name)
        if each.requires_grad:
            trained[name] = each
    return trained


def _vectors(model: torch.nn.Module, texts: Sequence[str]) -> Tensor:
    """Vectors on the unit sphere, n x width."""
    groups = alike(model.preprocess(list(texts)), len(texts))  # type: ignore[operator]
    made = torch.cat([model(dict(group))["sentence_embedding"] for _, group in groups])
    return torch.nn.functional.normalize(made[torch.argsort(torch.cat([place for place, _ in groups]))])


def _in_tree_order(nodes: list[int], closure: Closure) -> list[int]:
    """Nodes so that those below one node follow each other: by their ancestors, the farthest first."""

    def path(node: int) -> list[int]:
        own = slice(*closure.offsets[node : node + 2])
        order = np.lexsort((closure.ancestors[own], -closure.distances[own]))
        return [int(each) for each in closure.ancestors[own][order]]

    return sorted(nodes, key=path)


def _held_out_pairs(
    of: dict[int, list[int]], texts: Sequence[str], held: Sequence[str], nodes: Ints, seed: int
) -> tuple[list[str], list[str]]:
    """Held-out texts, one a node, and a text of the same node that is not held out."""
    one = {
        node: readable(text)
        for text, node in zip(held, nodes.tolist(), strict=True)
        if node in of and normal_form(text)
    }
    some = stream(seed, "tried").permutation(sorted(one))[:_TRIED].tolist()
    return [one[node] for node in some], [texts[of[node][0]] for node in some]


def _nearest_right(model: torch.nn.Module, held: list[str], others: list[str]) -> float:
    """The share of held-out texts to which the text of their own node is the nearest."""
    if not held:
        return 0.0
    with torch.inference_mode():
        a, b = (
            torch.cat([_vectors(model, each[i : i + 64]) for i in range(0, len(each), 64)]) for each in (held, others)
        )
    return float(((a @ b.T).argmax(1) == torch.arange(len(held))).float().mean())
