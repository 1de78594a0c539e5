"""The report of all studies: one self-contained HTML page, made from raw results alone."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterable, Sequence
from html import escape
from itertools import groupby
from pathlib import Path
from shlex import quote
from tempfile import TemporaryDirectory

from rootward.errors import InputError, RunFolderError
from rootward.files import write_text
from rootward.plots import save_figure
from rootward_paper import STUDIES
from rootward_paper.published import published_figures, published_rows
from rootward_paper.registry import EXPERIMENTS, study_table
from rootward_paper.study import MEASURED, PARTS, RESULTS, Study

STYLE = """
:root { color-scheme: light dark; --line: #8884; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 84rem; margin: 2rem auto; padding: 0 1rem; }
h2 { border-top: 1px solid var(--line); padding-top: 1.5rem; margin-top: 2.5rem; }
pre { overflow-x: auto; font-size: 12.5px; line-height: 1.35; padding: .75rem; border: 1px solid var(--line); }
.text { white-space: pre-line; }
.figure { overflow-x: auto; }
img { max-width: 100%; min-width: 40rem; background: white; }
@media (prefers-color-scheme: dark) { img { filter: invert(0.9) hue-rotate(180deg); } }
table { border-collapse: collapse; font-size: 14px; }
td, th { border-bottom: 1px solid var(--line); padding: .2rem .7rem .2rem 0; text-align: left; vertical-align: top; }
.about { color: #777; font-size: 14px; }
"""


def report(results: Iterable[str | os.PathLike[str]], out: str | os.PathLike[str]) -> Path:
    """Write one HTML page of these studies: tables beside the published numbers, figures, how each was measured.

    Nothing is measured: tables and figures are drawn from each study's `results.json`. The page needs no other file
    and no network.

    Args:
        results: folders that `reproduce` wrote, or folders of such folders.
        out: the page.

    Raises:
        RunFolderError: a folder without results.
        InputError: no folder, or results of a study that this version does not know.
        MissingExtraError: matplotlib is not installed.
    """
    studies = [Study.load(folder) for each in results for folder in _folders(Path(each))]
    if not studies:
        raise InputError("There is nothing to report; name folders that rootward-paper wrote.")
    for study in studies:
        if study.name not in STUDIES:
            raise InputError(f"No study is called {study.name!r} here; it is of another version of rootward-paper.")
    return write_text(out, page(studies))


def page(studies: Sequence[Study]) -> str:
    """The page of these studies, in the order of `STUDIES`, as HTML."""
    order = list(STUDIES)
    ordered = sorted(studies, key=lambda study: (order.index(study.name), study.part, study.scale))
    links = "".join(f'<li><a href="#s{place}">{_title(study)}</a></li>' for place, study in enumerate(ordered))
    sections = "".join(_section(place, study) for place, study in enumerate(ordered))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width"><title>rootward: what was measured</title>'
        f"<style>{STYLE}</style></head><body><h1>What was measured</h1>"
        "<p>Hierarchical retrieval as in arXiv 2509.16411: a pair is a hit when its document is among the |S(q)| "
        "best-scoring of <em>all</em> documents; ties count against us; recall is the mean over queries, over all "
        "pairs and not a sample unless said. ± is half of the 95 % interval over seeds (Student's t). "
        "Every table and figure is drawn from the raw rows of its run.</p>"
        f"<ol>{links}</ol>{_missing(ordered)}{sections}{_published()}</body></html>\n"
    )


def _missing(studies: Sequence[Study]) -> str:
    """Names the studies that are not on the page."""
    there = {study.name for study in studies}
    missing = [f"{name} ({about})" for name, about in STUDIES.items() if name not in there]
    return f"<p>Not on this page: {escape('; '.join(missing))}.</p>" if missing else ""


def _title(study: Study) -> str:
    part = f", in part: {study.part}" if study.part else ""
    return escape(f"{study.name}: {STUDIES[study.name]} ({study.scale}{part})")


def _section(place: int, study: Study) -> str:
    return (
        f'<h2 id="s{place}">{_title(study)}</h2><p class="about">{escape(how(study))}</p>'
        f"{_table(study_table(study))}{_figure(study)}"
    )


def _table(table: str) -> str:
    """The lines of a table preformatted, the text around it as paragraphs that wrap."""
    parts = []
    for is_table, lines in groupby(table.splitlines(), key=lambda line: "  " in line.strip()):
        text = escape("\n".join(lines))
        if text.strip():
            parts.append(f"<pre>{text}</pre>" if is_table else f'<p class="text">{text}</p>')
    return "".join(parts)


def how(study: Study) -> str:
    """How a study was measured, in a sentence, with the command that measures it again."""
    about, options = study.about, ""
    for name, values in study.options.items():
        for value in values if name in PARTS else [values]:
            options += f" --{name} {quote(f'PATH/{value}' if name == 'data' else str(value))}"
    rows, seeds = _counted(len(study.rows), "row"), _counted(study.seeds, "seed")
    commit = f" at {about['commit']}" if about.get("commit") else ""
    return (
        f"{rows}, {seeds}, {about.get('seconds', '?')} s on "
        f"{about.get('processor', '?')}, {_counted(about.get('threads'), 'thread')}; {about.get('date', '?')}, "
        f"{about.get('made_by', '?')}{commit}, torch {about.get('torch', '?')}, Python {about.get('python', '?')}. "
        f"Again: rootward-paper {study.name} --scale {study.scale} --seeds {study.seeds}{options}"
    )


def _counted(n: int | None, what: str) -> str:
    shown = "?" if n is None else f"{n:,}"
    return f"{shown} {what}{'' if n == 1 else 's'}"


def _figure(study: Study) -> str:
    with TemporaryDirectory() as folder:
        drawn = save_figure(EXPERIMENTS[study.name].draw(study), Path(folder) / "figure.svg")
        data = base64.b64encode(drawn.read_bytes()).decode()
    return f'<p class="figure"><img alt="{_title(study)}" src="data:image/svg+xml;base64,{data}"></p>'


def _published() -> str:
    rows = [
        (each.place, f"{each.method}, dim {each.dim}", ", ".join(map(str, each.by_distance)), "%", "recall by distance")
        for each in published_rows()
    ]
    figures = [(each.place, each.name, _number(each.value), each.unit, each.note) for each in published_figures()]
    cells = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in line)}</tr>" for line in [*rows, *figures])
    header = "".join(f"<th>{name}</th>" for name in ("place", "what", "value", "unit", "note"))
    return f"<h2>Every published number</h2><table><tr>{header}</tr>{cells}</table>"


def _number(value: float | tuple[float, ...]) -> str:
    """A number with thousands separated and no trailing zeros."""
    if isinstance(value, tuple):
        return ", ".join(map(_number, value))
    return f"{value:,.0f}" if value == int(value) and abs(value) >= 1_000 else f"{value:g}"


def _folders(folder: Path) -> list[Path]:
    """The folder itself if it holds results, else those in it that do."""
    if (folder / RESULTS).exists():
        return [folder]
    inside = sorted(path.parent for path in folder.glob(f"*/{RESULTS}"))
    if not inside:
        half = " It holds half a study: the same command goes on." if (folder / MEASURED).exists() else ""
        raise RunFolderError(f"{folder} holds no {RESULTS} of rootward-paper, nor does any folder in it.{half}")
    return inside
