"""The normal form of a text: what two spellings of one name have in common."""

from __future__ import annotations

import unicodedata

LONGEST = 2_000
"""Characters of a text that count; what stands behind them is not read."""


class _Characters(dict[int, "int | str | None"]):
    """What becomes of a character, by its code: letters, marks and numbers stay, the invisible go, others part words.

    Filled as characters are met; for `str.translate`.
    """

    def __missing__(self, code: int) -> int | str | None:
        kind = unicodedata.category(chr(code))
        kept: int | str | None = code if kind[0] in "LMN" else None if kind == "Cf" else " "
        self[code] = kept
        return kept


_CHARACTERS = _Characters()


def normal_form(text: str) -> str:
    """A text as its words in lower case, a space between two of them: "Broad (nasal)\\tBridge" is "broad nasal bridge".

    Compatibility forms are one (NFKC: full-width letters, ligatures, superscripts), case is folded ("ß" is "ss"),
    letters, marks and digits of every script stay, invisible format characters (soft hyphen, joiners) vanish, and
    everything else, punctuation and control characters, stands between words. Of a text longer than `LONGEST`
    characters only so many count. A text without a letter or digit has the normal form "".
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text[:LONGEST]).casefold())
    return " ".join(folded.translate(_CHARACTERS).split())
