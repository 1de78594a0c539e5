"""The command line: one subcommand a verb. What takes long to import is imported when a command runs."""

from rootward.cli.app import app, main

__all__ = ["app", "main"]
