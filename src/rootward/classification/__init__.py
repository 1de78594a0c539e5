"""Classification: the node that a text names and everything above it, learnt from labelled texts and a taxonomy."""

from rootward.classification.classifier import Answer, Classifier, HeldOut, Named, has_classifier

__all__ = ["Answer", "Classifier", "HeldOut", "Named", "has_classifier"]
