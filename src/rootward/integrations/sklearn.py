"""A classifier for scikit-learn: texts in, nodes of a taxonomy out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from rootward.classification import Classifier
from rootward.classification.classifier import Answer
from rootward.errors import InputError, MissingExtraError, UnknownIdError, did_you_mean
from rootward.hierarchy import Hierarchy
from rootward.pairs import Labels
from rootward.training import Recipe, Settings

try:
    from sklearn.base import BaseEstimator, ClassifierMixin
    from sklearn.utils import check_random_state
    from sklearn.utils.validation import check_is_fitted
except ImportError as error:
    raise MissingExtraError("A classifier for scikit-learn", "sklearn") from error

_LOWEST = float(np.log(np.finfo(np.float64).tiny))


class RootwardClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Names the node of a taxonomy that a text means, from texts that people labelled: a `Classifier` as an estimator.

        from sklearn.model_selection import cross_val_score

        classifier = RootwardClassifier(rw.Hierarchy.from_edges("categories.csv"))
        cross_val_score(classifier, titles, categories)
        classifier.fit(titles, categories).predict_path(["a warm winter boot"])

    X is a list, array or column of texts, one dimension; y has the id of one node for each. It works in pipelines,
    `GridSearchCV` and `clone`, and can be pickled. Names and synonyms of the taxonomy are training texts too, so a node
    that has one can be predicted without a labelled text.

    Args:
        taxonomy: a `Hierarchy`, or edges as `Hierarchy.from_edges` reads them.
        encoder: name, folder or object of a sentence encoder beside the words; None for words alone.
        dim: width of the trained vectors.
        recipe: of the training; None for 1,000 steps.
        random_state: seed of every random choice: a number, a RandomState, or None for another one every time.
        cache: folder where the encoder's outputs are kept; None for the usual one.

    Attributes:
        classes_: what can be predicted, n_classes ids, ascending; integers where y has integers.
        classifier_: the fitted `Classifier`.
        taxonomy_: the `Hierarchy`.
    """

    def __init__(
        self,
        taxonomy: Any,
        *,
        encoder: Any = None,
        dim: int = 128,
        recipe: Recipe | None = None,
        random_state: Any = 0,
        cache: str | Path | None = None,
    ) -> None:
        self.taxonomy = taxonomy
        self.encoder = encoder
        self.dim = dim
        self.recipe = recipe
        self.random_state = random_state
        self.cache = cache

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.one_d_array, tags.input_tags.two_d_array, tags.input_tags.string = True, False, True
        return tags

    def fit(self, X: Iterable[str], y: Iterable[Any] | None) -> Self:
        """Learn from labelled texts.

        Args:
            X: n texts.
            y: n ids of nodes.

        Raises:
            InputError: X is no list of texts, or y has another length.
            UnknownIdError: a node that the taxonomy does not have.
            PairsError: fewer than 20 labelled texts, or texts of one node alone.
        """
        if y is None:
            raise InputError(
                "RootwardClassifier requires y to be passed, but the target y is None: give the nodes' ids."
            )
        tree = self.taxonomy if isinstance(self.taxonomy, Hierarchy) else Hierarchy.from_edges(self.taxonomy)
        texts = _texts(X)
        if y is None:
            raise InputError(
                "RootwardClassifier requires y to be passed, but the target y is None: give the nodes' ids."
            )
        y = np.asarray(y if hasattr(y, "__array__") else list(y))
        if y.shape != (len(texts),):
            raise InputError(f"y needs the id of one node for each of {len(texts):,} texts, got shape {y.shape}.")
        nodes = [str(node) for node in y.tolist()]
        for node in nodes:
            if node not in tree.ids:
                raise UnknownIdError(f"{node!r} in y is no node of the taxonomy.{did_you_mean(node, tree.ids)}")
        seed = self.random_state
        if not isinstance(seed, int | np.integer):
            seed = check_random_state(seed).randint(np.iinfo(np.int32).max)
        self.taxonomy_ = tree
        self.classifier_ = Classifier.fit(
            tree.pairs(labels=Labels(tuple(texts), tuple(nodes))),
            encoder=self.encoder,
            recipe=self.recipe,
            dim=self.dim,
            seed=int(seed),
            settings=Settings(progress=False, measure=False),
            cache=self.cache,
        )
        ids = self.classifier_.candidates
        if np.issubdtype(y.dtype, np.integer) and all(id.lstrip("-").isdecimal() for id in ids):
            known = np.array([int(id) for id in ids])
        else:
            known = np.array(ids)
        self._order = np.argsort(known, kind="stable")
        self.classes_ = known[self._order]
        return self

    def predict_proba(self, X: Iterable[str]) -> npt.NDArray[np.float64]:
        """How likely each text means each node: n x n_classes, in the order of `classes_`; rows sum to 1.

        Raises:
            NotFittedError: before `fit`.
            InputError: X is no list of texts.
        """
        check_is_fitted(self)
        texts = _texts(X)
        if not texts:
            return np.zeros((0, len(self.classes_)))
        chances: npt.NDArray[np.float64] = self.classifier_.chances(texts).toarray()[:, self._order]
        return chances

    def predict(self, X: Iterable[str]) -> npt.NDArray[Any]:
        """The likeliest node of each text: n ids. Raises as `predict_proba`."""
        chances = self.predict_proba(X)
        found: npt.NDArray[Any] = self.classes_[chances.argmax(1)]
        return found

    def decision_function(self, X: Iterable[str]) -> npt.NDArray[np.float64]:
        """Logarithms of `predict_proba`, n x n_classes; with two classes the second's minus the first's, n."""
        logs = np.maximum(np.log(np.maximum(self.predict_proba(X), np.finfo(np.float64).tiny)), _LOWEST)
        return logs[:, 1] - logs[:, 0] if len(self.classes_) == 2 else logs

    def predict_path(self, X: Iterable[str]) -> list[tuple[str, ...]]:
        """Ids from a root down to the likeliest node of each text, on a shortest path. Raises as `predict_proba`."""
        return [self._path(str(node)) for node in self.predict(X).tolist()]

    def answers(self, X: Iterable[str]) -> list[Answer]:
        """What each text names, with a calibrated probability and a set of nodes that has everything above each.

        Where nothing fits, the node is None and the set is empty. Raises as `predict_proba`.
        """
        check_is_fitted(self)
        return list(self.classifier_.answers(_texts(X)))

    def _path(self, node: str) -> tuple[str, ...]:
        tree, path = self.taxonomy_, [node]
        depth = tree.depth
        while parents := tree.parents_of(path[-1]):
            path.append(min(parents, key=lambda parent: (int(depth[tree.ids.row(parent)]), parent)))
        return tuple(reversed(path))


def _texts(X: Iterable[str]) -> Sequence[str]:
    """X as a list of texts.

    Raises:
        InputError: one text, more than one dimension, or something that is no text.
    """
    if isinstance(X, str):
        raise InputError("X is one text; needed a list of texts: [text].")
    shape = getattr(X, "shape", None)
    if shape is not None and len(shape) != 1:
        raise InputError(f"X has the shape {tuple(shape)}; needed one dimension of texts, such as one column: X[:, 0].")
    texts = list(X)
    for place, text in enumerate(texts):
        if not isinstance(text, str):
            raise InputError(f"X[{place}] is {text!r}, a {type(text).__name__}; needed a text.")
    return [str(text) for text in texts]
