"""Glosses: a definition, and the examples that stand behind it in quotes."""

from __future__ import annotations

import re
from typing import NamedTuple

from rootward.pairs.normal import normal_form

_EXAMPLES = re.compile(r";\s*(?=\")")  # 'a small cat; "the kitten slept"'
_QUOTED = re.compile(r'"([^"]+)"?')


class Gloss(NamedTuple):
    """What a node means, and sentences that use its name.

    Attributes:
        definition: "" where there is none.
        examples: without their quotes, in order.
    """

    definition: str
    examples: tuple[str, ...]


def gloss_of(text: str) -> Gloss:
    """A gloss as WordNet writes it, taken apart: 'shoes with straps; "she wore sandals"'.

    Examples begin behind a semicolon with a double quote; who is quoted, and what else stands between two examples, is
    left out. Quotes within a definition stay there.
    """
    definition, *examples = _EXAMPLES.split(text.strip(), maxsplit=1)
    found = _QUOTED.findall(examples[0]) if examples else []
    return Gloss(definition.strip(), tuple(example.strip() for example in found if normal_form(example)))
