"""Integrations: trained models for other libraries."""

from rootward.integrations.export import check_export, export

__all__ = ["check_export", "export"]
