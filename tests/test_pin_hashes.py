"""Requirements with hashes, from what pip reports that it would install."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))
from pin_hashes import requirements

sys.path.pop(0)


def package(name, version, **where):
    return {"metadata": {"name": name, "version": version}, "download_info": {"url": f"https://x/{name}", **where}}


def test_every_package_of_a_report_gets_its_hash_but_rootward_itself():
    files = {"archive_info": {"hashes": {"sha256": "ab" * 32}}}
    report = [package("typer", "1.0", **files), package("rootward", "0.1.0", dir_info={"editable": True})]
    report.append(package("Rich", "2.0+cpu", **files))
    assert requirements({"install": report}).splitlines() == [
        f"Rich==2.0+cpu --hash=sha256:{'ab' * 32}",
        f"typer==1.0 --hash=sha256:{'ab' * 32}",
    ]


def test_a_package_without_a_hash_is_named():
    with pytest.raises(ValueError, match=r"no SHA-256 of typer 1\.0: https://x/typer"):
        requirements({"install": [package("typer", "1.0", archive_info={})]})
