"""`RootwardClassifier`: a classifier of texts that scikit-learn's own tools take for one of theirs."""

from __future__ import annotations

import pickle
import sys
import warnings
from importlib import import_module

import numpy as np
import pytest
from sklearn.base import clone, is_classifier
from sklearn.exceptions import NotFittedError
from sklearn.metrics import accuracy_score
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import estimator_checks

import rootward as rw
from classification.test_classifier import PARENT, shop_labels
from letters import Letters
from rootward.errors import InputError, MissingExtraError, PairsError, UnknownIdError
from rootward.integrations.sklearn import RootwardClassifier

TREE = rw.Hierarchy.from_edges([(node, parent or "") for node, parent in PARENT.items()])
TEXTS, NODES = (np.array(column) for column in zip(*shop_labels(), strict=True))
QUICK = {"dim": 16, "recipe": rw.recipes.decoupled(steps=40)}
ASKED = ["a rubber winter boot", "open beach sandal", "ball mallet hammer"]
MEANT = ["boots", "sandals", "hammers"]


@pytest.fixture(scope="module")
def fitted():
    return RootwardClassifier(TREE, **QUICK).fit(TEXTS, NODES)


def test_it_names_nodes_paths_and_probabilities(fitted):
    assert fitted.predict(ASKED).tolist() == MEANT
    assert fitted.predict_path(ASKED) == [("shoes", "boots"), ("shoes", "sandals"), ("tools", "hammers")]
    assert fitted.classes_.tolist() == ["boots", "hammers", "sandals", "saws"]
    chances, scores = fitted.predict_proba(ASKED), fitted.decision_function(ASKED)
    assert chances.shape == scores.shape == (3, 4)
    np.testing.assert_allclose(chances.sum(1), 1)
    np.testing.assert_allclose(np.exp(scores), chances, atol=1e-12)
    assert fitted.classes_[scores.argmax(1)].tolist() == MEANT
    said = fitted.answers(ASKED)
    assert [each.node for each in said] == MEANT
    assert said[0].answers == ("boots", "shoes")
    assert fitted.score(TEXTS, NODES) > 0.9
    assert fitted.predict([]).tolist() == []


def test_it_is_the_classifier_of_the_library(fitted):
    own = rw.Hierarchy.pairs(TREE, labels=rw.Labels(tuple(TEXTS.tolist()), tuple(NODES.tolist())))
    assert [each.node for each in fitted.classifier_.answers(ASKED)] == MEANT
    assert fitted.classifier_.pairs.n_queries == own.n_queries


def test_it_works_where_scikit_learn_takes_a_classifier(fitted):
    classifier = RootwardClassifier(TREE, **QUICK)
    assert is_classifier(classifier)
    assert cross_val_score(classifier, TEXTS, NODES, cv=3).mean() > 0.9
    pipeline = make_pipeline(FunctionTransformer(lambda texts: np.char.upper(texts)), classifier)
    assert pipeline.fit(TEXTS, NODES).predict(ASKED).tolist() == MEANT
    search = GridSearchCV(classifier, {"dim": [8, 16]}, cv=2).fit(TEXTS, NODES)
    assert set(search.cv_results_["param_dim"].data.tolist()) == {8, 16}
    assert search.predict(ASKED).tolist() == MEANT
    other = clone(fitted)
    assert not hasattr(other, "classes_")
    assert other.set_params(dim=4).get_params()["dim"] == 4
    assert fitted.get_params()["dim"] == 16


def test_a_pickled_classifier_answers_alike(fitted):
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.predict_proba(ASKED), fitted.predict_proba(ASKED))
    assert again.predict_path(ASKED) == fitted.predict_path(ASKED)


def test_with_a_sentence_encoder_it_names_the_same_and_is_cloned_and_pickled(tmp_path):
    classifier = RootwardClassifier(TREE, encoder=Letters(), cache=tmp_path, **QUICK)
    fitted = clone(classifier).fit(TEXTS, NODES)
    assert fitted.predict(ASKED).tolist() == MEANT
    assert fitted.classifier_.evidence.outputs is not None
    assert fitted.classifier_.evidence.outputs.shape[1] == 48
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.predict_proba(ASKED), fitted.predict_proba(ASKED))
    search = GridSearchCV(classifier, {"encoder": [None, Letters()]}, cv=2, error_score="raise").fit(TEXTS, NODES)
    assert search.best_score_ > 0.7


def test_the_same_seed_gives_the_same_classifier():
    one, two = (RootwardClassifier(TREE, random_state=3, **QUICK).fit(TEXTS, NODES) for _ in range(2))
    np.testing.assert_array_equal(one.predict_proba(ASKED), two.predict_proba(ASKED))
    free = RootwardClassifier(TREE, random_state=np.random.RandomState(0), **QUICK).fit(list(TEXTS), list(NODES))
    assert accuracy_score(MEANT, free.predict(ASKED)) == 1


def test_nodes_may_be_numbers_and_a_taxonomy_edges():
    numbers = {node: place for place, node in enumerate(PARENT)}
    edges = [(numbers[node], numbers[parent]) for node, parent in PARENT.items() if parent]
    fitted = RootwardClassifier(edges, **QUICK).fit(TEXTS, [numbers[node] for node in NODES])
    assert fitted.predict(ASKED).tolist() == [numbers[node] for node in MEANT]
    assert np.issubdtype(fitted.classes_.dtype, np.integer)


def test_two_classes_have_one_decision():
    flat = rw.Hierarchy.from_edges([("boots", ""), ("saws", "")])
    kept = np.isin(NODES, ["boots", "saws"])
    fitted = RootwardClassifier(flat, **QUICK).fit(TEXTS[kept], NODES[kept])
    decisions = fitted.decision_function(["winter boot", "chain saw"])
    assert decisions.shape == (2,)
    assert (decisions > 0).tolist() == [False, True]


def test_what_cannot_be_fitted_is_told():
    classifier = RootwardClassifier(TREE, **QUICK)
    with pytest.raises(NotFittedError):
        classifier.predict(ASKED)
    with pytest.raises(InputError, match="one text; needed a list"):
        classifier.fit("boots", ["boots"])
    with pytest.raises(InputError, match=r"shape \(60, 1\); needed one dimension"):
        classifier.fit(TEXTS[:, None], NODES)
    with pytest.raises(InputError, match=r"X\[1\] is 3, a int; needed a text"):
        classifier.fit(["boots", 3], ["boots", "boots"])
    with pytest.raises(InputError, match="one node for each of 60 texts"):
        classifier.fit(TEXTS, NODES[:5])
    with pytest.raises(UnknownIdError, match=r"'bots' in y is no node of the taxonomy\. Did you mean 'boots'"):
        classifier.fit(["a boot"], ["bots"])
    with pytest.raises(PairsError):
        classifier.fit(TEXTS[:5], NODES[:5])


# -- scikit-learn's own checks -----------------------------------------------------------------------------------


class OfMatrices(RootwardClassifier):
    """Says that it takes matrices, for else scikit-learn leaves out nearly all of its checks."""

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = True
        return tags


NUMBERS = "fits a matrix of numbers, and this takes texts"
TARGETS = "needs targets of any kind, and this takes ids of a taxonomy"
MATRICES = """
check_fit_score_takes_y check_estimators_overwrite_params check_dont_overwrite_parameters
check_estimators_fit_returns_self check_readonly_memmap_input check_n_features_in_after_fitting
check_positive_only_tag_during_fit check_estimators_dtypes check_complex_data check_dtype_object
check_estimators_empty_data_messages check_pipeline_consistency check_estimators_nan_inf
check_estimator_sparse_tag check_estimator_sparse_array check_estimator_sparse_matrix check_estimators_pickle
check_f_contiguous_array_estimator check_classifier_data_not_an_array check_classifiers_one_label
check_classifiers_classes check_classifiers_train check_supervised_y_2d check_decision_proba_consistency
check_methods_sample_order_invariance check_methods_subset_invariance check_fit2d_1sample
check_fit2d_1feature check_dict_unchanged check_fit_idempotent check_fit_check_is_fitted check_n_features_in
check_fit2d_predict1d
"""
EXPECTED = {
    **dict.fromkeys(MATRICES.split(), NUMBERS),
    "check_classifiers_regression_target": TARGETS,
}
"""scikit-learn's checks that cannot hold for texts, with the reason."""


def test_check_estimator_passes_but_for_what_needs_numbers():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for estimator in (RootwardClassifier(TREE, **QUICK), OfMatrices(TREE, **QUICK)):
            done = estimator_checks.check_estimator(estimator, expected_failed_checks=EXPECTED, on_fail=None)
            assert {each["check_name"]: each["exception"] for each in done if each["status"] == "failed"} == {}
    passed = {each["check_name"] for each in done if each["status"] == "passed"}
    assert passed >= {
        "check_estimator_cloneable", "check_estimator_repr", "check_no_attributes_set_in_init", "check_mixin_order",
        "check_estimators_unfitted", "check_get_params_invariance", "check_set_params", "check_requires_y_none",
        "check_parameters_default_constructible", "check_do_not_raise_errors_in_init_or_set_params",
    }  # fmt: skip


def test_answers_do_not_depend_on_other_texts_and_change_nothing(fitted):
    """What scikit-learn checks of matrices: the order, subsets, what predict leaves behind, a second fit."""
    before = dict(vars(fitted))
    together = fitted.predict_proba(ASKED)
    np.testing.assert_allclose(fitted.predict_proba(ASKED[::-1])[::-1], together, atol=1e-6)
    np.testing.assert_allclose([fitted.predict_proba([text])[0] for text in ASKED], together, atol=1e-6)
    assert vars(fitted) == before
    again = clone(fitted).fit(TEXTS, NODES)
    np.testing.assert_array_equal(again.fit(TEXTS, NODES).predict_proba(ASKED), together)


def test_without_scikit_learn_the_error_says_what_to_install(monkeypatch):
    monkeypatch.delitem(sys.modules, "rootward.integrations.sklearn")
    monkeypatch.setitem(sys.modules, "sklearn.base", None)
    with pytest.raises(MissingExtraError, match=r"rootward\[sklearn\]"):
        import_module("rootward.integrations.sklearn")
