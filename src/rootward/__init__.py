"""Hierarchical retrieval: a query's exact match and everything above it, from one inner product."""
