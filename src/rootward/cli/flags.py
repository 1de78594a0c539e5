"""Flags as dataclasses, so that commands share them and each is told once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from functools import wraps
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer


def flag(*names: str, help: str, panel: str, metavar: str = " ", **more: Any) -> Any:
    """A flag in a panel of the help; without metavar a switch. Its default stands in the words of its help."""
    return typer.Option(*names, help=help, rich_help_panel=panel, metavar=metavar, show_default=False, **more)


Quiet = Annotated[bool, flag("--quiet", "-q", panel="Output", help="No progress and remarks.")]
EncoderAgain = Annotated[
    str | None,
    flag("--encoder", metavar="NAME", panel="Model", help="Of a tower on one, where it is not found by its name."),
]
RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="A folder that train wrote, or DualEncoder.save.")]


def spread(command: Callable[..., None]) -> Callable[..., None]:
    """The command with one parameter for each field of a dataclass that it takes, for typer to make flags of.

    `def evaluate(run: Path, source: SourceFlags)` gets the parameters `run`, and in place of `source` its fields.
    """
    hints = get_type_hints(command, include_extras=True)
    parameters: list[Parameter] = []
    groups: dict[str, Any] = {}
    for parameter in signature(command).parameters.values():
        kind = hints[parameter.name]
        if is_dataclass(kind):
            groups[parameter.name] = kind
            parameters += _parameters(kind)
        else:
            parameters.append(parameter.replace(kind=Parameter.KEYWORD_ONLY, annotation=kind))

    @wraps(command)
    def gathered(**given: Any) -> None:
        for name, kind in groups.items():
            given[name] = kind(**{field.name: given.pop(field.name) for field in fields(kind)})
        command(**given)

    gathered.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
    gathered.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return gathered


def _parameters(kind: Any) -> list[Parameter]:
    hints = get_type_hints(kind, include_extras=True)
    return [
        Parameter(
            field.name,
            Parameter.KEYWORD_ONLY,
            default=Parameter.empty if field.default is MISSING else field.default,
            annotation=hints[field.name],
        )
        for field in fields(kind)
    ]


def given(**flags: Any) -> dict[str, Any]:
    """The flags that were given; the others keep the defaults of whatever they are passed to."""
    return {name: value for name, value in flags.items() if value is not None and value is not False and value != []}


def said(**switches: bool | None) -> dict[str, bool]:
    """Switches with two names, --this and --that, of which one was given: False is an answer here."""
    return {name: value for name, value in switches.items() if value is not None}
