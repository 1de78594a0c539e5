"""Write docs/licences.md: what the set-up installs, with versions and licences, read from the installed packages.

    python scripts/licences.py [--check]

Run in the environment that `make test` makes. `--check` writes nothing and exits with 1 where the page is of others.
"""

from __future__ import annotations

import re
import sys
import tomllib
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "licences.md"

COPYLEFT = re.compile(r"\b(A?GPL|LGPL|MPL|EPL|CDDL|EUPL|OSL|SSPL)|GNU|Mozilla", re.IGNORECASE)

HEAD = """# Licences of what is installed

rootward is Apache-2.0 and contains WordNet (WordNet 3.0 licence). It contains no code of the packages below; pip
installs them beside it. The page is made by `python scripts/licences.py` from the metadata of the installed packages,
in the versions of `constraints.txt` on Linux; *with* says which part of rootward brings a package first: the base, or
an extra. What a package contains of others is in its own licence files: NumPy and SciPy come with libgfortran (GPL with
the runtime exception).

{copyleft}

| package | version | licence | with |
|---|---|---|---|
"""


def parts() -> dict[str, list[str]]:
    """Requirements of the base and of every extra; `dev`, which has all others in it, comes last."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return {"base": project["dependencies"], **project["optional-dependencies"]}


def closure() -> dict[str, tuple[Distribution, str]]:
    """Every installed package that a requirement leads to, and the first part of rootward that brings it."""
    found: dict[str, tuple[Distribution, str]] = {}
    seen: set[tuple[str, str]] = set()  # packages with an extra, or ""
    for part, requirements in parts().items():
        waiting = [Requirement(each) for each in requirements]
        while waiting:
            wanted = waiting.pop()
            name = canonicalize_name(wanted.name)
            new = {(name, extra) for extra in ("", *wanted.extras)} - seen
            seen |= new
            if name == "rootward" or not new:
                continue
            try:
                there = distribution(name)
            except PackageNotFoundError:  # of another system
                continue
            found.setdefault(name, (there, part))
            for more in map(Requirement, there.requires or ()):
                if any(more.marker is None or more.marker.evaluate({"extra": extra}) for _, extra in new):
                    waiting.append(more)
    return found


def licence(of: Distribution) -> str:
    """The licence that a package says it has: its expression, its classifiers, or the first line of the field."""
    about = of.metadata
    if expression := about.get("License-Expression"):
        return str(expression)
    classifiers = [each for each in about.get_all("Classifier") or () if each.startswith("License ::")]
    named = sorted({each.rpartition(" :: ")[2] for each in classifiers} - {"OSI Approved"})
    if named:
        return ", ".join(named)
    field = str(about.get("License") or "").strip()
    first = field.splitlines()[0].strip() if field else ""
    return first if 0 < len(first) <= 60 else "not stated"


def page() -> str:
    """The page in Markdown."""
    found = sorted(closure().items())
    rows = [(name, there.version.partition("+")[0], licence(there), part) for name, (there, part) in found]
    bound = [f"{name} ({part}: {what})" for name, _, what, part in rows if COPYLEFT.search(what)]
    copyleft = "Under a copyleft licence, or a choice or part of theirs:\n\n" + "\n".join(f"- {each}" for each in bound)
    return HEAD.format(copyleft=copyleft) + "".join(f"| {' | '.join(row)} |\n" for row in rows)


def main() -> int:
    """Write the page, or compare it."""
    made = page()
    if "--check" in sys.argv[1:]:
        return int(PAGE.read_text(encoding="utf-8") != made)
    PAGE.write_text(made, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
