"""Engines: how the best documents are found, exactly or approximately, here or on a server."""
