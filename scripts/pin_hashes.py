"""Turn a report of pip into requirements with hashes, for `pip install --require-hashes`.

    pip install --dry-run --ignore-installed --report report.json -c constraints.txt '.[text,index]'
    python scripts/pin_hashes.py report.json > requirements.txt
    pip install --require-hashes --no-deps -r requirements.txt && pip install --no-deps -e .

The report has every package that pip would install on this machine, those that others bring included, with the SHA-256
of the file that it would take; so the requirements are of this system, this Python and these package indexes.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any


def requirements(report: dict[str, Any]) -> str:
    """A line for each package of a report, but for folders such as rootward's own, which have no hash.

    Raises:
        ValueError: a package without a SHA-256.
    """
    lines = []
    for each in report["install"]:
        name, version = each["metadata"]["name"], each["metadata"]["version"]
        where = each["download_info"]
        if "dir_info" in where:
            continue
        digest = where.get("archive_info", {}).get("hashes", {}).get("sha256")
        if digest is None:
            raise ValueError(f"pip gives no SHA-256 of {name} {version}: {where.get('url')}")
        lines.append(f"{name}=={version} --hash=sha256:{digest}\n")
    return "".join(sorted(lines, key=str.lower))


if __name__ == "__main__":
    sys.stdout.write(requirements(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))))
