"""Readers: files, tables and objects of other libraries, read into ids, names and edges or labelled pairs."""
