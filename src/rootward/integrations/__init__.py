"""Integrations: trained models for other libraries."""

from rootward.integrations.export import export

__all__ = ["export"]
