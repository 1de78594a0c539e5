"""Answers over HTTP: runs that are loaded, watched and taken over, limits, and the page (extra `serve`)."""
