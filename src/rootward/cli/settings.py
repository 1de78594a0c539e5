"""NAME=VALUE settings, of `--read` and `--set`: listed from signatures and docstrings, checked by name and type."""

from __future__ import annotations

import csv
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from inspect import cleandoc, signature
from shutil import get_terminal_size
from textwrap import fill
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from rootward.errors import InputError, did_you_mean

_YES_NO = {"true": True, "yes": True, "false": False, "no": False}
_FEW = 20  # names that a message lists
_LISTS = "Sequence", "Iterable", "list", "tuple"


@dataclass(frozen=True)
class Setting:
    """One thing that can be set.

    Attributes:
        name: what stands before the "=".
        type: a type hint, which says what may stand behind it.
        default: what it is unless set.
        help: what it does.
        unset: the word for a default of None.
    """

    name: str
    type: Any
    default: Any
    help: str
    unset: str = "none"

    @property
    def shown_default(self) -> str:
        """The default as a person would write it."""
        if isinstance(self.default, str):
            return self.default if self.default.strip() == self.default else repr(self.default)
        if isinstance(self.default, list | tuple):
            return ",".join(map(str, self.default)) or self.unset
        return self.unset if self.default is None else str(self.default).lower()

    @property
    def values(self) -> str:
        """What may be given, in words: 'true or false', 'csv, tsv or parquet'."""
        return _in_words(_kinds(self.type)[0])

    @property
    def is_list(self) -> bool:
        """Whether it takes several values, by commas or by being given several times."""
        return _name(_kinds(self.type)[0]) in _LISTS

    def parse(self, text: str) -> Any:
        """The value of a text; a ValueError says what is needed instead."""
        kinds = _kinds(self.type)
        if len(kinds) < len(get_args(self.type)) and text.lower() in ("none", "derived"):
            return None
        return _parse(text, kinds[0])


def settings_of(made: Any, *, leave_out: Iterable[str] = (), unset: str = "none") -> dict[str, Setting]:
    """The arguments of a function, or fields of a dataclass, that have a default, by name; the docstring explains them.

    `leave_out` are names of arguments that are no settings, `unset` is the word for a default of None.
    """
    names = vars(sys.modules[made.__module__])
    help_of = descriptions(made.__doc__)
    found = {}
    for name, parameter in signature(made).parameters.items():
        if parameter.default is not parameter.empty and name not in leave_out:
            hint = parameter.annotation
            kind = eval(hint, names) if isinstance(hint, str) else hint
            found[name] = Setting(name, kind, parameter.default, help_of.get(name, ""), unset)
    return found


def descriptions(docstring: str | None) -> dict[str, str]:
    """What the sections Args and Attributes of a docstring say of each name."""
    found: dict[str, str] = {}
    names: list[str] = []
    inside = False
    for line in cleandoc(docstring or "").splitlines():
        if line and not line.startswith(" "):
            inside = line in ("Args:", "Attributes:")
        elif inside and (head := re.match(r" {4}(\w+(?:, \w+)*): (.*)", line)):
            names = head[1].split(", ")
            found |= dict.fromkeys(names, head[2])
        elif inside and line:
            found |= {name: f"{found[name]} {line.strip()}" for name in names}
    return found


def parse_settings(
    texts: Iterable[str] | None, flag: str, known: Mapping[str, Setting], *, of: str, listed_by: str
) -> dict[str, Any]:
    """{"child": "category"} for ["child=category"].

    Args:
        texts: what the user gave, NAME=VALUE each.
        flag, of, listed_by: for messages: what they gave it by, what settings these are, the command that lists them.
        known: the settings that there are.
    """
    found: dict[str, Any] = {}
    for text in texts or ():
        name, equals, value = (part.strip() if i < 2 else part for i, part in enumerate(text.partition("=")))
        name = name.replace("-", "_")
        if name not in known:
            takes = f" It takes {', '.join(known) or 'none'}." if len(known) <= _FEW else ""
            raise InputError(
                f"{flag} {text}: {of} has no setting {name!r}.{did_you_mean(name, known)}{takes} See {listed_by}."
            )
        setting = known[name]
        if not equals:
            raise InputError(f"{flag} {text}: needed NAME=VALUE, such as {flag} {name}={setting.shown_default}.")
        if name in found and not setting.is_list:
            raise InputError(f"{flag}: {name} is set twice; keep one.")
        try:
            parsed = setting.parse(value)
        except ValueError as error:
            raise InputError(f"{flag} {text}: {name} is {error}.") from None
        found[name] = [*found.get(name, ()), *parsed] if setting.is_list else parsed
    return found


def _kinds(hint: Any) -> list[Any]:
    """The types of a union, without None, the plain ones first; of another hint itself."""
    if get_origin(hint) not in (Union, UnionType):
        return [hint]
    kinds = [kind for kind in get_args(hint) if kind is not NoneType]
    return sorted(kinds, key=lambda kind: kind not in (str, bool, int, float))


def _name(kind: Any) -> str:
    return str(getattr(get_origin(kind) or kind, "__name__", kind))


def _in_words(kind: Any) -> str:
    if get_origin(kind) is Literal:
        *most, last = map(str, get_args(kind))
        return f"{', '.join(most)} or {last}" if most else last
    if _name(kind) == "Mapping":
        return "LABEL=N,..."
    known = {"bool": "true or false", "int": "a whole number", "float": "a number"}
    return "a list A,B,..." if _name(kind) in _LISTS else known.get(_name(kind), "text")


def _parse(text: str, kind: Any) -> Any:
    name = _name(kind)
    if get_origin(kind) is Literal:
        choices = [str(choice) for choice in get_args(kind)]
        if text not in choices:
            raise ValueError(f"{_in_words(kind)}, got {text!r}.{did_you_mean(text, choices)}".removesuffix("."))
        return text
    if name == "Mapping":
        return _levels(text)
    if name in _LISTS:
        return [part for part in next(csv.reader([text], skipinitialspace=True), []) if part.strip()]
    if name == "bool":
        if text.lower() not in _YES_NO:
            raise ValueError(f"{_in_words(kind)}, got {text!r}")
        return _YES_NO[text.lower()]
    if name in ("int", "float"):
        try:
            return int(text) if name == "int" else float(text)
        except ValueError:
            raise ValueError(f"{_in_words(kind)}, got {text!r}") from None
    return text


def _levels(text: str) -> dict[str, int]:
    """'exact=0,substitute=1' as {"exact": 0, "substitute": 1}."""
    levels: dict[str, int] = {}
    for part in text.split(","):
        label, _, hops = part.rpartition("=")
        if not label.strip() or not hops.strip().isdecimal():
            raise ValueError(f"LABEL=N,..., such as exact=0,substitute=1; got {part!r}")
        if label.strip() in levels:
            raise ValueError(f"one distance for each label; {label.strip()!r} has two")
        levels[label.strip()] = int(hops)
    return levels


def show_settings(title: str, settings: Iterable[Setting], reword: Callable[[str], str] = str) -> None:
    """A table of settings below a title, on standard output; `reword` is put on what each does."""
    listed = list(settings)
    margin = max((len(setting.name) for setting in listed), default=0) + 4
    width = max(60, get_terminal_size().columns)
    print(title)
    for setting in listed:
        words = [reword(setting.help).rstrip("."), f"{setting.values}; default {setting.shown_default}"]
        begin = f"  {setting.name}".ljust(margin)
        print(fill(". ".join(filter(None, words)), width, initial_indent=begin, subsequent_indent=" " * margin))
    print()
