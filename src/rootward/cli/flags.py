"""Flags that several commands share, and what commands do before and after their work."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import wraps
from importlib.util import find_spec
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from rootward.errors import InputError, MissingExtraError, visible
from rootward.files import obstacle, write_text


def flag(*names: str, help: str, panel: str, metavar: str = " ", **more: Any) -> Any:
    """A flag in a panel of the help; without metavar a switch. Its default stands in the words of its help."""
    return typer.Option(*names, help=help, rich_help_panel=panel, metavar=metavar, show_default=False, **more)


def panel(title: str) -> Callable[..., Any]:
    """What makes the flags of one panel of the help: `panel("Model")("--dim N", "Width of the vectors.", min=1)`."""

    def of_panel(typed_as: str, help: str, **more: Any) -> Any:
        words = typed_as.split()
        names = [word for word in words if word.startswith("-")]
        return flag(*names, help=help, panel=title, metavar=" ".join(words[len(names) :]) or " ", **more)

    return of_panel


model, output = panel("Model"), panel("Output")
Quiet = Annotated[bool, output("--quiet -q", "No progress, no remarks.")]
EncoderAgain = Annotated[str | None, model("--encoder NAME", "Path of the run's sentence encoder, if it has moved.")]
RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a run or of another saved model.")]

typed: ContextVar[tuple[str, ...]] = ContextVar("typed", default=())
"""The words after `rootward` on the command line, for messages that say what to type instead."""


def spread(command: Callable[..., None]) -> Callable[..., None]:
    """The command with one parameter for each field of a dataclass that it takes, for typer to make flags of.

    `def evaluate(run: Path, source: SourceFlags)` gets the parameters `run`, and in place of `source` its fields.
    """
    hints = get_type_hints(command, include_extras=True)
    parameters: list[Parameter] = []
    groups: dict[str, Any] = {}
    for parameter in signature(command).parameters.values():
        kind = hints[parameter.name]
        if not is_dataclass(kind):
            parameters.append(parameter.replace(kind=Parameter.KEYWORD_ONLY, annotation=kind))
            continue
        groups[parameter.name] = kind
        types = get_type_hints(kind, include_extras=True)
        for field in fields(kind):
            default = Parameter.empty if field.default is MISSING else field.default
            parameters.append(
                Parameter(field.name, Parameter.KEYWORD_ONLY, default=default, annotation=types[field.name])
            )

    @wraps(command)
    def gathered(**values: Any) -> None:
        for name, kind in groups.items():
            values[name] = kind(**{field.name: values.pop(field.name) for field in fields(kind)})
        command(**values)

    gathered.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
    gathered.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return gathered


def provided(**flags: Any) -> dict[str, Any]:
    """The flags that were set; the others keep the defaults of whatever they are passed to."""
    return {name: value for name, value in flags.items() if value is not None and value is not False and value != []}


STDOUT = Path("-")
FAILURE, INPUT, INTERRUPTED = 1, 2, 130  # exit statuses; 0 is all well


def say(text: str, quiet: bool) -> None:
    """A remark for the person, on standard error, unless they want quiet."""
    if not quiet:
        print(visible(text, lines=True), file=sys.stderr, flush=True)


def show(value: Any) -> None:
    """A result: with colours on a terminal, as plain text elsewhere."""
    if sys.stdout.isatty():
        from rich.console import Console  # noqa: PLC0415

        rich = hasattr(value, "__rich__")
        Console(markup=False).print(value if rich else visible(str(value), lines=True), highlight=rich)
    else:
        print(visible(str(value), lines=True))


def put(text: str, target: Path) -> None:
    """Text to a file, whole or not at all; to standard output for "-"."""
    if target == STDOUT:
        print(text, end="")
    else:
        write_text(target, text)


def refuse_files(folders: bool = False, /, **targets: Path | None) -> None:
    """Refuse files, or folders, that could not be written once the work is done; each by the name of its flag."""
    for name, path in targets.items():
        if path is None or (path == STDOUT and not folders):
            continue
        if (why := obstacle(path, folders)) is not None:
            what = "folder" if folders else "file"
            raise InputError(f"--{name.replace('_', '-')} {path} cannot be written: {why}. Name another {what}.")


def refuse_folder(out: Path | None) -> None:
    """Refuse an --out in which no folder could be made."""
    refuse_files(True, out=out)


def refuse_run_folder(out: Path | None) -> None:
    """Refuse an --out that holds something already, or in which no folder could be made."""
    from rootward.training.run import check_run_folder  # noqa: PLC0415

    refuse_folder(out)
    if out is not None:
        check_run_folder(out)


@dataclass(frozen=True)
class ResultFlags:
    """What becomes of a command's result; None and False for what was not given."""

    json: Annotated[Path | None, output("--json FILE", "Write the result as JSON; - prints it.")] = None
    quiet: Quiet = False

    def check(self, **files: Path | None) -> None:
        """Refuse --json, or further files by the name of their flag, that could not be written after the work."""
        refuse_files(json=self.json, **files)

    def say(self, *remarks: str) -> None:
        """Remarks for the person, on standard error, unless they want quiet."""
        for remark in remarks:
            say(remark, self.quiet)

    def deliver(self, *shown: Any, text: Callable[[], str] | None = None) -> None:
        """Show a result, unless JSON goes to standard output; write the JSON, by default that of its `to_json`."""
        if self.json != STDOUT:
            for each in shown:
                show(each)
        if self.json is not None:
            put((text or shown[0].to_json)(), self.json)


@dataclass(frozen=True)
class PlotFlags(ResultFlags):
    """As `ResultFlags`, for a result that can be drawn."""

    plot: Annotated[Path | None, output("--plot FILE", "Draw the result: .png or .svg.")] = None

    def check(self, **files: Path | None) -> None:
        """Refuse a plot, too, that could not be drawn after the work."""
        if self.plot is not None and self.plot.suffix.lower() not in (".png", ".svg"):
            raise InputError(f"--plot {self.plot}: a plot is saved as .png or .svg.")
        super().check(plot=self.plot, **files)
        if self.plot is not None and find_spec("matplotlib") is None:
            raise MissingExtraError("Plotting", "plots")

    def draw(self, save: Callable[[Path], object]) -> None:
        """Draw the result, if a plot is wanted; `save` takes the file."""
        if self.plot is not None:
            save(self.plot)
            self.say(f"Drew {self.plot}.")
