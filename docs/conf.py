"""The documentation as pages: `make docs` builds them from these files and the docstrings; any warning is an error."""

import re
from importlib.metadata import version as version_of

project = "rootward"
version = release = version_of("rootward")
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
html_theme = "furo"
html_title = "rootward"
html_show_copyright = False
exclude_patterns = ["_build"]
root_doc = "index"
myst_heading_anchors = 4
autodoc_member_order = "bysource"
suppress_warnings = ["misc.highlighting_failure"]  # pygments has no lexer for CSV


def _without_links_outside(app, docname, source):
    """Links to files beside the documentation, such as raw figures, become plain text: they are not in the pages."""
    source[0] = re.sub(r"\[([^\]]*)\]\(\.\./[^)]*\)", r"\1", source[0])


def _as_rst(app, what, name, obj, options, lines):
    """Docstrings are plain text: an indented block after a blank line is code, and |S(q)| is no substitution."""
    code = False
    made = []
    for place, line in enumerate(lines):
        indented = line.startswith("    ")
        if indented and not code and (place == 0 or not lines[place - 1]):
            made += ["::", ""]
            code = True
        elif line and not indented:
            code = False
        made.append(line if code else line.replace("|S(q)|", "``|S(q)|``"))
    lines[:] = made


def setup(app):
    """Called by Sphinx."""
    app.connect("source-read", _without_links_outside)
    app.connect("autodoc-process-docstring", _as_rst, priority=400)  # before napoleon makes sections of it
