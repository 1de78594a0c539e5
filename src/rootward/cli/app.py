"""`rootward`: the group of commands, their exit statuses and error messages.

Exit status: 0 ok, 1 a failure of ours, 2 the user's input, 130 interrupted. Errors are one message on standard error.
"""

from __future__ import annotations

import os
import signal
import sys
from inspect import cleandoc
from types import FrameType
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

import rootward as rw
from rootward.cli.calibrate import calibrate
from rootward.cli.construct import construct
from rootward.cli.diagnose import diagnose
from rootward.cli.evaluate import evaluate
from rootward.cli.export import export
from rootward.cli.flags import FAILURE, INPUT, INTERRUPTED, spread, typed
from rootward.cli.grow import grow
from rootward.cli.index import index
from rootward.cli.info import info
from rootward.cli.plan import plan
from rootward.cli.predict import predict
from rootward.cli.search import search
from rootward.cli.serve import serve
from rootward.cli.sources import sources
from rootward.cli.train import TrainCommand, settings, train
from rootward.errors import InputError, RootwardError, visible
from rootward.files import FULL

_WRONG_PATH = (PermissionError, FileNotFoundError, FileExistsError, IsADirectoryError, NotADirectoryError)


class Guarded(TyperGroup):
    """A group whose commands end with a status and a message, not with a traceback."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Remember what was typed, for messages."""
        typed.set(tuple(args))
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run the command; errors become a message and an exit status."""
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError:  # the reader of our output, such as head, has closed
            _drop_output()
            raise typer.Exit(0) from None
        except KeyboardInterrupt:
            print("Interrupted.", file=sys.stderr)
            raise typer.Exit(INTERRUPTED) from None
        except Exception as error:
            if isinstance(error, typer.Abort) or hasattr(error, "exit_code"):  # typer's own: usage errors and exits
                raise
            status, message = ending(error)
            if type(error) is OSError and error.errno in FULL and error.filename is None:  # not of a file of ours
                message = f"Standard output could not be written: {error.strerror}."
                _drop_output()
            print(f"Error: {visible(message, lines=True)}", file=sys.stderr)
            raise typer.Exit(status) from None
        return result


def _drop_output() -> None:
    """Send what is left of standard output nowhere, so that nothing fails again when Python ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def ending(error: Exception) -> tuple[int, str]:
    """The exit status and the message for what a command raised."""
    if isinstance(error, RootwardError | OSError):
        message = str(error)
        if isinstance(error, OSError) and error.filename is not None:
            message = f"{error.filename}: {error.strerror}."
        theirs = isinstance(error, (InputError, *_WRONG_PATH)) or getattr(error, "errno", None) in FULL
        return INPUT if theirs else FAILURE, message
    if os.environ.get("ROOTWARD_TRACEBACK"):
        raise error
    return FAILURE, (
        f"{type(error).__name__}: {error}\nThis is a fault of rootward. Please report it with what "
        "ROOTWARD_TRACEBACK=1 rootward ... prints."
    )


def unwrapped(text: str | None) -> str:
    """A docstring with each paragraph on one line, to be wrapped to the terminal; those marked with \\b stay."""
    paragraphs = cleandoc(text or "").split("\n\n")
    return "\n\n".join(each if each.startswith("\b") else each.replace("\n", " ") for each in paragraphs)


app = typer.Typer(
    cls=Guarded,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (
    train, evaluate, search, serve, predict, info, calibrate, diagnose, index, grow, export, construct, plan, sources,
    settings,
):  # fmt: skip
    kind = TrainCommand if command is train else TyperCommand
    app.command(cls=kind, help=unwrapped(command.__doc__))(spread(command))


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"rootward {rw.__version__}")
        raise typer.Exit


@app.callback()
def _rootward(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
    online: Annotated[
        bool,
        typer.Option("--online", help="Ask a hub for the encoder that a saved run names; otherwise none is asked."),
    ] = False,
) -> None:
    """Answer a text with the right node and everything above it, as many as are right.

    Train on a hierarchy or on labelled pairs, measure recall by distance, search:

    \b
      rootward train wordnet --out runs/wordnet
      rootward evaluate runs/wordnet
      rootward search runs/wordnet "recliner" -k 9

    Your own data, and what a run is:

    \b
      rootward sources
      rootward train edges:taxonomy.csv --read child=category
      rootward info runs/taxonomy
    """
    if online:
        from rootward.encoders.pretrained import asks_hubs  # noqa: PLC0415

        asks_hubs.set(True)


def _end(number: int, frame: FrameType | None) -> None:
    """End as by Ctrl-C, so that what is half written is removed."""
    raise KeyboardInterrupt


def _open_streams() -> None:
    """Open what whoever started us has closed, or a file that is opened later would take its place."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115


def main() -> None:
    """Run the `rootward` command."""
    _open_streams()
    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name) and signal.getsignal(getattr(signal, name)) == signal.SIG_DFL:
            signal.signal(getattr(signal, name), _end)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            # A terminal without some letter shows \\u2713 in its place: ids stay different from each other.
            stream.reconfigure(errors="backslashreplace")
    app(prog_name="rootward")
