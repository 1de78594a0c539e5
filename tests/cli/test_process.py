"""`rootward` as a shell sees it: exit statuses, the two streams, pipes, and what is imported when."""

import os
import signal
import subprocess
import sys

import pytest

import rootward

ROOTWARD = [sys.executable, "-m", "rootward"]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "100"}


def shell(*arguments, **options):
    return subprocess.run(
        [*ROOTWARD, *map(os.fspath, arguments)], capture_output=True, text=True, env=ENVIRONMENT, timeout=300, **options
    )


def python(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=ENVIRONMENT, timeout=300)


def test_the_help_lists_the_verbs_and_loads_no_torch():
    result = shell("--help")
    assert result.returncode == 0
    for verb in ("train", "evaluate", "search"):
        assert verb in result.stdout
    loaded = python("import sys, rootward, rootward.cli; print([m for m in ('torch', 'numpy') if m in sys.modules])")
    assert loaded.stdout.strip() == "[]"


def test_the_help_of_train_lists_recipes_and_fields_without_torch():
    code = "import sys, rootward.cli as c\ntry: c.app(['train', '--help'])\nexcept SystemExit: pass\n"
    result = python(code + "print([m for m in ('torch', 'numpy', 'scipy', 'pyarrow') if m in sys.modules])")
    assert "pretrain_finetune" in result.stdout
    assert result.stdout.splitlines()[-1] == "[]"


ENTER = """
import importlib, sys
def enter(first):
    for name in [name for name in sys.modules if name.split(".")[0] == "rootward"]:
        del sys.modules[name]
    importlib.import_module(first)
    import rootward, rootward.training as t
    absent = [name for name in t.__all__ if not hasattr(t, name) or name not in dir(t)]
    print(first, callable(t.train), rootward.train is t.train, absent)
"""


def test_train_is_the_function_however_its_room_is_entered():
    doors = ("rootward.training.session", "rootward.training.run", "rootward.training", "rootward")
    told = python(f"{ENTER}for first in {doors}: enter(first)").stdout.splitlines()
    assert told == [f"{first} True True []" for first in doors]


def test_the_version_is_the_packages():
    assert shell("--version").stdout.strip() == f"rootward {rootward.__version__}"


def test_a_table_goes_to_standard_output_and_remarks_elsewhere(shop, tmp_path):
    result = shell("train", f"edges:{shop}", "--dim", "8", "--steps", "40", cwd=tmp_path)
    assert result.returncode == 0
    assert result.stdout.splitlines()[1].split()[0] == "distance"
    assert "Next:" in result.stderr
    assert "\x1b" not in result.stdout + result.stderr


def test_what_the_user_got_wrong_ends_with_2_and_one_line():
    result = shell("train", "wordnett")
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("Error: There is no file and no named source 'wordnett'")
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.skipif(os.name != "posix", reason="POSIX pipes")
def test_a_reader_that_leaves_is_no_error(run):
    with subprocess.Popen(
        [*ROOTWARD, "search", run, "-", "--json"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
    ) as process:
        process.stdout.close()
        process.stdin.write("boots\n" * 500)
        process.stdin.close()
        assert process.stderr.read() == ""
        assert process.wait(timeout=300) == 0


@pytest.mark.skipif(os.name != "posix", reason="POSIX signals")
def test_ctrl_c_ends_with_130_and_says_how_to_go_on(shop, tmp_path):
    arguments = ["train", f"edges:{shop}", "--dim", "8", "--steps", "500000", "--set", "validate_every=50"]
    with subprocess.Popen(
        [*ROOTWARD, *arguments],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
    ) as process:
        while "/500,000" not in process.stderr.readline():
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=300)
    assert (process.returncode, out) == (130, "")
    assert "Stopped. Go on with: rootward train --resume runs/shop" in err
