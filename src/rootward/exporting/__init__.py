"""Trained text models for other libraries: sentence-transformers folders and ONNX graphs, with a model card."""

from rootward.exporting.export import export

__all__ = ["export"]
