"""What the benchmark of the server puts into a watched folder, and which answers it calls the same."""

import importlib.util
import sys
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "benchmarks"


def benchmark():
    """benchmarks/serve.py; the tests have a folder of that name."""
    spec = importlib.util.spec_from_file_location("benchmark_of_serve", FOLDER / "serve.py")
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(FOLDER))
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.pop(0)
    return module


def test_a_run_is_put_into_the_watched_folder_with_the_config_of_its_classifier(tmp_path):
    run = tmp_path / "run"
    (run / "classifier").mkdir(parents=True)
    for name in ("config.json", "model.safetensors", "classifier/config.json", "classifier/evidence.safetensors"):
        (run / name).write_text(name)
    benchmark().put(run, tmp_path / "watched")
    found = {path.relative_to(tmp_path / "watched").as_posix(): path for path in (tmp_path / "watched").rglob("*.*")}
    assert {name: path.read_text() for name, path in found.items()} == {name: name for name in found}
    assert set(found) == {
        "config.json",
        "model.safetensors",
        "classifier/config.json",
        "classifier/evidence.safetensors",
    }
    assert found["model.safetensors"].samefile(run / "model.safetensors")
    assert not found["config.json"].samefile(run / "config.json")


def test_answers_are_the_same_but_for_the_last_digits_of_scores():
    alike = benchmark().alike
    answer = [{"id": "boots", "score": 0.5, "path": ["shoes"]}]
    assert alike(answer, [{"id": "boots", "score": 0.50000003, "path": ["shoes"]}])
    assert not alike(answer, [{"id": "boots", "score": 0.51, "path": ["shoes"]}])
    assert not alike(answer, [{"id": "sandals", "score": 0.5, "path": ["shoes"]}])
    assert not alike(answer, [])
